"""Regions and slices that the networks get, against what they must be."""

from __future__ import annotations

import numpy as np
import pytest

from osteon.geometry import Grid
from osteon.records import Volume
from osteon.systems.tumor.detector import strongest
from osteon.systems.tumor.frames import (
    box_to_view,
    cut_region,
    evened_out,
    fit_picture,
    grey_frames,
    neighbours,
    spread,
)


@pytest.mark.parametrize(
    ("middle", "count", "frames", "wanted"),
    [
        (10, 20, 4, [8, 9, 10, 11]),
        (0, 20, 4, [0, 1, 2, 3]),
        (19, 20, 4, [16, 17, 18, 19]),
        (1, 2, 4, [0, 0, 1, 1]),
        (1, 3, 8, [0, 0, 0, 1, 1, 1, 2, 2]),
    ],
)
def test_neighbouring_slices(middle: int, count: int, frames: int, wanted: list[int]) -> None:
    assert neighbours(middle, count=count, frames=frames).tolist() == wanted


def test_labelled_slices_are_repeated_in_order() -> None:
    assert spread(np.array([3, 7, 8]), 4).tolist() == [3, 3, 7, 8]


def test_a_region_is_what_lies_in_the_box() -> None:
    frames = np.arange(3 * 40 * 50, dtype=np.int64).reshape(3, 40, 50) % 251
    frames = frames.astype(np.uint8)
    region = cut_region(frames, np.array([2, 0]), np.array([5.0, 10.0, 25.0, 30.0]), side=20, margin=1.0)
    np.testing.assert_array_equal(region, frames[[2, 0], 10:30, 5:25])


def test_a_region_beyond_the_picture_is_black() -> None:
    frames = np.full((1, 20, 20), 200, np.uint8)
    region = cut_region(frames, np.array([0]), np.array([0.0, 0.0, 10.0, 10.0]), side=20, margin=2.0)
    assert (region[0, :4, :] == 0).all()
    assert (region[0, 8:, 8:] == 200).all()


def test_pictures_keep_their_proportions() -> None:
    picture, factor = fit_picture(np.full((40, 20, 1), 100, np.uint8), 80)
    assert picture.shape == (80, 80, 1)
    assert factor == 2.0
    assert picture[:, :40].min() == 100
    assert picture[:, 40:].max() == 0


def test_coil_shading_is_divided_out_and_a_lesion_stays() -> None:
    shading = np.linspace(0.2, 1.0, 256)
    picture = np.rint(120 * shading)[None, :, None].repeat(256, axis=0)
    picture[60:76, 60:76] *= 2
    even = evened_out(picture.astype(np.uint8), spread=0.15)[..., 0]
    row = even[200, 40:216]
    assert row.max() / row.min() < 1.4  # from 3.6 before
    assert even[60:76, 60:76].mean() > 1.5 * even[60:76, 84:100].mean()


def test_shading_stays_where_nothing_is_asked() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 30, 3)).astype(np.uint8)
    np.testing.assert_array_equal(evened_out(picture, spread=0.0), picture.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(
    "direction",
    [
        ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),  # columns to the back, rows to the feet
        ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),  # columns to the head, rows to the back
    ],
)
def test_boxes_follow_the_picture_into_the_sagittal_view(direction: tuple[tuple[float, ...], ...]) -> None:
    array = np.zeros((4, 30, 24), np.int16)
    array[2, 5:9, 10:20] = 1000
    grid = Grid(shape=(4, 30, 24), spacing_mm=(1.0, 1.0, 4.0), origin_mm=(3.0, 2.0, 1.0), direction=direction)
    view, frames = grey_frames(Volume(array=array, grid=grid, modality="MR"))
    index, (x0, y0, x1, y1) = box_to_view((10, 5, 20, 9), 2, source=grid, view=view.grid)
    bright = np.argwhere(frames > 0)
    assert set(bright[:, 0]) == {index}
    low, high = bright.min(axis=0), bright.max(axis=0) + 1
    np.testing.assert_allclose([x0, y0, x1, y1], [low[2], low[1], high[2], high[1]])


def test_the_malignant_share_is_that_of_the_place() -> None:
    boxes = np.array([[10, 10, 30, 30], [11, 10, 30, 31], [60, 60, 80, 80]], np.float32)
    scores, labels = np.array([0.6, 0.2, 0.5]), np.array([2, 1, 1])
    found = strongest(boxes, scores, labels, index=3, factor=2.0, threshold=0.3, shape=(50, 50))
    assert found is not None
    assert found.box == (5.0, 5.0, 15.0, 15.0)
    assert (found.index, found.score) == (3, 0.6)
    assert found.malignant == pytest.approx(0.6 / 0.8)
    assert strongest(boxes, scores, labels, index=3, factor=2.0, threshold=0.7, shape=(50, 50)) is None
