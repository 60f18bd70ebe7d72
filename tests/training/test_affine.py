from __future__ import annotations

import numpy as np
import pytest

from osteon.training.affine import about, linear_part, transform_boxes, warp

IMAGE = np.random.default_rng(0).random((2, 6, 8), dtype=np.float32)


def test_identity_copies() -> None:
    matrix = about((0, 0), (0, 0), linear=linear_part())
    np.testing.assert_array_equal(warp(IMAGE, matrix, (6, 8)), IMAGE)


def test_mirror_is_numpys_flip() -> None:
    matrix = about((4, 3), (4, 3), linear=linear_part(mirror=True))
    np.testing.assert_allclose(warp(IMAGE, matrix, (6, 8)), IMAGE[:, :, ::-1], atol=1e-6)


def test_quarter_turn_is_numpys_rot90() -> None:
    matrix = about((4, 3), (3, 4), linear=linear_part(angle_deg=90))
    np.testing.assert_allclose(warp(IMAGE, matrix, (8, 6)), np.rot90(IMAGE, -1, axes=(1, 2)), atol=1e-6)


def test_whole_zoom_repeats_each_pixel_for_labels() -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    matrix = about((0, 0), (0, 0), linear=linear_part(zoom=2))
    expected = labels.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(warp(labels, matrix, (6, 8), nearest=True), expected)


def test_shift_leaves_the_fill() -> None:
    matrix = about((0, 0), (3, 0), linear=linear_part())
    moved = warp(IMAGE, matrix, (6, 8), fill=7)
    assert (moved[:, :, :3] == 7).all()
    np.testing.assert_array_equal(moved[:, :, 3:], IMAGE[:, :, :5])


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_boxes_go_where_their_pixels_go(angle: float, mirror: bool) -> None:
    image = np.zeros((1, 40, 40), dtype=np.float32)
    image[0, 5:17, 10:16] = 1
    matrix = about((20, 20), (22, 19), linear=linear_part(angle_deg=angle, mirror=mirror))
    rows, columns = np.nonzero(warp(image, matrix, (40, 40))[0] > 0.5)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    boxes = transform_boxes(np.array([[10, 5, 16, 17]], dtype=np.float32), matrix)
    np.testing.assert_allclose(boxes, [expected], atol=1e-4)


def test_no_boxes() -> None:
    matrix = about((0, 0), (0, 0), linear=linear_part())
    assert transform_boxes(np.zeros((0, 4), dtype=np.float32), matrix).shape == (0, 4)
