from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from osteon.dicom.stack import sheared_grid
from osteon.dicom.tilt import straighten
from osteon.geometry import Grid


@pytest.mark.parametrize("shear", [(0.0, 1.0), (0.0, -1.0), (2.0, 0.0), (-1.0, 3.0)])
def test_whole_pixels_are_moved_not_mixed(shear: tuple[float, float]) -> None:
    array = np.random.default_rng(0).integers(0, 1000, (4, 6, 5)).astype(np.int16)
    result = straighten(array, shear, fill=-1)
    grid = Grid(shape=array.shape)
    new = sheared_grid(grid, np.array(shear))
    assert result.shape == new.shape
    for z, y, x in np.ndindex(array.shape):
        place = grid.to_mm((x + z * shear[0], y + z * shear[1], z))
        i, j, k = np.rint(new.to_index(place)).astype(int)
        assert result[k, j, i] == array[z, y, x]
    assert (result == -1).sum() == result.size - array.size


def test_parts_of_a_pixel_are_interpolated_as_scipy_does() -> None:
    array = np.random.default_rng(1).normal(size=(3, 9, 8)).astype(np.float32)
    result = straighten(array, (0.3, 0.45), fill=0)
    for index, plane in enumerate(array):
        padded = np.pad(plane, ((0, result.shape[1] - 9), (0, result.shape[2] - 8)))
        moved = ndimage.shift(padded, (index * 0.45, index * 0.3), order=1)
        inner = (slice(2, 8), slice(2, 7))
        assert np.allclose(result[index][inner], moved[inner], atol=1e-5)
