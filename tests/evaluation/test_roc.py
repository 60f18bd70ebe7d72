from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_curve

from osteon.errors import InputError, UsageError
from osteon.evaluation.roc import (
    auc,
    auc_delong,
    clustered_covariance,
    delong_covariance,
    newcombe_ends,
    roc_curve,
    structural_components,
)

CASES = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(row[0] for row in rows) < len(rows)
)


def example(n=80, seed=0, rounded=False):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    scores = rng.normal(size=(3, n)) + truth * np.array([[0.5], [1.0], [1.5]]) + rng.normal(size=n) * 0.5
    return truth, np.round(scores) if rounded else scores


def win(x, y):
    """Share of pairs won, ties one half: the definition."""
    return np.mean([(a > b) + 0.5 * (a == b) for a in x for b in y])


@given(CASES)
def test_auc_is_the_share_of_pairs_and_sklearns(rows):
    truth, score = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], float)
    assert auc(truth, score) == pytest.approx(win(score[truth], score[~truth]))
    assert auc(truth, score) == pytest.approx(roc_auc_score(truth, score))
    assert auc(~truth, -score) == pytest.approx(auc(truth, score))


@given(CASES)
def test_the_curve_is_sklearns_and_its_area_the_auc(rows):
    truth, score = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], float)
    curve = roc_curve(truth, score)
    rate, sensitivity, threshold = sklearn_curve(truth, score, drop_intermediate=False)
    assert curve.false_positive_rate == pytest.approx(rate)
    assert curve.sensitivity == pytest.approx(sensitivity)
    assert curve.threshold == pytest.approx(threshold)
    assert np.trapezoid(curve.sensitivity, curve.false_positive_rate) == pytest.approx(auc(truth, score))


@given(CASES)
def test_each_point_of_the_curve_is_what_its_threshold_gives(rows):
    truth, score = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], float)
    curve = roc_curve(truth, score)
    for rate, sensitivity, threshold in zip(curve.false_positive_rate, curve.sensitivity, curve.threshold, strict=True):
        called = score >= threshold
        assert called[truth].mean() == pytest.approx(sensitivity)
        assert called[~truth].mean() == pytest.approx(rate)


@pytest.mark.parametrize("rounded", [False, True])
def test_delong_equals_its_definition_by_pairs(rounded):
    truth, scores = example(rounded=rounded)
    areas, covariance = delong_covariance(truth, scores)
    v10 = np.array([[win([x], row[~truth]) for x in row[truth]] for row in scores])
    v01 = np.array([[win(row[truth], [y]) for y in row[~truth]] for row in scores])
    assert areas == pytest.approx(v10.mean(axis=1))
    assert covariance == pytest.approx(np.cov(v10) / truth.sum() + np.cov(v01) / (~truth).sum())


def test_structural_components_of_both_classes_have_the_same_mean():
    truth, scores = example(rounded=True)
    areas, v10, v01 = structural_components(truth, scores)
    assert v10.shape == (3, truth.sum())
    assert v01.mean(axis=1) == pytest.approx(areas)


def test_delong_covers_the_true_auc_as_often_as_it_says():
    rng = np.random.default_rng(11)
    inside = 0
    for _ in range(400):
        truth = np.repeat([True, False], [40, 60])
        score = rng.normal(size=100) + truth  # true AUC = Phi(1/sqrt 2)
        estimate = auc_delong(truth, score)
        inside += estimate.low <= 0.7602499 <= estimate.high
    assert 0.91 <= inside / 400 <= 0.98


def test_clustered_covariance_is_delongs_with_one_case_a_patient():
    truth, scores = example()
    patients = np.random.default_rng(3).permutation(truth.size)
    assert clustered_covariance(truth, scores, patients)[1] == pytest.approx(delong_covariance(truth, scores)[1])


def test_clustered_covariance_equals_obuchowskis_formula():
    rng = np.random.default_rng(8)
    patients = rng.integers(0, 12, 60)
    truth = rng.random(60) < 0.5
    score = rng.normal(size=60) + truth + rng.normal(size=12)[patients]
    area, v10, v01 = structural_components(truth, score[None])
    positive, negative = v10.shape[1], v01.shape[1]
    x, y = np.zeros(12), np.zeros(12)
    np.add.at(x, patients[truth], v10[0] - area)
    np.add.at(y, patients[~truth], v01[0] - area)
    with_positive, with_negative = len(set(patients[truth])), len(set(patients[~truth]))
    s10 = with_positive / ((with_positive - 1) * positive) * np.sum(x**2)
    s01 = with_negative / ((with_negative - 1) * negative) * np.sum(y**2)
    s11 = 12 / 11 * np.sum(x * y)
    expected = s10 / positive + s01 / negative + 2 * s11 / (positive * negative)
    assert clustered_covariance(truth, score[None], patients)[1][0, 0] == pytest.approx(expected)


def test_copies_of_the_images_do_not_narrow_the_clustered_interval():
    truth, scores = example(n=60, seed=4)
    once = auc_delong(truth, scores[1], patients=np.arange(60))
    many = auc_delong(np.tile(truth, 9), np.tile(scores[1], 9), patients=np.tile(np.arange(60), 9))
    naive = auc_delong(np.tile(truth, 9), np.tile(scores[1], 9))
    assert (many.low, many.high) == pytest.approx((once.low, once.high), abs=0.01)
    assert naive.high - naive.low < 0.4 * (once.high - once.low)


@pytest.mark.parametrize(("area", "positive", "negative"), [(0.9, 20, 30), (1.0, 12, 15), (0.0, 8, 8), (0.5, 5, 40)])
def test_newcombes_ends_solve_his_equation(area, positive, negative):
    low, high = newcombe_ends(area, positive=positive, negative=negative)
    assert 0 <= low <= area <= high <= 1
    star = (positive + negative) / 2 - 1
    for theta in (low, high):
        if theta in (0.0, 1.0):
            assert theta == area
            continue
        q1, q2 = theta / (2 - theta), 2 * theta**2 / (1 + theta)  # Hanley and McNeil's moments
        variance = (theta * (1 - theta) + star * (q1 - theta**2) + star * (q2 - theta**2)) / (positive * negative)
        assert abs(theta - area) == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-5)


def test_a_perfect_test_still_gets_an_interval():
    estimate = auc_delong(np.repeat([True, False], 10), np.arange(20)[::-1])
    assert estimate.value == 1.0
    assert 0.6 < estimate.low < 0.95
    assert estimate.high == 1.0
    assert "Newcombe" in estimate.method


def test_the_logit_interval_stays_inside():
    truth, scores = example(n=30, seed=9)
    plain, logit = (auc_delong(truth, scores[2], scale=scale) for scale in ("plain", "logit"))
    assert 0 < logit.low < logit.value < logit.high < 1
    assert logit.value == plain.value
    with pytest.raises(UsageError, match="'log'"):
        auc_delong(truth, scores[2], scale="log")


def test_one_class_is_undefined_and_never_an_error_of_the_figure():
    truth, score = np.ones(5, bool), np.arange(5.0)
    assert np.isnan(auc(truth, score))
    assert np.isnan(auc_delong(truth, score).value)
    assert np.isnan(roc_curve(truth, score).false_positive_rate).all()
    with pytest.raises(InputError, match="5 positive and 0 negative"):
        delong_covariance(truth, score[None])


def test_one_case_in_a_class_has_an_area_but_no_variance():
    truth = np.array([True, False, False, False])
    areas, covariance = delong_covariance(truth, np.array([[3.0, 1.0, 4.0, 2.0]]))
    assert areas[0] == pytest.approx(2 / 3)
    assert np.isnan(covariance).all()


def test_bad_scores_are_refused():
    with pytest.raises(InputError, match="1 scores are NaN"):
        auc([True, False], [0.1, np.nan])
    with pytest.raises(InputError, match="other values than 0 and 1"):
        auc([1, 2], [0.1, 0.2])
    with pytest.raises(InputError, match="expected as many"):
        auc([True, False, True], [0.1, 0.2])
