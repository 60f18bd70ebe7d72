"""What is measured of answers against the truth: the study's seven figures, ROC and confusion, by slice, by patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.confusion import clustered_figures, confusion_figures, confusion_of, fractions
from osteon.evaluation.roc import auc_delong, roc_curve
from osteon.report.result import Figure, Plot, Section
from osteon.systems.differential.config import CLASSES
from osteon.systems.differential.patients import THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.evaluation.estimate import Estimate

STUDIED_FIGURES = ("sensitivity", "specificity", "PPV", "NPV", "accuracy", "F1", "kappa")
"""In the order of the study's Table 2."""
RULE = f"myeloma from a probability of {THRESHOLD:g} on; myeloma is the positive class"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Scored units with their truth.

    Attributes:
        label: (n,) index into ``CLASSES``.
        score: (n,) probability of myeloma.
        patient: (n,) names; units of one patient are not independent.
        unit: what a unit is: "slices" or "patients".
    """

    label: NDArray[np.int64]
    score: NDArray[np.float64]
    patient: NDArray[np.str_]
    unit: str

    @property
    def called(self) -> NDArray[np.bool_]:
        """(n,) whether each is called myeloma."""
        return np.asarray(self.score >= THRESHOLD)


def join(parts: Sequence[Answers]) -> Answers:
    """Answers of several folds as one; each unit stands in one of them."""
    return Answers(
        label=np.concatenate([one.label for one in parts]),
        score=np.concatenate([one.score for one in parts]),
        patient=np.concatenate([one.patient for one in parts]),
        unit=parts[0].unit,
    )


def estimates(answers: Answers) -> dict[str, Estimate]:
    """The study's seven figures and the AUROC; intervals by patient where a patient has several units."""
    several = len(np.unique(answers.patient)) < len(answers.patient)
    if several:
        found = clustered_figures(answers.label, answers.called, answers.patient, unit=answers.unit)
    else:
        found = confusion_figures(confusion_of(answers.label, answers.called), unit=answers.unit)
    chosen = {name: found[name] for name in STUDIED_FIGURES}
    patients = answers.patient if several and _enough(answers) else None
    chosen["AUROC"] = auc_delong(answers.label, answers.score, patients=patients, unit=answers.unit)
    return chosen


def _enough(answers: Answers) -> bool:
    """Whether each diagnosis has two patients, without which there is no variance between patients."""
    return all(len(np.unique(answers.patient[answers.label == k])) >= 2 for k in range(len(CLASSES)))


def counts_of(answers: Answers) -> dict[str, str]:
    """The fraction behind each figure that is one."""
    parts = fractions(confusion_of(answers.label, answers.called))
    return {name: f"{successes}/{n}" for name, (successes, n) in parts.items()}


def figures(answers: Answers, *, group: str = "") -> tuple[Figure, ...]:
    """All figures of one set of answers."""
    counts = counts_of(answers)
    return tuple(
        Figure(name=name, estimate=one, group=group, counts=counts.get(name, ""), rule=RULE if name != "AUROC" else "")
        for name, one in estimates(answers).items()
    )


def roc_plot(title: str, curves: dict[str, Answers], *, caption: str = "") -> Plot:
    """ROC curves, one a name; those of one diagnosis only are left out."""
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
            "y_label": "sensitivity (myeloma)",
            "x_limits": [0, 1],
            "y_limits": [0, 1],
            "diagonal": True,
        },
        caption=caption,
    )


def confusion_plot(title: str, answers: Answers, *, caption: str = "") -> Plot:
    """Confusion matrix: truth by row, answer by column, myeloma first."""
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
    both = {"patients": patients, "slices": slices}
    return tuple(
        Section(
            title=title,
            figures=figures(answers),
            plots=(
                roc_plot(f"ROC, {name}", {name: answers}),
                confusion_plot(f"Confusion matrix, {name}", answers),
            ),
            notes=(note,),
        )
        for (name, answers), title, note in zip(
            both.items(),
            ("Patients", "Slices"),
            (
                "One answer a patient: mean log-odds of the slices, calibrated on the validation patients.",
                "One answer a slice, not calibrated; intervals by patient, since slices of one patient are alike.",
            ),
            strict=True,
        )
    )
