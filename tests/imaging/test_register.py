from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from osteon.errors import UsageError
from osteon.geometry import Grid
from osteon.imaging.register import covered, register, resample, self_overlap
from osteon.records import Volume

SAGITTAL = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
GRID = Grid(shape=(16, 120, 110), spacing_mm=(2.0, 2.0, 4.0), origin_mm=(-30.0, -90.0, 120.0), direction=SAGITTAL)
MIDDLE = GRID.to_mm((np.asarray(GRID.shape[::-1]) - 1) / 2)


def tissue(seed: int = 0) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=GRID.shape), (1.0, 4.0, 4.0))
    return ((noise - noise.min()) / np.ptp(noise) * 1000).astype(np.float32)


def movement(shift_mm: tuple[float, float, float], turn_deg: float = 0.0) -> np.ndarray:
    """About the left-right axis through the middle."""
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    matrix = np.eye(4)
    matrix[:3, :3] = [[1, 0, 0], [0, c, -s], [0, s, c]]
    matrix[:3, 3] = MIDDLE - matrix[:3, :3] @ MIDDLE + np.asarray(shift_mm)
    return matrix


def moved(array: np.ndarray, matrix: np.ndarray) -> Volume:
    """What the scanner sees after the patient has moved: contrast turned round, as between two sequences."""
    return Volume(array=resample(1000 - array, GRID, onto=GRID, matrix=np.linalg.inv(matrix)), grid=GRID, modality="MR")


@pytest.mark.parametrize(
    ("method", "matrix"),
    [("shift", movement((0.0, 5.0, -3.0))), ("rigid", movement((0.0, -4.0, 6.0), 3.0)), ("rigid", movement((0, 0, 0)))],
)
def test_a_known_movement_is_found(method: str, matrix: np.ndarray) -> None:
    fixed = tissue()
    found = register(Volume(array=fixed, grid=GRID, modality="MR"), moved(fixed, matrix), method=method)
    assert found.accepted
    inner = np.random.default_rng(1).uniform(0.2, 0.8, (40, 3)) * (np.asarray(GRID.shape[::-1]) - 1)
    points = GRID.to_mm(inner)
    ours, true = (points @ m[:3, :3].T + m[:3, 3] for m in (found.matrix, matrix))
    assert np.linalg.norm(ours - true, axis=1).max() < 0.7  # a third of a pixel


def test_the_same_images_give_the_same_answer() -> None:
    fixed = Volume(array=tissue(), grid=GRID, modality="MR")
    other = moved(tissue(), movement((0, 3.0, 2.0), 1.0))
    np.testing.assert_array_equal(register(fixed, other).matrix, register(fixed, other).matrix)


def test_what_cannot_be_registered_stays_where_the_headers_say() -> None:
    fixed = Volume(array=tissue(), grid=GRID, modality="MR")
    flat = Volume(array=np.full(GRID.shape, 7, np.float32), grid=GRID, modality="MR")
    for other in (flat, moved(tissue(), movement((0.0, 60.0, 0.0)))):
        found = register(fixed, other)
        if found.accepted:
            assert found.shift_mm <= 25
        else:
            np.testing.assert_array_equal(found.matrix, np.eye(4))
            assert "not registered" in found.how
    assert not register(fixed, flat).accepted


def test_none_is_the_identity_and_another_method_an_error() -> None:
    volume = Volume(array=tissue(), grid=GRID, modality="MR")
    np.testing.assert_array_equal(register(volume, volume, method="none").matrix, np.eye(4))
    with pytest.raises(UsageError, match="elastic"):
        register(volume, volume, method="elastic")


def test_resampling_agrees_with_scipy_on_another_grid() -> None:
    array = tissue()
    onto = Grid(shape=(9, 40, 50), spacing_mm=(3.1, 2.7, 5.0), origin_mm=(-20.0, -70.0, 100.0), direction=SAGITTAL)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in onto.shape), indexing="ij"), axis=-1)[..., ::-1]
    source = GRID.to_index(onto.to_mm(index))[..., ::-1]
    inside = ((source >= 0) & (source <= np.asarray(GRID.shape) - 1)).all(axis=-1)
    expected = ndimage.map_coordinates(array, source.transpose(3, 0, 1, 2), order=1)
    np.testing.assert_allclose(resample(array, GRID, onto=onto)[inside], expected[inside], atol=0.05)
    assert inside.sum() > 1000


def test_labels_keep_type_and_values() -> None:
    labels = np.random.default_rng(0).integers(0, 60000, GRID.shape).astype(np.uint16)
    np.testing.assert_array_equal(resample(labels, GRID, onto=GRID, nearest=True), labels)


def test_coverage_and_self_overlap() -> None:
    mask = np.zeros(GRID.shape, bool)
    mask[6:10, 20:30, 40:50] = True
    half = GRID.cropped((0, 0, 0), (16, 25, 110))
    assert covered(GRID, by=half, matrix=np.eye(4), mask=mask) == pytest.approx(0.5)
    assert covered(GRID, by=GRID, matrix=np.eye(4)) == 1
    assert covered(GRID, by=GRID, matrix=movement((0, 0, 500.0))) == 0
    assert self_overlap(mask, shift_vox=np.array([0, 5, 0])) == pytest.approx(0.5)
    assert self_overlap(mask, shift_vox=np.array([0, -50, 0])) == 0
    assert self_overlap(np.zeros(GRID.shape, bool), shift_vox=np.zeros(3)) == 1
