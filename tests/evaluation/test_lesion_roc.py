from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from osteon.errors import UsageError
from osteon.evaluation.detection import Resampling
from osteon.evaluation.lesion_roc import lesion_roc, lesion_units, sensitivity_specificity
from osteon.evaluation.matching import detections_from_candidates

FEW = Resampling(resamples=200)


@pytest.fixture
def slices():
    """Five slices of three patients: 0 and 1 with lesions, 2 to 4 without; 4 is quiet."""
    return detections_from_candidates(
        case=[0, 0, 0, 1, 2, 2, 3],
        score=[0.9, 0.5, 0.4, 0.7, 0.6, 0.3, 0.2],
        lesion=[0, 1, -1, -1, -1, -1, -1],
        lesions_per_case=[2, 1, 0, 0, 0],
        patient=["a", "b", "b", "c", "a"],
    )


def test_lesion_free_slices_are_the_negatives(slices):
    units = lesion_units(slices, case_word="slice")
    assert units.truth.tolist() == [True] * 3 + [False] * 3
    assert units.score.tolist() == [0.9, 0.5, -np.inf, 0.6, 0.2, -np.inf]
    assert "slice without a lesion" in units.rule
    found = lesion_roc(units, resampling=FEW)
    reference = roc_auc_score(units.truth, np.where(np.isfinite(units.score), units.score, -1))
    assert found.auroc.value == pytest.approx(reference)
    # 0.9 beats all three, 0.5 beats 0.2 and the quiet slice, the missed lesion ties with the quiet slice.
    assert found.auroc.value == pytest.approx((3 + 2 + 0.5) / 9)
    sensitivity, specificity = sensitivity_specificity(units, threshold=0.5, resampling=FEW)
    assert (sensitivity.value, specificity.value) == pytest.approx((2 / 3, 2 / 3))
    assert (sensitivity.n, specificity.n) == (3, 3)


def test_false_predictions_are_the_negatives(slices):
    units = lesion_units(slices, negatives="false predictions")
    assert units.score[~units.truth].tolist() == [0.4, 0.7, 0.6, 0.3, 0.2]
    reference = roc_auc_score(units.truth, np.where(np.isfinite(units.score), units.score, -1))
    assert lesion_roc(units, resampling=FEW).auroc.value == pytest.approx(reference)


def test_the_curve_passes_through_every_operating_point(slices):
    units = lesion_units(slices)
    curve = lesion_roc(units, resampling=FEW).curve
    for threshold in (0.9, 0.6, 0.5, 0.2):
        sensitivity, specificity = sensitivity_specificity(units, threshold=threshold, resampling=FEW)
        row = int(np.flatnonzero(curve.threshold == threshold)[0])
        assert curve.sensitivity[row] == pytest.approx(sensitivity.value)
        assert curve.false_positive_rate[row] == pytest.approx(1 - specificity.value)
    assert lesion_roc(units, resampling=FEW).youden in (0.9, 0.5)


def test_one_class_only_is_not_defined():
    healthy = detections_from_candidates(case=[0], score=[0.5], lesion=[-1], lesions_per_case=[0, 0], patient=[0, 1])
    found = lesion_roc(lesion_units(healthy), resampling=FEW)
    assert np.isnan(found.auroc.value)
    assert np.isnan(found.youden)
    sensitivity, specificity = sensitivity_specificity(lesion_units(healthy), threshold=0.4, resampling=FEW)
    assert np.isnan(sensitivity.value)
    assert specificity.value == 0.5
    sick = detections_from_candidates(case=[0], score=[0.5], lesion=[0], lesions_per_case=[1], patient=[0])
    assert np.isnan(lesion_roc(lesion_units(sick), resampling=FEW).auroc.value)


def test_an_unknown_negative_is_refused(slices):
    with pytest.raises(UsageError, match="lesion-free cases"):
        lesion_units(slices, negatives="voxels")
