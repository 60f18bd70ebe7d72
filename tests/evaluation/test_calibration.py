from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from osteon.errors import InputError, UsageError
from osteon.evaluation.calibration import (
    bin_edges,
    brier_score,
    expected_calibration_error,
    recalibration_line,
    reliability_curve,
)


def sample(seed=0, n=400, stretch=1.0):
    rng = np.random.default_rng(seed)
    logit = rng.normal(size=n) * 1.5
    truth = rng.random(n) < 1 / (1 + np.exp(-logit))
    return truth, 1 / (1 + np.exp(-stretch * logit))


def test_brier_is_sklearns():
    truth, probability = sample()
    estimate = brier_score(truth, probability, np.arange(400))
    assert estimate.value == pytest.approx(brier_score_loss(truth, probability))
    error = ((probability - truth) ** 2).std(ddof=1) / 20
    assert (estimate.high - estimate.low) / 2 == pytest.approx(1.96 * error, rel=0.08)


@given(st.integers(0, 500), st.integers(1, 12))
def test_the_error_equals_a_loop_over_bins(seed, bins):
    rng = np.random.default_rng(seed)
    truth, probability = rng.random(60) < 0.5, np.round(rng.random(60), 2)
    expected, edges = 0.0, np.linspace(0, 1, bins + 1)
    for low, high in pairwise(edges):
        inside = (probability >= low) & ((probability < high) | ((high == 1) & (probability == 1)))
        if inside.any():
            expected += inside.mean() * abs(truth[inside].mean() - probability[inside].mean())
    found = expected_calibration_error(truth, probability, np.arange(60), bins=bins, resamples=5)
    assert found.value == pytest.approx(expected)


def test_the_reliability_curve_is_sklearns():
    truth, probability = sample(seed=3)
    curve = reliability_curve(truth, probability, bins=8)
    observed, predicted = calibration_curve(truth, probability, n_bins=8)
    assert curve.observed == pytest.approx(observed)
    assert curve.predicted == pytest.approx(predicted)
    assert curve.n.sum() == 400
    assert (curve.low <= curve.observed).all()
    assert (curve.observed <= curve.high).all()


def test_bins_of_equal_mass_hold_equal_numbers():
    truth, probability = sample(seed=4)
    curve = reliability_curve(truth, probability, bins=10, binning="mass")
    assert curve.n.min() >= 38
    assert curve.n.max() <= 42
    ties = np.repeat([0.1, 0.9], 50)
    assert (bin_edges(ties, bins=10, binning="mass") == [0.0, 0.1, 0.9, 1.0]).all()


def test_the_recalibration_line_is_statsmodels_logit():
    truth, probability = sample(seed=5, stretch=2.0)
    intercept, slope = recalibration_line(truth, probability)
    fit = sm.Logit(truth.astype(float), sm.add_constant(np.log(probability / (1 - probability)))).fit(disp=0)
    assert (intercept.value, slope.value) == pytest.approx(tuple(fit.params), abs=1e-6)
    assert (slope.low, slope.high) == pytest.approx(tuple(fit.conf_int()[1]), abs=1e-5)


def test_overconfident_probabilities_have_a_slope_of_one_half():
    truth, probability = sample(seed=6, n=5000, stretch=2.0)
    _, slope = recalibration_line(truth, probability)
    assert slope.low < 0.5 < slope.high
    honest = recalibration_line(*sample(seed=6, n=5000))[1]
    assert honest.low < 1 < honest.high


def test_separated_probabilities_have_no_line():
    intercept, slope = recalibration_line([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert np.isnan([intercept.value, slope.value]).all()


def test_constant_certainty_is_measured():
    truth = np.array([True, False, True, True])
    assert expected_calibration_error(truth, np.ones(4), np.arange(4)).value == pytest.approx(0.25)
    assert brier_score(truth, np.ones(4), np.arange(4)).value == pytest.approx(0.25)


def test_what_is_no_probability_is_refused():
    with pytest.raises(InputError, match="no probabilities"):
        reliability_curve([0, 1], [3, 5])
    with pytest.raises(InputError, match="no probabilities"):
        brier_score([0, 1], [0.5, np.nan], [0, 1])
    with pytest.raises(UsageError, match="0 bins"):
        reliability_curve([0, 1], [0.2, 0.5], bins=0)
    with pytest.raises(UsageError, match="'depth'"):
        reliability_curve([0, 1], [0.2, 0.5], binning="depth")
