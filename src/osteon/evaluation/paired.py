"""Two tests on the same cases: McNemar, paired DeLong, permutation; and Holm's correction over many pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from osteon.errors import InputError, UsageError
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import cluster_codes, normal_quantile, wilson
from osteon.evaluation.roc import checked_scores, clustered_covariance, delong_covariance
from osteon.evaluation.roc_bootstrap import Ranking, rank_scores, weighted_auc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

NAN = float("nan")
_EXACT_PAIRS = 14
_BLOCK = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class McNemar:
    """McNemar's test on the discordant pairs (Psychometrika 1947, 12:153).

    Attributes:
        only_first, only_second: pairs where only the one, only the other test is right (or positive).
        n: all pairs.
        p_exact: binomial, two-sided: twice the smaller tail, at most 1.
        p_mid: exact with half the probability of the observed table (Fagerland 2013).
        chi_square, p_chi_square: (b - c)^2 / (b + c), one degree of freedom, no continuity correction.
        chi_square_corrected, p_chi_square_corrected: (|b - c| - 1)^2 / (b + c) (Edwards 1948).
    """

    only_first: int
    only_second: int
    n: int
    p_exact: float
    p_mid: float
    chi_square: float
    p_chi_square: float
    chi_square_corrected: float
    p_chi_square_corrected: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A difference (first - second) with its interval and test."""

    difference: Estimate
    p: float
    statistic: float


def mcnemar(only_first: int, only_second: int, *, n: int) -> McNemar:
    """McNemar's tests from the discordant counts; without any discordant pair every p is 1 and chi-square 0.

    Raises:
        UsageError: counts below 0, or more discordant pairs than pairs.
    """
    b, c = only_first, only_second
    if min(b, c) < 0 or b + c > n:
        raise UsageError(f"McNemar: {b} and {c} discordant of {n} pairs; expected 0 <= b + c <= n")
    discordant = b + c
    if discordant == 0:
        return McNemar(
            only_first=0,
            only_second=0,
            n=n,
            p_exact=1.0,
            p_mid=1.0,
            chi_square=0.0,
            p_chi_square=1.0,
            chi_square_corrected=0.0,
            p_chi_square_corrected=1.0,
        )
    tail = 2 * float(stats.binom.cdf(min(b, c), discordant, 0.5))
    exact = min(1.0, tail)
    # Fagerland, Lydersen and Laake (BMC Med Res Methodol 2013, 13:91): with b = c both tails share the observed table.
    point = float(stats.binom.pmf(min(b, c), discordant, 0.5))
    mid = tail - point if b != c else 1.0 - point / 2
    plain = (b - c) ** 2 / discordant
    corrected = max(abs(b - c) - 1, 0) ** 2 / discordant
    return McNemar(
        only_first=b,
        only_second=c,
        n=n,
        p_exact=exact,
        p_mid=mid,
        chi_square=plain,
        p_chi_square=float(stats.chi2.sf(plain, 1)),
        chi_square_corrected=corrected,
        p_chi_square_corrected=float(stats.chi2.sf(corrected, 1)),
    )


def mcnemar_of(first: ArrayLike, second: ArrayLike) -> McNemar:
    """McNemar's tests of two boolean outcomes (n,) on the same units (called right, or called positive).

    Raises:
        InputError: lengths differ.
    """
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(f"McNemar: outcomes of shape {a.shape} and {b.shape}; expected the same cases in both")
    return mcnemar(int((a & ~b).sum()), int((~a & b).sum()), n=a.size)


def smallest_mcnemar_p(first: int, second: int, *, n: int) -> float:
    """The smallest exact p-value that two proportions of the same n cases allow, whatever their overlap.

    The discordant counts are not known from the margins, but their difference is; p is smallest where all of the
    discordance goes one way, if n allows that.

    Args:
        first: cases that the first test gets right.
        second: cases that the second gets right.
        n: cases.
    """
    gap = abs(first - second)
    most_extra = min(first, second, n - max(first, second))
    return min(mcnemar(gap + extra, extra, n=n).p_exact for extra in range(most_extra + 1))


def paired_difference(first: ArrayLike, second: ArrayLike, *, level: float = 0.95, unit: str = "cases") -> Estimate:
    """Difference of two paired proportions with Newcombe's score interval (method 10; Stat Med 1998, 17:2635).

    Args:
        first: (n,) boolean outcome of the first test.
        second: (n,) of the second.
        level: confidence level.
        unit: what a case is.
    """
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    n = a.size
    method = "Newcombe paired score (method 10)"
    if n == 0:
        return Estimate(value=NAN, n=0, unit=unit, method=method, level=level)
    both, only_a, only_b = (int(part.sum()) for part in (a & b, a & ~b, ~a & b))
    neither = n - both - only_a - only_b
    p1, p2 = (both + only_a) / n, (both + only_b) / n
    low1, high1 = (float(end) for end in wilson(both + only_a, n, level=level))
    low2, high2 = (float(end) for end in wilson(both + only_b, n, level=level))
    phi = _paired_correlation(both, only_a, only_b, neither)
    down = _spread(p1 - low1, high2 - p2, phi)
    up = _spread(high1 - p1, p2 - low2, phi)
    value = p1 - p2
    return Estimate(value=value, low=value - down, high=value + up, n=n, unit=unit, method=method, level=level)


def _paired_correlation(both: int, only_a: int, only_b: int, neither: int) -> float:
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if margins == 0:
        return 0.0
    n = both + only_a + only_b + neither
    cross = both * neither - only_a * only_b
    # Newcombe's correction towards 0, for positive correlation only.
    shrunk = max(cross - n / 2, 0.0) if cross > 0 else float(cross)
    return float(shrunk / np.sqrt(margins))


def _spread(first: float, second: float, correlation: float) -> float:
    return float(np.sqrt(max(first**2 - 2 * correlation * first * second + second**2, 0.0)))


def compare_auc(
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    level: float = 0.95,
    unit: str = "cases",
) -> Comparison:
    """Paired DeLong test of two AUCs on the same cases; Obuchowski's for cases clustered by patient.

    Two tests that rank alike have difference 0, no variance and p = 1; p is nan where the variance is not defined.

    Args:
        truth: (n,) boolean.
        first: (n,) scores.
        second: (n,) scores.
        patients: (n,) patient of each case, where a patient has several.
        level: confidence level.
        unit: what a case is.
    """
    labels, scores = checked_scores(truth, np.stack([np.asarray(first, float), np.asarray(second, float)]))
    if patients is None:
        areas, covariance = delong_covariance(labels, scores)
        method = "paired DeLong"
    else:
        areas, covariance = clustered_covariance(labels, scores, patients)
        method = "paired, Obuchowski (clustered by patient)"
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    error = float(np.sqrt(max(variance, 0.0)))
    half = normal_quantile(level) * error
    if error > 1e-12:
        z = difference / error
        p = float(2 * stats.norm.sf(abs(z)))
    else:
        z, p = (0.0, 1.0) if abs(difference) < 1e-12 and not np.isnan(variance) else (NAN, NAN)
        half = NAN
    estimate = Estimate(
        value=difference,
        low=max(-1.0, difference - half) if half == half else NAN,
        high=min(1.0, difference + half) if half == half else NAN,
        n=labels.size,
        unit=unit,
        method=method,
        level=level,
    )
    return Comparison(difference=estimate, p=p, statistic=z)


def permute_outcomes(
    first: ArrayLike, second: ArrayLike, patients: ArrayLike, *, permutations: int = 10_000, seed: int = 0
) -> float:
    """Two-sided permutation p-value of a difference of paired proportions.

    The two tests change places patient by patient. Up to 14 patients with a difference all exchanges are counted,
    beyond that ``permutations`` random ones (p = (1 + as extreme) / (1 + permutations)).

    Args:
        first: (n,) boolean outcomes (right or wrong).
        second: (n,).
        patients: (n,) exchanged together.
        permutations: how many.
        seed: of the draw.
    """
    codes, count = cluster_codes(patients)
    gain = np.asarray(first, float) - np.asarray(second, float)
    per_patient = np.bincount(codes, weights=gain, minlength=count)
    moving = per_patient[per_patient != 0]
    observed = abs(moving.sum())
    if moving.size <= _EXACT_PAIRS:
        signs = 1 - 2 * ((np.arange(2**moving.size)[:, None] >> np.arange(moving.size)) & 1)
        return float((np.abs(signs @ moving) >= observed - 1e-9).mean())
    rng = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, permutations, 1000):
        signs = 1 - 2 * rng.integers(0, 2, size=(min(1000, permutations - start), moving.size))
        extreme += int((np.abs(signs @ moving) >= observed - 1e-9).sum())
    return (1 + extreme) / (1 + permutations)


def permute_auc(
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    patients: ArrayLike,
    *,
    permutations: int = 2000,
    seed: int = 0,
) -> float:
    """Two-sided permutation p-value of a difference of paired AUCs (Bandos, Rockette and Gur, Stat Med 2005, 24:2873).

    Scores become ranks within each test, so that their scales may differ; then the two tests change places patient by
    patient. p = (1 + as extreme) / (1 + permutations).

    Args:
        truth: (n,) boolean.
        first: (n,) scores.
        second: (n,) scores.
        patients: (n,) exchanged together.
        permutations: how many.
        seed: of the draw.
    """
    labels, scores = checked_scores(truth, np.stack([np.asarray(first, float), np.asarray(second, float)]))
    if labels.all() or not labels.any():
        return NAN
    codes, count = cluster_codes(patients)
    ranks = stats.rankdata(scores, axis=1)
    # Both tests' ranks in one pool; a weight of 1 or 0 says to which test an entry belongs in a permutation.
    pool = rank_scores(np.tile(labels, 2), ranks.ravel())
    units = np.concatenate([codes, codes + count])
    observed = abs(_auc_gap(pool, units, np.ones((count, 1)))[0])
    rng = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, permutations, _BLOCK):
        keep = rng.integers(0, 2, size=(count, min(_BLOCK, permutations - start))).astype(np.float64)
        extreme += int((np.abs(_auc_gap(pool, units, keep)) >= observed - 1e-12).sum())
    return (1 + extreme) / (1 + permutations)


def _auc_gap(pool: Ranking, units: NDArray[np.intp], keep: NDArray[np.float64]) -> NDArray[np.float64]:
    """AUC difference under each column of ``keep``: 1 leaves a patient's scores where they are, 0 exchanges them."""
    ours = np.concatenate([keep, 1 - keep])
    return weighted_auc(pool, ours, units) - weighted_auc(pool, 1 - ours, units)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Scand J Stat 1979, 6:65), in the order given; nan stays nan and is not counted."""
    p = np.asarray(p_values, np.float64)
    defined = np.flatnonzero(~np.isnan(p))
    order = defined[np.argsort(p[defined], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return [float(value) for value in adjusted]
