"""What is measured of answers against the truth: the study's seven figures, ROC and confusion, by slice, by patient."""

from __future__ import annotations

from osteon.report.result import Section
from osteon.systems.differential.config import CLASSES
from osteon.systems.differential.patients import THRESHOLD
from osteon.systems.scored import Answers, confusion_plot, figures, roc_plot

STUDIED_FIGURES = ("sensitivity", "specificity", "PPV", "NPV", "accuracy", "F1", "kappa")
"""In the order of the study's Table 2."""
RULE = f"myeloma from a probability of {THRESHOLD:g} on; myeloma is the positive class"


def evaluation_sections(slices: Answers, patients: Answers) -> tuple[Section, ...]:
    """The sections of ``osteon evaluate``: patients first, since they are what is asked about."""
    notes = (
        "One answer a patient: mean log-odds of the slices, calibrated on the validation patients.",
        "One answer a slice, not calibrated; intervals by patient, since slices of one patient are alike.",
    )
    return tuple(
        Section(
            title=answers.unit.capitalize(),
            figures=figures(answers, STUDIED_FIGURES, rule=RULE),
            plots=(
                roc_plot(f"ROC, {answers.unit}", {answers.unit: answers}, positive=CLASSES[1]),
                confusion_plot(f"Confusion matrix, {answers.unit}", answers, classes=CLASSES),
            ),
            notes=(note,),
        )
        for answers, note in zip((patients, slices), notes, strict=True)
    )
