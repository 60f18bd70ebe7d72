"""A study's printed figures beside what their own counts give, as a section of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.report.result import Section, TableData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.evaluation.published import Claim

COLUMNS = ("where", "figure", "printed", "recomputed", "follows", "from")
MARKS = {True: "yes", False: "NO", None: "open"}


def claims_section(title: str, source: str, claims: Sequence[Claim], *, slips: bool) -> Section:
    """What does not follow first, then everything.

    Args:
        title: of the section.
        source: cites the study.
        claims: from ``evaluation.published.study_claims``.
        slips: leave out "everything".
    """
    wrong = [claim for claim in claims if claim.follows is False]
    unknown = sum(claim.follows is None for claim in claims)
    note = (
        f"{source}. {len(claims)} figures: {len(claims) - len(wrong) - unknown} follow from the counts, "
        f"{len(wrong)} do not, {unknown} stay open because the counts they need were not printed."
    )
    tables = [TableData(title="Does not follow", columns=COLUMNS, rows=_rows(wrong))] if wrong else []
    if not slips:
        tables.append(TableData(title="All figures", columns=COLUMNS, rows=_rows(claims)))
    return Section(title=title, tables=tuple(tables), notes=(note,))


def _rows(claims: Sequence[Claim]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (one.where, one.item, one.printed, one.recomputed, MARKS[one.follows], one.how)  # the order of COLUMNS
        for one in claims
    )
