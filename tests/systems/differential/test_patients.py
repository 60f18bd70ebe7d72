from __future__ import annotations

import numpy as np
import pytest

from osteon.systems.differential.patients import by_patient, calibrated, fit_calibration, mean_logit


def test_slices_are_gathered_into_patients() -> None:
    names = np.array(["b", "a", "b", "b"])
    scores = by_patient(names, np.array([2.0, -1.0, 4.0, 100.0]), np.array([1, 0, 1, 1]))
    assert scores.name.tolist() == ["a", "b"]
    assert scores.slices.tolist() == [1, 3]
    assert scores.label.tolist() == [0, 1]
    assert scores.logit.tolist() == pytest.approx([-1, (2 + 4 + 6) / 3])  # one absurd slice counts 6 at most
    assert mean_logit(np.array([2.0, 4.0, 100.0])) == pytest.approx(4)


def test_calibration_learns_that_a_model_is_too_sure() -> None:
    label = np.arange(400) % 2
    right = np.arange(400) % 20 < 14  # seven of ten, of both diagnoses
    sure = np.where(right, 5.0, -5.0) * (2 * label - 1)
    names = np.array([f"p{k:03d}" for k in range(400)])
    line = fit_calibration(by_patient(names, sure, label))
    assert calibrated(5.0, line) == pytest.approx(0.7, abs=0.01)
    assert calibrated(-5.0, line) == pytest.approx(0.3, abs=0.01)


def test_a_model_that_ranks_the_wrong_way_is_not_turned_round() -> None:
    label = np.array([0, 0, 0, 1, 1, 1])
    line = fit_calibration(by_patient(np.array(list("abcdef")), np.array([3.0, 2, 4, -3, -2, -4]), label))
    assert line["slope"] == 0


def test_too_few_patients_or_one_diagnosis_leave_the_scores_as_they_are() -> None:
    for label in ([0, 1], [1, 1, 1, 1, 1]):
        names = np.array([f"p{k}" for k in range(len(label))])
        line = fit_calibration(by_patient(names, np.zeros(len(label)), np.array(label)))
        assert (line["slope"], line["intercept"]) == (1.0, 0.0)
        assert "not calibrated" in line["how"]
