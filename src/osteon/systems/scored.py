"""Scored slices or patients with their truth, of two classes: figures with intervals, ROC and confusion.

For systems whose answer is a probability; intervals are by patient where a patient has several units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.confusion import clustered_figures, confusion_figures, confusion_of, fractions
from osteon.evaluation.roc import auc_delong, roc_curve
from osteon.report.result import Figure, Plot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from osteon.evaluation.estimate import Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Scored units with their truth.

    Attributes:
        label: (n,) 0 or 1; 1 is the positive class.
        score: (n,) probability of the positive class.
        patient: (n,) names; units of one patient are not independent.
        unit: what a unit is: "slices" or "patients".
        threshold: probability from which on a unit is called positive.
    """

    label: NDArray[np.int64]
    score: NDArray[np.float64]
    patient: NDArray[np.str_]
    unit: str
    threshold: float

    @property
    def called(self) -> NDArray[np.bool_]:
        """(n,) whether each is called positive."""
        return np.asarray(self.score >= self.threshold)

    @property
    def several(self) -> bool:
        """Whether a patient has several units."""
        return len(np.unique(self.patient)) < len(self.patient)


def join(parts: Sequence[Answers]) -> Answers:
    """Answers of several folds as one; each unit stands in one of them."""
    return Answers(
        label=np.concatenate([one.label for one in parts]),
        score=np.concatenate([one.score for one in parts]),
        patient=np.concatenate([one.patient for one in parts]),
        unit=parts[0].unit,
        threshold=parts[0].threshold,
    )


def estimates(answers: Answers, names: Sequence[str]) -> dict[str, Estimate]:
    """Figures of these names (of ``evaluation.confusion.confusion_figures``), and the AUROC last."""
    if answers.several:
        found = clustered_figures(answers.label, answers.called, answers.patient, unit=answers.unit)
    else:
        found = confusion_figures(confusion_of(answers.label, answers.called), unit=answers.unit)
    return {**{name: found[name] for name in names}, "AUROC": auroc(answers)}


def auroc(answers: Answers) -> Estimate:
    """With an interval by patient where a patient has several units.

    Where a class has fewer than two patients there is no variance between patients: the interval is then by unit.
    """
    enough = all(len(np.unique(answers.patient[answers.label == k])) >= 2 for k in (0, 1))
    patients = answers.patient if answers.several and enough else None
    return auc_delong(answers.label, answers.score, patients=patients, unit=answers.unit)


def counts_of(answers: Answers) -> dict[str, str]:
    """The fraction behind each figure that is one."""
    parts = fractions(confusion_of(answers.label, answers.called))
    return {name: f"{successes}/{n}" for name, (successes, n) in parts.items()}


def figures(answers: Answers, names: Sequence[str], *, rule: str) -> tuple[Figure, ...]:
    """``estimates`` to show; ``rule`` says how units are called."""
    counts = counts_of(answers)
    return tuple(
        Figure(name=name, estimate=one, counts=counts.get(name, ""), rule=rule if name != "AUROC" else "")
        for name, one in estimates(answers, names).items()
    )


def roc_plot(title: str, curves: Mapping[str, Answers], *, positive: str, caption: str = "") -> Plot:
    """ROC curves, one a name; those of one class only are left out."""
    series: list[dict[str, Any]] = []
    for name, answers in curves.items():
        if len(np.unique(answers.label)) == 2:
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
            "y_label": f"sensitivity ({positive})",
            "x_limits": [0, 1],
            "y_limits": [0, 1],
            "diagonal": True,
        },
        caption=caption,
    )


def confusion_plot(title: str, answers: Answers, *, classes: tuple[str, str], caption: str = "") -> Plot:
    """Confusion matrix: truth by row, answer by column, the positive class first.

    Args:
        title: of the plot.
        answers: what is counted.
        classes: names of classes 0 and 1.
        caption: below the plot.
    """
    c = confusion_of(answers.label, answers.called)
    names = [classes[1], classes[0]]
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
