import numpy as np
import pytest

from osteon.errors import UsageError
from osteon.imaging.slices import Window, context_step, neighbour_indices, pad_to_multiple, resize_slice


def test_window_maps_its_ends_and_clips():
    values = Window(low_hu=-200, high_hu=1000).apply(np.array([[-1024, -200, 400, 1000, 3000]], dtype=np.int16))
    assert values.tolist() == [[0.0, 0.0, 0.5, 1.0, 1.0]]


def test_window_ends_must_rise():
    with pytest.raises(UsageError, match="lower end first"):
        Window(low_hu=100, high_hu=100)


def test_resize_keeps_field_of_view_and_place():
    image = np.zeros((40, 60), dtype=np.float32)
    image[10:20, 30:45] = 1
    fine = resize_slice(image, from_mm=(2.0, 1.0), to_mm=0.5)
    assert fine.shape == (80, 240)
    rows, columns = np.nonzero(fine > 0.5)
    assert abs(rows.mean() * 0.5 - 14.75) < 0.3
    assert abs(columns.mean() * 0.5 - 74.75) < 0.6


def test_resize_nearest_makes_no_new_labels():
    labels = np.random.default_rng(0).choice([0, 3, 7], (33, 41)).astype(np.uint8)
    assert set(np.unique(resize_slice(labels, from_mm=(1.1, 0.9), to_mm=0.7, nearest=True))) <= {0, 3, 7}


def test_shrinking_averages():
    board = np.indices((64, 64)).sum(axis=0) % 2
    small = resize_slice(board.astype(np.float32), from_mm=(1, 1), to_mm=4.0)
    assert np.allclose(small, 0.5)


@pytest.mark.parametrize(("index", "expected"), [(0, (0, 0, 2)), (5, (3, 5, 7)), (9, (7, 9, 9))])
def test_neighbours_repeat_at_the_ends(index, expected):
    assert neighbour_indices(index, count=10, step=2) == expected


@pytest.mark.parametrize(("spacing", "context", "step"), [(1.0, 2.5, 2), (2.5, 2.5, 1), (5.0, 2.5, 1), (1.0, 0.0, 0)])
def test_context_step(spacing, context, step):
    assert context_step(spacing, context) == step


def test_padding_reaches_the_next_multiple_with_zeros():
    padded = pad_to_multiple(np.ones((2, 17, 32), dtype=np.float32), 16)
    assert padded.shape == (2, 32, 32)
    assert padded.sum() == 2 * 17 * 32


def test_labels_stay_on_the_image():
    rows, columns = np.indices((384, 384))
    disc = (columns - 150.0) ** 2 + (rows - 200.0) ** 2 < 40**2
    labels = resize_slice(disc.astype(np.uint8), from_mm=(1.05, 1.05), to_mm=1.5, nearest=True)
    image = resize_slice(disc.astype(np.float32), from_mm=(1.05, 1.05), to_mm=1.5)
    for axis in (0, 1):
        assert np.nonzero(labels)[axis].mean() == pytest.approx(
            np.average(np.indices(image.shape)[axis], weights=image), abs=0.05
        )
