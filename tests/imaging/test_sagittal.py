from __future__ import annotations

import numpy as np
import pytest

from osteon.geometry import Grid
from osteon.imaging.sagittal import sagittal
from osteon.records import Volume

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
SAGITTAL = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
BACKWARDS = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
OBLIQUE = ((0.0, 0.28, 0.96), (1.0, 0.0, 0.0), (0.0, -0.96, 0.28))


@pytest.mark.parametrize("direction", [AXIAL, SAGITTAL, BACKWARDS, OBLIQUE])
def test_every_voxel_keeps_its_place_and_comes_back(direction: tuple[tuple[float, float, float], ...]) -> None:
    grid = Grid(shape=(4, 6, 5), spacing_mm=(1.0, 2.0, 3.0), origin_mm=(7.0, -3.0, 11.0), direction=direction)  # type: ignore[arg-type]
    array = np.random.default_rng(0).integers(1, 9999, grid.shape).astype(np.int16)
    turned = sagittal(Volume(array=array, grid=grid, modality="MR"))
    for place in np.ndindex(turned.array.shape):
        point = turned.grid.to_mm(place[::-1])
        x, y, z = np.rint(grid.to_index(point)).astype(int)
        assert array[z, y, x] == turned.array[place]
    np.testing.assert_array_equal(turned.to_source(turned.array), array)


def test_slices_run_left_rows_down_columns_back() -> None:
    grid = Grid(shape=(4, 6, 5), spacing_mm=(1.0, 2.0, 3.0), direction=BACKWARDS)
    axes = sagittal(Volume(array=np.zeros(grid.shape, np.int16), grid=grid, modality="MR")).grid.axes
    np.testing.assert_allclose(axes[:, 2], (1, 0, 0))  # slices, to the left
    np.testing.assert_allclose(axes[:, 1], (0, 0, -1))  # rows, to the feet
    np.testing.assert_allclose(axes[:, 0], (0, 1, 0))  # columns, to the back
