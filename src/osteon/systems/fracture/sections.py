"""What is measured of answers against the truth: sensitivity, specificity, accuracy, ROC and confusion."""

from __future__ import annotations

from osteon.report.result import Section
from osteon.systems.fracture.config import CLASSES, THRESHOLD
from osteon.systems.scored import Answers, confusion_plot, figures, roc_plot

STUDIED_FIGURES = ("sensitivity", "specificity", "accuracy")
"""In the order of the study's Table 2."""
RULE = f"malignant from a probability of {THRESHOLD:g} on; malignant is the positive class"
HIGHEST = "A patient has the probability of the highest slice, as published."


def evaluation_sections(slices: Answers, patients: Answers) -> tuple[Section, ...]:
    """The sections of ``osteon evaluate``: patients first, since they are what is asked about."""
    notes = (HIGHEST, "One answer a slice; intervals by patient, since slices of one patient are alike.")
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
