"""``osteon phantom``: synthetic patients with ground truth as a cohort folder."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from osteon.cli.progress import progress_bar
from osteon.errors import UsageError

HELP = """Make synthetic patients as a cohort folder: DICOM studies, masks, boxes, cohort.json.

The same seed gives the same bytes. An interrupted run goes on where it stopped.

[bold]Example[/]: osteon phantom lytic --patients 4 --out cohort --seed 1
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("phantom", help=HELP)
    def phantom(
        system: str = typer.Argument(
            ..., help="Which system the phantoms are for: lytic, metastasis, tumor, differential or fracture."
        ),
        out: Path = typer.Option(..., "--out", help="Folder for the cohort."),
        patients: int = typer.Option(4, "--patients", min=1, help="How many."),
        seed: int = typer.Option(0, "--seed", min=0, help="Start of everything random."),
        profile: str = typer.Option("small", "--profile", help="small: part of the body, coarse; full: 512 x 512."),
        body_range: str = typer.Option(
            "", "--range", help="Part to scan: heights in mm from the top of the sacrum, e.g. -100:300."
        ),
        lesions: float = typer.Option(
            14.0, "--lesions", min=0, help="Mean number of lesions over a whole body, 1000 at most; 0 for none."
        ),
        centre: str = typer.Option("a", "--centre", help="a, b or c; letters together mix them, e.g. ac."),
        healthy: float | None = typer.Option(
            None, "--healthy", help="Share of patients without the disease, 0 to 0.9; else the system's own."
        ),
        diffuse: float = typer.Option(
            0.0, "--diffuse", help="lytic: share of patients with infiltrated marrow, diffuse or salt and pepper."
        ),
        jobs: int = typer.Option(
            0, "--jobs", min=0, help="Processes, or threads where patients are fewer; 0 for one a core."
        ),
    ) -> None:
        from osteon.phantom.cohort import PhantomOptions, make_cohort

        options = PhantomOptions(
            system=system,
            patients=patients,
            seed=seed,
            profile=profile,
            mean_lesions=lesions,
            centres=centre,
            range_mm=_parse_range(body_range) if body_range else None,
            healthy=healthy,
            diffuse=diffuse,
        )
        with progress_bar("phantoms") as report:
            cohort = make_cohort(options, out, jobs=jobs or os.cpu_count() or 1, on_case=report)
        total = sum(case.labels.get("lesions", 0) for case in cohort.cases)
        typer.echo(f"patients: {len(cohort.cases)}, lesions: {total}, cohort: {out / 'cohort.json'}")


def _parse_range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise UsageError(f"--range {text!r}: expected two numbers with a colon between, e.g. -100:300") from None
    return low, high
