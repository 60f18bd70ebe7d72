"""What is measured of answers: six strategies, sequences apart, errors by place and histology, healthy patients."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.confusion import confusion_figures, confusion_of, fractions
from osteon.evaluation.intervals import proportion
from osteon.evaluation.roc import auc_delong, roc_curve
from osteon.report.result import Figure, Plot, Section, TableData
from osteon.systems.tumor.answers import verdict_of
from osteon.systems.tumor.config import SEQUENCES, SUBSETS
from osteon.systems.tumor.fusion import BEST, ON_DETECTIONS, STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from osteon.evaluation.estimate import Estimate
    from osteon.systems.tumor.age import AgeTable
    from osteon.systems.tumor.answers import PatientAnswer
    from osteon.systems.tumor.fusion import Verdict, Weights

COLUMNS = {"ACC": "accuracy", "AUC": "AUC", "SE": "sensitivity", "SP": "specificity"}
"""The study's names and ours, in the order of its Table 3."""
RULE = "majority of images, then of sequences; malignant is positive"
LOCATIONS = ("cervical", "thoracic", "lumbar", "sacral")


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """Patients with their truth and the verdicts of one strategy."""

    answers: tuple[PatientAnswer, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def truth(self) -> NDArray[np.bool_]:
        """(n,) malignant."""
        return np.array([bool(one.malignant) for one in self.answers], dtype=bool)

    @property
    def called(self) -> NDArray[np.bool_]:
        """(n,) called malignant."""
        return np.array([one.malignant for one in self.verdicts], dtype=bool)

    @property
    def score(self) -> NDArray[np.float64]:
        """(n,) probability."""
        return np.array([one.probability for one in self.verdicts], dtype=np.float64)


def judge(
    answers: Sequence[PatientAnswer],
    *,
    table: AgeTable,
    weights: Weights,
    strategy: str = BEST,
    kinds: Sequence[str] = SEQUENCES,
) -> Judged:
    """One strategy on all patients."""
    return Judged(
        answers=tuple(answers),
        verdicts=tuple(
            verdict_of(one, table=table, strategy=strategy, weights=weights, kinds=kinds) for one in answers
        ),
    )


def call_estimates(truth: NDArray[np.bool_], called: NDArray[np.bool_]) -> dict[str, tuple[Estimate, str]]:
    """ACC, SE and SP with their fractions."""
    confusion = confusion_of(truth, called)
    found, counts = confusion_figures(confusion, unit="patients"), fractions(confusion)
    return {short: (found[name], "{}/{}".format(*counts[name])) for short, name in COLUMNS.items() if name in counts}


def estimates(judged: Judged) -> dict[str, tuple[Estimate, str]]:
    """ACC, AUC, SE and SP with the fraction behind each that is one."""
    found = call_estimates(judged.truth, judged.called)
    found["AUC"] = (auc_delong(judged.truth, judged.score, unit="patients"), "")
    return {short: found[short] for short in COLUMNS}


def roc_plot(judged: Mapping[str, Judged]) -> Plot:
    """A curve a strategy; none with one class."""
    series = []
    for name, one in judged.items():
        if len(set(one.truth.tolist())) == 2:
            curve = roc_curve(one.truth, one.score)
            points = {"x": curve.false_positive_rate.tolist(), "y": curve.sensitivity.tolist()}
            series.append({"name": name, **points})
    data: dict[str, Any] = {"series": series, "x_label": "1 - specificity", "y_label": "sensitivity (malignant)"}
    data |= {"x_limits": [0, 1], "y_limits": [0, 1], "diagonal": True}
    return Plot(kind="curves", title="ROC by patient", data=data)


def errors_by(judged: Judged, what: str, *, first: Sequence[str] = ()) -> list[tuple[str, int, int]]:
    """Name, wrong and all patients, by "location" or "histology"; known names first, then the commonest."""
    groups = [str(getattr(one, what)) or "not known" for one in judged.answers]
    total = Counter(groups)
    wrong = Counter(g for g, bad in zip(groups, judged.truth != judged.called, strict=True) if bad)
    rest = sorted(set(total) - set(first), key=lambda name: (-total[name], name))
    return [(name, wrong[name], total[name]) for name in (*first, *rest)]


def errors_section(judged: Mapping[str, Judged], *, title: str = "Errors by place and histology") -> Section:
    """Patients called wrong, by vertebral location and by histology, of each strategy or reader."""
    tables = []
    for what, first in (("location", LOCATIONS), ("histology", ())):
        parts = {name: {g: (bad, n) for g, bad, n in errors_by(one, what, first=first)} for name, one in judged.items()}
        groups = list(next(iter(parts.values())))
        rows: tuple[tuple[str | int | float, ...], ...] = tuple(
            (group, next(iter(parts.values()))[group][1], *(_share(*one[group]) for one in parts.values()))
            for group in groups
        )
        tables.append(
            TableData(
                title=f"Wrong by {what}", columns=(what, "patients", *(f"{name}: wrong" for name in parts)), rows=rows
            )
        )
    return Section(title=title, tables=tuple(tables))


def _share(wrong: int, total: int) -> str:
    return f"{wrong} ({100 * wrong / total:.0f} %)" if total else "0"


def subset_table(answers: Sequence[PatientAnswer], *, table: AgeTable, weights: Weights) -> TableData:
    """Accuracy of the six strategies with all, T1-only and T2-only sequences."""
    rows = []
    for strategy in STRATEGIES:
        cells = []
        for kinds in SUBSETS.values():
            estimate, counts = estimates(judge(answers, table=table, weights=weights, strategy=strategy, kinds=kinds))[
                "ACC"
            ]
            cells.append(f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f}), {counts}")
        rows.append((strategy, *cells))
    note = "T2 are T2 and fat-suppressed T2. A patient without a detection in them is called by age, or by prevalence."
    return TableData(title="Accuracy by sequences", columns=("strategy", *SUBSETS), rows=tuple(rows), note=note)


def rests_table(judged: Mapping[str, Judged]) -> TableData:
    """On what the answers rest, and how often a mean had to break a tie."""
    rows = []
    for name, one in judged.items():
        rests = Counter(verdict.rests_on for verdict in one.verdicts)
        other = ", ".join(f"{count} on {what}" for what, count in sorted(rests.items()) if what != ON_DETECTIONS)
        ties = sum(vote.tie for verdict in one.verdicts for vote in verdict.votes)
        rows.append((name, rests[ON_DETECTIONS], other or "none", ties, sum(v.tie for v in one.verdicts)))
    columns = ("strategy", "patients with a detection", "others", "ties in sequences", "ties between sequences")
    return TableData(title="On what answers rest", columns=columns, rows=tuple(rows))


def evaluation_sections(answers: Sequence[PatientAnswer], *, table: AgeTable, weights: Weights) -> tuple[Section, ...]:
    """All that ``osteon evaluate`` says: of patients with a tumour, and of the healthy (``malignant`` None)."""
    healthy = [one for one in answers if one.malignant is None]
    answers = [one for one in answers if one.malignant is not None]
    apart = (healthy_section(healthy),) if healthy else ()
    if not answers:
        return apart
    judged = {name: judge(answers, table=table, weights=weights, strategy=name) for name in STRATEGIES}
    figures = tuple(
        Figure(name=COLUMNS[short], estimate=estimate, group=name, counts=counts, rule=RULE if counts else "")
        for name, one in judged.items()
        for short, (estimate, counts) in estimates(one).items()
    )
    return (
        Section(title="Six strategies", figures=figures, plots=(roc_plot(judged),), tables=(rests_table(judged),)),
        Section(title="Sequences apart", tables=(subset_table(answers, table=table, weights=weights),)),
        errors_section({BEST: judged[BEST]}),
        *apart,
    )


def healthy_section(answers: Sequence[PatientAnswer]) -> Section:
    """In how many healthy patients the detector marks anything, in any sequence and in each kind."""
    figures = []
    patients = sorted({one.patient for one in answers})
    for group, kinds in {"any sequence": SEQUENCES, **{kind: (kind,) for kind in SEQUENCES}}.items():
        read = [
            [one for answer in answers if answer.patient == name for one in answer.sequences if one.kind in kinds]
            for name in patients
        ]
        marked = [any(one.detections for one in sequences) for sequences in read if sequences]
        if marked:
            figures.append(
                Figure(
                    name="healthy patients with a mark",
                    estimate=proportion(sum(marked), len(marked), unit="patients"),
                    group=group,
                    counts=f"{sum(marked)}/{len(marked)}",
                    rule="at least one image with a detection",
                )
            )
    note = "These patients are in no other figure. A tumour found in them is a false alarm, whatever it is called."
    return Section(title="Healthy patients", figures=tuple(figures), notes=(note,))
