"""Which predictions touch which true lesions, by a rule with a name.

Four rules, each exactly defined for boxes and for label maps (A is the prediction, B the true lesion):

- ``iou>=t``: ``|A and B| / |A or B| >= t``.
- ``centre-inside``: the centre of A lies in B. Boxes: the middle of A, edges of B included. Label maps: the voxel
  nearest to A's centroid belongs to B.
- ``overlap>=n``: ``|A and B| >= n`` pixels (2-D) or voxels (3-D); n = 10 in the metastasis study
  (Korean J Radiol 2024, 10.3348/kjr.2023.0671).
- ``any-overlap``: ``|A and B| > 0``; boxes that share only an edge do not overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

RULE_NAMES = ("iou", "centre-inside", "overlap", "any-overlap")
_PAIRS_AT_ONCE = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """When a prediction touches a true lesion.

    Attributes:
        name: one of ``RULE_NAMES``.
        at_least: smallest IoU (0 to 1) for "iou", smallest number of pixels or voxels for "overlap"; 0 for the others.
    """

    name: str
    at_least: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in RULE_NAMES:
            raise UsageError(f"matching rule {self.name!r}: expected one of {list(RULE_NAMES)}")
        wrong = {
            "iou": not 0 < self.at_least <= 1,
            "overlap": not (np.isfinite(self.at_least) and self.at_least > 0),
        }.get(self.name, self.at_least != 0)
        if wrong:
            raise UsageError(
                f"matching rule {self.name!r} with threshold {self.at_least}: expected 0 < t <= 1 for iou, n > 0 for "
                "overlap, and no threshold for the others"
            )

    def __str__(self) -> str:
        return f"{self.name}>={self.at_least:g}" if self.at_least else self.name


def parse_rule(text: str) -> Rule:
    """Read a rule as written in reports: "iou>=0.5", "centre-inside", "overlap>=10", "any-overlap".

    Raises:
        UsageError: no such rule, or an impossible threshold.
    """
    name, _, number = text.replace(" ", "").partition(">=")
    try:
        return Rule(name=name, at_least=float(number) if number else 0.0)
    except ValueError as error:
        raise UsageError(f"matching rule {text!r}: {number!r} is not a number; write e.g. 'iou>=0.5'") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """Predictions and true lesions that touch by a rule: one row a pair.

    Attributes:
        prediction: (k,) index into the predictions.
        truth: (k,) index into the true lesions.
        affinity: (k,) how well they fit, to choose between several: IoU for the rules "iou" and "centre-inside",
            shared pixels or voxels for the others.
    """

    prediction: NDArray[np.intp]
    truth: NDArray[np.intp]
    affinity: NDArray[np.float64]


def join_pairs(parts: list[Pairs]) -> Pairs:
    """Put pairs that share one numbering of predictions and lesions behind each other."""
    if not parts:
        nothing = np.empty(0, dtype=np.intp)
        return Pairs(prediction=nothing, truth=nothing, affinity=np.empty(0))
    return Pairs(
        prediction=np.concatenate([part.prediction for part in parts]),
        truth=np.concatenate([part.truth for part in parts]),
        affinity=np.concatenate([part.affinity for part in parts]),
    )


def _checked_boxes(boxes: ArrayLike, what: str) -> NDArray[np.float64]:
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return array.reshape(0, array.shape[1] if array.ndim == 2 and array.shape[1] in (4, 6) else 4)
    if array.ndim != 2 or array.shape[1] not in (4, 6):
        raise InputError(f"{what} boxes of shape {array.shape}: expected (n, 4) or (n, 6), low corner then high corner")
    half = array.shape[1] // 2
    bad = ~np.isfinite(array).all(axis=1) | (array[:, half:] < array[:, :half]).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(f"{what} box {row} is {array[row].tolist()}: expected finite edges, low corner <= high corner")
    return array


def candidate_pairs(
    prediction_group: NDArray[np.intp], truth_group: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All (prediction, lesion) index pairs in the same group (image, or image and class), prediction by prediction."""
    order = np.argsort(truth_group, kind="stable")
    ordered = truth_group[order]
    first = np.searchsorted(ordered, prediction_group, side="left")
    count = np.searchsorted(ordered, prediction_group, side="right") - first
    prediction = np.repeat(np.arange(prediction_group.size, dtype=np.intp), count)
    ends = np.cumsum(count)
    within = np.arange(prediction.size) - np.repeat(ends - count, count)
    return prediction, order[np.repeat(first, count) + within].astype(np.intp)


def _intersections(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    half = a.shape[1] // 2
    shared = np.ones(a.shape[0])
    for axis in range(half):
        low = np.maximum(a[:, axis], b[:, axis])
        shared *= np.maximum(np.minimum(a[:, half + axis], b[:, half + axis]) - low, 0)
    return shared


def box_sizes(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area (n, 4) or volume (n, 6) of boxes, in squared or cubed units of their edges."""
    half = boxes.shape[1] // 2
    return np.asarray((boxes[:, half:] - boxes[:, :half]).prod(axis=1))


def _box_block(
    rule: Rule, a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    shared = _intersections(a, b)
    if rule.name in ("overlap", "any-overlap"):
        return (shared >= rule.at_least) & (shared > 0), shared
    union = box_sizes(a) + box_sizes(b) - shared
    iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    if rule.name == "iou":
        return iou >= rule.at_least, iou
    half = a.shape[1] // 2
    centre = (a[:, :half] + a[:, half:]) / 2
    inside = ((centre >= b[:, :half]) & (centre <= b[:, half:])).all(axis=1)
    return np.asarray(inside), iou


def box_pairs(
    predicted: ArrayLike, true: ArrayLike, *, rule: Rule, predicted_group: ArrayLike, true_group: ArrayLike
) -> Pairs:
    """Pairs of boxes in the same group that touch by ``rule``, over all images at once.

    Args:
        predicted: (n, 4) boxes ``(x0, y0, x1, y1)`` or (n, 6) ``(x0, y0, z0, x1, y1, z1)`` in pixel or voxel *edges*:
            a box round the single pixel (3, 5) is 3, 5, 4, 6, so that "overlap" counts pixels.
        true: the same for the true lesions.
        rule: when two boxes touch.
        predicted_group: (n,) integers; only boxes of equal group (image, or image and class) can touch.
        true_group: the same for the true lesions.

    Raises:
        InputError: a box that is not finite, or whose high corner lies below its low corner.
    """
    a, b = _checked_boxes(predicted, "predicted"), _checked_boxes(true, "true")
    if not a.size or not b.size:
        return join_pairs([])
    if a.shape[1] != b.shape[1]:
        raise InputError(f"predicted boxes have {a.shape[1]} edges, true boxes {b.shape[1]}: expected the same")
    groups = np.asarray(predicted_group, dtype=np.intp), np.asarray(true_group, dtype=np.intp)
    prediction, truth = candidate_pairs(*groups)
    parts = []
    for start in range(0, prediction.size, _PAIRS_AT_ONCE):
        rows, columns = prediction[start : start + _PAIRS_AT_ONCE], truth[start : start + _PAIRS_AT_ONCE]
        touch, affinity = _box_block(rule, a[rows], b[columns])
        parts.append(Pairs(prediction=rows[touch], truth=columns[touch], affinity=affinity[touch]))
    return join_pairs(parts)


def _label_counts(labels: NDArray[np.integer], what: str) -> NDArray[np.intp]:
    if labels.dtype.kind not in "biu":
        raise InputError(f"{what} label map is {labels.dtype}: expected integers, 0 background, lesions 1 to n")
    if labels.size and int(labels.min()) < 0:
        raise InputError(f"{what} label map holds {int(labels.min())}: expected 0 for background, lesions 1 to n")
    counts = np.bincount(labels[labels > 0].astype(np.intp))[1:]
    if (counts == 0).any():
        missing = int(np.flatnonzero(counts == 0)[0]) + 1
        raise InputError(f"{what} label map jumps over label {missing}: number its lesions 1 to n without gaps")
    return counts


def label_centroids(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Centroid of each lesion 1 to n of a label map, (n, ndim), in array order ``(z, y, x)``, in voxels."""
    places = np.nonzero(labels)
    number = np.asarray(labels)[places].astype(np.intp) - 1
    counts = np.bincount(number)
    return np.stack([np.bincount(number, weights=axis) / counts for axis in places], axis=1)


def label_pairs(predicted: NDArray[np.integer], true: NDArray[np.integer], *, rule: Rule) -> Pairs:
    """Pairs of lesions in two label maps of one case that touch by ``rule``.

    Args:
        predicted: integer array, (z, y, x) or (y, x); 0 is background, lesions are 1 to n without gaps. Index ``i`` of
            a pair is label ``i + 1``.
        true: the same for the true lesions, on the same grid.
        rule: when two lesions touch.

    Raises:
        InputError: shapes that differ, or labels that are negative, not integer or not 1 to n.
    """
    if predicted.shape != true.shape:
        raise InputError(f"label maps of shapes {predicted.shape} and {true.shape}: expected the same grid")
    predicted_size, true_size = _label_counts(predicted, "predicted"), _label_counts(true, "true")
    if not predicted_size.size or not true_size.size:
        return join_pairs([])
    both = (predicted > 0) & (true > 0)
    joint = (predicted[both].astype(np.int64) - 1) * true_size.size + (true[both].astype(np.int64) - 1)
    keys, shared = np.unique(joint, return_counts=True)
    rows, columns = np.divmod(keys, true_size.size)
    iou = shared / (predicted_size[rows] + true_size[columns] - shared)
    if rule.name == "centre-inside":
        nearest = np.rint(label_centroids(predicted)).astype(np.intp)
        home = np.asarray(true[tuple(nearest.T)], dtype=np.int64) - 1
        inside = np.flatnonzero(home >= 0)
        by_key = dict(zip(keys.tolist(), iou.tolist(), strict=True))
        fit = [by_key.get(int(i) * true_size.size + int(home[i]), 0.0) for i in inside]
        return Pairs(prediction=inside.astype(np.intp), truth=home[inside].astype(np.intp), affinity=np.array(fit))
    touch = iou >= rule.at_least if rule.name == "iou" else shared >= rule.at_least
    affinity = iou if rule.name == "iou" else shared.astype(np.float64)
    return Pairs(prediction=rows[touch].astype(np.intp), truth=columns[touch].astype(np.intp), affinity=affinity[touch])
