"""`osteon stats published`: the five studies' printed figures beside what their own counts give."""

from __future__ import annotations

from typing import Annotated

import typer

from osteon.cli.stats.output import HtmlPath, JsonFlag, emit

HELP = """Recompute the published studies' figures from their counts, and mark what does not follow.

STUDY is one of lytic, tumor, metastasis, differential, fracture; without it, all of them. Nothing is corrected:
printed and recomputed stand side by side.

Example: osteon stats published fracture --slips
"""


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
    from osteon.report.claims_section import claims_section
    from osteon.report.result import StatsResult

    names = (study,) if study else NAMES
    sections = []
    for name in names:
        facts = load_facts(name)
        title = f"{name}: {facts['title']}"
        sections.append(claims_section(title, facts["source"], study_claims(name), slips=slips))
    result = StatsResult(
        verb="published",
        title="Published figures, recomputed from their own counts",
        inputs=tuple(names),
        settings={"study": study or "all", "slips only": slips, "proportions": "Wilson, 95 %"},
        sections=tuple(sections),
    )
    emit(result, as_json=as_json, html=html)
