"""Figures of merit of readers, and how they covary because the readers saw the same cases.

Every reader reads every case with every modality (a fully crossed study). A *cell* is one modality and one reader, in
the order of ``score.reshape(modalities * readers, cases)``. ``osteon.evaluation.obuchowski_rockette`` takes the values
and the covariance from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError, UsageError
from osteon.evaluation.intervals import RESAMPLES, cluster_codes, draw_clusters
from osteon.evaluation.roc import roc_curve, structural_components
from osteon.evaluation.roc_bootstrap import rank_scores, weighted_auc

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

METRICS = ("auc", "sensitivity", "specificity", "accuracy")
COVARIANCES = ("jackknife", "delong", "bootstrap")


def case_outcomes(truth: ArrayLike, called: ArrayLike, metric: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Outcome of each case behind a figure that is a mean over cases.

    Args:
        truth: (cases,) boolean.
        called: (modalities, readers, cases) boolean.
        metric: "sensitivity", "specificity" or "accuracy".

    Returns:
        Outcomes (modalities, readers, cases), 1 for right, and which cases count (cases,).

    Raises:
        UsageError: another metric.
    """
    labels, calls = np.asarray(truth, bool), np.asarray(called, bool)
    counted = {
        "sensitivity": labels,
        "specificity": ~labels,
        "accuracy": np.ones_like(labels),
    }
    if metric not in counted:
        raise UsageError(f"metric {metric!r}: expected one of {list(counted)}")
    return (calls == labels).astype(np.float64), counted[metric]


def auc_values(truth: ArrayLike, score: ArrayLike) -> NDArray[np.float64]:
    """AUC of every cell, (modalities, readers), from scores (modalities, readers, cases)."""
    scores = np.asarray(score, np.float64)
    areas, _, _ = structural_components(truth, scores.reshape(-1, scores.shape[-1]))
    return areas.reshape(scores.shape[:-1])


def auc_covariance(
    truth: ArrayLike,
    score: ArrayLike,
    patients: ArrayLike,
    *,
    method: str = "jackknife",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Covariance (cells, cells) of the AUCs over samples of patients.

    Args:
        truth: (cases,) boolean.
        score: (modalities, readers, cases).
        patients: (cases,); each patient is one unit of the jackknife and the bootstrap. DeLong's takes cases as
            independent unless a patient has several; then it is Obuchowski's.
        method: one of ``COVARIANCES``.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        UsageError: another method.
        InputError: too few patients of a class to leave one out.
    """
    from osteon.evaluation.roc import clustered_covariance, delong_covariance

    _check_method(method)
    scores = np.asarray(score, np.float64)
    cells = scores.reshape(-1, scores.shape[-1])
    codes, count = cluster_codes(patients)
    if method == "delong":
        clustered = count < len(codes)
        return (clustered_covariance(truth, cells, patients) if clustered else delong_covariance(truth, cells))[1]
    if method == "jackknife":
        replicates = _auc_left_out(truth, cells, codes, count)
        return _jackknife_covariance(replicates)
    rankings = [rank_scores(truth, cell) for cell in cells]
    blocks = [
        np.stack([weighted_auc(ranking, draw.astype(np.float64), codes) for ranking in rankings])
        for draw in draw_clusters(count, resamples=resamples, seed=seed)
    ]
    return _bootstrap_covariance(np.concatenate(blocks, axis=1))


def mean_values(outcome: ArrayLike, counted: ArrayLike) -> NDArray[np.float64]:
    """Mean over the counted cases of every cell, (modalities, readers), from outcomes (modalities, readers, cases)."""
    return np.asarray(np.asarray(outcome, np.float64)[..., np.asarray(counted, bool)].mean(axis=-1))


def mean_covariance(
    outcome: ArrayLike,
    counted: ArrayLike,
    patients: ArrayLike,
    *,
    method: str = "jackknife",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Covariance (cells, cells) of figures that are means over cases: sensitivity, specificity, mean log time.

    With one case a patient, "jackknife" and "delong" are both the sample covariance divided by n.

    Args:
        outcome: (modalities, readers, cases).
        counted: (cases,) which cases enter the mean.
        patients: (cases,).
        method: one of ``COVARIANCES``.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    _check_method(method)
    values = np.asarray(outcome, np.float64)
    mask = np.asarray(counted, bool)
    cells = values.reshape(-1, values.shape[-1])[:, mask]
    codes, count = cluster_codes(np.asarray(patients)[mask])
    sums = np.stack([np.bincount(codes, weights=row, minlength=count) for row in cells])
    size = np.bincount(codes, minlength=count).astype(np.float64)
    if count < 2:
        raise InputError(f"reader study: {count} patients of a class; expected at least 2 to tell how cases vary")
    if method == "bootstrap":
        draws = draw_clusters(count, resamples=resamples, seed=seed)
        return _bootstrap_covariance(np.concatenate([(sums @ draw) / (size @ draw) for draw in draws], axis=1))
    if method == "delong":
        centred = sums - cells.mean(axis=1)[:, None] * size
        return np.asarray(count / (count - 1) * (centred @ centred.T) / size.sum() ** 2)
    left = (sums.sum(axis=1)[:, None] - sums) / (size.sum() - size)
    return _jackknife_covariance(left)


def _check_method(method: str) -> None:
    if method not in COVARIANCES:
        raise UsageError(f"covariance by {method!r}: expected one of {list(COVARIANCES)}")


def _auc_left_out(
    truth: ArrayLike, cells: NDArray[np.float64], codes: NDArray[np.intp], count: int
) -> NDArray[np.float64]:
    """(cells, patients) AUC without each patient."""
    labels = np.asarray(truth, bool)
    with_positive = len(np.unique(codes[labels]))
    with_negative = len(np.unique(codes[~labels]))
    if min(with_positive, with_negative) < 2:
        raise InputError(
            f"reader study: {with_positive} patients with and {with_negative} without the disease; expected at least 2 "
            "of each to leave one out"
        )
    rankings = [rank_scores(labels, cell) for cell in cells]
    found = np.empty((len(cells), count))
    for start in range(0, count, 64):
        columns = np.arange(start, min(start + 64, count))
        weights = np.ones((count, len(columns)))
        weights[columns, np.arange(len(columns))] = 0.0
        for index, ranking in enumerate(rankings):
            found[index, columns] = weighted_auc(ranking, weights, codes)
    return found


def _jackknife_covariance(replicates: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n - 1)/n times the sum of products about the mean of the n leave-one-out values (cells, n)."""
    n = replicates.shape[1]
    centred = replicates - replicates.mean(axis=1, keepdims=True)
    return np.asarray((n - 1) / n * (centred @ centred.T))


def _bootstrap_covariance(replicates: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = replicates[:, np.isfinite(replicates).all(axis=0)]
    if kept.shape[1] < 2:
        raise InputError("reader study: hardly any resample has both classes; too few cases for a bootstrap")
    return np.cov(kept).reshape(len(replicates), -1)


def average_roc(truth: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean sensitivity over readers at each false positive rate (vertical averaging of the empirical curves).

    Args:
        truth: (cases,) boolean.
        scores: (readers, cases).

    Returns:
        False positive rates and mean sensitivities, at every rate where some reader's curve has a corner; a vertical
        step stays vertical (two points at one rate), so that the area below is exactly the mean AUC.
    """
    curves = [roc_curve(truth, row) for row in np.atleast_2d(np.asarray(scores, np.float64))]
    rates = np.unique(np.concatenate([curve.false_positive_rate for curve in curves]))
    before, after = np.zeros(len(rates)), np.zeros(len(rates))
    for curve in curves:
        x, y = curve.false_positive_rate, curve.sensitivity
        first, last = np.searchsorted(x, rates, side="left"), np.searchsorted(x, rates, side="right") - 1
        exact = x[np.minimum(first, len(x) - 1)] == rates
        between = np.interp(rates, x, y)
        before += np.where(exact, y[np.minimum(first, len(x) - 1)], between)
        after += np.where(exact, y[last], between)
    x2 = np.repeat(rates, 2)
    y2 = np.stack([before, after], axis=1).ravel() / len(curves)
    return x2, y2
