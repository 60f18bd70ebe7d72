"""Augmentation for detection: flips, scale, shift, quarter turns, brightness, and mosaics of four images.

Ranges are YOLOv5's published ones. Its "HSV" needs colour: a grey image has no hue and no saturation, so here
``gain`` stands for value, and ``gamma`` (contrast) for saturation. Both leave 0 at 0, the background of a masked image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from osteon.errors import UsageError
from osteon.training.affine import about, linear_part, transform_boxes, warp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxSample:
    """An image and what is on it.

    Attributes:
        image: (C, H, W) float32, 0 to 1.
        boxes: (N, 4) float32: left, top, right, bottom edges in pixels.
        labels: (N,) int64.
    """

    image: NDArray[np.float32]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxAugmentation:
    """How far to go; a probability or a range each, 0 for never.

    Attributes:
        size: side of the square result in pixels.
        flip_horizontal, flip_vertical, quarter_turn, mosaic: probabilities.
        scale: zoom from 1 - scale to 1 + scale.
        translate: shift up to this part of ``size``.
        gain: brightness times 1 - gain to 1 + gain.
        gamma: exponent from exp(-gamma) to exp(gamma).
        fill: value beyond the images' edges.
        min_side_px, min_visible: a box is dropped where less than these remain of a side or of its area.

    Raises:
        UsageError: an impossible value.
    """

    size: int
    flip_horizontal: float = 0.5
    flip_vertical: float = 0.5
    quarter_turn: float = 0.0
    mosaic: float = 1.0
    scale: float = 0.5
    translate: float = 0.1
    gain: float = 0.4
    gamma: float = 0.3
    fill: float = 0.0
    min_side_px: float = 2.0
    min_visible: float = 0.1

    def __post_init__(self) -> None:
        for key in ("flip_horizontal", "flip_vertical", "quarter_turn", "mosaic", "gain", "min_visible"):
            if not 0 <= getattr(self, key) <= 1:
                raise UsageError(f"box augmentation: {key} = {getattr(self, key)}; expected 0 to 1")
        if self.size < 32 or not 0 <= self.scale < 1 or min(self.translate, self.gamma, self.min_side_px) < 0:
            raise UsageError("box augmentation: expected size >= 32, scale 0 to below 1, and no negative range")


def draw_boxes_sample(
    load: Callable[[int], BoxSample],
    index: int,
    *,
    count: int,
    config: BoxAugmentation,
    generator: np.random.Generator,
) -> BoxSample:
    """Load and augment sample ``index`` of ``count``, in a mosaic with three others at the configured probability."""
    indices = [index]
    if generator.random() < config.mosaic:
        indices += [int(other) for other in generator.integers(count, size=3)]
        generator.shuffle(indices)
    return augment_boxes([load(one) for one in indices], config=config, generator=generator)


def augment_boxes(
    samples: Sequence[BoxSample], *, config: BoxAugmentation, generator: np.random.Generator
) -> BoxSample:
    """Make one augmented sample of ``config.size`` from one image, or from four as a mosaic."""
    if len(samples) == 1:
        whole, areas = samples[0], _areas(samples[0].boxes)
    else:
        whole, areas = _mosaic(samples, config=config, generator=generator)
    turns = int(generator.integers(4)) if generator.random() < config.quarter_turn else 0
    linear = linear_part(
        angle_deg=90.0 * turns,
        zoom=1 + generator.uniform(-config.scale, config.scale),
        mirror=generator.random() < config.flip_horizontal,
    )
    if generator.random() < config.flip_vertical:
        linear = np.diag([1.0, -1.0]) @ linear
    shift_x, shift_y = 0.5 + generator.uniform(-config.translate, config.translate, 2)
    height, width = whole.image.shape[1:]
    matrix = about((width / 2, height / 2), (shift_x * config.size, shift_y * config.size), linear=linear)
    boxes, kept = _visible(
        transform_boxes(whole.boxes, matrix), areas=areas * abs(np.linalg.det(linear)), config=config
    )
    image = warp(whole.image, matrix, (config.size, config.size), fill=config.fill)
    return BoxSample(image=_brightness(image, config, generator), boxes=boxes[kept], labels=whole.labels[kept])


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    areas: NDArray[np.float32] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def _visible(
    boxes: NDArray[np.float32], *, areas: NDArray[Any], config: BoxAugmentation
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes cut to the image, and which of them still show enough of the ``areas`` they had."""
    cut = boxes.clip(0, config.size)
    sides = cut[:, 2:] - cut[:, :2]
    kept = (sides >= config.min_side_px).all(axis=1) & (sides.prod(axis=1) >= config.min_visible * areas)
    return cut, kept


def _mosaic(
    samples: Sequence[BoxSample], *, config: BoxAugmentation, generator: np.random.Generator
) -> tuple[BoxSample, NDArray[np.float32]]:
    """Four images round a random point of a canvas twice the size; boxes cut to it, and their areas before."""
    side = 2 * config.size
    x, y = (int(value) for value in generator.uniform(0.25 * side, 0.75 * side, 2))
    canvas = np.full((samples[0].image.shape[0], side, side), config.fill, dtype=np.float32)
    boxes, areas = [], []
    for place, sample in enumerate(samples):
        height, width = sample.image.shape[1:]
        left = x - width if place % 2 == 0 else x
        top = y - height if place < 2 else y
        x0, x1, y0, y1 = max(left, 0), min(left + width, side), max(top, 0), min(top + height, side)
        canvas[:, y0:y1, x0:x1] = sample.image[:, y0 - top : y1 - top, x0 - left : x1 - left]
        moved = sample.boxes + np.array([left, top, left, top], dtype=np.float32)
        boxes.append(np.clip(moved, [x0, y0, x0, y0], [x1, y1, x1, y1]))
        areas.append(_areas(sample.boxes))
    whole = BoxSample(
        image=canvas,
        boxes=np.concatenate(boxes).astype(np.float32),
        labels=np.concatenate([sample.labels for sample in samples]),
    )
    return whole, np.concatenate(areas)


def _brightness(
    image: NDArray[np.float32], config: BoxAugmentation, generator: np.random.Generator
) -> NDArray[np.float32]:
    gain = 1 + generator.uniform(-config.gain, config.gain)
    exponent = float(np.exp(generator.uniform(-config.gamma, config.gamma)))
    if config.gain == config.gamma == 0:
        return image
    bright = np.clip(image, 0, 1)
    changed: NDArray[np.float32] = np.minimum(cv2.pow(bright, exponent) * np.float32(gain), 1)
    return changed.reshape(image.shape)
