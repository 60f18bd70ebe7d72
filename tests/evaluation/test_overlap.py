from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from osteon.errors import GeometryError, UsageError
from osteon.evaluation.overlap import join_counts, mean_estimate, measure, overlap_counts, pooled_estimate

SKLEARN = {
    "dice": metrics.f1_score,
    "iou": metrics.jaccard_score,
    "recall": metrics.recall_score,
    "precision": metrics.precision_score,
}


@pytest.mark.parametrize("name", list(SKLEARN))
def test_measures_equal_sklearn(name):
    rng = np.random.default_rng(0)
    true, predicted = rng.random((5, 12, 13)) < 0.3, rng.random((5, 12, 13)) < 0.4
    whole = measure(overlap_counts(true, predicted), name)
    assert whole == pytest.approx(SKLEARN[name](true.ravel(), predicted.ravel()))
    slices = measure(overlap_counts(true, predicted, by_slice=True), name)
    expected = [SKLEARN[name](a.ravel(), b.ravel()) for a, b in zip(true, predicted, strict=True)]
    np.testing.assert_allclose(slices, expected)
    pooled = pooled_estimate(
        join_counts([overlap_counts(t, p) for t, p in zip(true, predicted, strict=True)]), name, patients=range(5)
    )
    assert pooled.value == pytest.approx(whole[0])
    assert pooled.low <= pooled.value <= pooled.high


def test_empty_masks():
    empty, some = np.zeros((4, 4)), np.eye(4)
    rows = join_counts([overlap_counts(empty, empty), overlap_counts(empty, some), overlap_counts(some, empty)])
    np.testing.assert_array_equal(measure(rows, "dice"), [np.nan, 0, 0])
    np.testing.assert_array_equal(measure(rows, "iou"), [np.nan, 0, 0])
    np.testing.assert_array_equal(measure(rows, "recall"), [np.nan, np.nan, 0])
    np.testing.assert_array_equal(measure(rows, "precision"), [np.nan, 0, np.nan])
    np.testing.assert_array_equal(measure(rows, "dice", both_empty=1.0), [1, 0, 0])
    np.testing.assert_array_equal(measure(rows, "recall", both_empty=1.0), [np.nan, np.nan, 0])


def test_mean_leaves_out_what_is_not_defined():
    found = mean_estimate([0.5, np.nan, 1.0], patients=["a", "b", "c"], resamples=200)
    assert found.value == 0.75
    assert found.n == 2
    assert found.low == 0.5
    nothing = mean_estimate([np.nan], patients=["a"])
    assert np.isnan(nothing.value)
    assert nothing.n == 0


def test_patients_are_drawn_whole():
    # Ten slices of each of two patients: by slice the interval would be narrow, by patient it spans both.
    values, patients = [0.2] * 10 + [0.8] * 10, ["a"] * 10 + ["b"] * 10
    found = mean_estimate(values, patients=patients, resamples=400)
    assert (found.low, found.high) == pytest.approx((0.2, 0.8))


def test_label_maps_count_as_masks():
    counts = overlap_counts(np.array([[0, 3], [2, 2]]), np.array([[1, 1], [0, 1]]))
    assert (counts.both[0], counts.missed[0], counts.extra[0]) == (2, 1, 1)


def test_bad_input_is_named():
    with pytest.raises(GeometryError, match=r"\(2, 2\) \(true\) and \(2, 3\)"):
        overlap_counts(np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(UsageError, match="kappa"):
        measure(overlap_counts(np.ones((2, 2)), np.ones((2, 2))), "kappa")
