"""Anchors that fit the boxes of a training set: k-means, then judged by best possible recall.

As YOLOv5 does before training (documentation, "AutoAnchor"): an anchor answers for a box when width and height differ
by less than a ratio; the best possible recall is the part of boxes that some anchor can answer for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import UsageError
from osteon.networks.yolov5 import STRIDES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.networks.yolov5 import Anchors

RATIO = 4.0
_STARTS, _ROUNDS = 8, 100


def best_possible_recall(sizes: NDArray[np.floating], anchors: Anchors, *, ratio: float = RATIO) -> float:
    """Part of the boxes, given by size (N, 2) in pixels, that at least one anchor can answer for; 1.0 for no box."""
    if len(sizes) == 0:
        return 1.0
    table = np.array([pair for level in anchors for pair in level])
    fit = np.asarray(sizes, dtype=np.float64)[:, None] / table  # (boxes, anchors, width and height)
    return float((np.maximum(fit, 1 / fit).max(axis=2).min(axis=1) < ratio).mean())


def fit_anchors(sizes: NDArray[np.floating], *, per_level: int = 3, generator: np.random.Generator) -> Anchors:
    """Choose anchors for boxes of these sizes.

    k-means in the logarithm of width and height, since what matters is a ratio; the best of several starts. Where
    there are fewer different boxes than anchors, they are spread by up to 10 % so that no anchor is a copy.

    Args:
        sizes: (N, 2) width and height in pixels, as the network will see them; N >= 1.
        per_level: anchors for each stride.
        generator: draws the starting points.

    Returns:
        (width, height) in pixels in rising area, the small ones on the fine levels.

    Raises:
        UsageError: no box, or one without extent.
    """
    boxes = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    if len(boxes) == 0 or not (boxes > 0).all():
        raise UsageError("anchors: expected at least one box, each with positive width and height in pixels")
    count = per_level * len(STRIDES)
    logs = np.log(boxes)
    if len(np.unique(logs, axis=0)) < count:
        logs = np.repeat(logs, -(-count * 4 // len(logs)), axis=0)
        logs = logs + generator.uniform(-0.1, 0.1, logs.shape)
    tries = [_cluster(logs, logs[generator.choice(len(logs), count, replace=False)]) for _ in range(_STARTS)]
    centres = np.exp(min(tries, key=lambda one: _distances(logs, one).min(axis=1).sum()))
    ordered = centres[np.argsort(centres.prod(axis=1))].round(2).tolist()
    levels = (ordered[start : start + per_level] for start in range(0, count, per_level))
    return tuple(tuple((width, height) for width, height in level) for level in levels)


def _cluster(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lloyd's k-means from given centres, until they rest; a centre without points stays where it is."""
    for _ in range(_ROUNDS):
        nearest = _distances(points, centres).argmin(axis=1)
        moved = np.array(
            [points[nearest == k].mean(axis=0) if (nearest == k).any() else one for k, one in enumerate(centres)]
        )
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres


def _distances(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distances (points, centres)."""
    distances: NDArray[np.float64] = ((points[:, None] - centres) ** 2).sum(axis=2)
    return distances
