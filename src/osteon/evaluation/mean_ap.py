"""Mean average precision over classes and IoU thresholds, with an interval by bootstrap of patients.

One matching serves all resamples: it never crosses images, so a resample only changes how often each image counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import UsageError
from osteon.evaluation.average_precision import METHODS, RECALL_LEVELS, RankedMatches, average_precision
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import bootstrap_estimate, draw_clusters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_CELLS = 8_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanAveragePrecision:
    """Average precision by class and IoU, and its means.

    Attributes:
        labels: (k,) classes.
        thresholds: (t,) IoU.
        ap: (k, t); nan for a class without a true lesion.
        lesions: (k,) true lesions of each class.
        mean: over classes and thresholds.
        at: IoU threshold -> mean over classes.
        method: of AP.
    """

    labels: tuple[int, ...]
    thresholds: tuple[float, ...]
    ap: NDArray[np.float64]
    lesions: tuple[int, ...]
    mean: Estimate
    at: dict[float, Estimate]
    method: str


def mean_average_precision(
    matches: dict[int, RankedMatches],
    *,
    patient: NDArray[np.intp] | None = None,
    method: str = "101-point",
    resamples: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> MeanAveragePrecision:
    """AP by class and IoU, and mAP.

    Args:
        matches: from ``match_boxes``.
        patient: (images,) code of the patient of every image, from 0; needed for an interval.
        method: one of ``METHODS``.
        resamples: number of bootstrap resamples; 0 for no interval.
        seed: of the bootstrap.
        level: confidence level.

    Raises:
        UsageError: an interval is asked for without patients, no class at all, or an unknown method.
    """
    if not matches or method not in METHODS:
        raise UsageError(f"average precision {method!r} of {len(matches)} classes: expected one of {list(METHODS)}, 1+")
    labels = tuple(sorted(matches))
    thresholds = matches[labels[0]].thresholds
    ap = np.array([_by_threshold(matches[label], method) for label in labels])
    means = _class_mean(ap)
    lesions = tuple(matches[label].truth_image.size for label in labels)
    figures = [
        Estimate(value=float(value), n=sum(lesions), unit="lesions", method="no interval")
        for value in [*means, means.mean()]
    ]
    if resamples:
        if patient is None:
            raise UsageError("an interval by bootstrap needs the patient of every image")
        drawn = _class_mean(_replicates(matches, patient=patient, method=method, resamples=resamples, seed=seed))
        patients = int(patient.max()) + 1
        figures = [
            bootstrap_estimate(
                figure.value, values, n=figure.n, unit="lesions", clusters=patients, seed=seed, level=level
            )
            for figure, values in zip(figures, [*drawn, drawn.mean(axis=0)], strict=True)
        ]
    return MeanAveragePrecision(
        labels=labels,
        thresholds=thresholds,
        ap=ap,
        lesions=lesions,
        mean=figures[-1],
        at=dict(zip(thresholds, figures[:-1], strict=True)),
        method=method,
    )


def _by_threshold(ranked: RankedMatches, method: str) -> list[float]:
    lesions = ranked.truth_image.size
    return [
        average_precision(hit, lesions=lesions, counted=counted, method=method)
        for hit, counted in zip(ranked.hit.T, ranked.counted.T, strict=True)
    ]


def _class_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis without nan; nan where nothing else is."""
    defined = ~np.isnan(values)
    total, count = np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _replicates(
    matches: dict[int, RankedMatches], *, patient: NDArray[np.intp], method: str, resamples: int, seed: int
) -> NDArray[np.float64]:
    """AP (classes, thresholds, resamples); nan where no lesion was drawn."""
    widest = max((ranked.score.size for ranked in matches.values()), default=1)
    blocks = []
    for drawn in _narrow(draw_clusters(int(patient.max()) + 1, resamples=resamples, seed=seed), widest):
        rows = [
            [
                _block_ap(ranked, column, patient=patient, drawn=drawn, method=method)
                for column in range(len(ranked.thresholds))
            ]
            for _, ranked in sorted(matches.items())
        ]
        blocks.append(np.array(rows))
    return np.concatenate(blocks, axis=2)


def _narrow(draws: Iterator[NDArray[np.int64]], rows: int) -> Iterator[NDArray[np.int32]]:
    """Cut blocks of resamples so that ``rows`` x block stays small enough for the memory."""
    step = max(1, _CELLS // max(rows, 1))
    for draw in draws:
        for start in range(0, draw.shape[1], step):
            yield np.ascontiguousarray(draw[:, start : start + step], dtype=np.int32)


def _block_ap(
    ranked: RankedMatches, column: int, *, patient: NDArray[np.intp], drawn: NDArray[np.int32], method: str
) -> NDArray[np.float64]:
    """AP (block,) of one class at one threshold, each image counted as often as its patient was drawn."""
    rows = np.flatnonzero(ranked.counted[:, column])
    hits = np.flatnonzero(ranked.hit[rows, column])
    lesions = drawn[patient[ranked.truth_image]].sum(axis=0)
    weight = drawn[patient[ranked.image[rows]]]
    called = np.cumsum(weight, axis=0, dtype=np.int32)[hits]
    right = np.cumsum(weight[hits], axis=0, dtype=np.int32)
    precision = np.divide(right, called, out=np.zeros(right.shape), where=called > 0)
    envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    positive = np.maximum(lesions, 1)
    if method == "all-point":
        values = (envelope * weight[hits]).sum(axis=0) / positive
    else:
        values = _at_recall_levels(envelope, right, positive)
    return np.where(lesions > 0, values, np.nan)


def _at_recall_levels(
    envelope: NDArray[np.float64], right: NDArray[np.int32], lesions: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean of the best precision (hits, block) at recall of each level or more; 0 where it is never reached."""
    needed = np.ceil(RECALL_LEVELS[:, None] * lesions - 1e-9)
    values = np.empty(lesions.size)
    for resample in range(lesions.size):
        first = np.searchsorted(right[:, resample], needed[:, resample], side="left")
        values[resample] = np.append(envelope[:, resample], 0.0)[first].mean()
    return values
