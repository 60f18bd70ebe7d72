from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import UsageError
from osteon.training.augment_boxes import BoxAugmentation, BoxSample, augment_boxes, draw_boxes_sample

GEOMETRY = BoxAugmentation(size=96, quarter_turn=0.5, gain=0, gamma=0, min_visible=0.3)


def _sample(index: int, *, side: int = 96) -> BoxSample:
    """Two rectangles; every box of every sample has a channel of its own, whose number is its label."""
    generator = np.random.default_rng(index)
    image = np.zeros((8, side, side), dtype=np.float32)
    boxes, labels = [], []
    for number, (x, y) in enumerate([(5, 8), (50, 47)]):
        w, h = generator.integers(14, 34, 2)
        label = 2 * index + number
        image[label, y : y + h, x : x + w] = 1
        boxes.append([x, y, x + w, y + h])
        labels.append(label)
    return BoxSample(image=image, boxes=np.array(boxes, dtype=np.float32), labels=np.array(labels))


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("seed", range(15))
def test_boxes_stay_on_what_they_marked(count: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    found = augment_boxes([_sample(index) for index in range(count)], config=GEOMETRY, generator=generator)
    assert found.image.shape == (8, 96, 96)
    assert found.boxes.dtype == np.float32
    for box, label in zip(found.boxes, found.labels, strict=True):
        rows, columns = np.nonzero(found.image[label] > 0.5)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(box, expected, atol=0.8)
    # a rectangle has 34 x 34 pixels at most, 51 x 51 zoomed; a third of that must keep its box
    missing = set(range(8)) - set(found.labels.tolist())
    assert all((found.image[label] > 0.5).sum() < 0.35 * 51 * 51 for label in missing)


def test_mosaic_shows_all_four() -> None:
    config = BoxAugmentation(size=96, scale=0, translate=0, gain=0, gamma=0, min_visible=0.01)
    seen: set[int] = set()
    for seed in range(10):
        found = augment_boxes(
            [_sample(index) for index in range(4)], config=config, generator=np.random.default_rng(seed)
        )
        seen |= set(found.labels.tolist())
    assert seen == set(range(8))


def test_same_generator_gives_the_same_sample() -> None:
    config = BoxAugmentation(size=64)
    one, two = (
        draw_boxes_sample(_sample, 2, count=4, config=config, generator=np.random.default_rng(9)) for _ in range(2)
    )
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.boxes, two.boxes)
    other = draw_boxes_sample(_sample, 2, count=4, config=config, generator=np.random.default_rng(10))
    assert not np.array_equal(one.image, other.image)


def test_nothing_switched_on_changes_nothing() -> None:
    config = BoxAugmentation(
        size=96, flip_horizontal=0, flip_vertical=0, mosaic=0, scale=0, translate=0, gain=0, gamma=0
    )
    sample = _sample(1)
    found = draw_boxes_sample(_sample, 1, count=3, config=config, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(found.image, sample.image)
    np.testing.assert_array_equal(found.boxes, sample.boxes)
    np.testing.assert_array_equal(found.labels, sample.labels)


def test_brightness_stays_between_0_and_1_and_keeps_the_background() -> None:
    config = BoxAugmentation(size=96, mosaic=0, gain=1, gamma=1, scale=0, translate=0)
    images = [
        augment_boxes([_sample(3)], config=config, generator=np.random.default_rng(seed)).image for seed in range(9)
    ]
    peaks = {float(image.max()) for image in images}
    assert len(peaks) > 5
    assert max(peaks) <= 1
    assert all((image == 0).sum() > 96 * 96 * 7 for image in images)


def test_image_without_boxes_passes() -> None:
    empty = BoxSample(
        image=np.full((3, 40, 50), 0.5, dtype=np.float32),
        boxes=np.zeros((0, 4), dtype=np.float32),
        labels=np.zeros(0, dtype=np.int64),
    )
    for count in (1, 4):
        found = augment_boxes([empty] * count, config=GEOMETRY, generator=np.random.default_rng(0))
        assert found.image.shape == (3, 96, 96)
        assert found.boxes.shape == (0, 4)


def test_box_that_leaves_the_image_is_cut_or_dropped() -> None:
    image = np.ones((1, 64, 64), dtype=np.float32)
    boxes = np.array([[-10, 10, 30, 20], [60, 10, 100, 20], [62.5, 62.5, 64, 64]], dtype=np.float32)
    config = BoxAugmentation(
        size=64, flip_horizontal=0, flip_vertical=0, scale=0, translate=0, min_visible=0.2, min_side_px=2
    )
    sample = BoxSample(image=image, boxes=boxes, labels=np.arange(3))
    found = augment_boxes([sample], config=config, generator=np.random.default_rng(0))
    assert found.boxes.tolist() == [[0, 10, 30, 20]]
    assert found.labels.tolist() == [0]


@pytest.mark.parametrize(
    "wrong", [{"size": 8}, {"mosaic": 2.0}, {"scale": 1.0}, {"gamma": -1.0}, {"min_visible": -0.1}]
)
def test_impossible_value_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="box augmentation"):
        BoxAugmentation(**({"size": 64} | wrong))  # type: ignore[arg-type]
