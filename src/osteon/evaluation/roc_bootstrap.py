"""ROC figures resampled by patient, many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.evaluation.intervals import (
    RESAMPLES,
    bootstrap_estimate,
    cluster_codes,
    draw_clusters,
)
from osteon.evaluation.roc import auc, checked_scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from osteon.evaluation.estimate import Estimate

_ROWS_AT_ONCE = 4096
_BAND_THRESHOLDS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """The order of one set of scores, prepared once and weighed many times.

    Attributes:
        positive, negative: unit indices of both classes in rising order of score.
        below, not_above: (positives,) how many negatives score lower, and lower or equal.
    """

    positive: NDArray[np.intp]
    negative: NDArray[np.intp]
    below: NDArray[np.intp]
    not_above: NDArray[np.intp]


def rank_scores(truth: ArrayLike, score: ArrayLike) -> Ranking:
    """Sort the scores (n,) of both classes and place the positives among the negatives."""
    labels, values = checked_scores(truth, score)
    positive, negative = np.flatnonzero(labels), np.flatnonzero(~labels)
    positive = positive[np.argsort(values[positive], kind="stable")]
    negative = negative[np.argsort(values[negative], kind="stable")]
    ladder = values[negative]
    return Ranking(
        positive=positive,
        negative=negative,
        below=np.searchsorted(ladder, values[positive], side="left"),
        not_above=np.searchsorted(ladder, values[positive], side="right"),
    )


def weighted_auc(
    ranking: Ranking, weights: NDArray[np.float64], units: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """AUC under each column of weights; nan where a class has no weight.

    Args:
        ranking: of the n units.
        weights: (groups, columns), how much a unit of each group counts.
        units: (n,) the group of each unit; None: each unit is its own group.
    """
    positive = ranking.positive if units is None else units[ranking.positive]
    negative = ranking.negative if units is None else units[ranking.negative]
    ladder = np.zeros((len(negative) + 1, weights.shape[1]))
    np.cumsum(weights[negative], axis=0, out=ladder[1:])
    ties = bool((ranking.below != ranking.not_above).any())
    wins = np.zeros(weights.shape[1])
    total = np.zeros(weights.shape[1])
    for start in range(0, len(positive), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        weight = weights[positive[rows]]
        beaten = ladder[ranking.below[rows]]
        if ties:
            beaten = (beaten + ladder[ranking.not_above[rows]]) / 2
        wins += np.einsum("ij,ij->j", weight, beaten)
        total += weight.sum(axis=0)
    pairs = total * ladder[-1]
    return np.asarray(np.divide(wins, pairs, out=np.full_like(wins, np.nan), where=pairs > 0))


def auc_replicates(
    truth: ArrayLike, score: ArrayLike, patients: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """AUC of each bootstrap resample of the patients, (resamples,); nan where a resample has one class only."""
    codes, count = cluster_codes(patients)
    ranking = rank_scores(truth, score)
    blocks = [
        weighted_auc(ranking, draw.astype(np.float64), codes)
        for draw in draw_clusters(count, resamples=resamples, seed=seed)
    ]
    return np.concatenate(blocks)


def auc_bootstrap(
    truth: ArrayLike,
    score: ArrayLike,
    patients: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
    unit: str = "cases",
) -> Estimate:
    """AUC with a percentile interval over resampled patients.

    Args:
        truth: (n,) boolean.
        score: (n,).
        patients: (n,) the patient of each case.
        resamples: how many.
        seed: of the draw.
        level: confidence level.
        unit: what a case is.
    """
    labels, values = checked_scores(truth, score)
    count = cluster_codes(patients)[1]
    replicates = auc_replicates(labels, values, patients, resamples=resamples, seed=seed)
    return bootstrap_estimate(
        auc(labels, values), replicates, n=labels.size, unit=unit, clusters=count, level=level, seed=seed
    )


def roc_band(
    truth: ArrayLike,
    score: ArrayLike,
    patients: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pointwise band of the sensitivity over resampled patients.

    The curve is followed through at most 200 thresholds, taken evenly from the distinct scores.

    Returns:
        False positive rates (101,), low and high sensitivity (101,).
    """
    labels, values = checked_scores(truth, score)
    codes, count = cluster_codes(patients)
    distinct = np.unique(values)[::-1]
    picked = np.unique(np.linspace(0, len(distinct) - 1, min(len(distinct), _BAND_THRESHOLDS)).astype(int))
    rung = np.searchsorted(-distinct[picked], -values, side="left")
    hits, alarms = (_called_per_cluster(rung[mask], codes[mask], (count, len(picked))) for mask in (labels, ~labels))
    grid = np.linspace(0, 1, 101)
    curves = []
    for draw in draw_clusters(count, resamples=resamples, seed=seed):
        for sensitivity, alarm in zip(_shares(draw, hits), _shares(draw, alarms), strict=True):
            curves.append(_height(grid, alarm, sensitivity))
    stacked = np.asarray(curves)
    with np.errstate(invalid="ignore"):
        low, high = np.nanquantile(stacked, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return grid, low, high


def _called_per_cluster(rung: NDArray[np.intp], codes: NDArray[np.intp], shape: tuple[int, int]) -> NDArray[np.float64]:
    """(clusters, thresholds + 1): units of each cluster called positive at each threshold; last column: all of them."""
    table = np.zeros((shape[0], shape[1] + 1))
    np.add.at(table, (codes, np.minimum(rung, shape[1])), 1)
    return np.asarray(np.cumsum(table, axis=1))


def _shares(draw: NDArray[np.int64], called: NDArray[np.float64]) -> NDArray[np.float64]:
    """(resamples, thresholds) share of a class called positive in each resample."""
    totals = draw.T @ called
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals / totals[:, -1:])


def _height(
    grid: NDArray[np.float64], alarm: NDArray[np.float64], sensitivity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sensitivity at each false positive rate, the curve drawn from (0, 0) through its points."""
    if np.isnan(alarm[-1]) or np.isnan(sensitivity[-1]):
        return np.full(grid.shape, np.nan)
    x, y = np.append(0.0, alarm), np.append(0.0, sensitivity)
    return np.asarray(np.interp(grid, x, y))
