"""Overlap of masks: Dice, IoU, recall, precision; per slice, per case, pooled.

With A the true mask and B the predicted one, in pixels or voxels: Dice = 2|A and B| / (|A| + |B|),
IoU = |A and B| / |A or B|, recall = |A and B| / |A|, precision = |A and B| / |B|.

Empty masks, one rule everywhere: both empty, nothing is defined (nan): the slice or case is left out of a mean and
counted apart, unless the caller sets a value (``both_empty=1.0``, as some studies do) for Dice and IoU. Only the true
one empty: Dice, IoU and precision are 0, recall nan. Only the predicted one empty: Dice, IoU and recall are 0,
precision nan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import GeometryError, UsageError
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import bootstrap_totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

MEASURES = ("dice", "iou", "recall", "precision")
NAN = float("nan")


@dataclass(frozen=True, kw_only=True, slots=True)
class OverlapCounts:
    """Pixels or voxels of each slice, or of each case.

    Attributes:
        both: (n,) in the true and the predicted mask (true positives).
        missed: (n,) in the true mask only (false negatives).
        extra: (n,) in the predicted mask only (false positives).
    """

    both: NDArray[np.int64]
    missed: NDArray[np.int64]
    extra: NDArray[np.int64]


def overlap_counts(true: ArrayLike, predicted: ArrayLike, *, by_slice: bool = False) -> OverlapCounts:
    """Count one case.

    Args:
        true: mask (z, y, x) or (y, x); anything but 0 is inside.
        predicted: mask on the same grid.
        by_slice: one row for each index of the first axis, instead of one for all.

    Raises:
        GeometryError: the shapes differ.
    """
    a, b = np.asarray(true) != 0, np.asarray(predicted) != 0
    if a.shape != b.shape:
        raise GeometryError(f"masks of shapes {a.shape} (true) and {b.shape} (predicted): expected the same grid")
    axes = tuple(range(1, a.ndim)) if by_slice else None
    both = np.atleast_1d(np.count_nonzero(a & b, axis=axes))
    inside_true, inside_predicted = (np.atleast_1d(np.count_nonzero(mask, axis=axes)) for mask in (a, b))
    return OverlapCounts(both=both, missed=inside_true - both, extra=inside_predicted - both)


def join_counts(parts: list[OverlapCounts]) -> OverlapCounts:
    """Rows of several cases behind each other."""
    nothing = np.empty(0, dtype=np.int64)
    return OverlapCounts(
        both=np.concatenate([nothing, *(part.both for part in parts)]),
        missed=np.concatenate([nothing, *(part.missed for part in parts)]),
        extra=np.concatenate([nothing, *(part.extra for part in parts)]),
    )


def measure(counts: OverlapCounts, name: str, *, both_empty: float = NAN) -> NDArray[np.float64]:
    """One measure for each row of ``counts``.

    Args:
        counts: of slices or cases.
        name: one of ``MEASURES``.
        both_empty: value of Dice and IoU where both masks are empty; recall and precision stay nan.

    Raises:
        UsageError: an unknown measure.
    """
    table = np.stack([counts.both, counts.missed, counts.extra], axis=-1)
    return _ratio(name, both_empty)(table.astype(np.float64))


def _ratio(name: str, both_empty: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    if name not in MEASURES:
        raise UsageError(f"overlap measure {name!r}: expected one of {list(MEASURES)}")

    def ratio(totals: NDArray[np.float64]) -> NDArray[np.float64]:
        both, missed, extra = (np.asarray(totals[..., column], dtype=np.float64) for column in range(3))
        top = 2 * both if name == "dice" else both
        bottom = {
            "dice": 2 * both + missed + extra,
            "iou": both + missed + extra,
            "recall": both + missed,
            "precision": both + extra,
        }[name]
        fallback = both_empty if name in ("dice", "iou") else NAN
        return np.asarray(np.divide(top, bottom, out=np.full(top.shape, fallback), where=bottom > 0))

    return ratio


def pooled_estimate(
    counts: OverlapCounts,
    name: str,
    *,
    patients: ArrayLike,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    unit: str = "cases",
) -> Estimate:
    """A measure of all pixels put together, with a bootstrap interval by patient.

    Args:
        counts: (n,) rows of cases or slices.
        name: one of ``MEASURES``.
        patients: (n,) name of each row's patient.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        level: confidence level.
        unit: what a row is.
    """
    table = np.stack([counts.both, counts.missed, counts.extra], axis=-1)
    return bootstrap_totals(_ratio(name, NAN), table, patients, unit=unit, resamples=resamples, seed=seed, level=level)


def mean_estimate(
    values: ArrayLike,
    *,
    patients: ArrayLike,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    unit: str = "cases",
) -> Estimate:
    """Mean of what is defined (not nan), with a bootstrap interval by patient.

    Args:
        values: (n,) a figure of each case or slice; nan where it is not defined.
        patients: (n,) name of each row's patient.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        level: confidence level.
        unit: what a row is.

    Returns:
        Its ``n`` counts the defined values.
    """
    figures, names = np.asarray(values, dtype=np.float64).reshape(-1), np.asarray(patients).reshape(-1)
    defined = ~np.isnan(figures)
    if not defined.any():
        return Estimate(value=NAN, n=0, unit=unit, method="not defined for any of them", level=level)
    table = np.stack([figures[defined], np.ones(int(defined.sum()))], axis=-1)

    def mean(totals: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(totals[..., 0] / totals[..., 1])

    return bootstrap_totals(mean, table, names[defined], unit=unit, resamples=resamples, seed=seed, level=level)
