"""Which units are counted (images, sequences, patients) and how each is called positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cli.stats.output import check_choice
from osteon.cli.stats.sections import Sample
from osteon.errors import InputError, UsageError
from osteon.evaluation.aggregate import RULES, TIES, Grouped, gather, single_units
from osteon.evaluation.operating import choose_threshold, parse_rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.formats.cases import Cases


LEVELS = ("case", "sequence", "patient")
"""What can be counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Aggregation:
    """How images become the units that are counted.

    Attributes:
        per: "case" (image), "sequence" or "patient".
        rule: "majority", "max" or "mean", for both steps (image to sequence, where there is such a column, to patient).
        tie: of a majority: "mean", "positive" or "negative".
    """

    per: str
    rule: str
    tie: str

    def __post_init__(self) -> None:
        check_choice("--per", self.per, LEVELS)
        check_choice("--rule", self.rule, RULES)
        check_choice("--tie", self.tie, TIES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """How a unit is called: by ``score >= threshold``, or by its label where the threshold is None."""

    threshold: float | None
    text: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The counted units, and where to look up their subgroup.

    Attributes:
        sample: truth, score and call of each unit.
        first: (n,) row of the table that stands for each unit.
        rule: in words, for the report.
        warnings: what the reader must know.
    """

    sample: Sample
    first: NDArray[np.intp]
    rule: str
    warnings: tuple[str, ...]


def make_plan(cases: Cases, *, chosen_on: Cases | None, operating_point: str | None, aggregation: Aggregation) -> Plan:
    """Choose the threshold where it should be chosen, gather the images, call the units."""
    decision = decide(cases, chosen_on=chosen_on, operating_point=operating_point, aggregation=aggregation)
    if aggregation.per == "case":
        return _case_plan(cases, decision)
    threshold = 0.5 if cases.score is None else decision.threshold
    steps = _gather(cases, aggregation, threshold=0.0 if threshold is None else threshold)
    grouped = steps[aggregation.per]
    warnings = list(decision.warnings)
    for name, step in steps.items():
        if threshold is not None and step.tied.any():
            warnings.append(f"{int(step.tied.sum())} {name}s were tied; --tie {aggregation.tie} decided.")
    sample = Sample(
        truth=grouped.truth,
        score=grouped.score,
        called=None if threshold is None else grouped.called,
        patient=cases.patient[grouped.first],
        unit=f"{aggregation.per}s",
    )
    text = f"{aggregation.rule} of images per {aggregation.per}, {decision.text}"
    return Plan(sample=sample, first=grouped.first, rule=text, warnings=tuple(warnings))


def _case_plan(cases: Cases, decision: Decision) -> Plan:
    called = cases.called
    if decision.threshold is not None and cases.score is not None:
        called = cases.score >= decision.threshold
    sample = Sample(truth=cases.truth, score=cases.score, called=called, patient=cases.patient, unit="cases")
    return Plan(sample=sample, first=np.arange(len(cases)), rule=decision.text, warnings=decision.warnings)


def decide(cases: Cases, *, chosen_on: Cases | None, operating_point: str | None, aggregation: Aggregation) -> Decision:
    """The threshold: given, or chosen by a rule on ``chosen_on`` (on the cases themselves, with a warning, if None)."""
    if operating_point is None:
        if chosen_on is not None:
            raise UsageError("--choose-on: say by which rule with --operating-point, e.g. youden")
        return _default_decision(cases, aggregation)
    rule = parse_rule(operating_point)
    if cases.score is None:
        raise UsageError(f"--operating-point {rule}: {cases.table.name} has no score column, only predicted labels")
    source = chosen_on or cases
    warnings = []
    if rule.kind != "threshold" and chosen_on is None:
        warnings.append(
            f"The operating point ({rule}) was chosen on the same cases that it is measured on: sensitivity and "
            "specificity come out too good. Choose it on other patients with --choose-on."
        )
    shared = set(cases.patient.tolist()) & set(chosen_on.patient.tolist()) if chosen_on else set()
    if shared:
        warnings.append(f"{len(shared)} patients are both in {source.table.name} and in {cases.table.name}.")
    point = choose_threshold(*_choice(source, aggregation), rule)
    origin = "given" if rule.kind == "threshold" else f"{rule} on {source.table.name}"
    return Decision(
        threshold=point.threshold, text=f"score >= {point.threshold:.6g} ({origin})", warnings=tuple(warnings)
    )


def _default_decision(cases: Cases, aggregation: Aggregation) -> Decision:
    if cases.called is not None and (cases.score is None or aggregation.per == "case"):
        return Decision(threshold=None, text="predicted label")
    if cases.score is not None and bool(((cases.score >= 0) & (cases.score <= 1)).all()):
        return Decision(threshold=0.5, text="score >= 0.5 (default where scores are from 0 to 1)")
    if aggregation.rule == "majority" and aggregation.per != "case":
        raise UsageError(
            "--rule majority: the scores are no probabilities; say with --operating-point when an image votes"
        )
    warning = "Scores are no probabilities and no --operating-point was given: only the ROC curve is shown."
    return Decision(threshold=None, text="no operating point", warnings=(warning,))


def _choice(source: Cases, aggregation: Aggregation) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Truth and scores to choose on: of images where images vote, else of the units that are counted."""
    if source.score is None:
        raise InputError(f"{source.table.name}: no score column to choose an operating point on")
    if aggregation.per == "case" or aggregation.rule == "majority":
        return source.truth, source.score
    grouped = _gather(source, aggregation, threshold=0.0)[aggregation.per]
    return grouped.truth, grouped.score


def _gather(cases: Cases, aggregation: Aggregation, *, threshold: float) -> dict[str, Grouped]:
    """Each step by name: "sequence" where there is such a column or it is counted, then "patient" unless it is not."""
    score = cases.score if cases.score is not None else np.asarray(cases.called, np.float64)
    units = single_units(cases.truth, score, threshold=threshold)
    rule: dict[str, Any] = {"rule": aggregation.rule, "threshold": threshold, "tie": aggregation.tie}
    steps: dict[str, Grouped] = {}
    if aggregation.per == "sequence" or "sequence" in cases.table.columns:
        # Two patients may both have a sequence "T1": it is named together with its patient.
        sequence = np.char.add(np.char.add(cases.patient, "\x1f"), cases.table.text("sequence"))
        units = steps["sequence"] = gather(units, sequence, **rule)
    if aggregation.per == "patient":
        steps["patient"] = gather(units, cases.patient[units.first], **rule)
    return steps
