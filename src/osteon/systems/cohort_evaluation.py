"""What evaluating on a cohort has in common: a case that fails costs that case, and what to know before the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from osteon.errors import CohortError, OsteonError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from osteon.cohort.manifest import Case, Cohort

Answer = TypeVar("Answer")


def answer_each(
    cohort: Cohort, answer: Callable[[Case], Answer], *, on_case: Callable[[int, int, str], None]
) -> tuple[list[Answer], dict[str, str]]:
    """Answer for every case that can be answered for.

    Args:
        cohort: whose cases.
        answer: of one case.
        on_case: called with (done, total, case) after each.

    Returns:
        Answers in order, and case -> why it has none.

    Raises:
        CohortError: no case could be evaluated.
    """
    answers: list[Answer] = []
    failures: dict[str, str] = {}
    for number, case in enumerate(cohort.cases, start=1):
        try:
            answers.append(answer(case))
        except OsteonError as error:
            failures[case.case] = str(error)
        on_case(number, len(cohort.cases), case.case)
    if not answers:
        first = next(iter(failures.values()), "it has no cases")
        raise CohortError(f"cohort {cohort.name}: no case could be evaluated; first reason: {first}")
    return answers, failures


def evaluation_warnings(
    cohort: Cohort, *, seen: Sequence[str], one_class: bool, failures: Mapping[str, str]
) -> tuple[str, ...]:
    """What to know before the figures.

    Args:
        cohort: that was evaluated on.
        seen: cases that the model was trained on.
        one_class: whether all cases are of one class.
        failures: of ``answer_each``.
    """
    notes = []
    if cohort.is_phantom:
        notes.append("Phantoms: these figures say nothing about patients.")
    if seen:
        notes.append(f"{len(seen)} scans are among those that the model was trained on: {', '.join(seen[:5])}.")
    if one_class:
        notes.append("One class only: no AUROC, and half of the figures are not defined.")
    if failures:
        notes.append(f"{len(failures)} of {len(cohort.cases)} cases could not be evaluated and are left out.")
    return tuple(notes)
