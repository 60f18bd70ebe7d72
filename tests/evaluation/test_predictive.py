from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osteon.errors import UsageError
from osteon.evaluation.confusion import Confusion
from osteon.evaluation.predictive import likelihood_ratios, predictive_values_at


def make(tp, fp, fn, tn):
    return Confusion(true_positive=tp, false_positive=fp, false_negative=fn, true_negative=tn)


@given(st.tuples(*[st.integers(1, 200)] * 4))
def test_at_its_own_prevalence_ppv_and_npv_are_those_of_the_table(counts):
    tp, fp, fn, tn = counts
    table = make(*counts)
    ppv, npv = predictive_values_at(table, table.positive / table.total)
    assert ppv.value == pytest.approx(tp / (tp + fp))
    assert npv.value == pytest.approx(tn / (tn + fn))


def logit_ppv(se, sp, p):
    ppv = se * p / (se * p + (1 - sp) * (1 - p))
    return np.log(ppv / (1 - ppv))


def logit_npv(se, sp, p):
    npv = sp * (1 - p) / ((1 - se) * p + sp * (1 - p))
    return np.log(npv / (1 - npv))


@pytest.mark.parametrize("prevalence", [0.01, 0.3, 0.8])
def test_the_interval_is_the_delta_method_on_the_logit(prevalence):
    """Independent of the printed formula: derivatives taken numerically."""
    table = make(47, 12, 3, 128)
    se, sp, step = 47 / 50, 128 / 140, 1e-6
    for estimate, function in zip(predictive_values_at(table, prevalence), (logit_ppv, logit_npv), strict=True):
        by_se = (function(se + step, sp, prevalence) - function(se - step, sp, prevalence)) / (2 * step)
        by_sp = (function(se, sp + step, prevalence) - function(se, sp - step, prevalence)) / (2 * step)
        error = np.sqrt(by_se**2 * se * (1 - se) / 50 + by_sp**2 * sp * (1 - sp) / 140)
        ends = function(se, sp, prevalence) + np.array([-1, 1]) * 1.959964 * error
        assert (estimate.low, estimate.high) == pytest.approx(tuple(1 / (1 + np.exp(-ends))), rel=1e-5)


def test_a_rarer_disease_lowers_ppv_and_raises_npv():
    table = make(47, 12, 3, 128)
    values = [[one.value for one in predictive_values_at(table, p)] for p in (0.5, 0.1, 0.01)]
    assert values[0][0] > values[1][0] > values[2][0]
    assert values[0][1] < values[1][1] < values[2][1]
    assert values[2][0] == pytest.approx(0.94 * 0.01 / (0.94 * 0.01 + 12 / 140 * 0.99))


def test_a_perfect_specificity_keeps_its_value_and_gets_a_finite_interval():
    ppv, npv = predictive_values_at(make(9, 0, 1, 30), 0.1)
    assert ppv.value == 1.0
    assert 0 < ppv.low < ppv.high == 1.0
    assert "adjusted" in ppv.method
    assert npv.low < npv.value < npv.high


def test_undefined_values_are_nan_and_bad_prevalences_refused():
    assert np.isnan(predictive_values_at(make(3, 0, 1, 0), 0.1)[0].value)
    assert np.isnan(predictive_values_at(make(0, 0, 5, 5), 0.1)[0].value)  # nothing is ever called positive
    for prevalence in (0.0, 1.0, 7.0):
        with pytest.raises(UsageError, match="prevalence"):
            predictive_values_at(make(1, 1, 1, 1), prevalence)


def test_likelihood_ratios_turn_odds():
    table = make(47, 12, 3, 128)
    positive, negative = likelihood_ratios(table)
    ppv, npv = predictive_values_at(table, 0.2)
    assert positive.value * 0.25 == pytest.approx(ppv.value / (1 - ppv.value))
    assert negative.value * 0.25 == pytest.approx((1 - npv.value) / npv.value)
    error = np.sqrt(1 / 47 - 1 / 50 + 1 / 12 - 1 / 140)
    assert np.log(positive.high / positive.value) == pytest.approx(1.959964 * error, rel=1e-5)
    assert np.isinf(likelihood_ratios(make(5, 0, 1, 9))[0].value)
