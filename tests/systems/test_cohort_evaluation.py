"""A case that fails costs that case, a cohort without any answer is an error, and nothing is kept quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from osteon.cohort.manifest import Case, Cohort
from osteon.errors import CohortError, InputError
from osteon.systems.cohort_evaluation import answer_each, evaluation_warnings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    cases = tuple(Case(case=name, patient=name, study=name) for name in "abc")
    return Cohort(root=tmp_path, name="three", modality="CT", system="lytic", cases=cases, kind="phantom")


def test_a_case_that_fails_costs_that_case(cohort: Cohort) -> None:
    def answer(case: Case) -> str:
        if case.case == "b":
            raise InputError("no slices")
        return case.case.upper()

    told: list[tuple[int, int, str]] = []
    answers, failures = answer_each(cohort, answer, on_case=lambda *one: told.append(one))
    assert answers == ["A", "C"]
    assert failures == {"b": "no slices"}
    assert told == [(1, 3, "a"), (2, 3, "b"), (3, 3, "c")]


def test_a_mistake_of_ours_is_not_taken_for_a_bad_case(cohort: Cohort) -> None:
    def answer(case: Case) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answer_each(cohort, answer, on_case=lambda *_: None)


def test_no_answer_at_all_is_an_error_with_the_first_reason(cohort: Cohort) -> None:
    def answer(case: Case) -> None:
        raise InputError(f"{case.case} is empty")

    with pytest.raises(CohortError, match="three: no case could be evaluated; first reason: a is empty"):
        answer_each(cohort, answer, on_case=lambda *_: None)


def test_warnings_say_what_to_know_and_nothing_else(cohort: Cohort) -> None:
    whole = evaluation_warnings(cohort, seen=["a"], one_class=True, failures={"b": "x"})
    assert [any(word in text for text in whole) for word in ("Phantoms", "trained on: a", "One class", "1 of 3")] == [
        True
    ] * 4
    assert len(evaluation_warnings(cohort, seen=[], one_class=False, failures={})) == 1
