from __future__ import annotations

import base64
import io

import matplotlib.path
import numpy as np
import pytest
from PIL import Image

from osteon.report.pictures import (
    enlarge,
    grey_window,
    jpeg_uri,
    make_picture,
    outline,
    picture_size,
    scale_bar,
    to_grey,
)
from osteon.report.views import Plane


def _plane(height: int = 20, width: int = 30, mm: tuple[float, float] = (2.0, 1.0)) -> Plane:
    labels = np.zeros((height, width), np.uint16)
    labels[4:9, 10:22] = 3
    labels[6, 14] = 0  # a hole
    return Plane(axis=0, index=0, pixels=np.full((height, width), 300, np.int16), labels=labels, mm=mm)


def _decode(uri: str) -> np.ndarray:
    assert uri.startswith("data:image/jpeg;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_bone_window() -> None:
    window = grey_window(np.zeros((1, 1, 1), np.int16), "CT")
    assert window == (-450.0, 1050.0)
    values = np.array([[-2000, -450, 300, 1050, 3000, np.nan]])
    assert to_grey(values, window).tolist() == [[0, 0, 127, 255, 255, 0]]


def test_other_modalities_are_windowed_by_percentile() -> None:
    array = np.random.default_rng(0).normal(100, 10, (20, 30, 40))
    low, high = grey_window(array, "MR")
    assert low == pytest.approx(np.percentile(array, 1), abs=0.5)
    assert high == pytest.approx(np.percentile(array, 99.5), abs=0.5)
    low, high = grey_window(np.zeros((3, 3, 3)), "MR")
    assert high > low


def test_true_proportions() -> None:
    assert picture_size(_plane(), 400) == (300, 400)  # 30 mm wide, 40 mm high
    assert picture_size(_plane(mm=(1.0, 4.0)), 600) == (600, 100)


def test_outline_runs_round_exactly_the_labelled_voxels() -> None:
    plane = _plane()
    size = picture_size(plane, 400)
    drawn = outline(plane, 3, size)
    assert drawn is not None
    paths = [
        matplotlib.path.Path([tuple(map(float, point.split(","))) for point in polygon.split()])
        for polygon in drawn.polygons
    ]
    rows, columns = np.mgrid[0:20, 0:30]
    centres = np.stack([(columns + 0.5) * size[0] / 30, (rows + 0.5) * size[1] / 20], axis=-1).reshape(-1, 2)
    inside = sum(path.contains_points(centres).astype(int) for path in paths) % 2 == 1
    np.testing.assert_array_equal(inside.reshape(20, 30), plane.labels == 3)
    assert outline(plane, 4, size) is None


def test_one_voxel_has_an_outline() -> None:
    plane = _plane()
    plane.labels[:] = 0
    plane.labels[0, 0] = 1
    drawn = outline(plane, 1, (300, 400))
    assert drawn is not None
    assert len(drawn.polygons) == 1


def test_picture_holds_the_plane_its_boxes_and_its_marks() -> None:
    pixels = np.tile(np.linspace(-450, 1050, 30), (20, 1))
    plane = Plane(axis=2, index=0, pixels=pixels, labels=_plane().labels, mm=(2.0, 1.0))
    picture = make_picture(
        plane,
        window=(-450.0, 1050.0),
        longest_px=400,
        max_bytes=50_000,
        alt="alt",
        caption="caption",
        outlines=(3, 9),
        boxes=((3, (4, 9, 10, 22), True),),
    )
    assert (picture.width, picture.height, picture.marks) == (300, 400, ("A", "P"))
    image = _decode(picture.uri)
    assert image.shape == (400, 300)
    assert image[:, 10].mean() < 20
    assert image[:, -10].mean() > 235
    (box,) = picture.rectangles
    assert (box.x, box.y, box.width, box.height, box.main) == (100, 80, 120, 100, True)
    assert [shape.number for shape in picture.outlines] == [3]
    assert (picture.bar_px, picture.bar_text) == (100, "10 mm")


def test_pictures_stay_below_their_limit() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (512, 512), dtype=np.uint8)
    assert len(base64.b64decode(jpeg_uri(noise, max_bytes=90_000).split(",")[1])) <= 90_000
    flat = np.zeros((64, 64), np.uint8)
    assert (_decode(jpeg_uri(flat, max_bytes=10_000)) == 0).all()


@pytest.mark.parametrize("size", [(7, 5), (60, 44), (31, 22), (1, 1)])
def test_enlarge_gives_the_size_asked_for_and_keeps_the_mean(size: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).integers(90, 160, (22, 31), dtype=np.uint8)
    resized = enlarge(grey, size)
    assert resized.shape == (size[1], size[0])
    assert resized.mean() == pytest.approx(grey.mean(), abs=6 if size == (1, 1) else 4)


@pytest.mark.parametrize(
    ("px_per_mm", "width", "expected"),
    [
        (1.0, 600, (200.0, "20 cm")),
        (1.0, 450, (100.0, "10 cm")),
        (8.0, 320, (80.0, "10 mm")),
        (50.0, 30, (50.0, "1 mm")),
    ],
)
def test_scale_bar(px_per_mm: float, width: int, expected: tuple[float, str]) -> None:
    assert scale_bar(px_per_mm, width) == expected
