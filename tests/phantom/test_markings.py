from __future__ import annotations

import numpy as np
import pytest

from osteon.geometry import Grid
from osteon.phantom.markings import drawn_outline, marked_slices, normal_places
from osteon.phantom.readers import Mark

GRID = Grid(shape=(30, 40, 50), spacing_mm=(0.8, 0.8, 2.0), origin_mm=(-10, 5, 100))


def mark(low: tuple[float, float, float], high: tuple[float, float, float]) -> Mark:
    return Mark(reader="r", case="p", on="lesion", number=1, centre_mm=low, low_mm=low, high_mm=high, confidence=1.0)


def test_slices_that_a_box_touches_are_marked() -> None:
    """Slice k is 2 mm thick about 100 + 2 k."""
    touched = marked_slices([mark((0, 10, 106.5), (5, 15, 111.5)), mark((0, 0, 500), (1, 1, 501))], GRID)
    assert np.flatnonzero(touched).tolist() == [3, 4, 5, 6]
    assert not marked_slices([], GRID).any()


def test_a_flipped_grid_marks_the_same_places() -> None:
    flipped = Grid(
        shape=(30, 40, 50),
        spacing_mm=(0.8, 0.8, 2.0),
        origin_mm=(-10, 5, 158),
        direction=((1, 0, 0), (0, 1, 0), (0, 0, -1)),
    )
    marks = [mark((0, 10, 106.5), (5, 15, 111.5))]
    np.testing.assert_array_equal(marked_slices(marks, flipped)[::-1], marked_slices(marks, GRID))


def test_normal_places_are_in_bone_and_away_from_lesions() -> None:
    bone, lesions = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint16)
    bone[5:25, 10:30, 10:40] = 1
    lesions[14:17, 18:22, 20:25] = 3
    places = normal_places(bone, lesions, GRID, count=200, seed=2, away_mm=6.0)
    assert places.shape == (200, 3)
    x, y, z = np.rint(GRID.to_index(places)).astype(int).T
    assert bone[z, y, x].all()
    inside = GRID.to_mm(np.argwhere(lesions > 0)[:, ::-1])
    nearest = np.linalg.norm(places[:, None] - inside[None], axis=2).min(axis=1)
    assert nearest.min() > 6.0
    np.testing.assert_array_equal(places, normal_places(bone, lesions, GRID, count=200, seed=2, away_mm=6.0))
    assert len(normal_places(np.zeros_like(bone), lesions, GRID, count=5, seed=0)) == 0


@pytest.mark.parametrize("margin", [-2.0, 0.0, 2.0])
def test_an_outline_moves_a_ball_edge_by_the_margin(margin: float) -> None:
    z, y, x = np.mgrid[-20:21, -20:21, -20:21]
    ball = np.sqrt(x**2.0 + y**2 + z**2) <= 9
    drawn = drawn_outline(ball, spacing_mm=(1, 1, 1), margin_mm=margin)
    radius = (3 * drawn.sum() / (4 * np.pi)) ** (1 / 3)
    assert radius == pytest.approx(9 + margin, abs=0.6)
    assert not drawn_outline(np.zeros_like(ball), spacing_mm=(1, 1, 1), margin_mm=margin).any()
