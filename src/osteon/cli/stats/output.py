"""How every `stats` verb answers: tables on stdout, or JSON with ``--json``; a page where ``--html`` names one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.report.result import StatsResult

JsonFlag = Annotated[bool, typer.Option("--json", help="Print everything as JSON on stdout instead of tables.")]
HtmlPath = Annotated[
    Path | None, typer.Option("--html", help="Also write one self-contained page with the plots.", dir_okay=False)
]
Level = Annotated[float, typer.Option("--level", help="Confidence level of every interval.", min=0.5, max=0.9999)]
Resamples = Annotated[int, typer.Option("--resamples", help="Bootstrap resamples (of patients).", min=100, max=100_000)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every random draw.", min=0)]


def check_choice(option: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a name that an option does not know.

    Raises:
        UsageError: ``value`` is not one of ``allowed``.
    """
    from osteon.errors import UsageError

    if value not in allowed:
        raise UsageError(f"{option} {value!r}: expected one of {list(allowed)}")


def emit(result: StatsResult, *, as_json: bool, html: Path | None) -> None:
    """Print a result and write its page.

    Raises:
        UsageError: the folder of ``html`` does not exist.
    """
    import json

    from osteon.errors import UsageError
    from osteon.report.result import to_document

    if html is not None:
        from osteon.report.stats_page import write_page

        if not html.parent.is_dir():
            raise UsageError(f"--html {html}: the folder does not exist; make it first")
        write_page(result, html)
    if as_json:
        typer.echo(json.dumps(to_document(result), indent=1, allow_nan=False))
        return
    from rich.console import Console

    from osteon.report.stats_text import print_result

    print_result(result, Console(highlight=False))
