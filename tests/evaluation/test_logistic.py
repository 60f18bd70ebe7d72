from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize
from sklearn.linear_model import LogisticRegression

from osteon.errors import InputError, UsageError
from osteon.evaluation.logistic import (
    fit_logistic,
    likelihood_ratio_p,
    profile_interval,
    separation,
    with_intercept,
)


def sample(seed=0, n=150, features=4):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, features))
    truth = rng.random(n) < 1 / (1 + np.exp(-(table @ np.linspace(-1, 1, features) + 0.3)))
    return with_intercept(table), truth


def separated(seed=0):
    """Two binary features, one of which occurs in the positive class only."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([True, False], [30, 70])
    only_positive = (rng.random(100) < 0.3) & truth
    other = rng.random(100) < np.where(truth, 0.6, 0.4)
    return with_intercept(np.stack([only_positive, other], axis=1)), truth


def penalised(design, truth):
    """Minus Firth's log likelihood, written down again."""

    def value(b):
        line = design @ b
        p = 1 / (1 + np.exp(-line))
        information = design.T @ np.diag(p * (1 - p)) @ design
        return -(truth @ line - np.logaddexp(0, line).sum() + np.log(np.linalg.det(information)) / 2)

    return value


def test_the_plain_fit_is_statsmodels():
    design, truth = sample()
    fit, expected = fit_logistic(design, truth), sm.Logit(truth.astype(float), design).fit(disp=0)
    assert fit.coefficient == pytest.approx(expected.params, abs=1e-7)
    assert fit.standard_error == pytest.approx(expected.bse, abs=1e-7)
    assert fit.log_likelihood == pytest.approx(expected.llf)
    assert fit.probability(design) == pytest.approx(expected.predict(design))


@pytest.mark.parametrize("strength", [0.1, 1.0, 20.0])
def test_the_ridge_is_sklearns(strength):
    design, truth = sample(seed=1)
    fit = fit_logistic(design, truth, penalty="ridge", strength=strength)
    expected = LogisticRegression(C=1 / strength, tol=1e-10, max_iter=10_000).fit(design[:, 1:], truth)
    assert fit.coefficient[1:] == pytest.approx(expected.coef_[0], abs=1e-5)
    assert fit.coefficient[0] == pytest.approx(expected.intercept_[0], abs=1e-5)


@pytest.mark.parametrize("table", [(5, 3, 4, 9), (6, 0, 10, 12), (0, 8, 7, 0)])
def test_firths_fit_of_one_binary_feature_adds_a_half_to_each_cell(table):
    """Known in closed form for a saturated model, with empty cells as well (Heinze and Schemper 2002)."""
    a, b, c, d = table  # with the feature: a positive, b negative; without: c, d
    feature = np.repeat([1, 1, 0, 0], table)
    truth = np.repeat([1, 0, 1, 0], table)
    fit = fit_logistic(with_intercept(feature[:, None]), truth, penalty="firth")
    assert fit.converged
    assert fit.coefficient[1] == pytest.approx(np.log((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5))), abs=1e-7)


@pytest.mark.parametrize("data", [sample(seed=2, n=60), separated()])
def test_firths_fit_is_the_highest_point_of_the_penalised_likelihood(data):
    design, truth = data
    fit = fit_logistic(design, truth, penalty="firth")
    found = optimize.minimize(
        penalised(design, truth.astype(float)),
        np.zeros(design.shape[1]),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 20_000, "maxfev": 20_000},
    )
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-7)
    assert fit.coefficient == pytest.approx(found.x, abs=1e-3)


def test_separation_is_found_exactly():
    design, truth = separated()
    assert separation(design, truth).tolist()[1:] == [True, False]
    assert not fit_logistic(design, truth).converged
    assert np.isnan(fit_logistic(design, truth).coefficient).all()
    assert not separation(*sample()).any()
    assert separation(with_intercept([[1.0], [2.0], [3.0]]), [0, 0, 1]).all()  # a threshold on one number


def test_dependent_columns_are_no_separation_and_have_no_plain_fit():
    design, truth = sample()
    twice = np.column_stack([design, design[:, 1]])
    assert not separation(twice, truth).any()
    assert not fit_logistic(twice, truth).converged


def test_profile_ends_lie_where_the_likelihood_has_dropped_enough():
    design, truth = separated(seed=3)
    best = fit_logistic(design, truth, penalty="firth").log_likelihood
    value = penalised(design, truth.astype(float))
    for index in (1, 2):
        low, high = profile_interval(design, truth, index)
        for end in (low, high):
            free = [k for k in range(3) if k != index]

            def restricted(rest, end=end, free=free, index=index):
                b = np.zeros(3)
                b[free], b[index] = rest, end
                return value(b)

            top = -optimize.minimize(restricted, np.zeros(2), method="Nelder-Mead", tol=1e-10).fun
            assert 2 * (best - top) == pytest.approx(3.841459, abs=1e-3)


def test_plain_profile_and_ratio_test_agree():
    design, truth = sample(seed=4, n=80)
    for index in range(1, 5):
        low, high = profile_interval(design, truth, index, penalty="none")
        p = likelihood_ratio_p(design, truth, index, penalty="none")
        assert (p < 0.05) == (low > 0 or high < 0)
    full = sm.Logit(truth.astype(float), design).fit(disp=0).llf
    without = sm.Logit(truth.astype(float), np.delete(design, 2, axis=1)).fit(disp=0).llf
    from scipy.stats import chi2

    assert likelihood_ratio_p(design, truth, 2, penalty="none") == pytest.approx(chi2.sf(2 * (full - without), 1))


def test_firth_converges_on_many_separated_samples():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        truth = np.repeat([True, False], [12, 30])
        table = rng.random((42, 8)) < np.where(truth[:, None], 0.4, 0.05)
        kept = table[:, table.any(axis=0)]
        fit = fit_logistic(with_intercept(kept), truth, penalty="firth")
        assert fit.converged, seed
        assert np.isfinite(fit.coefficient).all()


def test_bad_input_is_refused():
    with pytest.raises(UsageError, match="'lasso'"):
        fit_logistic([[1.0]], [1], penalty="lasso")
    with pytest.raises(InputError, match="NaN"):
        fit_logistic([[np.nan], [1.0]], [0, 1])
    with pytest.raises(InputError, match=r"\(2, 1\)"):
        fit_logistic([[1.0], [1.0]], [0, 1, 1])
    with pytest.raises(InputError, match="other values"):
        fit_logistic([[1.0], [1.0]], [0, 3])
