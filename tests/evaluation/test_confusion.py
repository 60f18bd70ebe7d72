from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from statsmodels.stats.inter_rater import cohens_kappa

from osteon.errors import InputError, UsageError
from osteon.evaluation.confusion import (
    FIGURES,
    Confusion,
    clustered_figures,
    confusion_figures,
    confusion_of,
    fractions,
)
from osteon.evaluation.intervals import wilson

LABELS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def reference(truth, called):
    """scikit-learn's figures; nan where a denominator is 0."""
    tn, fp, fn, tp = metrics.confusion_matrix(truth, called, labels=[False, True]).ravel()
    nan = float("nan")
    return {
        "sensitivity": metrics.recall_score(truth, called) if tp + fn else nan,
        "specificity": metrics.recall_score(truth, called, pos_label=False) if tn + fp else nan,
        "PPV": metrics.precision_score(truth, called) if tp + fp else nan,
        "NPV": metrics.precision_score(truth, called, pos_label=False) if tn + fn else nan,
        "accuracy": metrics.accuracy_score(truth, called),
        "F1": metrics.f1_score(truth, called) if tp + fp + fn else nan,
        "balanced accuracy": metrics.balanced_accuracy_score(truth, called) if (tp + fn) * (tn + fp) else nan,
        "MCC": metrics.matthews_corrcoef(truth, called) if min(tp + fp, tn + fn, tp + fn, tn + fp) else nan,
        "kappa": metrics.cohen_kappa_score(truth, called) if len({*truth.tolist(), *called.tolist()}) > 1 else nan,
    }


@given(LABELS)
def test_every_figure_is_sklearns(rows):
    truth, called = np.array(rows).T
    counts = confusion_of(truth, called).array
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = reference(truth, called)
    for name, definition in FIGURES:
        assert float(definition(counts)) == pytest.approx(expected[name], nan_ok=True), name


@given(LABELS)
def test_figures_work_on_many_tables_at_once(rows):
    truth, called = np.array(rows).T
    counts = confusion_of(truth, called).array
    stack = np.stack([counts, counts + 1, counts * 2])
    for _, definition in FIGURES:
        assert definition(stack) == pytest.approx([float(definition(row)) for row in stack], nan_ok=True)


def test_the_fracture_studys_table_2():
    """ResNet50 of Yeh et al. (Eur Spine J 2022): TP 47, TN 128, FN 3, FP 12 and its printed percentages."""
    found = confusion_figures(Confusion(true_positive=47, false_positive=12, false_negative=3, true_negative=128))
    assert round(100 * found["sensitivity"].value) == 94
    assert round(100 * found["specificity"].value) == 91
    assert round(100 * found["accuracy"].value) == 92
    low, high = (float(end) for end in wilson(47, 50))
    assert (found["sensitivity"].low, found["sensitivity"].high) == pytest.approx((low, high))
    assert found["PPV"].n == 59


def test_kappas_interval_is_that_of_statsmodels():
    found = confusion_figures(Confusion(true_positive=40, false_positive=9, false_negative=5, true_negative=70))
    expected = cohens_kappa(np.array([[40, 5], [9, 70]]))
    assert found["kappa"].value == pytest.approx(expected.kappa)
    assert (found["kappa"].low, found["kappa"].high) == pytest.approx(
        (expected.kappa_low, expected.kappa_upp), abs=1e-5
    )
    boot = found["kappa (bootstrap)"]
    assert (boot.low, boot.high) == pytest.approx((found["kappa"].low, found["kappa"].high), abs=0.03)


def test_balanced_accuracy_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        hits, cleared = rng.binomial(30, 0.9), rng.binomial(50, 0.7)
        found = confusion_figures(
            Confusion(true_positive=hits, false_positive=50 - cleared, false_negative=30 - hits, true_negative=cleared),
            resamples=1,
        )["balanced accuracy"]
        inside += found.low <= 0.8 <= found.high
    assert 0.92 <= inside / 400 <= 0.985


def test_no_error_at_all_has_honest_intervals():
    found = confusion_figures(Confusion(true_positive=10, false_positive=0, false_negative=0, true_negative=20))
    assert found["sensitivity"].low == pytest.approx(0.7225, abs=1e-4)
    assert found["balanced accuracy"].low < 0.9
    for name in ("F1", "MCC", "kappa", "kappa (bootstrap)"):
        assert found[name].value == 1.0
        assert np.isnan(found[name].low), name


def test_empty_classes_are_undefined_but_no_error():
    found = confusion_figures(Confusion(true_positive=3, false_positive=0, false_negative=1, true_negative=0))
    assert found["sensitivity"].value == 0.75
    assert np.isnan(found["specificity"].value)
    assert found["specificity"].n == 0
    empty = confusion_figures(Confusion(true_positive=0, false_positive=0, false_negative=0, true_negative=0))
    assert all(np.isnan(estimate.value) for estimate in empty.values())


def test_clopper_pearson_is_wider_than_wilson():
    counts = Confusion(true_positive=40, false_positive=9, false_negative=5, true_negative=70)
    exact, score = (confusion_figures(counts, interval=name, resamples=10) for name in ("clopper-pearson", "wilson"))
    assert exact["accuracy"].low < score["accuracy"].low
    assert exact["accuracy"].method == "Clopper-Pearson"


def test_clustered_figures_resample_patients():
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(30), 8)
    truth = np.repeat(rng.random(30) < 0.5, 8)
    called = np.where(np.repeat(rng.random(30) < 0.8, 8), truth, ~truth)  # right or wrong for whole patients
    found = clustered_figures(truth, called, patient, resamples=1000)
    naive = confusion_figures(confusion_of(truth, called))
    for name, (successes, n) in fractions(confusion_of(truth, called)).items():
        assert found[name].value == pytest.approx(successes / n)
        assert found[name].n == n
    ratio = (found["accuracy"].high - found["accuracy"].low) / (naive["accuracy"].high - naive["accuracy"].low)
    assert ratio == pytest.approx(np.sqrt(8), rel=0.2)


def test_impossible_input_is_refused():
    with pytest.raises(UsageError, match="none below 0"):
        Confusion(true_positive=-1, false_positive=0, false_negative=0, true_negative=0)
    with pytest.raises(InputError, match="other than 0 and 1"):
        confusion_of([0, 2], [0, 1])
    with pytest.raises(InputError, match="as many"):
        confusion_of([0, 1], [0, 1, 1])
