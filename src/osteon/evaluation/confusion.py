"""Figures of a two-class confusion matrix, each with an interval.

Every figure is a function of the counts (true positive, false positive, false negative, true negative), written for
arrays (..., 4), so that a bootstrap computes it for all resamples at once. A figure whose denominator is 0 is nan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError, UsageError
from osteon.evaluation.agreement import weighted_kappa_error
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import (
    RESAMPLES,
    bootstrap_estimate,
    cluster_codes,
    normal_quantile,
    percentile_ends,
    proportion,
    resample_totals,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Confusion:
    """Counts of a two-class test against the ground truth."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    def __post_init__(self) -> None:
        if min(self.array) < 0:
            raise UsageError(f"confusion counts {tuple(map(int, self.array))}: expected none below 0")

    @property
    def array(self) -> NDArray[np.float64]:
        """(4,) true positive, false positive, false negative, true negative."""
        return np.array(
            [self.true_positive, self.false_positive, self.false_negative, self.true_negative], dtype=np.float64
        )

    @property
    def positive(self) -> int:
        """Cases that have the disease."""
        return self.true_positive + self.false_negative

    @property
    def negative(self) -> int:
        """Cases that do not have the disease."""
        return self.false_positive + self.true_negative

    @property
    def total(self) -> int:
        """All cases."""
        return self.positive + self.negative


def indicator_columns(truth: ArrayLike, called: ArrayLike) -> NDArray[np.float64]:
    """(n, 4) one-hot rows: which of the four counts each case adds to.

    Raises:
        InputError: lengths differ, or values other than 0/1 or booleans.
    """
    labels, calls = np.asarray(truth), np.asarray(called)
    if labels.ndim != 1 or labels.shape != calls.shape:
        raise InputError(f"confusion: truth of shape {labels.shape}, calls of shape {calls.shape}; expected as many")
    if not (np.isin(labels, (0, 1)).all() and np.isin(calls, (0, 1)).all()):
        raise InputError("confusion: labels other than 0 and 1 (or False and True); map the classes first")
    t, c = labels.astype(bool), calls.astype(bool)
    return np.stack([t & c, ~t & c, t & ~c, ~t & ~c], axis=1).astype(np.float64)


def confusion_of(truth: ArrayLike, called: ArrayLike) -> Confusion:
    """Count a two-class test: ``truth`` and ``called`` are (n,) booleans."""
    tp, fp, fn, tn = (int(total) for total in indicator_columns(truth, called).sum(axis=0))
    return Confusion(true_positive=tp, false_positive=fp, false_negative=fn, true_negative=tn)


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    top, bottom = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(denominator, np.float64))
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0))


def sensitivity(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """TP / (TP + FN)."""
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 2])


def specificity(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """TN / (TN + FP)."""
    return _ratio(counts[..., 3], counts[..., 3] + counts[..., 1])


def positive_predictive_value(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """TP / (TP + FP)."""
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 1])


def negative_predictive_value(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """TN / (TN + FN)."""
    return _ratio(counts[..., 3], counts[..., 3] + counts[..., 2])


def accuracy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(TP + TN) / all."""
    return _ratio(counts[..., 0] + counts[..., 3], counts.sum(axis=-1))


def f1_score(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """2 TP / (2 TP + FP + FN)."""
    return _ratio(2 * counts[..., 0], 2 * counts[..., 0] + counts[..., 1] + counts[..., 2])


def balanced_accuracy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of sensitivity and specificity."""
    return np.asarray((sensitivity(counts) + specificity(counts)) / 2)


def matthews_correlation(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matthews' correlation coefficient; nan where a margin is empty (a class absent, or never or always called)."""
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    return _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def kappa(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cohen's kappa between ground truth and call."""
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    total = counts.sum(axis=-1)
    expected = (tp + fp) * (tp + fn) + (tn + fp) * (tn + fn)
    return _ratio(total * (tp + tn) - expected, total * total - expected)


FIGURES: tuple[tuple[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]], ...] = (
    ("sensitivity", sensitivity),
    ("specificity", specificity),
    ("PPV", positive_predictive_value),
    ("NPV", negative_predictive_value),
    ("accuracy", accuracy),
    ("F1", f1_score),
    ("balanced accuracy", balanced_accuracy),
    ("MCC", matthews_correlation),
    ("kappa", kappa),
)
"""Name and definition of every figure, for counts (..., 4)."""


def fractions(confusion: Confusion) -> dict[str, tuple[int, int]]:
    """The figures that are a plain fraction: name -> (successes, n)."""
    c = confusion
    return {
        "sensitivity": (c.true_positive, c.positive),
        "specificity": (c.true_negative, c.negative),
        "PPV": (c.true_positive, c.true_positive + c.false_positive),
        "NPV": (c.true_negative, c.true_negative + c.false_negative),
        "accuracy": (c.true_positive + c.true_negative, c.total),
    }


def _kappa_estimate(confusion: Confusion, *, level: float, unit: str) -> Estimate:
    tp, fp, fn, tn = confusion.array
    value = float(kappa(confusion.array))
    error = weighted_kappa_error([[tp, fn], [fp, tn]], np.eye(2))
    half = normal_quantile(level) * error if error > 0 else float("nan")
    return Estimate(
        value=value,
        low=float(np.maximum(-1.0, value - half)),
        high=float(np.minimum(1.0, value + half)),
        n=confusion.total,
        unit=unit,
        method="asymptotic (Fleiss, Cohen, Everitt 1969)",
        level=level,
    )


def confusion_figures(
    confusion: Confusion,
    *,
    interval: str = "wilson",
    level: float = 0.95,
    unit: str = "cases",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """All ``FIGURES`` of independent cases, from the counts alone.

    Fractions take ``interval`` ("wilson" or "clopper-pearson"), balanced accuracy combines those of sensitivity and
    specificity (MOVER), kappa has its asymptotic interval (a second one, "kappa (bootstrap)", follows), F1 and MCC a
    bootstrap of the cases. Where all resamples agree, as without any error, there is no bootstrap interval.
    """
    drawn = _draw_cases(confusion, resamples=resamples, seed=seed)
    found: dict[str, Estimate] = {}
    parts = fractions(confusion)
    method = f"percentile bootstrap of cases, {resamples} resamples, seed {seed}"
    for name, definition in FIGURES:
        if name in parts:
            successes, n = parts[name]
            found[name] = proportion(successes, n, unit=unit, interval=interval, level=level)
            continue
        if name == "balanced accuracy":
            found[name] = _mean_of_two(found["sensitivity"], found["specificity"], n=confusion.total)
            continue
        low, high = percentile_ends(definition(drawn), level=level)
        value = float(definition(confusion.array))
        same = low == high == value
        estimate = Estimate(
            value=value,
            low=float("nan") if same else low,
            high=float("nan") if same else high,
            n=confusion.total,
            unit=unit,
            method=method + ("; no interval, since all resamples give the same" if same else ""),
            level=level,
        )
        if name == "kappa":
            found[name] = _kappa_estimate(confusion, level=level, unit=unit)
            name = "kappa (bootstrap)"
        found[name] = estimate
    return found


def _mean_of_two(first: Estimate, second: Estimate, *, n: int) -> Estimate:
    """Mean of two independent estimates, its interval from theirs (MOVER; Zou and Donner, Stat Med 2008, 27:1693)."""
    value = (first.value + second.value) / 2
    return Estimate(
        value=value,
        low=value - np.hypot(first.value - first.low, second.value - second.low) / 2,
        high=value + np.hypot(first.high - first.value, second.high - second.value) / 2,
        n=n,
        unit=first.unit,
        method=f"MOVER of two {first.method} intervals",
        level=first.level,
    )


def _draw_cases(confusion: Confusion, *, resamples: int, seed: int) -> NDArray[np.float64]:
    """Counts (resamples, 4) of cases drawn with replacement: a multinomial draw is the same thing."""
    if confusion.total == 0:
        return np.full((1, 4), np.nan)
    shares = confusion.array / confusion.total
    return np.random.default_rng(seed).multinomial(confusion.total, shares, size=resamples).astype(np.float64)


def clustered_figures(
    truth: ArrayLike,
    called: ArrayLike,
    patients: ArrayLike,
    *,
    level: float = 0.95,
    unit: str = "cases",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """All ``FIGURES`` with a percentile interval over resampled patients; for several cases a patient.

    Args:
        truth: (n,) boolean.
        called: (n,) boolean.
        patients: (n,) the patient of each case.
        level: confidence level.
        unit: what a case is.
        resamples: how many.
        seed: of the draw.
    """
    columns = indicator_columns(truth, called)
    count = cluster_codes(patients)[1]
    totals = resample_totals(columns, patients, resamples=resamples, seed=seed)
    counts = columns.sum(axis=0)
    sizes = {name: n for name, (_, n) in fractions(confusion_of(truth, called)).items()}
    return {
        name: bootstrap_estimate(
            float(definition(counts)),
            definition(totals),
            n=sizes.get(name, len(columns)),
            unit=unit,
            clusters=count,
            level=level,
            seed=seed,
        )
        for name, definition in FIGURES
    }
