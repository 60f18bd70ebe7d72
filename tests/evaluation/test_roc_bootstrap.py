from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from osteon.evaluation.intervals import draw_clusters
from osteon.evaluation.roc import auc, auc_delong
from osteon.evaluation.roc_bootstrap import auc_bootstrap, auc_replicates, rank_scores, roc_band, weighted_auc


def clustered(seed=0, patients=25, n=120):
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, patients, n)
    truth = rng.random(n) < 0.4
    return truth, np.round(rng.normal(size=n) + truth + rng.normal(size=patients)[patient], 1), patient


@given(st.integers(0, 1000))
def test_a_weighted_auc_is_the_auc_of_the_repeated_cases(seed):
    rng = np.random.default_rng(seed)
    truth, score = rng.random(15) < 0.5, rng.integers(0, 5, 15).astype(float)
    weights = rng.integers(0, 4, (15, 6)).astype(float)
    found = weighted_auc(rank_scores(truth, score), weights)
    for column in range(6):
        rows = np.repeat(np.arange(15), weights[:, column].astype(int))
        if 0 < truth[rows].sum() < len(rows):
            assert found[column] == pytest.approx(roc_auc_score(truth[rows], score[rows]))
        else:
            assert np.isnan(found[column])


def test_replicates_are_the_aucs_of_resampled_patients():
    truth, score, patient = clustered()
    replicates = auc_replicates(truth, score, patient, resamples=40, seed=7)
    counts = np.concatenate(list(draw_clusters(len(set(patient)), resamples=40, seed=7)), axis=1)
    for column in range(40):
        rows = np.concatenate(
            [np.flatnonzero(patient == p) for p in range(counts.shape[0]) for _ in range(counts[p, column])]
        )
        assert replicates[column] == pytest.approx(roc_auc_score(truth[rows], score[rows]))


def test_the_interval_is_close_to_the_analytic_one():
    truth, score, patient = clustered(seed=3, patients=150, n=600)
    boot, analytic = auc_bootstrap(truth, score, patient), auc_delong(truth, score, patients=patient)
    assert boot.value == pytest.approx(auc(truth, score))
    assert (boot.low, boot.high) == pytest.approx((analytic.low, analytic.high), abs=0.006)
    assert f"({len(set(patient))} patients)" in boot.method


def test_resamples_with_one_class_are_counted():
    truth = np.array([True, False, False, False, False, False])
    estimate = auc_bootstrap(truth, np.arange(6.0)[::-1] % 4, np.arange(6), resamples=500)
    assert "undefined and left out" in estimate.method


def test_the_band_holds_the_curve_and_is_monotone():
    truth, score, patient = clustered(seed=5, n=400, patients=100)
    rate, low, high = roc_band(truth, score, patient, resamples=300)
    assert rate[0] == 0
    assert rate[-1] == 1
    assert (np.diff(low) >= -1e-12).all()
    assert (low <= high).all()
    assert high[-1] == low[-1] == 1
    sensitivity = np.array([np.mean(score[truth] > np.quantile(score[~truth], 1 - r)) for r in (0.2, 0.4, 0.6)])
    assert (low[[20, 40, 60]] - 0.05 <= sensitivity).all()
    assert (sensitivity <= high[[20, 40, 60]] + 0.05).all()


def test_the_band_narrows_with_the_number_of_patients():
    widths = []
    for patients in (30, 300):
        truth, score, patient = clustered(seed=1, n=10 * patients, patients=patients)
        _, low, high = roc_band(truth, score, patient, resamples=200)
        widths.append((high - low)[20:60].mean())
    assert widths[1] < 0.6 * widths[0]
