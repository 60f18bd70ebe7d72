"""What is measured of answers against the truth: the study's seven figures, ROC and confusion, by slice, by patient."""

from __future__ import annotations

from osteon.report.result import Section, TableData
from osteon.systems.differential.config import CLASSES
from osteon.systems.differential.patients import THRESHOLD
from osteon.systems.scored import Answers, confusion_plot, figures, roc_plot

STUDIED_FIGURES = ("sensitivity", "specificity", "PPV", "NPV", "accuracy", "F1", "kappa")
"""In the order of the study's Table 2."""
RULE = f"myeloma from a probability of {THRESHOLD:g} on; myeloma is the positive class"


NO_LESION = "no lesion given"


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


def healthy_section(patients: int) -> Section:
    """What became of healthy patients."""
    table = TableData(title="Healthy patients", columns=("answer", "patients"), rows=((NO_LESION, patients),))
    note = (
        "Lesions are given, not looked for: without one there is no slice to call, so these patients are in no other "
        "figure. How often something is marked in the healthy is asked of the system that finds the lesions (lytic)."
    )
    return Section(title="Healthy patients", tables=(table,), notes=(note,))
