"""Binary features against a two-class truth: Fisher's exact test, odds ratios, and a regression that is validated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from osteon.errors import InputError, UsageError
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import cluster_codes
from osteon.evaluation.logistic import PENALTIES, fit_logistic, with_intercept

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureTest:
    """One binary feature in a 2 x 2 table.

    Attributes:
        present_positive, positive: cases of the positive class with the feature, and all of that class.
        present_negative, negative: the same of the other class.
        p: Fisher's exact test, two-sided (tables no more likely than the observed one).
        odds_ratio: sample odds ratio ad/bc (0 or inf where a cell is empty), with the exact conditional interval
            (Cornfield; it is that of the conditional estimate).
        conditional_odds_ratio: conditional maximum likelihood estimate.
    """

    present_positive: int
    positive: int
    present_negative: int
    negative: int
    p: float
    odds_ratio: Estimate
    conditional_odds_ratio: float


def fisher_test(
    present_positive: int, positive: int, present_negative: int, negative: int, *, level: float = 0.95
) -> FeatureTest:
    """Fisher's exact test of a feature present in ``present_positive`` of ``positive`` against the other class.

    Raises:
        UsageError: counts that cannot be.
    """
    a, c = present_positive, present_negative
    b, d = positive - a, negative - c
    if min(a, b, c, d) < 0:
        raise UsageError(f"feature {a} of {positive} against {c} of {negative}: expected 0 <= present <= class size")
    table = [[a, b], [c, d]]
    p = float(stats.fisher_exact(table).pvalue)
    value = a * d / (b * c) if b * c else (float("inf") if a * d else float("nan"))
    low = high = conditional = float("nan")
    if 0 < a + c < positive + negative and positive and negative:
        exact = stats.contingency.odds_ratio(table, kind="conditional")
        interval = exact.confidence_interval(confidence_level=level)
        low, high, conditional = float(interval.low), float(interval.high), float(exact.statistic)
    odds = Estimate(
        value=value, low=low, high=high, n=positive + negative, unit="cases", method="exact conditional", level=level
    )
    return FeatureTest(
        present_positive=a,
        positive=positive,
        present_negative=c,
        negative=negative,
        p=p,
        odds_ratio=odds,
        conditional_odds_ratio=conditional,
    )


def fisher_test_of(truth: ArrayLike, present: ArrayLike, *, level: float = 0.95) -> FeatureTest:
    """Fisher's exact test from cases: ``truth`` and ``present`` are (n,) booleans."""
    labels, feature = np.asarray(truth, bool), np.asarray(present, bool)
    return fisher_test(
        int((labels & feature).sum()),
        int(labels.sum()),
        int((~labels & feature).sum()),
        int((~labels).sum()),
        level=level,
    )


def patient_folds(truth: ArrayLike, patients: ArrayLike, *, folds: int = 10, seed: int = 0) -> NDArray[np.intp]:
    """Fold number (n,) of each case: patients stay whole, and the classes are spread evenly.

    A patient counts as positive if any of its cases is.

    Raises:
        UsageError: fewer than two folds, or more folds than patients of a class.
    """
    labels = np.asarray(truth, bool)
    codes, count = cluster_codes(patients)
    positive = np.bincount(codes, weights=labels, minlength=count) > 0
    smallest = int(min(positive.sum(), (~positive).sum()))
    if folds < 2 or folds > smallest:
        raise UsageError(f"{folds} folds with {smallest} patients in the smaller class; expected 2 to that number")
    rng = np.random.default_rng(seed)
    fold_of = np.empty(count, np.intp)
    start = 0
    for group in (np.flatnonzero(positive), np.flatnonzero(~positive)):
        fold_of[rng.permutation(group)] = (start + np.arange(len(group))) % folds
        start += len(group)
    return fold_of[codes]


def cross_validated_probability(
    features: ArrayLike,
    truth: ArrayLike,
    fold: ArrayLike,
    *,
    penalty: str = "firth",
    strength: float = 1.0,
) -> NDArray[np.float64]:
    """Probability (n,) of each case from a logistic model fitted to the other folds.

    Args:
        features: (n, p).
        truth: (n,) boolean.
        fold: (n,) from ``patient_folds``.
        penalty: of ``fit_logistic``; "none" fails where the features separate the classes.
        strength: of a ridge.

    Raises:
        InputError: a fold whose model does not exist.
    """
    if penalty not in PENALTIES:
        raise UsageError(f"penalty {penalty!r}: expected one of {list(PENALTIES)}")
    design, labels, folds = with_intercept(features), np.asarray(truth, bool), np.asarray(fold)
    found = np.empty(len(labels))
    for number in np.unique(folds):
        held_out = folds == number
        fit = fit_logistic(design[~held_out], labels[~held_out], penalty=penalty, strength=strength)
        if not fit.converged:
            raise InputError(
                f"logistic regression without fold {int(number)} has no finite fit (penalty {penalty!r}): the features "
                "separate the classes or depend on each other. Use firth or ridge, or drop a feature"
            )
        found[held_out] = fit.probability(design[held_out])
    return found
