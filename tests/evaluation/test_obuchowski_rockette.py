"""Against the printed analysis of the Van Dyke data (RJafroc book, chapter on the OR method; MRMCaov's README).

Both print the same figures, and RJafroc's were checked against the University of Iowa's OR-DBM MRMC 2.51.
"""

from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import UsageError
from osteon.evaluation.obuchowski_rockette import obuchowski_rockette
from osteon.evaluation.readers import auc_covariance, auc_values
from tests.evaluation.van_dyke import read_van_dyke


def van_dyke(**options):
    truth, score = read_van_dyke()
    covariance = auc_covariance(truth, score, np.arange(114), method="jackknife")
    return obuchowski_rockette(auc_values(truth, score), covariance, cases=114, **options)


def ends(inference):
    return inference.estimate.low, inference.estimate.high


def test_components():
    parts = van_dyke().components
    expected = {
        "ms_modality": 0.00479617053,
        "ms_reader": 0.00383619999,
        "ms_interaction": 0.00055103062,
        "var": 0.00080228827,
        "cov1": 0.00034661371,
        "cov2": 0.00034407483,
        "cov3": 0.00023902837,
        "var_reader": 0.00153499935,
        "var_interaction": 0.00020040252,
    }
    for name, value in expected.items():
        assert getattr(parts, name) == pytest.approx(value, abs=6e-12), name


def test_random_readers_and_random_cases():
    found = van_dyke()
    assert (found.f, found.df1, found.df2, found.p) == pytest.approx((4.4563187, 1, 15.259675, 0.051665686), rel=1e-7)
    difference = found.differences[0, 1]
    assert difference.estimate.value == pytest.approx(-0.043800322, abs=5e-10)
    assert difference.standard_error == pytest.approx(0.02074862, abs=5e-9)
    assert difference.statistic == pytest.approx(-2.110999, abs=5e-7)
    assert ends(difference) == pytest.approx((-0.0879594986, 0.0003588544), abs=5e-10)
    assert [one.df for one in found.means] == pytest.approx([12.744648, 12.710190], abs=5e-7)
    assert [one.standard_error for one in found.means] == pytest.approx([0.033173597, 0.021566368], abs=5e-10)
    assert ends(found.means[0]) == pytest.approx((0.82522360, 0.96885048), abs=5e-9)
    assert ends(found.means[1]) == pytest.approx((0.89413783, 0.98753689), abs=5e-9)


def test_fixed_readers_and_random_cases():
    found = van_dyke(random_readers=False)
    assert (found.f, found.p) == pytest.approx((5.4759532, 0.019279843), rel=1e-7)
    assert np.isinf(found.df2)
    difference = found.differences[0, 1]
    assert difference.standard_error == pytest.approx(0.018717483, abs=5e-10)
    assert (difference.statistic, difference.p) == pytest.approx((-2.3400755, 0.019279843), rel=1e-7)
    assert ends(difference) == pytest.approx((-0.080485914, -0.0071147303), abs=5e-10)
    assert [one.standard_error for one in found.means] == pytest.approx([0.024289710, 0.016776324], abs=5e-10)
    assert ends(found.means[0]) == pytest.approx((0.84943008, 0.94464399), abs=5e-9)


def test_random_readers_and_fixed_cases():
    found = van_dyke(random_cases=False)
    assert (found.f, found.df2, found.p) == pytest.approx((8.704, 4, 0.041958752), abs=5e-9)
    difference = found.differences[0, 1]
    assert (difference.standard_error, difference.df) == pytest.approx((0.014846287, 4), abs=5e-10)
    assert ends(difference) == pytest.approx((-0.085020224, -0.0025804202), abs=5e-10)
    assert ends(found.means[0]) == pytest.approx((0.82809808, 0.96597599), abs=5e-9)
    assert ends(found.means[1]) == pytest.approx((0.89598936, 0.98568536), abs=5e-9)


def test_each_reader():
    found = van_dyke()
    printed = {
        0: (-0.028180354, 0.025512133, 0.269338854, -0.078183215, 0.0218225068),
        1: (-0.046537842, 0.026301827, 0.076831017, -0.098088476, 0.0050127916),
        2: (-0.017874396, 0.031209647, 0.566834139, -0.079044180, 0.0432953879),
        3: (-0.026247987, 0.017291289, 0.129017153, -0.060138290, 0.0076423157),
        4: (-0.100161031, 0.044057460, 0.023000993, -0.186512066, -0.0138099949),
    }
    for reader, row in printed.items():
        one = found.reader_differences[reader, 0, 1]
        assert (one.estimate.value, one.standard_error, one.p, *ends(one)) == pytest.approx(row, abs=2e-9)


def test_one_reader_alone():
    """OR-DBM MRMC 2.51, trapezoidal, reader 1 only: X2(1) = 1.22011, p = 0.2693, SEs 0.0301 and 0.0221."""
    truth, score = read_van_dyke()
    one = score[:, :1]
    found = obuchowski_rockette(
        auc_values(truth, one), auc_covariance(truth, one, np.arange(114)), cases=114, random_readers=False
    )
    assert (found.f, found.p) == pytest.approx((1.22011, 0.2693), abs=5e-5)
    assert [m.standard_error for m in found.means] == pytest.approx([0.03012552, 0.02214169], abs=5e-9)
    assert ends(found.means[0]) == pytest.approx((0.86060081, 0.97869066), abs=5e-9)


def simulate(rng, *, effect=0.0):
    """Figures of merit drawn from the model itself: 2 modalities, 4 readers, known covariances."""
    reader, interaction = rng.normal(0, 0.03, 4), rng.normal(0, 0.01, (2, 4))
    errors = rng.multivariate_normal(np.zeros(8), ERRORS).reshape(2, 4)
    return 0.8 + np.array([[0.0], [effect]]) + reader + interaction + errors


def error_covariance(var=0.0016, cov1=0.0009, cov2=0.0008, cov3=0.0006):
    same_m, same_r = np.eye(2)[:, None, :, None], np.eye(4)[None, :, None, :]
    table = np.where(same_m * same_r, var, np.where(same_r, cov1, np.where(same_m, cov2, cov3)))
    return np.broadcast_to(table, (2, 4, 2, 4)).reshape(8, 8)


ERRORS = error_covariance()


def test_under_the_null_five_per_cent_are_rejected():
    rng = np.random.default_rng(0)
    rejected, covered = 0, 0
    for _ in range(1500):
        found = obuchowski_rockette(simulate(rng, effect=0.02), ERRORS, cases=100)
        low, high = ends(found.differences[0, 1])
        covered += low <= -0.02 <= high
        rejected += obuchowski_rockette(simulate(rng), ERRORS, cases=100).p < 0.05
    assert 0.03 <= rejected / 1500 <= 0.07
    assert 0.93 <= covered / 1500 <= 0.975


def test_the_variance_of_a_mean_is_the_models():
    """Brute force: over many studies the reader mean varies as the interval of fixed readers says."""
    rng = np.random.default_rng(1)
    draws = rng.multivariate_normal(np.zeros(8), ERRORS, size=40_000).reshape(-1, 2, 4)
    found = obuchowski_rockette(np.full((2, 4), 0.8) + draws[0], ERRORS, cases=100, random_readers=False)
    means = draws.mean(axis=2)
    assert found.means[0].standard_error == pytest.approx(means[:, 0].std(), rel=0.02)
    assert found.differences[0, 1].standard_error == pytest.approx((means[:, 0] - means[:, 1]).std(), rel=0.02)


def test_three_modalities_have_three_differences():
    rng = np.random.default_rng(2)
    found = obuchowski_rockette(rng.random((3, 4)), np.eye(12) * 0.001, cases=50)
    assert sorted(found.differences) == [(0, 1), (0, 2), (1, 2)]
    assert found.df1 == 2
    assert found.differences[0, 2].estimate.value == pytest.approx(found.values[0].mean() - found.values[2].mean())


def test_one_modality_has_means_only():
    found = obuchowski_rockette([[0.8, 0.9, 0.85]], np.eye(3) * 0.001, cases=50)
    assert np.isnan([found.f, found.p]).all()
    assert found.differences == {}
    assert found.means[0].estimate.low < 0.85 < found.means[0].estimate.high


def test_intervals_are_cut_at_the_possible_values():
    values, matrix = [[0.99, 0.97, 1.0], [0.9, 0.95, 0.99]], np.eye(6) * 0.01
    found = obuchowski_rockette(values, matrix, cases=9, random_readers=False, bounds=(0.0, 1.0))
    assert found.means[0].estimate.high == 1.0
    assert found.differences[0, 1].estimate.low > -1
    free = obuchowski_rockette(values, matrix, cases=9, random_readers=False)
    assert free.means[0].estimate.high > 1.0


def test_impossible_designs_are_refused():
    with pytest.raises(UsageError, match="both fixed"):
        obuchowski_rockette([[0.8, 0.9]], np.eye(2), cases=9, random_readers=False, random_cases=False)
    with pytest.raises(UsageError, match="one reader"):
        obuchowski_rockette([[0.8], [0.9]], np.eye(2), cases=9)
    with pytest.raises(UsageError, match=r"\(2, 1\)"):
        obuchowski_rockette([[0.8], [0.9]], np.eye(3), cases=9, random_readers=False)
