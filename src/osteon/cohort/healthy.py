"""Healthy patients among a cohort's: those whose case says ``"healthy": true``.

Where the question is which of two diseases it is, such a patient has no true answer: training and the figures on
answers leave them out, and say how many.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from osteon.errors import CohortError

if TYPE_CHECKING:
    from osteon.cohort.manifest import Case, Cohort

LABEL = "healthy"


def is_healthy(case: Case) -> bool:
    """Whether a case is known to be without the disease; a case that does not say is not."""
    return case.labels.get(LABEL) is True


def without_healthy(cohort: Cohort) -> tuple[Cohort, int]:
    """The cohort's cases that have the disease, or do not say; and how many healthy ones were left out.

    Raises:
        CohortError: all are healthy.
    """
    kept = tuple(case for case in cohort.cases if not is_healthy(case))
    if cohort.cases and not kept:
        raise CohortError(
            f"cohort {cohort.name}: all {len(cohort.cases)} cases are healthy; expected some with disease"
        )
    return replace(cohort, cases=kept), len(cohort.cases) - len(kept)


def left_out_note(count: int) -> str:
    """What a result says about ``count`` cases left out."""
    what = "1 healthy case has" if count == 1 else f"{count} healthy cases have"
    return f"{what} no answer to learn or to be compared with, and {'is' if count == 1 else 'are'} left out."
