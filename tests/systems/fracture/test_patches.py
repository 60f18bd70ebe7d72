from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osteon.errors import InputError
from osteon.geometry import Grid
from osteon.imaging.register import as_found
from osteon.records import Volume
from osteon.systems.fracture.boxes import SliceBox
from osteon.systems.fracture.patches import Pair, cut_patches, inner, make_pair, standardised
from tests.systems.fracture.scenes import GRID, TINY

PLAIN = replace(TINY, side_px=8, margin=0.0)
BOX = SliceBox(index=2, x0=20, y0=10, x1=28, y1=18)


def ramp(grid: Grid) -> Volume:
    """Every voxel holds x + 100 y + 10000 z of its place in mm: linear, so that sampling it is exact."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)[..., ::-1]
    mm = grid.to_mm(index.reshape(-1, 3)).reshape(index.shape)
    return Volume(array=(mm @ (1.0, 100.0, 10000.0)).astype(np.float64), grid=grid, modality="MR")


def test_t2_pixels_of_a_box_as_large_as_the_patch_are_the_slices_own() -> None:
    volume = ramp(GRID)
    patch = cut_patches(make_pair(volume, volume, registration="none"), [BOX], config=PLAIN)[0]
    # channels 3 to 5 are T2 before, at and after; the view's slices run to the left, GRID's to the right
    for channel, slice_ in ((3, 3), (4, 2), (5, 1)):
        assert patch[channel] == pytest.approx(volume.array[slice_, 10:18, 20:28].astype(np.float32), rel=1e-6)


def test_t1_of_another_grid_shows_the_same_place() -> None:
    finer = Grid(shape=(9, 90, 90), spacing_mm=(1.25, 1.25, 2.5), origin_mm=(9.0, -50.0, 3.0), direction=GRID.direction)
    patch = cut_patches(make_pair(ramp(GRID), ramp(finer), registration="none"), [BOX], config=PLAIN)[0]
    assert patch[:3] == pytest.approx(patch[3:], rel=1e-5, abs=2.0)


def test_t1_is_looked_for_where_the_patient_moved_to() -> None:
    matrix = np.eye(4)
    matrix[:3, 3] = (0.0, 4.0, -6.0)
    pair = make_pair(ramp(GRID), ramp(GRID), registration="none")
    moved = Pair(t2=pair.t2, t1=pair.t1, moved=replace(as_found(), matrix=matrix))
    patch = cut_patches(moved, [BOX], config=PLAIN)[0]
    assert patch[1] - patch[4] == pytest.approx(np.full((8, 8), 400.0 - 60000.0), rel=1e-4)


def test_a_t1_of_another_place_is_refused() -> None:
    away = replace(GRID, origin_mm=(8.0, -48.0, -200.0))
    with pytest.raises(InputError, match="T1 shows 0%"):
        cut_patches(make_pair(ramp(GRID), ramp(away), registration="none"), [BOX], config=PLAIN)


def test_the_inner_part_of_a_patch_with_margins_is_the_patch_without() -> None:
    pair = make_pair(ramp(GRID), ramp(GRID), registration="none")
    wide = cut_patches(pair, [BOX], config=replace(PLAIN, margin=0.5))
    assert wide.shape == (1, 6, 16, 16)
    assert inner(wide, margin_px=4) == pytest.approx(cut_patches(pair, [BOX], config=PLAIN))


def test_every_channel_gets_mean_0_and_sd_1_and_a_flat_one_0() -> None:
    patches = np.random.default_rng(0).normal(300, 40, (2, 6, 8, 8)).astype(np.float32)
    patches[1, 2] = 7.0
    ready = standardised(patches)
    assert ready.mean(axis=(2, 3)) == pytest.approx(np.zeros((2, 6)), abs=1e-5)
    wanted = np.ones((2, 6))
    wanted[1, 2] = 0.0
    assert ready.std(axis=(2, 3)) == pytest.approx(wanted, abs=1e-4)
