"""Do readers agree: Cohen's, weighted and Fleiss' kappa, and Bland and Altman's limits, each with intervals.

Kappa is not defined (nan) where chance alone gives full agreement: all units in one category by all raters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from osteon.errors import InputError, UsageError
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import (
    RESAMPLES,
    bootstrap_estimate,
    cluster_codes,
    normal_quantile,
    resample_totals,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

WEIGHTS = ("none", "linear", "quadratic")
NAN = float("nan")


def pair_table(first: ArrayLike, second: ArrayLike, categories: int) -> NDArray[np.float64]:
    """(categories, categories) counts: rows the first rater, columns the second; codes from 0.

    Raises:
        InputError: lengths differ, or a code outside 0 to categories - 1.
    """
    a, b = np.asarray(first, np.intp), np.asarray(second, np.intp)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(
            f"agreement: ratings of shape {a.shape} and {b.shape}; expected the same units for both raters"
        )
    if a.size and not (min(a.min(), b.min()) >= 0 and max(a.max(), b.max()) < categories):
        raise InputError(f"agreement: a category outside 0 to {categories - 1}")
    table = np.zeros((categories, categories))
    np.add.at(table, (a, b), 1)
    return table


def agreement_weights(categories: int, weights: str = "none") -> NDArray[np.float64]:
    """(categories, categories) weights: 1 on the diagonal; 0, 1 - |i-j|/(k-1) or 1 - ((i-j)/(k-1))^2 off it.

    Raises:
        UsageError: another name than in ``WEIGHTS``.
    """
    if weights not in WEIGHTS:
        raise UsageError(f"kappa weights {weights!r}: expected one of {list(WEIGHTS)}")
    if weights == "none" or categories < 2:
        return np.eye(categories)
    apart = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories))) / (categories - 1)
    return np.asarray(1 - (apart if weights == "linear" else apart**2))


def kappa_of_tables(tables: ArrayLike, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(Weighted) kappa of tables (..., k, k)."""
    counts = np.asarray(tables, np.float64)
    n = counts.sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = counts / n[..., None, None]
        observed = (weights * p).sum(axis=(-2, -1))
        expected = np.einsum("...i,ij,...j->...", p.sum(axis=-1), weights, p.sum(axis=-2))
        return np.where(expected < 1 - 1e-12, (observed - expected) / (1 - expected), np.nan)


def weighted_kappa_error(table: ArrayLike, weights: NDArray[np.float64]) -> float:
    """Asymptotic standard error of (weighted) kappa (Fleiss, Cohen and Everitt, Psychol Bull 1969, 72:323)."""
    counts = np.asarray(table, np.float64)
    n = counts.sum()
    value = float(kappa_of_tables(counts, weights))
    if np.isnan(value):
        return NAN
    p = counts / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    expected = float(rows @ weights @ columns)
    chance = (weights @ columns)[:, None] + (rows @ weights)[None, :]
    spread = float((p * (weights - chance * (1 - value)) ** 2).sum()) - (value - expected * (1 - value)) ** 2
    return float(np.sqrt(max(spread, 0.0) / (n * (1 - expected) ** 2)))


def cohen_kappa(
    first: ArrayLike, second: ArrayLike, *, categories: int, weights: str = "none", level: float = 0.95
) -> Estimate:
    """Cohen's kappa of two raters with its asymptotic interval; ``weights`` for ordered categories.

    Args:
        first: (n,) category codes from 0.
        second: (n,).
        categories: how many there are, used or not.
        weights: one of ``WEIGHTS``.
        level: confidence level.
    """
    table = pair_table(first, second, categories)
    matrix = agreement_weights(categories, weights)
    value, error = float(kappa_of_tables(table, matrix)), weighted_kappa_error(table, matrix)
    half = normal_quantile(level) * error if error > 0 else NAN
    return Estimate(
        value=value,
        low=float(np.maximum(value - half, -1.0)),
        high=float(np.minimum(value + half, 1.0)),
        n=int(table.sum()),
        unit="cases",
        method="asymptotic (Fleiss, Cohen, Everitt 1969)",
        level=level,
    )


def cohen_kappa_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    patients: ArrayLike,
    *,
    categories: int,
    weights: str = "none",
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Cohen's kappa with a percentile interval over resampled patients.

    Args:
        first: (n,) category codes from 0.
        second: (n,).
        patients: (n,).
        categories: how many there are.
        weights: one of ``WEIGHTS``.
        resamples: how many.
        seed: of the draw.
        level: confidence level.
    """
    a, b = np.asarray(first, np.intp), np.asarray(second, np.intp)
    table = pair_table(a, b, categories)
    matrix = agreement_weights(categories, weights)
    cells = np.zeros((len(a), categories * categories))
    cells[np.arange(len(a)), a * categories + b] = 1
    totals = resample_totals(cells, patients, resamples=resamples, seed=seed)
    return bootstrap_estimate(
        float(kappa_of_tables(table, matrix)),
        kappa_of_tables(totals.reshape(-1, categories, categories), matrix),
        n=len(a),
        unit="cases",
        clusters=cluster_codes(patients)[1],
        level=level,
        seed=seed,
    )


def category_counts(ratings: ArrayLike, categories: int) -> NDArray[np.float64]:
    """(units, categories): how many raters put each unit into each category, from codes (units, raters)."""
    codes = np.asarray(ratings, np.intp)
    counts = np.zeros((len(codes), categories))
    np.add.at(counts, (np.arange(len(codes))[:, None], codes), 1)
    return counts


def _fleiss(sums: NDArray[np.float64], raters: int) -> NDArray[np.float64]:
    """Fleiss' kappa from totals (..., categories + 2): category counts, sum of unit agreements, number of units."""
    counts, agreed, units = sums[..., :-2], sums[..., -2], sums[..., -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = counts / (units * raters)[..., None]
        expected = (shares**2).sum(axis=-1)
        return np.where(expected < 1 - 1e-12, (agreed / units - expected) / (1 - expected), np.nan)


def _unit_agreement(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    raters = counts.sum(axis=1)
    return np.asarray((counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1)))


def _checked_counts(counts: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(counts, np.float64)
    raters = table.sum(axis=1) if table.ndim == 2 else np.array([0.0])
    if table.ndim != 2 or len(table) < 2 or len(np.unique(raters)) != 1 or raters[0] < 2:
        raise InputError(
            "Fleiss' kappa: expected counts (units, categories), at least 2 units, each by the same 2+ raters"
        )
    return table


def fleiss_kappa(counts: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Fleiss' kappa of several raters (Psychol Bull 1971, 76:378), with Gwet's large-sample interval.

    The standard error is that of Gwet (Educ Psychol Meas 2021, 81:781), which holds whether or not the raters agree
    beyond chance.

    Args:
        counts: (units, categories) raters per category, the same number of raters in every unit.
        level: confidence level.

    Raises:
        InputError: fewer than two units or raters, or a changing number of raters.
    """
    table = _checked_counts(counts)
    units, raters = len(table), int(table[0].sum())
    agreed = _unit_agreement(table)
    value = float(_fleiss(np.concatenate([table.sum(axis=0), [agreed.sum(), units]]), raters))
    shares = table.sum(axis=0) / table.sum()
    expected = float((shares**2).sum())
    error = NAN
    if not np.isnan(value):
        chance = (table * shares).sum(axis=1) / raters
        own = (agreed - expected) / (1 - expected) - 2 * (1 - value) * (chance - expected) / (1 - expected)
        error = float(np.sqrt(((own - value) ** 2).sum() / (units * (units - 1))))
    half = normal_quantile(level) * error if error > 0 else NAN
    return Estimate(
        value=value,
        low=float(np.maximum(value - half, -1.0)),
        high=float(np.minimum(value + half, 1.0)),
        n=units,
        unit=f"cases, {raters} raters",
        method="asymptotic (Gwet 2021)",
        level=level,
    )


def fleiss_kappa_bootstrap(
    counts: ArrayLike,
    patients: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Fleiss' kappa with a percentile interval over resampled patients."""
    table = _checked_counts(counts)
    raters = int(table[0].sum())
    rows = np.column_stack([table, _unit_agreement(table), np.ones(len(table))])
    totals = resample_totals(rows, patients, resamples=resamples, seed=seed)
    return bootstrap_estimate(
        float(_fleiss(rows.sum(axis=0), raters)),
        _fleiss(totals, raters),
        n=len(table),
        unit=f"cases, {raters} raters",
        clusters=cluster_codes(patients)[1],
        level=level,
        seed=seed,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class BlandAltman:
    """Limits of agreement between two measurements (Bland and Altman, Lancet 1986, i:307).

    Attributes:
        bias: mean difference (first - second), t interval.
        lower, upper: bias -+ z SD, with exact intervals under normality (Carkeet, Optom Vis Sci 2015, 92:e71).
        deviation: SD of the differences.
        slope: of the difference on the mean: is the bias proportional? p in ``slope_p``.
        slope_p: two-sided.
    """

    bias: Estimate
    lower: Estimate
    upper: Estimate
    deviation: float
    slope: Estimate
    slope_p: float


def bland_altman(first: ArrayLike, second: ArrayLike, *, level: float = 0.95, unit: str = "cases") -> BlandAltman:
    """Bias and limits of agreement of paired measurements (n,); the cases are taken as independent.

    Raises:
        InputError: lengths differ, fewer than three pairs, or a value that is not finite.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 1 or a.size < 3:
        raise InputError(f"Bland-Altman: measurements {a.shape} and {b.shape}; expected pairs, at least 3")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("Bland-Altman: a measurement is NaN or infinite; leave the pair out")
    difference, mean, n = a - b, (a + b) / 2, a.size
    bias, deviation, z = float(difference.mean()), float(difference.std(ddof=1)), normal_quantile(level)
    tails = ((1 - level) / 2, (1 + level) / 2)
    step = deviation / np.sqrt(n)
    near, far = (float(stats.nct.ppf(tail, n - 1, z * np.sqrt(n))) * step for tail in tails)
    half = float(stats.t.ppf(tails[1], n - 1)) * step

    def estimate(value: float, low: float, high: float, method: str) -> Estimate:
        return Estimate(value=value, low=low, high=high, n=n, unit=unit, method=method, level=level)

    exact = "exact under normality (Carkeet 2015)"
    slope, slope_p = _proportional_bias(mean, difference, level=level, unit=unit)
    return BlandAltman(
        bias=estimate(bias, bias - half, bias + half, "t"),
        lower=estimate(bias - z * deviation, bias - far, bias - near, exact),
        upper=estimate(bias + z * deviation, bias + near, bias + far, exact),
        deviation=deviation,
        slope=slope,
        slope_p=slope_p,
    )


def _proportional_bias(
    mean: NDArray[np.float64], difference: NDArray[np.float64], *, level: float, unit: str
) -> tuple[Estimate, float]:
    """Least-squares slope of the difference on the mean; nan where all means are equal."""
    n = mean.size
    if np.ptp(mean) == 0:
        return Estimate(value=NAN, n=n, unit=unit, method="least squares", level=level), NAN
    line = stats.linregress(mean, difference)
    half = float(stats.t.ppf((1 + level) / 2, n - 2)) * float(line.stderr)
    value = float(line.slope)
    slope = Estimate(
        value=value, low=value - half, high=value + half, n=n, unit=unit, method="least squares", level=level
    )
    return slope, float(line.pvalue)
