"""`osteon stats`: every figure and comparison, for any model or reader, trained here or not.

Each verb is one module with ``register(app)``; it computes a ``StatsResult`` and hands it to ``output.emit``.
"""

from __future__ import annotations

import importlib

import typer

VERBS: tuple[str, ...] = (
    "classify",
    "compare",
    "agreement",
    "features",
    "detection",
    "segmentation",
    "readers",
    "published",
)
"""Modules of ``osteon.cli.stats`` in the order of the help page; each has ``register(app)``."""


def register(app: typer.Typer) -> None:
    """Add `stats` with its verbs to the command."""
    stats = typer.Typer(
        no_args_is_help=True,
        help="Figures with intervals, comparisons, agreement, reader studies: from CSV, COCO, NIfTI or reading.json.",
        rich_markup_mode="rich",
    )
    for verb in VERBS:
        importlib.import_module(f"osteon.cli.stats.{verb}").register(stats)
    app.add_typer(stats, name="stats")
