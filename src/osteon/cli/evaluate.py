"""``osteon evaluate``: a model on a cohort, every figure with its interval."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from osteon.cli.arguments import check_device, check_out, open_model
from osteon.cli.progress import progress_bar

if TYPE_CHECKING:
    from osteon.systems.protocol import SystemEvaluation

HELP = """Evaluate a model on a cohort with ground truth.

OUT gets evaluation.json (every figure with interval, n and rule), per_case.csv and report.html.

[bold]Example[/]: osteon evaluate lytic cohort --out evaluation
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("evaluate", help=HELP)
    def evaluate(
        model: str = typer.Argument(..., help="Bundle folder, or a system's name."),
        cohort: Path = typer.Argument(..., help="Cohort folder, with cohort.json."),
        out: Path = typer.Option(..., "--out", help="Folder for the evaluation; must not exist."),
        device: str = typer.Option("auto", "--device", help="auto, cpu or cuda."),
        as_json: bool = typer.Option(False, "--json", help="Print evaluation.json on stdout."),
    ) -> None:
        from osteon.cohort.manifest import read_cohort
        from osteon.report.result import to_document
        from osteon.report.stats_text import print_result

        check_device(device)
        check_out(out)
        system, loaded = open_model(model, device=device)
        with progress_bar("evaluating") as report:
            evaluation = system.evaluate(loaded, read_cohort(cohort), on_case=report)
        write_evaluation(out, evaluation)
        if as_json:
            typer.echo(json.dumps(to_document(evaluation.result), indent=1))
        else:
            print_result(evaluation.result, Console())
        for case, why in evaluation.failures.items():
            Console(stderr=True, highlight=False).print(f"failed: {case}: {why}", markup=False, soft_wrap=True)
        if evaluation.failures:
            raise typer.Exit(1)


def write_evaluation(out: Path, evaluation: SystemEvaluation) -> None:
    """Write evaluation.json, per_case.csv and report.html, all or none."""
    from osteon.files import whole_folder
    from osteon.report.result import to_document
    from osteon.report.stats_page import write_page

    with whole_folder(out) as draft:
        document = to_document(evaluation.result) | {"failures": evaluation.failures}
        (draft / "evaluation.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        with (draft / "per_case.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(evaluation.rows[0]))
            writer.writeheader()
            writer.writerows(evaluation.rows)
        write_page(evaluation.result, draft / "report.html")
