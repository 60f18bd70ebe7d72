"""What is measured of answers against the truth: sensitivity, specificity, accuracy, ROC and confusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.confusion import clustered_figures, confusion_figures, confusion_of, fractions
from osteon.evaluation.roc import auc_delong, roc_curve
from osteon.report.result import Figure, Plot, Section
from osteon.systems.fracture.config import CLASSES, THRESHOLD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.evaluation.estimate import Estimate

STUDIED_FIGURES = ("sensitivity", "specificity", "accuracy")
"""In the order of the study's Table 2."""
RULE = f"malignant from a probability of {THRESHOLD:g} on; malignant is the positive class"
HIGHEST = "A patient has the probability of the highest slice, as published."


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Scored units with their truth.

    Attributes:
        label: (n,) 0 benign, 1 malignant.
        score: (n,) probability of malignancy.
        patient: (n,) names; units of one patient are not independent.
        unit: what a unit is: "slices" or "patients".
    """

    label: NDArray[np.int64]
    score: NDArray[np.float64]
    patient: NDArray[np.str_]
    unit: str

    @property
    def called(self) -> NDArray[np.bool_]:
        """(n,) whether each is called malignant."""
        return np.asarray(self.score >= THRESHOLD)


def estimates(answers: Answers) -> dict[str, Estimate]:
    """Sensitivity, specificity, accuracy, AUROC; intervals by patient where a patient has several units."""
    several = len(np.unique(answers.patient)) < len(answers.patient)
    if several:
        found = clustered_figures(answers.label, answers.called, answers.patient, unit=answers.unit)
    else:
        found = confusion_figures(confusion_of(answers.label, answers.called), unit=answers.unit)
    chosen = {name: found[name] for name in STUDIED_FIGURES}
    chosen["AUROC"] = auroc(answers)
    return chosen


def auroc(answers: Answers) -> Estimate:
    """With an interval by patient where a patient has several units and each class two patients or more."""
    several = len(np.unique(answers.patient)) < len(answers.patient)
    enough = all(len(np.unique(answers.patient[answers.label == k])) >= 2 for k in range(len(CLASSES)))
    patients = answers.patient if several and enough else None
    return auc_delong(answers.label, answers.score, patients=patients, unit=answers.unit)


def counts_of(answers: Answers) -> dict[str, str]:
    """The fraction behind each figure that is one."""
    parts = fractions(confusion_of(answers.label, answers.called))
    return {name: f"{successes}/{n}" for name, (successes, n) in parts.items()}


def roc_plot(title: str, curves: dict[str, Answers], *, caption: str = "") -> Plot:
    """ROC curves, one a name; those of one class only are left out."""
    series: list[dict[str, Any]] = []
    for name, answers in curves.items():
        if len(np.unique(answers.label)) == len(CLASSES):
            curve = roc_curve(answers.label, answers.score)
            area = auc_delong(answers.label, answers.score).value
            points = {"x": curve.false_positive_rate.tolist(), "y": curve.sensitivity.tolist()}
            series.append({"name": name, "label": f"{name}, {area:.3f}", **points})
    return Plot(
        kind="curves",
        title=title,
        data={
            "series": series,
            "x_label": "1 - specificity",
            "y_label": "sensitivity (malignant)",
            "x_limits": [0, 1],
            "y_limits": [0, 1],
            "diagonal": True,
        },
        caption=caption,
    )


def confusion_plot(title: str, answers: Answers, *, caption: str = "") -> Plot:
    """Confusion matrix: truth by row, answer by column, malignant first."""
    c = confusion_of(answers.label, answers.called)
    names = [CLASSES[1], CLASSES[0]]
    return Plot(
        kind="confusion",
        title=title,
        data={
            "counts": [[c.true_positive, c.false_negative], [c.false_positive, c.true_negative]],
            "row_names": names,
            "column_names": names,
        },
        caption=caption,
    )


def evaluation_sections(slices: Answers, patients: Answers) -> tuple[Section, ...]:
    """The sections of ``osteon evaluate``: patients first, since they are what is asked about."""
    notes = (HIGHEST, "One answer a slice; intervals by patient, since slices of one patient are alike.")
    sections = []
    for answers, note in zip((patients, slices), notes, strict=True):
        counts = counts_of(answers)
        figures = tuple(
            Figure(name=name, estimate=one, counts=counts.get(name, ""), rule=RULE if name != "AUROC" else "")
            for name, one in estimates(answers).items()
        )
        plots = (
            roc_plot(f"ROC, {answers.unit}", {answers.unit: answers}),
            confusion_plot(f"Confusion matrix, {answers.unit}", answers),
        )
        sections.append(Section(title=answers.unit.capitalize(), figures=figures, plots=plots, notes=(note,)))
    return tuple(sections)
