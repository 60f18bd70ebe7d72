"""Parts of pictures for the detector: where they lie, and that boxes move with the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from osteon.systems.tumor.detector_pictures import part_of
from osteon.training.augment_boxes import BoxSample

BOX = (40.0, 50.0, 48.0, 62.0)


def _sample(*, label: bool) -> BoxSample:
    """A picture that is bright in its box alone."""
    image = np.full((1, 100, 80), 0.1, np.float32)
    x0, y0, x1, y1 = (int(edge) for edge in BOX)
    image[:, y0:y1, x0:x1] = 1
    boxes = np.array([BOX] if label else [], np.float32).reshape(-1, 4)
    return BoxSample(image=image, boxes=boxes, labels=np.ones(len(boxes), np.int64))


@pytest.mark.parametrize("seed", range(12))
def test_boxes_move_with_the_pixels(seed: int) -> None:
    part = part_of(_sample(label=True), side=48, reach=32, generator=np.random.default_rng(seed))
    assert part.image.shape == (1, 48, 48)
    ys, xs = np.nonzero(part.image[0] == 1)
    x0, y0, x1, y1 = part.boxes[0].clip(0, 48)
    if len(xs):
        assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (x0, y0, x1, y1)
    else:
        assert min(x1 - x0, y1 - y0) <= 0


def test_most_parts_show_the_label() -> None:
    generator = np.random.default_rng(0)
    shown = [part_of(_sample(label=True), side=48, reach=32, generator=generator).image.max() == 1 for _ in range(200)]
    assert np.mean(shown) > 0.8


def test_parts_without_a_label_lie_anywhere_on_the_picture() -> None:
    generator = np.random.default_rng(1)
    shown = [part_of(_sample(label=False), side=48, reach=32, generator=generator) for _ in range(200)]
    bright = np.mean([part.image.max() == 1 for part in shown])
    assert 0.1 < bright < 0.9
    assert all((part.image > 0).any() for part in shown)
