"""``osteon reproduce``: a published study's result section, printed figures beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from osteon.cli.arguments import check_device, check_out
from osteon.cli.progress import progress_bar, step_bar
from osteon.systems.registry import SYSTEMS, get_system

if TYPE_CHECKING:
    from osteon.systems.protocol import Reproduction

HELP = """Make a published study's whole result section again, with its printed figures beside ours.

Takes a cohort, or makes phantoms; splits by patient, trains, evaluates, and writes report.html and evaluation.json with
the study's tables and figures in the study's order. small ends in under 20 minutes on 2 cores; full has the published
sizes and epochs and is meant for a GPU. OUT.run beside OUT holds what is done already: a killed run goes on with
--resume, and independent stages (folds, members of an ensemble) run side by side with --stage, which names those to do.

[bold]Example[/]: osteon reproduce lytic --profile small --out lytic-published
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("reproduce", help=HELP)
    def reproduce(
        system: str = typer.Argument(..., help=f"Which study: {', '.join(SYSTEMS)}."),
        out: Path = typer.Option(..., "--out", help="Folder for the result; must not exist."),
        profile: str = typer.Option("small", "--profile", help="small or full."),
        cohort: Path | None = typer.Option(None, "--cohort", help="Cohort folder; without it, phantoms are made."),
        seed: int = typer.Option(0, "--seed", help="Start of everything random."),
        config: Path | None = typer.Option(None, "--config", help="TOML file over the study's recipe."),
        settings: list[str] = typer.Option([], "--set", help="key=value over the recipe, e.g. detector.epochs=3."),
        weights: str = typer.Option(
            "", "--weights", help="Where backbones start: imagenet, none, a file, or a folder with a file for each."
        ),
        stages: list[str] = typer.Option(
            [], "--stage", help="Do this stage only; may be repeated. A wrong name lists all."
        ),
        resume: bool = typer.Option(False, "--resume", help="Go on with OUT.run."),
        device: str = typer.Option("auto", "--device", help="auto, cpu or cuda."),
        as_json: bool = typer.Option(False, "--json", help="Print evaluation.json on stdout."),
    ) -> None:
        from osteon.cli.train import read_settings
        from osteon.cohort.manifest import read_cohort
        from osteon.systems.protocol import ReproduceOptions

        chosen = get_system(system)
        check_device(device)
        check_out(out)
        options = ReproduceOptions(
            profile=profile,
            cohort=read_cohort(cohort) if cohort else None,
            seed=seed,
            resume=resume,
            device=device,
            settings=read_settings(config, [*settings, f"network.weights={weights}"] if weights else settings),
            stages=tuple(stages),
        )
        with step_bar(system) as on_step, progress_bar(system) as on_case:
            done = chosen.reproduce(out, options=options, on_step=on_step, on_case=on_case)
        _show(done, out, as_json=as_json)


def _show(done: Reproduction, out: Path, *, as_json: bool) -> None:
    import json

    from rich.console import Console

    from osteon.report.result import to_document
    from osteon.report.stats_text import print_result

    if done.result is None:
        typer.echo(f"stages done: {', '.join(done.done) or 'none, they were done before'}")
        return
    if as_json:
        document: dict[str, Any] = to_document(done.result)
        typer.echo(json.dumps(document, indent=1))
        return
    print_result(done.result, Console())
    typer.echo(f"report: {out}/report.html")
