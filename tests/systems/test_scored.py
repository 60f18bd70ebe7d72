"""Figures of scored slices and patients against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from osteon.systems.scored import Answers, auroc, confusion_plot, counts_of, estimates, figures, join, roc_plot

NAMES = ("sensitivity", "specificity", "accuracy")


def answers(label: list[int], score: list[float], patient: str = "", *, threshold: float = 0.5) -> Answers:
    """Units of patients named by single letters; everybody's own where no names are given."""
    names = list(patient) or [f"p{k}" for k in range(len(label))]
    return Answers(
        label=np.array(label), score=np.array(score), patient=np.array(names), unit="slices", threshold=threshold
    )


ONE = answers([1, 1, 1, 0, 0], [0.9, 0.5, 0.2, 0.6, 0.1])


def test_figures_by_hand() -> None:
    found = estimates(ONE, NAMES)
    assert list(found) == [*NAMES, "AUROC"]
    assert [one.value for one in found.values()] == pytest.approx([2 / 3, 1 / 2, 3 / 5, 4 / 6])
    assert counts_of(ONE)["sensitivity"] == "2/3"
    shown = {one.name: (one.counts, one.rule) for one in figures(ONE, NAMES, rule="from 0.5 on")}
    assert shown["specificity"] == ("1/2", "from 0.5 on")
    assert shown["AUROC"] == ("", "")


def test_a_unit_at_the_threshold_is_positive() -> None:
    assert ONE.called.tolist() == [True, True, False, True, False]
    assert answers([1], [0.5], threshold=0.51).called.tolist() == [False]


def test_intervals_are_by_patient_where_patients_have_several_units() -> None:
    """Ten copies of every slice tell nothing new: by patient the interval stays, by slice it would shrink."""
    label, score = [1, 1, 1, 1, 0, 0, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.6, 0.3, 0.2, 0.1]
    once, often = answers(label, score), answers(label * 10, score * 10, "abcdefgh" * 10)
    alone, copied = (estimates(one, NAMES)["accuracy"] for one in (once, often))
    naive = estimates(answers(label * 10, score * 10), NAMES)["accuracy"]
    assert alone.value == copied.value == naive.value
    assert copied.high - copied.low > 2 * (naive.high - naive.low)
    assert (
        auroc(often).high - auroc(often).low
        > auroc(answers(label * 10, score * 10)).high - auroc(answers(label * 10, score * 10)).low
    )


def test_one_patient_of_a_class_still_has_an_auroc() -> None:
    found = auroc(answers([1, 1, 0, 0], [0.9, 0.4, 0.5, 0.1], "aabc"))
    assert found.value == pytest.approx(3 / 4)


def test_folds_are_joined_unit_by_unit() -> None:
    both = join([ONE, answers([0], [0.7], "z")])
    assert both.label.tolist() == [1, 1, 1, 0, 0, 0]
    assert both.patient.tolist()[-1] == "z"
    assert (both.unit, both.threshold) == ("slices", 0.5)


def test_plots_show_what_was_counted_and_leave_out_one_class() -> None:
    plot = roc_plot("ROC", {"a": ONE, "only one class": answers([1, 1], [0.2, 0.3])}, positive="malignant")
    assert [one["label"] for one in plot.data["series"]] == ["a, 0.667"]
    assert plot.data["y_label"] == "sensitivity (malignant)"
    matrix = confusion_plot("C", ONE, classes=("benign", "malignant")).data
    assert matrix["counts"] == [[2, 1], [1, 1]]
    assert matrix["row_names"] == ["malignant", "benign"]
