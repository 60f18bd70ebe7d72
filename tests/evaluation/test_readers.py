from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from osteon.errors import InputError, UsageError
from osteon.evaluation.readers import (
    auc_covariance,
    auc_values,
    average_roc,
    case_outcomes,
    mean_covariance,
    mean_values,
)
from osteon.evaluation.roc import auc
from tests.evaluation.van_dyke import read_van_dyke


def simulated(seed=0, modalities=2, readers=3, cases=40):
    rng = np.random.default_rng(seed)
    truth = np.arange(cases) % 5 < 2
    score = truth + rng.normal(size=(modalities, readers, cases)) + rng.normal(size=cases)
    return truth, np.round(score, 1)


def test_van_dykes_aucs():
    """Published by RJafroc and MRMCaov for the Van Dyke data (Wilcoxon areas)."""
    truth, score = read_van_dyke()
    assert auc_values(truth, score) == pytest.approx(
        np.array(
            [
                [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
                [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
            ]
        ),
        abs=5e-9,
    )


def test_the_jackknife_equals_leaving_every_case_out():
    truth, score = simulated()
    cells = score.reshape(6, -1)
    n = len(truth)
    left = np.array([[roc_auc_score(np.delete(truth, k), np.delete(row, k)) for k in range(n)] for row in cells])
    expected = (n - 1) / n * (left - left.mean(axis=1, keepdims=True)) @ (left - left.mean(axis=1, keepdims=True)).T
    assert auc_covariance(truth, score, np.arange(n)) == pytest.approx(expected)


def test_the_jackknife_leaves_whole_patients_out():
    truth, score = simulated(seed=2)
    patients = np.arange(40) // 4
    cells = score.reshape(6, -1)
    left = np.array([[roc_auc_score(truth[patients != p], row[patients != p]) for p in range(10)] for row in cells])
    centred = left - left.mean(axis=1, keepdims=True)
    assert auc_covariance(truth, score, patients) == pytest.approx(0.9 * centred @ centred.T)


def test_the_three_methods_agree_on_many_cases():
    truth, score = simulated(seed=1, cases=400)
    found = {m: auc_covariance(truth, score, np.arange(400), method=m) for m in ("jackknife", "delong", "bootstrap")}
    scale = np.diag(found["delong"]).mean()
    assert np.abs(found["jackknife"] - found["delong"]).max() < 0.02 * scale
    assert np.abs(found["bootstrap"] - found["delong"]).max() < 0.15 * scale


def test_sensitivity_and_specificity_count_their_own_cases():
    truth, score = simulated(seed=3)
    called = score >= 0.5
    for metric, group in (("sensitivity", truth), ("specificity", ~truth), ("accuracy", truth | ~truth)):
        outcome, counted = case_outcomes(truth, called, metric)
        expected = (called == truth)[..., group].mean(axis=-1)
        assert mean_values(outcome, counted) == pytest.approx(expected)
        rows = (called == truth)[..., group].reshape(6, -1).astype(float)
        expected_covariance = np.cov(rows) / rows.shape[1]
        for method in ("jackknife", "delong"):
            found = mean_covariance(outcome, counted, np.arange(40), method=method)
            assert found == pytest.approx(expected_covariance)
        boot = mean_covariance(outcome, counted, np.arange(40), method="bootstrap", resamples=4000)
        assert np.abs(boot - expected_covariance).max() < 0.1 * np.diag(expected_covariance).max()


def test_copied_cases_of_a_patient_add_nothing():
    truth, score = simulated(seed=4)
    outcome, counted = case_outcomes(np.tile(truth, 3), np.tile(score >= 0.5, 3), "sensitivity")
    once = mean_covariance(*case_outcomes(truth, score >= 0.5, "sensitivity"), np.arange(40))
    for method in ("jackknife", "delong"):
        many = mean_covariance(outcome, counted, np.tile(np.arange(40), 3), method=method)
        assert many == pytest.approx(once, abs=1e-12)


def test_the_area_below_the_average_curve_is_the_average_area():
    truth, score = simulated(seed=5)
    rate, sensitivity = average_roc(truth, score[0])
    areas = [auc(truth, row) for row in score[0]]
    assert np.trapezoid(sensitivity, rate) == pytest.approx(np.mean(areas))
    assert (rate[0], rate[-1], sensitivity[0], sensitivity[-1]) == (0, 1, 0, 1)
    assert (np.diff(sensitivity) >= -1e-12).all()


def test_the_average_of_one_reader_is_this_readers_curve():
    truth, score = simulated(seed=6)
    rate, sensitivity = average_roc(truth, score[0, :1])
    for threshold in np.unique(score[0, 0]):
        called = score[0, 0] >= threshold
        x, y = called[~truth].mean(), called[truth].mean()
        there = np.flatnonzero(np.isclose(rate, x))
        assert sensitivity[there].min() - 1e-12 <= y <= sensitivity[there].max() + 1e-12


def test_bad_requests_are_refused():
    truth, score = simulated()
    with pytest.raises(UsageError, match="'magic'"):
        auc_covariance(truth, score, np.arange(40), method="magic")
    with pytest.raises(UsageError, match="'auc'"):
        case_outcomes(truth, score > 0, "auc")
    few = np.array([True, False, False, False])
    with pytest.raises(InputError, match="1 patients with and 3 without"):
        auc_covariance(few, score[..., :4], np.arange(4))
    with pytest.raises(InputError, match="1 patients of a class"):
        mean_covariance(*case_outcomes(few, score[..., :4] > 0, "sensitivity"), np.arange(4))
