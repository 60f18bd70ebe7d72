"""Are probabilities probabilities: Brier score, expected calibration error, reliability curve, recalibration line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError, UsageError
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import (
    RESAMPLES,
    bootstrap_estimate,
    bootstrap_totals,
    cluster_codes,
    normal_quantile,
    resample_totals,
    wilson,
)
from osteon.evaluation.logistic import fit_logistic

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BINNINGS = ("width", "mass")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """The reliability curve; empty bins are left out.

    Attributes:
        low_edge, high_edge: (bins,) probability limits.
        predicted: (bins,) mean probability.
        observed: (bins,) share of positives.
        low, high: (bins,) Wilson interval of ``observed``.
        n: (bins,) cases.
    """

    low_edge: NDArray[np.float64]
    high_edge: NDArray[np.float64]
    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: NDArray[np.int64]


def checked_probabilities(truth: ArrayLike, probability: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Truth (n,) as 0.0/1.0 and probabilities (n,).

    Raises:
        InputError: no case, lengths differ, or a value that is no probability.
    """
    labels, values = np.asarray(truth).astype(np.float64), np.asarray(probability, np.float64)
    if labels.ndim != 1 or labels.shape != values.shape or labels.size == 0:
        raise InputError(f"calibration: truth of shape {labels.shape}, probabilities {values.shape}; expected as many")
    if not np.isin(labels, (0, 1)).all():
        raise InputError("calibration: truth holds other values than 0 and 1")
    outside = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if outside.size:
        raise InputError(
            f"calibration: {outside.size} scores are no probabilities (first: {values[outside[0]]:g} at {outside[0]}); "
            "expected 0 to 1. Ratings and logits have no calibration: leave it out, or map them to probabilities first"
        )
    return labels, values


def brier_score(
    truth: ArrayLike,
    probability: ArrayLike,
    patients: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Mean squared difference of probability and outcome (Brier 1950), resampled by patient."""
    labels, values = checked_probabilities(truth, probability)
    sums = np.stack([(values - labels) ** 2, np.ones_like(values)], axis=1)
    return bootstrap_totals(
        lambda totals: totals[..., 0] / totals[..., 1],
        sums,
        patients,
        unit="cases",
        resamples=resamples,
        seed=seed,
        level=level,
    )


def bin_edges(probability: NDArray[np.float64], *, bins: int = 10, binning: str = "width") -> NDArray[np.float64]:
    """Edges (at most bins + 1): of equal width from 0 to 1, or of about equal numbers of cases ("mass").

    A probability on an inner edge belongs to the bin above it; 1 belongs to the last.

    Raises:
        UsageError: fewer than one bin, or an unknown binning.
    """
    if bins < 1 or binning not in BINNINGS:
        raise UsageError(f"calibration: {bins} bins by {binning!r}; expected at least 1 and one of {list(BINNINGS)}")
    if binning == "width":
        return np.linspace(0, 1, bins + 1)
    inner = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    return np.concatenate([[0.0], inner[(inner > 0) & (inner < 1)], [1.0]])


def _bin_sums(
    labels: NDArray[np.float64], values: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n, 3 * bins): outcome, probability and 1 of each case, in the columns of its bin."""
    count = len(edges) - 1
    where = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, count - 1)
    table = np.zeros((len(values), 3, count))
    table[np.arange(len(values)), :, where] = np.stack([labels, values, np.ones_like(values)], axis=1)
    return table.reshape(len(values), -1)


def _calibration_error(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    outcome, predicted, n = np.moveaxis(totals.reshape(*totals.shape[:-1], 3, -1), -2, 0)
    return np.asarray(np.abs(outcome - predicted).sum(axis=-1) / n.sum(axis=-1))


def expected_calibration_error(
    truth: ArrayLike,
    probability: ArrayLike,
    patients: ArrayLike,
    *,
    bins: int = 10,
    binning: str = "width",
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Sum over bins of n/N |observed share - mean probability| (Naeini et al., AAAI 2015), resampled by patient.

    The bins stay those of the data given. The error of few cases is biased upwards, and so is its interval, whose lower
    end can lie above the value.

    Args:
        truth: (n,) boolean.
        probability: (n,) of the positive class.
        patients: (n,).
        bins: how many.
        binning: "width" or "mass".
        resamples: how many.
        seed: of the draw.
        level: confidence level.
    """
    labels, values = checked_probabilities(truth, probability)
    sums = _bin_sums(labels, values, bin_edges(values, bins=bins, binning=binning))
    replicates = _calibration_error(resample_totals(sums, patients, resamples=resamples, seed=seed))
    return bootstrap_estimate(
        float(_calibration_error(sums.sum(axis=0))),
        replicates,
        n=len(values),
        unit="cases",
        clusters=cluster_codes(patients)[1],
        level=level,
        seed=seed,
    )


def reliability_curve(
    truth: ArrayLike, probability: ArrayLike, *, bins: int = 10, binning: str = "width", level: float = 0.95
) -> Reliability:
    """Observed share against mean probability by bin, with Wilson intervals (cases taken as independent)."""
    labels, values = checked_probabilities(truth, probability)
    edges = bin_edges(values, bins=bins, binning=binning)
    outcome, predicted, n = _bin_sums(labels, values, edges).sum(axis=0).reshape(3, -1)
    kept = n > 0
    low, high = wilson(outcome[kept], n[kept], level=level)
    return Reliability(
        low_edge=edges[:-1][kept],
        high_edge=edges[1:][kept],
        predicted=predicted[kept] / n[kept],
        observed=outcome[kept] / n[kept],
        low=low,
        high=high,
        n=n[kept].astype(np.int64),
    )


def recalibration_line(truth: ArrayLike, probability: ArrayLike, *, level: float = 0.95) -> tuple[Estimate, Estimate]:
    """Calibration intercept and slope: logit P(disease) = intercept + slope * logit(probability) (Cox 1958).

    Perfect probabilities give 0 and 1; a slope below 1 means too extreme ones. Probabilities of exactly 0 or 1 are cut
    to 1e-6. Wald intervals, cases taken as independent; nan where no fit exists (one class, or separated scores).
    """
    labels, values = checked_probabilities(truth, probability)
    cut = np.clip(values, 1e-6, 1 - 1e-6)
    design = np.stack([np.ones_like(cut), np.log(cut / (1 - cut))], axis=1)
    fit = fit_logistic(design, labels)
    coefficient, half = fit.coefficient, normal_quantile(level) * fit.standard_error
    intercept, slope = (
        Estimate(
            value=float(coefficient[k]),
            low=float(coefficient[k] - half[k]),
            high=float(coefficient[k] + half[k]),
            n=len(values),
            unit="cases",
            method="logistic recalibration, Wald",
            level=level,
        )
        for k in range(2)
    )
    return intercept, slope
