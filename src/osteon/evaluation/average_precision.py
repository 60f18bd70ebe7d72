"""Average precision of boxes: AP at one IoU, mAP@0.5, mAP@0.5:0.95.

Matching and the 101-point rule are COCO's (Lin et al. 2014; pycocotools ``COCOeval``, area "all"): per image and class,
the ``most`` surest boxes, one-to-one in falling score; crowd regions absorb boxes without counting. The all-point rule
is the area under the precision envelope (Pascal VOC from 2010). A class without a true lesion has no AP (nan) and stays
out of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError, UsageError
from osteon.evaluation.matching import falling_rank, greedy_match
from osteon.evaluation.pairs import Pairs, Rule, box_pairs, box_sizes, join_pairs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

IOU_THRESHOLDS = tuple(float(value) for value in np.linspace(0.5, 0.95, 10))
RECALL_LEVELS = np.linspace(0, 1, 101)
METHODS = ("101-point", "all-point")
_TINY = float(np.spacing(1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxes:
    """Boxes of a test set.

    Attributes:
        edges: (n, 4) ``(x0, y0, x1, y1)`` or (n, 6) ``(x0, y0, z0, x1, y1, z1)``, pixel or voxel edges.
        image: (n,) index of the image.
        label: (n,) class.
        score: (n,) of predictions; empty for true boxes.
        crowd: (n,) true regions that stand for many lesions (COCO ``iscrowd``); empty for none.
    """

    edges: NDArray[np.float64]
    image: NDArray[np.intp]
    label: NDArray[np.intp]
    score: NDArray[np.float64]
    crowd: NDArray[np.bool_]


def make_boxes(
    edges: ArrayLike, *, image: ArrayLike, label: ArrayLike = 0, score: ArrayLike = (), crowd: ArrayLike = ()
) -> Boxes:
    """Make ``Boxes`` from anything array-like; one label for all may be given as a number.

    Raises:
        InputError: arrays of different length, or a score that is not finite.
    """
    corners = np.asarray(edges, dtype=np.float64)
    corners = corners.reshape(0, 4) if corners.size == 0 else corners
    count = corners.shape[0]
    images = np.asarray(image, dtype=np.intp).reshape(-1)
    labels = np.broadcast_to(np.asarray(label, dtype=np.intp), (count,)) if np.ndim(label) == 0 else np.asarray(label)
    scores, crowds = np.asarray(score, dtype=np.float64).reshape(-1), np.asarray(crowd, dtype=bool).reshape(-1)
    for name, array, lengths in (
        ("image", images, {count}),
        ("label", labels, {count}),
        ("score", scores, {0, count}),
        ("crowd", crowds, {0, count}),
    ):
        if array.size not in lengths:
            raise InputError(f"{count} boxes but {array.size} values of {name}: expected one a box")
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise InputError(f"box {row} has score {scores[row]}: expected a finite number")
    return Boxes(edges=corners, image=images, label=labels.astype(np.intp), score=scores, crowd=crowds)


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedMatches:
    """Predictions of one class in falling score, matched at several IoU thresholds.

    Attributes:
        score: (n,) falling.
        image: (n,) index of the image.
        hit: (n, t) takes a true box.
        counted: (n, t) hit or false positive; not absorbed by a crowd.
        truth_image: (m,) image of each true box that is no crowd.
        thresholds: (t,) IoU.
    """

    score: NDArray[np.float64]
    image: NDArray[np.intp]
    hit: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    truth_image: NDArray[np.intp]
    thresholds: tuple[float, ...]


def _coco_pairs(
    predicted: Boxes,
    true: NDArray[np.float64],
    *,
    crowd: NDArray[np.bool_],
    groups: tuple[NDArray[np.intp], NDArray[np.intp]],
    low: float,
) -> Pairs:
    """Pairs with IoU from ``low``; with a crowd, the covered share of the *prediction* takes the place of IoU."""
    parts = []
    for rule, rows in ((Rule(name="iou", at_least=low), ~crowd), (Rule(name="any-overlap"), crowd)):
        index = np.flatnonzero(rows)
        found = box_pairs(
            predicted.edges, true[index], rule=rule, predicted_group=groups[0], true_group=groups[1][index]
        )
        affinity = found.affinity
        if rule.name == "any-overlap":
            affinity = affinity / box_sizes(predicted.edges)[found.prediction]
        keep = affinity >= low
        parts.append(Pairs(prediction=found.prediction[keep], truth=index[found.truth[keep]], affinity=affinity[keep]))
    return join_pairs(parts)


def _surest(predicted: Boxes, group: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Rows of the ``most`` surest boxes of each group, in the order of the file."""
    order = np.lexsort((-predicted.score, group))
    ordered = group[order]
    place = np.arange(order.size) - np.searchsorted(ordered, ordered, side="left")
    return np.sort(order[place < most])


def match_boxes(
    predicted: Boxes, true: Boxes, *, thresholds: tuple[float, ...] = IOU_THRESHOLDS, most: int = 100
) -> dict[int, RankedMatches]:
    """Match all images, classes and thresholds at once, as COCO does.

    Args:
        predicted: with scores. Ties in score rank by image index, then by order in the array.
        true: with or without ``crowd``.
        thresholds: smallest IoU that counts, each from 0 to 1.
        most: boxes kept for each image and class, the surest.

    Returns:
        Per class that occurs in either, its ranked predictions.

    Raises:
        UsageError: thresholds outside (0, 1].
        InputError: predictions without scores, or a box that is not finite.
    """
    if not thresholds or not all(0 < value <= 1 for value in thresholds):
        raise UsageError(f"IoU thresholds {thresholds}: expected values above 0, up to 1")
    if predicted.score.size != predicted.image.size:
        raise InputError("the predicted boxes have no scores")
    labels = np.unique(np.concatenate([predicted.label, true.label]))
    groups = [boxes.image * labels.size + np.searchsorted(labels, boxes.label) for boxes in (predicted, true)]
    keep = _surest(predicted, groups[0], most)
    kept = make_boxes(
        predicted.edges[keep], image=predicted.image[keep], label=predicted.label[keep], score=predicted.score[keep]
    )
    crowd = true.crowd if true.crowd.size else np.zeros(true.image.size, dtype=bool)
    group = groups[0][keep]
    limits = np.minimum(thresholds, 1 - 1e-10)
    pairs = _coco_pairs(kept, true.edges, crowd=crowd, groups=(group, groups[1]), low=float(limits.min()))
    match = greedy_match(
        pairs, rank=falling_rank(kept.score), group=group, truths=crowd.size, thresholds=limits, crowd=crowd
    )
    order = np.lexsort((kept.image, -kept.score))
    absorbed = (match >= 0) & np.append(crowd, False)[match]
    result = {}
    for label in labels:
        rows = order[kept.label[order] == label]
        result[int(label)] = RankedMatches(
            score=kept.score[rows],
            image=kept.image[rows],
            hit=(match[rows] >= 0) & ~absorbed[rows],
            counted=~absorbed[rows],
            truth_image=true.image[(true.label == label) & ~crowd],
            thresholds=thresholds,
        )
    return result


def average_precision(
    hit: NDArray[np.bool_], *, lesions: int, counted: NDArray[np.bool_] | None = None, method: str = "101-point"
) -> float:
    """Average precision of predictions in falling score.

    Args:
        hit: (n,) finds a lesion that none before it has found.
        lesions: number of true lesions.
        counted: (n,) false where a prediction is neither right nor wrong; all by default.
        method: "101-point": mean of the best precision at recall 0, 0.01, ... 1 or more; "all-point": area under the
            precision envelope over recall.

    Returns:
        0 to 1; nan where there is no lesion.

    Raises:
        UsageError: an unknown method.
    """
    if method not in METHODS:
        raise UsageError(f"average precision {method!r}: expected one of {list(METHODS)}")
    if lesions == 0:
        return float("nan")
    kept = hit if counted is None else hit[counted]
    true_positives = np.cumsum(kept)
    precision = true_positives / (np.arange(1, kept.size + 1) + _TINY)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    recall = true_positives / lesions
    if method == "all-point":
        return float(envelope[:-1][kept].sum() / lesions)
    return float(envelope[np.searchsorted(recall, RECALL_LEVELS, side="left")].mean())
