"""``osteon demo``: a phantom patient as DICOM, read with the shipped model."""

from __future__ import annotations

from pathlib import Path

import typer

from osteon.cli.devices import bundle_folder
from osteon.cli.progress import progress_bar
from osteon.cli.read import read_path
from osteon.errors import UsageError

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
        from osteon.systems.lytic.bundle import load_model

        if out.exists() and any(out.iterdir()):
            raise UsageError(f"--out {out.name}: already exists and is not empty; choose another folder")
        model = load_model(bundle_folder("lytic"))
        typer.echo("making a phantom patient (no real person) ...", err=True)
        options = PhantomOptions(patients=1, seed=seed, range_mm=RANGE_MM, mean_lesions=30.0)
        with progress_bar("phantom") as report:
            cohort = make_cohort(options, out / "phantom", on_case=report)
        case = cohort.cases[0]
        typer.echo("reading it with the shipped model, which was trained on phantoms only ...", err=True)
        summary = read_path(cohort.study_path(case), model, out / "result")[0]
        page = (out / "result" / "report.html").resolve()
        typer.echo(
            f"the phantom has {case.labels['lesions']} lytic lesions; the reading has {summary['findings']} findings"
        )
        typer.echo(f"report: {page}")
        if show:
            typer.launch(page.as_uri())
