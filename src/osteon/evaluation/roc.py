"""The ROC curve and the area under it: Mann-Whitney with ties at one half, DeLong's covariance, clustered data.

``truth`` is boolean (True: has the disease); ``score`` is any ordered number, ratings 1-5 included: higher means more
likely diseased. A case is called positive where ``score >= threshold``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from osteon.errors import InputError, UsageError
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import cluster_codes, normal_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NAN = float("nan")


@dataclass(frozen=True, kw_only=True, slots=True)
class RocCurve:
    """The empirical curve, from (0, 0) to (1, 1).

    Attributes:
        false_positive_rate, sensitivity: (points,), both rising.
        threshold: (points,), falling; the first is +inf (nothing is called positive).
    """

    false_positive_rate: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    threshold: NDArray[np.float64]


def checked_scores(truth: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """``truth`` (n,) as booleans and ``score`` (n,) or (models, n) as floats.

    Raises:
        InputError: lengths differ, truth is neither boolean nor 0/1, or a score is NaN.
    """
    labels = np.asarray(truth)
    values = np.asarray(score, np.float64)
    if labels.ndim != 1 or values.shape[-1:] != labels.shape:
        raise InputError(f"ROC: truth of shape {labels.shape} and scores of shape {values.shape}; expected as many")
    if not np.isin(labels, (0, 1)).all():
        raise InputError("ROC: truth holds other values than 0 and 1 (or False and True); map the classes first")
    if np.isnan(values).any():
        raise InputError(f"ROC: {int(np.isnan(values).sum())} scores are NaN; a case without a score must be left out")
    return labels.astype(bool), values


def auc(truth: ArrayLike, score: ArrayLike) -> float:
    """Area under the empirical ROC curve, ties at one half; nan where there is one class only."""
    labels, values = checked_scores(truth, score)
    positive = int(labels.sum())
    negative = labels.size - positive
    if positive == 0 or negative == 0:
        return NAN
    rank_sum = stats.rankdata(values)[labels].sum()
    return float((rank_sum - positive * (positive + 1) / 2) / (positive * negative))


def roc_curve(truth: ArrayLike, score: ArrayLike) -> RocCurve:
    """All operating points, one for each distinct score; a rate is nan where its class is empty."""
    labels, values = checked_scores(truth, score)
    order = np.argsort(-values, kind="stable")
    ranked, hits = values[order], labels[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if ranked.size else np.array([], int)
    true_positive = np.concatenate([[0], np.cumsum(hits)[last]])
    false_positive = np.concatenate([[0], np.cumsum(~hits)[last]])
    with np.errstate(invalid="ignore"):
        return RocCurve(
            false_positive_rate=false_positive / np.float64(np.sum(~labels)),
            sensitivity=true_positive / np.float64(np.sum(labels)),
            threshold=np.concatenate([[np.inf], ranked[last]]),
        )


def structural_components(
    truth: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """DeLong's structural components by midranks (Sun and Xu, IEEE Signal Process. Lett. 2014, 21:1389).

    Args:
        truth: (n,) with both classes.
        scores: (models, n), all models on the same cases.

    Returns:
        AUCs (models,), V10 (models, positives): share of negatives below each positive, V01 (models, negatives):
        share of positives above each negative.

    Raises:
        InputError: one class only.
    """
    labels, values = checked_scores(truth, np.atleast_2d(np.asarray(scores, np.float64)))
    positive, negative = int(labels.sum()), int((~labels).sum())
    if positive == 0 or negative == 0:
        raise InputError(f"ROC: {positive} positive and {negative} negative cases; expected at least one of each")
    together = stats.rankdata(values, axis=1)
    among_positive = stats.rankdata(values[:, labels], axis=1)
    among_negative = stats.rankdata(values[:, ~labels], axis=1)
    v10 = (together[:, labels] - among_positive) / negative
    v01 = 1.0 - (together[:, ~labels] - among_negative) / positive
    return v10.mean(axis=1), v10, v01


def delong_covariance(truth: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AUCs (models,) and their covariance (models, models) (DeLong et al., Biometrics 1988, 44:837).

    The covariance is nan with fewer than two cases in a class.
    """
    areas, v10, v01 = structural_components(truth, scores)
    if v10.shape[1] < 2 or v01.shape[1] < 2:
        return areas, np.full((len(areas), len(areas)), np.nan)
    covariance = np.cov(v10).reshape(len(areas), -1) / v10.shape[1]
    return areas, covariance + np.cov(v01).reshape(len(areas), -1) / v01.shape[1]


def clustered_covariance(
    truth: ArrayLike, scores: ArrayLike, patients: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AUCs (models,) of clustered data and their covariance (Obuchowski, Biometrics 1997, 53:567).

    Cases of one patient may be positive, negative or both. With one case a patient it is exactly DeLong's.

    Args:
        truth: (n,).
        scores: (models, n).
        patients: (n,) the patient of each case.
    """
    labels = np.asarray(truth).astype(bool)
    areas, v10, v01 = structural_components(truth, scores)
    codes, count = cluster_codes(patients)
    positive, negative = v10.shape[1], v01.shape[1]
    x = _cluster_sums(v10 - areas[:, None], codes[labels], count)
    y = _cluster_sums(v01 - areas[:, None], codes[~labels], count)
    with_positive = len(np.unique(codes[labels]))
    with_negative = len(np.unique(codes[~labels]))
    if min(with_positive, with_negative) < 2:
        return areas, np.full((len(areas), len(areas)), np.nan)
    s10 = with_positive / ((with_positive - 1) * positive) * (x @ x.T)
    s01 = with_negative / ((with_negative - 1) * negative) * (y @ y.T)
    s11 = count / (count - 1) * (x @ y.T)
    return areas, s10 / positive + s01 / negative + (s11 + s11.T) / (positive * negative)


def _cluster_sums(values: NDArray[np.float64], codes: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    return np.stack([np.bincount(codes, weights=row, minlength=count) for row in values])


def newcombe_ends(area: float, *, positive: int, negative: int, level: float = 0.95) -> tuple[float, float]:
    """Newcombe's score-like interval of an AUC (method 5; Stat Med 2006, 25:559): it does not collapse at 0 or 1."""
    z = normal_quantile(level)
    star = (positive + negative) / 2 - 1

    def distance(theta: float) -> float:
        spread = 1 + star * (1 - theta) / (2 - theta) + star * theta / (1 + theta)
        return float(abs(theta - area) - z * np.sqrt(theta * (1 - theta) * spread / (positive * negative)))

    tiny = 1e-12
    low = 0.0 if area <= tiny else float(optimize.brentq(distance, tiny, max(area - tiny, 2 * tiny)))
    high = 1.0 if area >= 1 - tiny else float(optimize.brentq(distance, min(area + tiny, 1 - 2 * tiny), 1 - tiny))
    return low, high


def auc_delong(
    truth: ArrayLike,
    score: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    scale: str = "plain",
    level: float = 0.95,
    unit: str = "cases",
) -> Estimate:
    """AUC with DeLong's interval, or Obuchowski's where ``patients`` (n,) are given.

    An AUC of exactly 0 or 1 has no variance in these methods; its interval is then Newcombe's, and the method says so.

    Args:
        truth: (n,) boolean.
        score: (n,).
        patients: patient of each case, for clustered data.
        scale: "plain" (value +- z SE, cut to 0-1) or "logit" (the same on the log-odds, never outside 0-1).
        level: confidence level.
        unit: what a case is.

    Raises:
        UsageError: another ``scale``.
    """
    if scale not in ("plain", "logit"):
        raise UsageError(f"AUC interval on scale {scale!r}: expected 'plain' or 'logit'")
    labels, values = checked_scores(truth, score)
    positive, negative = int(labels.sum()), int((~labels).sum())
    if positive == 0 or negative == 0:
        return Estimate(value=NAN, n=labels.size, unit=unit, method="not defined with one class", level=level)
    if patients is None:
        areas, covariance = delong_covariance(labels, values)
        method = "DeLong"
    else:
        areas, covariance = clustered_covariance(labels, values, patients)
        method = "Obuchowski (DeLong for cases clustered by patient)"
    area, error = float(areas[0]), float(np.sqrt(covariance[0, 0]))
    z = normal_quantile(level)
    if area in (0.0, 1.0):
        low, high = newcombe_ends(area, positive=positive, negative=negative, level=level)
        method = f"Newcombe method 5 ({method} has no variance at {area:g})"
    elif scale == "logit":
        odds, step = np.log(area / (1 - area)), z * error / (area * (1 - area))
        low, high = (float(1 / (1 + np.exp(-edge))) for edge in (odds - step, odds + step))
        method += ", logit scale"
    else:
        low, high = (float(edge) for edge in np.clip([area - z * error, area + z * error], 0, 1))
    return Estimate(value=area, low=low, high=high, n=labels.size, unit=unit, method=method, level=level)
