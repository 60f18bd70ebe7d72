from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from osteon.errors import InputError, UsageError
from osteon.evaluation.paired import (
    compare_auc,
    holm,
    mcnemar,
    mcnemar_of,
    paired_difference,
    permute_auc,
    permute_outcomes,
    smallest_mcnemar_p,
)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_statsmodels(b, c):
    found = mcnemar(b, c, n=100)
    table = [[10, b], [c, 10]]
    assert found.p_exact == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue)
    if b + c:
        plain = statsmodels_mcnemar(table, exact=False, correction=False)
        corrected = statsmodels_mcnemar(table, exact=False, correction=True)
        assert (found.chi_square, found.p_chi_square) == pytest.approx((plain.statistic, plain.pvalue))
        if b != c:  # statsmodels lets the correction overshoot 0
            assert found.p_chi_square_corrected == pytest.approx(corrected.pvalue)
    else:
        assert found.p_chi_square == 1.0


def test_the_mid_p_of_a_published_example():
    """Bentur et al. in Fagerland et al. (BMC Med Res Methodol 2013, 13:91): discordant 1 and 7 of 21 children."""
    found = mcnemar(1, 7, n=21)
    assert found.p_exact == pytest.approx(0.0703, abs=5e-5)
    assert found.p_mid == pytest.approx(0.0391, abs=5e-5)
    assert found.p_chi_square == pytest.approx(0.0339, abs=5e-5)
    assert mcnemar(4, 4, n=10).p_mid == pytest.approx(1 - 0.5 * stats.binom.pmf(4, 8, 0.5))


def test_mcnemar_counts_the_discordant_pairs():
    first, second = np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 1, 0], bool)
    found = mcnemar_of(first, second)
    assert (found.only_first, found.only_second, found.n) == (2, 1, 5)
    with pytest.raises(InputError, match="same cases"):
        mcnemar_of(first, second[:4])
    with pytest.raises(UsageError, match="5 and 6 discordant of 10"):
        mcnemar(5, 6, n=10)


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n))))
def test_the_smallest_p_is_the_smallest_over_all_overlaps(counts):
    first, second, n = counts
    possible = [
        mcnemar(first - both, second - both, n=n).p_exact
        for both in range(min(first, second) + 1)
        if first + second - both <= n
    ]
    assert smallest_mcnemar_p(first, second, n=n) == pytest.approx(min(possible))


def test_the_fracture_studys_sensitivities_cannot_reach_their_p():
    assert smallest_mcnemar_p(39, 47, n=50) == pytest.approx(2 * 0.5**8)


def test_the_paired_interval_covers_as_often_as_it_says():
    """Exact coverage: every possible table of 14 pairs, weighed by its probability."""
    n = 14
    tables = [cells for cells in product(range(n + 1), repeat=3) if sum(cells) <= n]
    ends = {}
    for both, only_a, only_b in tables:
        first = np.repeat([1, 1, 0, 0], [both, only_a, only_b, n - both - only_a - only_b]).astype(bool)
        second = np.repeat([1, 0, 1, 0], [both, only_a, only_b, n - both - only_a - only_b]).astype(bool)
        ends[both, only_a, only_b] = paired_difference(first, second)
    for shares in ((0.5, 0.2, 0.1, 0.2), (0.7, 0.1, 0.1, 0.1), (0.2, 0.4, 0.1, 0.3)):
        truth = shares[1] - shares[2]
        coverage = 0.0
        for cells, estimate in ends.items():
            if estimate.low - 1e-12 <= truth <= estimate.high + 1e-12:
                coverage += stats.multinomial.pmf([*cells, n - sum(cells)], n, shares)
        assert 0.93 <= coverage <= 0.995


def test_the_paired_interval_is_symmetric_and_inside():
    rng = np.random.default_rng(0)
    a, b = rng.random(40) < 0.9, rng.random(40) < 0.5
    one, other = paired_difference(a, b), paired_difference(b, a)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert -1 <= one.low <= one.value <= one.high <= 1
    same = paired_difference(a, a)
    assert same.value == 0.0
    assert same.low < 0 < same.high


def scores(seed=0, n=90, shift=(1.2, 0.6)):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    base = rng.normal(size=n)
    return truth, *(base + rng.normal(size=n) + d * truth for d in shift)


def test_paired_delong_equals_the_definition():
    truth, first, second = scores()
    found = compare_auc(truth, first, second)
    wins = [np.array([[(x > y) + 0.5 * (x == y) for y in s[~truth]] for x in s[truth]]) for s in (first, second)]
    gap = wins[0] - wins[1]
    variance = gap.mean(axis=1).var(ddof=1) / truth.sum() + gap.mean(axis=0).var(ddof=1) / (~truth).sum()
    assert found.difference.value == pytest.approx(roc_auc_score(truth, first) - roc_auc_score(truth, second))
    assert found.statistic == pytest.approx(gap.mean() / np.sqrt(variance))
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(gap.mean()) / np.sqrt(variance)))
    assert found.difference.high - found.difference.value == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-5)


def test_equal_rankings_have_no_difference_and_no_p_below_one():
    truth, first, _ = scores()
    found = compare_auc(truth, first, np.exp(first))
    assert (found.difference.value, found.p, found.statistic) == (0.0, 1.0, 0.0)
    assert permute_auc(truth, first, np.exp(first), np.arange(90), permutations=200) == 1.0


def test_alike_images_of_a_patient_are_not_counted_as_evidence():
    truth, first, second = scores(seed=1)
    patients = np.tile(np.arange(90), 6)
    copies = [np.tile(a, 6) for a in (truth, first, second)]
    once = compare_auc(truth, first, second)
    assert compare_auc(*copies, patients=patients).p == pytest.approx(once.p, abs=0.02)
    assert compare_auc(*copies).p < once.p / 3


def test_the_permutation_of_aucs_equals_all_exchanges():
    truth, first, second = scores(seed=2, n=10)
    ranks = [stats.rankdata(s) for s in (first, second)]
    gaps = []
    for keep in product([False, True], repeat=10):
        swap = np.array(keep)
        a, b = np.where(swap, ranks[1], ranks[0]), np.where(swap, ranks[0], ranks[1])
        gaps.append(roc_auc_score(truth, a) - roc_auc_score(truth, b))
    observed = abs(roc_auc_score(truth, first) - roc_auc_score(truth, second))
    exact = np.mean(np.abs(gaps) >= observed - 1e-12)
    assert permute_auc(truth, first, second, np.arange(10), permutations=6000, seed=1) == pytest.approx(
        exact, abs=0.025
    )


def test_permutation_and_delong_agree_on_larger_samples():
    truth, first, second = scores(seed=3, n=300, shift=(1.0, 0.7))
    p = compare_auc(truth, first, second).p
    assert permute_auc(truth, first, second, np.arange(300)) == pytest.approx(p, abs=0.03)


def test_permuted_outcomes_equal_mcnemars_exact_p():
    rng = np.random.default_rng(4)
    first, second = rng.random(30) < 0.8, rng.random(30) < 0.5
    expected = mcnemar_of(first, second).p_exact
    assert permute_outcomes(first, second, np.arange(30), permutations=20_000) == pytest.approx(expected, abs=0.015)
    few = slice(0, 9)  # few enough for all exchanges
    assert permute_outcomes(first[few], second[few], np.arange(9)) == pytest.approx(
        mcnemar_of(first[few], second[few]).p_exact
    )
    assert permute_outcomes(first, first, np.arange(30)) == 1.0


def test_outcomes_of_a_patient_change_places_together():
    first, second = np.repeat([True, True, False], 10), np.repeat([False, False, True], 10)
    # 3 patients: exchanging gives sums of +-10 +-10 +-10, of which 6 in 8 are as far out as |10|, all of them >= 10.
    assert permute_outcomes(first, second, np.repeat([0, 1, 2], 10)) == pytest.approx(1.0)
    assert permute_outcomes(first, second, np.arange(30), permutations=5000) < 0.12


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_leaves_undefined_p_values_out():
    adjusted = holm([0.01, float("nan"), 0.04])
    assert adjusted[0] == pytest.approx(0.02)
    assert np.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)
