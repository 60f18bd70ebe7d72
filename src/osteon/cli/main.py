"""Entry point: gathers the verbs, turns osteon's errors into one line on stderr and an exit code."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from osteon import __version__
from osteon.errors import OsteonError, UsageError

EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
VERBS = ("demo", "info", "phantom", "implant", "cohort", "train", "read", "evaluate", "reproduce", "weights", "stats")
"""Modules of ``osteon.cli`` in the order of the help page; each has ``register(app)``."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def build_app() -> typer.Typer:
    """Make the command with all its verbs."""
    app = typer.Typer(
        name="osteon",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        help="Read scans of the spine and the skeleton for tumours. Research software, not a medical device.",
    )

    @app.callback()
    def _root(
        version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
        verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what is done to stderr."),
    ) -> None:
        logging.basicConfig(
            level=logging.INFO if verbose else logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s"
        )

    for verb in VERBS:
        importlib.import_module(f"osteon.cli.{verb}").register(app)
    return app


def main() -> None:
    """Run the command; exit 0 done, 1 some inputs failed, 2 wrong usage."""
    try:
        build_app()()
    except OsteonError as error:
        _fail(str(error), EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED)
    except OSError as error:  # no permission, a full disk, a name too long for the file system
        name = f"{Path(os.fsdecode(error.filename)).name[:100]}: " if isinstance(error.filename, str | bytes) else ""
        _fail(f"{name}{error.strerror or type(error).__name__}; check the path, its permissions and the disk")


def _fail(why: str, code: int = EXIT_FAILED) -> NoReturn:
    Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {escape(why)}", soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
