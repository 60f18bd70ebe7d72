from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from osteon.errors import InputError, UsageError
from osteon.evaluation.agreement import (
    agreement_weights,
    bland_altman,
    category_counts,
    cohen_kappa,
    cohen_kappa_bootstrap,
    fleiss_kappa,
    fleiss_kappa_bootstrap,
    pair_table,
    weighted_kappa_error,
)

RATINGS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=5, max_size=80)
STATSMODELS = {"none": None, "linear": "linear", "quadratic": "quadratic"}


def noisy(seed=0, n=200, categories=4, raters=2):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, categories, n)
    return np.array([np.clip(truth + rng.choice([-1, 0, 0, 0, 1], n), 0, categories - 1) for _ in range(raters)])


@given(RATINGS, st.sampled_from(["none", "linear", "quadratic"]))
def test_kappa_is_sklearns(rows, weights):
    a, b = np.array(rows).T
    found = cohen_kappa(a, b, categories=4, weights=weights)
    expected = cohen_kappa_score(a, b, labels=range(4), weights=STATSMODELS[weights])
    if np.isnan(expected):
        assert np.isnan(found.value)
    else:
        assert found.value == pytest.approx(expected)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappas_interval_is_statsmodels(weights):
    a, b = noisy()
    found = cohen_kappa(a, b, categories=4, weights=weights)
    expected = cohens_kappa(pair_table(a, b, 4), wt=STATSMODELS[weights])
    assert found.value == pytest.approx(expected.kappa)
    assert (found.low, found.high) == pytest.approx((expected.kappa_low, expected.kappa_upp), abs=1e-5)


def test_kappas_of_the_lytic_study():
    """Faghani et al. (Skeletal Radiol 2022): 776 slices, positive for 10 and 9, kappa 0.84 (0.66 to 1.00)."""
    a, b = np.zeros(776, int), np.zeros(776, int)
    a[:10], b[2:11] = 1, 1
    found = cohen_kappa(a, b, categories=2)
    assert (round(found.value, 2), round(found.low, 2), round(found.high, 2)) == (0.84, 0.66, 1.00)


def test_the_bootstrap_agrees_with_theory_and_sees_patients():
    a, b = noisy(seed=3)
    theory = cohen_kappa(a, b, categories=4)
    single = cohen_kappa_bootstrap(a, b, np.arange(200), categories=4)
    assert single.value == pytest.approx(theory.value)
    assert (single.low, single.high) == pytest.approx((theory.low, theory.high), abs=0.02)
    tiled = cohen_kappa_bootstrap(np.tile(a, 4), np.tile(b, 4), np.tile(np.arange(200), 4), categories=4)
    assert (tiled.low, tiled.high) == pytest.approx((single.low, single.high), abs=1e-9)


def test_two_raters_in_one_category_have_no_kappa():
    found = cohen_kappa(np.zeros(9, int), np.zeros(9, int), categories=2)
    assert np.isnan([found.value, found.low]).all()
    assert np.isnan(weighted_kappa_error([[9.0, 0], [0, 0]], np.eye(2)))
    perfect = cohen_kappa([0, 1, 0, 1], [0, 1, 0, 1], categories=2)
    assert perfect.value == 1.0
    assert np.isnan(perfect.low)


def test_weights():
    assert agreement_weights(3, "linear")[0].tolist() == [1.0, 0.5, 0.0]
    assert agreement_weights(3, "quadratic")[0].tolist() == [1.0, 0.75, 0.0]
    with pytest.raises(UsageError, match="'cubic'"):
        agreement_weights(3, "cubic")


FLEISS_1971 = [
    *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
    *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
]


def test_fleiss_worked_example():
    """Ten units, 14 raters, five categories: kappa 0.210 (the worked example of Wikipedia's article)."""
    assert fleiss_kappa(FLEISS_1971).value == pytest.approx(0.210, abs=5e-4)


@given(st.integers(0, 400), st.integers(2, 5), st.integers(2, 4))
def test_fleiss_is_statsmodels(seed, raters, categories):
    rng = np.random.default_rng(seed)
    counts = category_counts(rng.integers(0, categories, (12, raters)), categories)
    expected = statsmodels_fleiss(counts)
    found = fleiss_kappa(counts).value
    assert (np.isnan(found) and not np.isfinite(expected)) or found == pytest.approx(expected)


def test_gwets_error_is_that_of_the_jackknife_and_the_bootstrap():
    counts = category_counts(noisy(seed=5, n=120, raters=4).T, 4)
    found = fleiss_kappa(counts)
    error = (found.high - found.low) / 2 / 1.959964
    left_out = np.array([fleiss_kappa(np.delete(counts, unit, axis=0)).value for unit in range(120)])
    jackknife = np.sqrt(119 / 120 * np.sum((left_out - left_out.mean()) ** 2))
    assert error == pytest.approx(jackknife, rel=0.02)
    boot = fleiss_kappa_bootstrap(counts, np.arange(120))
    assert (boot.high - boot.low) / 2 / 1.959964 == pytest.approx(error, rel=0.1)


def test_bland_altmans_bias_is_a_paired_t_interval():
    rng = np.random.default_rng(0)
    a = rng.normal(10, 2, 40)
    b = a + rng.normal(0.5, 1, 40)
    found = bland_altman(a, b)
    expected = stats.ttest_rel(a, b).confidence_interval()
    assert (found.bias.low, found.bias.high) == pytest.approx((expected.low, expected.high))
    assert found.upper.value - found.lower.value == pytest.approx(2 * 1.959964 * np.std(a - b, ddof=1), rel=1e-6)
    line = stats.linregress((a + b) / 2, a - b)
    assert (found.slope.value, found.slope_p) == pytest.approx((line.slope, line.pvalue))


def test_exact_limits_cover_as_often_as_they_say():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(600):
        difference = rng.normal(0, 1, 12)
        found = bland_altman(difference, np.zeros(12))
        inside += found.upper.low <= 1.959964 <= found.upper.high
    assert 0.93 <= inside / 600 <= 0.97


def test_limits_turn_round_with_the_readers():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=20), rng.normal(size=20)
    one, other = bland_altman(a, b), bland_altman(b, a)
    assert (one.lower.low, one.lower.high) == pytest.approx((-other.upper.high, -other.upper.low))


def test_bad_ratings_are_refused():
    with pytest.raises(InputError, match="outside 0 to 1"):
        pair_table([0, 2], [0, 1], 2)
    with pytest.raises(InputError, match="same units"):
        pair_table([0, 1], [0], 2)
    with pytest.raises(InputError, match="same 2\\+ raters"):
        fleiss_kappa([[2, 1], [1, 1]])
    with pytest.raises(InputError, match="at least 3"):
        bland_altman([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(InputError, match="NaN"):
        bland_altman([1.0, 2.0, np.nan], [1.0, 2.0, 3.0])
