from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from osteon.errors import InputError, UsageError
from osteon.evaluation.features import cross_validated_probability, fisher_test, fisher_test_of, patient_folds

TABLES = st.tuples(*[st.integers(0, 12)] * 4).filter(lambda t: (t[0] + t[1]) * (t[2] + t[3]) > 0)


def two_sided(a, n1, c, n0):
    """Sum of all tables no more likely than the observed one, by hand."""
    total, drawn = n1 + n0, a + c

    def chance(x):
        return comb(n1, x) * comb(n0, drawn - x) / comb(total, drawn)

    possible = range(max(0, drawn - n0), min(n1, drawn) + 1)
    return sum(chance(x) for x in possible if chance(x) <= chance(a) * (1 + 1e-7))


@given(TABLES)
def test_fisher_equals_its_definition(table):
    a, b, c, d = table
    assert fisher_test(a, a + b, c, c + d).p == pytest.approx(two_sided(a, a + b, c, c + d))


def test_a_published_example_of_the_conditional_odds_ratio():
    """Fisher's twins, as in the documentation of R's fisher.test: 2/15 against 10/13, OR 0.0469 (0.0033 to 0.3632)."""
    found = fisher_test(2, 17, 10, 13)
    assert found.conditional_odds_ratio == pytest.approx(0.04693661, rel=1e-5)
    # R finds the ends with a coarse root finder; the next test holds them to their definition.
    assert (found.odds_ratio.low, found.odds_ratio.high) == pytest.approx((0.003325764, 0.363182271), rel=5e-3)
    assert found.p == pytest.approx(0.0005367, rel=1e-3)
    assert found.odds_ratio.value == pytest.approx(2 * 3 / (15 * 10))


@pytest.mark.parametrize("table", [(2, 17, 10, 13), (7, 50, 77, 140), (1, 50, 8, 140)])
def test_the_ends_of_the_interval_leave_a_fortieth_in_each_tail(table):
    a, n1, c, n0 = table
    found = fisher_test(*table).odds_ratio
    drawn = a + c
    possible = range(max(0, drawn - n0), min(n1, drawn) + 1)

    def at_least(odds, least):
        weights = {x: comb(n1, x) * comb(n0, drawn - x) * odds**x for x in possible}
        return sum(w for x, w in weights.items() if x >= least) / sum(weights.values())

    assert at_least(found.low, a) == pytest.approx(0.025, rel=1e-4)
    assert 1 - at_least(found.high, a + 1) == pytest.approx(0.025, rel=1e-4)


def test_the_fracture_studys_features():
    """Yeh et al., Table 1: printed 0.18, 0.09 and 0.001; the protrusion's 0.07 is really 0.006."""
    assert round(fisher_test(25, 50, 54, 140).p, 2) == 0.18
    assert round(fisher_test(14, 50, 59, 140).p, 2) == 0.09
    assert round(fisher_test(5, 50, 0, 140).p, 3) == 0.001
    assert round(fisher_test(16, 50, 19, 140).p, 3) == 0.006


def test_empty_cells_and_margins():
    separated = fisher_test(11, 50, 0, 140)
    assert np.isinf(separated.odds_ratio.value)
    assert 1 < separated.odds_ratio.low < np.inf == separated.odds_ratio.high
    never = fisher_test(0, 50, 0, 140)
    assert never.p == 1.0
    assert np.isnan([never.odds_ratio.value, never.odds_ratio.low]).all()
    with pytest.raises(UsageError, match="51 of 50"):
        fisher_test(51, 50, 0, 140)


def test_cases_and_counts_agree():
    rng = np.random.default_rng(0)
    truth, present = rng.random(80) < 0.3, rng.random(80) < 0.4
    counts = [(truth & present).sum(), truth.sum(), (~truth & present).sum(), (~truth).sum()]
    assert fisher_test_of(truth, present) == fisher_test(*(int(count) for count in counts))


@given(st.integers(0, 300), st.integers(2, 5))
def test_folds_keep_patients_whole_and_classes_even(seed, folds):
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, 40, 200)
    truth = (rng.random(40) < 0.4)[patients]
    if min(len(set(patients[truth])), len(set(patients[~truth]))) < folds:
        return
    fold = patient_folds(truth, patients, folds=folds, seed=seed)
    assert all(len(set(fold[patients == p])) == 1 for p in set(patients))
    for group in (truth, ~truth):
        sizes = [len(set(patients[group & (fold == f)])) for f in range(folds)]
        assert max(sizes) - min(sizes) <= 1


def test_too_many_folds_are_refused():
    with pytest.raises(UsageError, match="4 folds with 3 patients"):
        patient_folds([1, 1, 1, 0, 0, 0, 0], np.arange(7), folds=4)


def test_held_out_probabilities_are_those_of_sklearn():
    rng = np.random.default_rng(1)
    table, patients = rng.random((90, 3)) < 0.5, np.arange(90)
    truth = rng.random(90) < 0.2 + 0.5 * table[:, 0]
    fold = patient_folds(truth, patients, folds=5)
    found = cross_validated_probability(table, truth, fold, penalty="ridge", strength=2.0)
    for number in range(5):
        held = fold == number
        model = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(table[~held], truth[~held])
        assert found[held] == pytest.approx(model.predict_proba(table[held])[:, 1], abs=1e-5)


def test_separation_in_a_fold_is_an_error_without_penalty_and_none_with_it():
    truth = np.repeat([True, False], [20, 40])
    feature = (np.arange(60) < 12)[:, None]  # only in the positive class
    fold = patient_folds(truth, np.arange(60), folds=4)
    with pytest.raises(InputError, match=r"fold 0 has no finite fit.*firth or ridge"):
        cross_validated_probability(feature, truth, fold, penalty="none")
    probability = cross_validated_probability(feature, truth, fold)
    assert probability[:12].min() > 0.8
    assert probability[20:].max() < 0.5
