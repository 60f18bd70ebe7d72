"""``osteon train``: a model bundle from a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from osteon.cli.arguments import check_out
from osteon.cli.progress import progress_bar, step_bar
from osteon.errors import UsageError
from osteon.systems.registry import SYSTEMS, get_system

HELP = """Train a model on a cohort and write its bundle.

The bundle appears under --out when all stages are done. OUT.run beside it holds caches and checkpoints: with --resume a
killed training goes on from there; delete it afterwards.

[bold]Example[/]: osteon train lytic cohort --out model --set detector.size=s --set bone.epochs=50
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("train", help=HELP)
    def train(
        system: str = typer.Argument(..., help=f"Which system to train: {', '.join(SYSTEMS)}."),
        cohort: Path = typer.Argument(..., help="Cohort folder, with cohort.json."),
        out: Path = typer.Option(..., "--out", help="Folder for the bundle; must not exist."),
        recipe: str = typer.Option("", "--recipe", help="Settings that ship with osteon: published."),
        config: Path | None = typer.Option(None, "--config", help="TOML file over the recipe or the defaults."),
        settings: list[str] = typer.Option(
            [], "--set", help="key=value, e.g. detector.epochs=100; wins over --config."
        ),
        weights: str = typer.Option(
            "",
            "--weights",
            help="Where a backbone starts (setting weights): imagenet, none, a file; of tumor also shipped, its model.",
        ),
        validation: Path | None = typer.Option(None, "--validation", help="Cohort to validate on; else a share."),
        resume: bool = typer.Option(False, "--resume", help="Go on with OUT.run."),
    ) -> None:
        from osteon.cohort.manifest import read_cohort
        from osteon.systems.recipes import load_recipe, merged

        chosen = get_system(system)
        check_out(out)
        values = read_settings(config, [*settings, f"weights={weights}"] if weights else settings)
        if recipe:
            values = merged(load_recipe(system, recipe).get("train", {}), values)
        with step_bar("training") as on_step, progress_bar("cases") as on_case:
            bundle = chosen.train(
                read_cohort(cohort),
                out,
                settings=values,
                validation=read_cohort(validation) if validation else None,
                resume=resume,
                on_step=on_step,
                on_case=on_case,
            )
        for name, value in bundle.metrics.items():
            typer.echo(f"{name}: {value}")
        typer.echo(f"model: {out}")


def read_settings(path: Path | None, settings: list[str]) -> dict[str, Any]:
    """Values of a TOML file with ``key.key=value`` settings put over them.

    Raises:
        UsageError: the file or a setting cannot be read.
    """
    import tomllib

    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"--config {path.name}: cannot be read as TOML ({error})") from None
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {setting!r}: expected key=value, e.g. detector.epochs=100")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        _put(values, key.strip().split("."), value, setting=setting)
    return values


def _put(values: dict[str, Any], path: list[str], value: Any, *, setting: str) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise UsageError(f"--set {setting!r}: {part!r} is a value, not a table")
    values[path[-1]] = value
