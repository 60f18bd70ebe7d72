from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from osteon.errors import UsageError
from osteon.geometry import Grid
from osteon.imaging.fixed_size import along_slices, fixed_size


@pytest.mark.parametrize("shape", [(24, 448, 448), (15, 300, 200), (40, 130, 260)])
def test_a_ball_comes_back_to_where_it_was(shape: tuple[int, int, int]) -> None:
    grid = Grid(shape=shape, spacing_mm=(0.8, 0.8, 3.0))
    z, y, x = (np.arange(length).reshape(-1, *([1] * (2 - axis))) for axis, length in enumerate(shape))
    centre = np.asarray(shape) * (0.55, 0.4, 0.6)
    distance = ((z - centre[0]) * 3.0) ** 2 + ((y - centre[1]) * 0.8) ** 2 + ((x - centre[2]) * 0.8) ** 2
    ball = (distance < 18.0**2).astype(np.float32)
    plan = fixed_size(grid, (24, 224, 224))
    small = plan.to_fixed(ball)
    assert small.shape == (24, 224, 224)
    back = plan.to_source(small)
    assert back.shape == shape
    np.testing.assert_allclose(ndimage.center_of_mass(back), ndimage.center_of_mass(ball), atol=0.1)
    overlap = np.count_nonzero((back > 0.5) & (ball > 0))
    assert 2 * overlap / (np.count_nonzero(back > 0.5) + np.count_nonzero(ball)) > 0.93


def test_nothing_is_stretched_and_nothing_is_done_where_sizes_agree() -> None:
    grid = Grid(shape=(3, 100, 50), spacing_mm=(1.0, 1.0, 4.0))
    plan = fixed_size(grid, (3, 100, 100))
    array = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    fixed = plan.to_fixed(array)
    np.testing.assert_array_equal(fixed[:, :, 25:75], array)
    assert not fixed[:, :, :25].any()
    np.testing.assert_array_equal(plan.to_source(fixed), array)


def test_labels_stay_labels() -> None:
    labels = np.random.default_rng(0).integers(0, 60_000, (5, 37, 41)).astype(np.uint16)
    plan = fixed_size(Grid(shape=labels.shape), (8, 64, 64))
    found = plan.to_fixed(labels, nearest=True)
    assert found.dtype == np.uint16
    assert set(np.unique(found)) <= set(np.unique(labels)) | {0}


@pytest.mark.parametrize("count", [2, 5, 11])
def test_slices_agree_with_interpolation_between_their_middles(count: int) -> None:
    values = np.random.default_rng(1).random((5, 3)).astype(np.float32)
    where = (np.arange(count) + 0.5) * 5 / count - 0.5
    expected = np.stack([np.interp(where, np.arange(5), column) for column in values.T], axis=1)
    np.testing.assert_allclose(along_slices(values, count), expected, atol=1e-6)


def test_a_size_must_be_one() -> None:
    with pytest.raises(UsageError, match="positive"):
        fixed_size(Grid(shape=(3, 4, 5)), (0, 4, 4))
