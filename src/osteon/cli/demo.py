"""``osteon demo``: a phantom patient as DICOM, read with the shipped model."""

from __future__ import annotations

from pathlib import Path

import typer

from osteon.cli.arguments import check_out, open_model
from osteon.cli.progress import progress_bar
from osteon.cli.read import read_path
from osteon.errors import InputError

HELP = """Make a phantom patient as a DICOM study, read it with the shipped model, and say where the report is.

[bold]Example[/]: osteon demo --out demo
"""
RANGE_MM = (-60.0, 300.0)
DEMO_SEED = 7


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("demo", help=HELP)
    def demo(
        out: Path = typer.Option(Path("osteon-demo"), "--out", help="Folder for cohort and results; must not exist."),
        seed: int = typer.Option(DEMO_SEED, "--seed", min=0, help="Another seed is another patient."),
        show: bool = typer.Option(False, "--open", help="Open the report in the browser."),
    ) -> None:
        from osteon.phantom.cohort import PhantomOptions, make_cohort

        check_out(out)
        system, model = open_model("lytic", device="auto")
        typer.echo("making a phantom patient (no real person) ...", err=True)
        options = PhantomOptions(patients=1, seed=seed, range_mm=RANGE_MM, mean_lesions=30.0)
        with progress_bar("phantom") as report:
            cohort = make_cohort(options, out / "phantom", on_case=report)
        case = cohort.cases[0]
        typer.echo("reading it with the shipped model, which was trained on phantoms only ...", err=True)
        outcome = read_path(cohort.study_path(case), system, model, out=out / "result")
        if outcome.failures:
            raise InputError(f"the phantom could not be read: {outcome.failures[0]['why']}")
        summary = outcome.summaries[0]
        page = (out / "result" / "report.html").resolve()
        typer.echo(
            f"the phantom has {case.labels['lesions']} lytic lesions; the reading has {summary['findings']} findings"
        )
        typer.echo(f"report: {page}")
        if show:
            typer.launch(page.as_uri())
