import numpy as np
import pytest

from osteon.geometry import Grid
from osteon.imaging.canonical import canonical
from osteon.records import Volume

SAGITTAL = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))  # columns: index x runs back, y down, z to the right
TILTED = ((1.0, 0.0, 0.0), (0.0, np.cos(0.5), -np.sin(0.5)), (0.0, np.sin(0.5), np.cos(0.5)))


def make(direction):
    rng = np.random.default_rng(3)
    grid = Grid(shape=(5, 6, 7), spacing_mm=(1.0, 2.0, 3.0), origin_mm=(10, -20, 30), direction=direction)
    return Volume(array=rng.normal(size=grid.shape), grid=grid, modality="CT")


@pytest.mark.parametrize("direction", [SAGITTAL, TILTED])
def test_every_voxel_keeps_its_place(direction):
    volume = make(direction)
    axial = canonical(volume)
    for z, y, x in [(0, 0, 0), (1, 2, 3), (3, 1, 0)]:
        point = axial.grid.to_mm((x, y, z))
        i, j, k = np.rint(volume.grid.to_index(point)).astype(int)
        assert axial.array[z, y, x] == volume.array[k, j, i]


def test_axes_run_to_head_back_and_left():
    axial = canonical(make(SAGITTAL))
    assert np.allclose(axial.grid.axes, np.eye(3))


@pytest.mark.parametrize("direction", [SAGITTAL, TILTED])
def test_masks_come_back_to_the_source(direction):
    volume = make(direction)
    axial = canonical(volume)
    assert np.array_equal(axial.to_source(np.ascontiguousarray(axial.array)), volume.array)


def test_tilt_is_the_angle_to_the_long_axis():
    assert canonical(make(TILTED)).tilt_deg() == pytest.approx(np.rad2deg(0.5))


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, 1)])
def test_masks_are_copied_only_where_the_source_is_turned(signs):
    volume = make(tuple(tuple(row) for row in np.diag(signs).astype(float)))
    axial = canonical(volume)
    mask = np.ascontiguousarray(axial.array)
    back = axial.to_source(mask)
    assert np.array_equal(back, volume.array)
    assert np.shares_memory(back, mask) == (signs == (1, 1, 1))
