"""Multi-scale SelfCutMix: a labelled region of a picture, scaled, pasted elsewhere into the same picture.

As the tumour study describes it (Insights Imaging 2022), after CutMix (Yun et al., ICCV 2019,
doi 10.1109/ICCV.2019.00612): width and height are scaled by factors of their own, and the copy lies near the spine. How
near, and that no label may be covered, is ours: the spine runs through the label from head to foot, so the copy's
centre keeps to the label's columns give or take a part of the width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from osteon.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_PX = 4
_TRIES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfCutMix:
    """How to paste.

    Attributes:
        probability: that a picture gets a copy.
        least, most: width and height are each scaled by a factor between these.
        reach: how far the copy's centre may lie in front of or behind the label's, as a part of the picture's width.

    Raises:
        UsageError: an impossible value.
    """

    probability: float = 0.5
    least: float = 0.5
    most: float = 1.0
    reach: float = 0.06

    def __post_init__(self) -> None:
        if not (0 <= self.probability <= 1 and 0 < self.least <= self.most and self.reach >= 0):
            raise UsageError("SelfCutMix: expected a probability, factors above 0 that rise, and a reach from 0")


def self_cutmix(
    picture: NDArray[Any],
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    config: SelfCutMix,
    generator: np.random.Generator,
) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.int64]]:
    """Paste one labelled region once more.

    Args:
        picture: (y, x) or (y, x, channels) with head and feet at top and bottom; not changed.
        boxes: (n, 4) left, top, right, bottom in pixel edges.
        labels: (n,).
        config: how.
        generator: of all that is random.

    Returns:
        Picture, boxes (n + 1, 4) and labels (n + 1,); as given where there is no label, chance says no or no place is
        free.
    """
    if not len(boxes) or generator.random() >= config.probability:
        return picture, boxes, labels
    chosen = int(generator.integers(len(boxes)))
    x0, y0, x1, y1 = (round(float(edge)) for edge in boxes[chosen])
    region = picture[max(y0, 0) : y1, max(x0, 0) : x1]
    factor_x, factor_y = generator.uniform(config.least, config.most, 2)
    width, height = round(region.shape[1] * factor_x), round(region.shape[0] * factor_y)
    rows, columns = picture.shape[:2]
    if min(width, height) < SMALLEST_PX or width > columns or height > rows:
        return picture, boxes, labels
    for _ in range(_TRIES):
        left = round((x0 + x1 - width) / 2 + columns * generator.uniform(-config.reach, config.reach))
        top = int(generator.integers(0, rows - height + 1))
        box = np.array([left, top, left + width, top + height], dtype=np.float32)
        if left < 0 or left + width > columns or _covers(box, boxes):
            continue
        pasted = picture.copy()
        scaled = cv2.resize(np.ascontiguousarray(region), (width, height), interpolation=cv2.INTER_AREA)
        pasted[top : top + height, left : left + width] = scaled.reshape(height, width, *picture.shape[2:])
        return pasted, np.concatenate([boxes, box[None]]), np.append(labels, labels[chosen])
    return picture, boxes, labels


def _covers(box: NDArray[np.float32], others: NDArray[np.float32]) -> bool:
    """Whether a box (4,) shares any area with one of the others (n, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    return bool(((high - low) > 0).all(axis=1).any())
