"""`osteon stats published`: the five studies' printed figures beside what their own counts give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from osteon.cli.stats.output import HtmlPath, JsonFlag, emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.evaluation.published import Claim
    from osteon.report.result import Section

HELP = """Recompute the published studies' figures from their counts, and mark what does not follow.

STUDY is one of lytic, tumor, metastasis, differential, fracture; without it, all of them. Nothing is corrected:
printed and recomputed stand side by side.

Example: osteon stats published fracture --slips
"""
COLUMNS = ("where", "figure", "printed", "recomputed", "follows", "from")
MARKS = {True: "yes", False: "NO", None: "open"}


def register(app: typer.Typer) -> None:
    """Add `published` to `osteon stats`."""
    app.command("published", help=HELP)(published)


def published(
    study: Annotated[str | None, typer.Argument(help="Which study; all if not given.", show_default=False)] = None,
    slips: Annotated[bool, typer.Option("--slips", help="Show only what does not follow.")] = False,
    as_json: JsonFlag = False,
    html: HtmlPath = None,
) -> None:
    """Recompute and show."""
    from osteon.evaluation.published import NAMES, load_facts, study_claims
    from osteon.report.result import StatsResult

    names = (study,) if study else NAMES
    sections = []
    for name in names:
        facts = load_facts(name)
        sections += study_sections(f"{name}: {facts['title']}", facts["source"], study_claims(name), slips=slips)
    result = StatsResult(
        verb="published",
        title="Published figures, recomputed from their own counts",
        inputs=tuple(names),
        settings={"study": study or "all", "slips only": slips, "proportions": "Wilson, 95 %"},
        sections=tuple(sections),
    )
    emit(result, as_json=as_json, html=html)


def study_sections(title: str, source: str, claims: tuple[Claim, ...], *, slips: bool) -> list[Section]:
    """What does not follow first, then everything (unless ``slips``)."""
    from osteon.report.result import Section, TableData

    wrong = [claim for claim in claims if claim.follows is False]
    unknown = sum(claim.follows is None for claim in claims)
    note = (
        f"{source}. {len(claims)} figures: {len(claims) - len(wrong) - unknown} follow from the counts, "
        f"{len(wrong)} do not, {unknown} stay open because the counts they need were not printed."
    )
    tables = [TableData(title="Does not follow", columns=COLUMNS, rows=_rows(wrong))] if wrong else []
    if not slips:
        tables.append(TableData(title="All figures", columns=COLUMNS, rows=_rows(claims)))
    return [Section(title=title, tables=tuple(tables), notes=(note,))]


def _rows(claims: Sequence[Claim]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (one.where, one.item, one.printed, one.recomputed, MARKS[one.follows], one.how)  # the order of COLUMNS
        for one in claims
    )
