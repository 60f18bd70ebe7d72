from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import InputError
from osteon.geometry import Grid
from osteon.imaging.sagittal import sagittal
from osteon.records import Volume
from osteon.systems.fracture.boxes import (
    SliceBox,
    box_round,
    check_inside,
    moved_to,
    neighbours,
    sample_points,
    square,
)
from tests.systems.fracture.scenes import GRID


def box(index: int = 2, edges: tuple[float, float, float, float] = (10.0, 20.0, 20.0, 24.0)) -> SliceBox:
    return SliceBox(index=index, x0=edges[0], y0=edges[1], x1=edges[2], y1=edges[3])


def test_the_square_keeps_the_middle_and_the_longer_side() -> None:
    # 10 x 4 pixels of 2 mm: 20 x 8 mm about (15, 22), so 20 x 20 mm, rows 17 to 27
    assert square(box(), GRID).edges == (10.0, 17.0, 20.0, 27.0)


def test_the_square_is_one_in_millimetres_where_pixels_are_not() -> None:
    grid = Grid(shape=(3, 60, 60), spacing_mm=(1.0, 2.0, 4.0), origin_mm=(0, 0, 0), direction=GRID.direction)
    # 10 mm wide, 8 mm high about (15, 22): 10 mm high are 5 rows
    assert square(box(), grid).edges == (10.0, 19.5, 20.0, 24.5)


def test_pixels_of_a_patch_meet_the_edges_of_the_box() -> None:
    x, y = sample_points(SliceBox(index=0, x0=10, y0=20, x1=18, y1=24), side_px=4)
    # four columns of 2 pixels each: centres at edges 11, 13, 15, 17, which are indices 10.5 ...
    assert x.tolist() == [10.5, 12.5, 14.5, 16.5]
    # four rows of 1 pixel each: just the pixels 20 to 23
    assert y.tolist() == [20.0, 21.0, 22.0, 23.0]


def test_margins_go_on_at_the_same_spacing() -> None:
    x, _ = sample_points(SliceBox(index=0, x0=10, y0=20, x1=18, y1=24), side_px=4, margin_px=1)
    assert x.tolist() == [8.5, 10.5, 12.5, 14.5, 16.5, 18.5]


def test_a_box_on_a_flipped_grid_marks_the_same_place() -> None:
    # GRID's slices run to the right; the sagittal view's run to the left: slice 1 of 5 becomes slice 3
    view = sagittal(Volume(array=np.zeros(GRID.shape, np.int16), grid=GRID, modality="MR")).grid
    moved = moved_to(box(index=1), GRID, to=view)
    assert moved.index == 3
    assert moved.edges == pytest.approx(box().edges)


def test_a_box_on_an_axial_slice_is_refused() -> None:
    cube = Grid(
        shape=(40, 40, 40), spacing_mm=(1, 1, 1), origin_mm=(0, 0, 0), direction=((1, 0, 0), (0, 1, 0), (0, 0, 1))
    )
    view = sagittal(Volume(array=np.zeros(cube.shape, np.int16), grid=cube, modality="MR")).grid
    with pytest.raises(InputError, match="sagittal slice"):
        moved_to(box(), cube, to=view)


def test_a_point_becomes_a_square_round_it_on_its_slice() -> None:
    # index (24, 20, 3): the middle of pixel 24 has the edge coordinate 24.5; 12 mm are 6 pixels of 2 mm
    point = GRID.to_mm((24.0, 20.0, 3.2))
    found = box_round((float(point[0]), float(point[1]), float(point[2])), GRID, side_mm=12.0)
    assert found.index == 3
    assert found.edges == pytest.approx((21.5, 17.5, 27.5, 23.5))


def test_a_point_outside_is_refused() -> None:
    with pytest.raises(InputError, match="outside"):
        box_round((500.0, 0.0, 0.0), GRID, side_mm=12.0)


@pytest.mark.parametrize(("index", "wanted"), [(2, [1, 2, 3]), (0, [0, 1]), (4, [3, 4])])
def test_neighbours_end_where_the_series_does(index: int, wanted: list[int]) -> None:
    assert [one.index for one in neighbours(box(index=index), GRID)] == wanted


@pytest.mark.parametrize("wrong", [box(index=5), box(edges=(40.0, 20.0, 49.0, 24.0))])
def test_a_box_that_leaves_the_series_is_refused(wrong: SliceBox) -> None:
    with pytest.raises(InputError, match="slice"):
        check_inside(wrong, GRID)
