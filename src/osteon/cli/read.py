"""``osteon read``: studies in, reading.json, SEG, SR and report out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from osteon.cli.devices import bundle_folder, check_device
from osteon.cli.progress import progress_bar
from osteon.errors import InputError, OsteonError, UsageError

if TYPE_CHECKING:
    from osteon.dicom.scan import ScanResult
    from osteon.records import Series, Study

HELP = """Read studies with a model and write the results.

MODEL is a bundle's folder, or a system's name (lytic) for the small model that ships with osteon, which was trained on
phantoms only. STUDY is a folder, a zip, a DICOMDIR, a DICOM or a NIfTI file. OUT gets reading.json, findings.seg.dcm,
findings.sr.dcm and report.html; with several studies, a numbered folder each.

[bold]Example[/]: osteon read lytic study --out result
"""
THINNEST_SERIES = 3


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("read", help=HELP)
    def read(
        model: str = typer.Argument(..., help="Bundle folder, or a system's name."),
        studies: list[Path] = typer.Argument(..., help="What to read."),
        out: Path = typer.Option(..., "--out", help="Folder for the results; must not hold any."),
        device: str = typer.Option("auto", "--device", help="auto, cpu or cuda."),
        jobs: int = typer.Option(0, "--jobs", min=0, help="Threads; 0 for one a core."),
        series_uid: str = typer.Option("", "--series", help="SeriesInstanceUID to read; else the best fit is chosen."),
        as_json: bool = typer.Option(False, "--json", help="Print a summary as JSON on stdout."),
    ) -> None:
        from osteon.systems.lytic.bundle import load_model

        check_device(device)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"--out {out.name}: already exists and is not empty; choose another folder")
        if jobs:
            import torch

            torch.set_num_threads(jobs)
        loaded = load_model(bundle_folder(model), device=device)
        summaries: list[dict[str, Any]] = []
        failures: list[dict[str, str]] = []
        for number, path in enumerate(studies, start=1):
            target = out if len(studies) == 1 else out / f"{number:03d}"
            try:
                summaries += read_path(path, loaded, target, series_uid=series_uid, jobs=jobs or None)
            except OsteonError as error:
                failures.append({"input": f"{number}: {path.name}", "why": str(error)})
        _show(summaries, failures, as_json=as_json)
        if failures:
            raise typer.Exit(1)


def read_path(
    path: Path, model: Any, out: Path, *, series_uid: str = "", jobs: int | None = None
) -> list[dict[str, Any]]:
    """Read every study in ``path`` (one result folder each) and return a summary of each.

    Raises:
        InputError: nothing in there can be read.
    """
    from osteon.dicom.scan import scan
    from osteon.dicom.source import open_source

    with open_source(path) as source:
        found = scan(source, modality="CT")
        chosen = [
            (study, series) for study in found.studies if (series := choose_series(study, series_uid)) is not None
        ]
        if not chosen:
            raise InputError(_why_nothing(path, found, series_uid))
        summaries = []
        for number, (study, series) in enumerate(chosen, start=1):
            target = out if len(chosen) == 1 else out / f"{number:03d}"
            summaries.append(_read_series(study, series, model, target, found=found, jobs=jobs))
        return summaries


def choose_series(study: Study, series_uid: str = "") -> Series | None:
    """The CT series to read: the one asked for, else the one with the most volume, then the sharper kernel's slices.

    Localizers and stacks that cannot be a volume are left out, and so are series of fewer than three slices.
    """
    fit = [
        series
        for series in study.series
        if series.grid is not None
        and series.modality == "CT"
        and series.grid.shape[0] >= THINNEST_SERIES
        and (not series_uid or series.uid == series_uid)
    ]
    return (
        max(fit, key=lambda series: (_length_mm(series), series.grid.shape[0] if series.grid else 0)) if fit else None
    )


def _length_mm(series: Series) -> float:
    return round(max(series.grid.size_mm), 0) if series.grid else 0.0


def _why_nothing(path: Path, found: ScanResult, series_uid: str) -> str:
    """Say what is there instead of a readable CT series."""
    if series_uid:
        return f"{path.name}: no readable CT series with the UID that --series names; see `osteon info`"
    problems = [f"series {s.uid} ({s.modality}): {s.problems[0]}" for s in found.series if s.problems]
    kinds = sorted({s.modality for s in found.series})
    reasons = problems[:3] + [f"{name}: {why}" for name, why in list(found.failures.items())[:3]]
    what = f"found {', '.join(kinds)}" if kinds else "found no image series"
    return f"{path.name}: no CT series of {THINNEST_SERIES} slices or more that can be read; {what}. " + " ".join(
        reasons
    )


def _read_series(
    study: Study, series: Series, model: Any, out: Path, *, found: ScanResult, jobs: int | None
) -> dict[str, Any]:
    from osteon.dicom.series import load_volume
    from osteon.systems.lytic.output import write_results
    from osteon.systems.lytic.read import read_volume

    volume = load_volume(series, jobs=jobs)
    notes = list(series.warnings)
    if found.failures:
        notes.append(f"{len(found.failures)} files of the input could not be read; see `osteon info`.")
    with progress_bar("reading") as report:
        result = read_volume(
            volume,
            model,
            study_uid=study.uid,
            series_uid=series.uid,
            patient=study.patient,
            warnings=tuple(notes),
            on_progress=report,
        )
    files = write_results(out, result, series=series, volume=volume)
    return {
        "study": study.uid,
        "series": series.uid,
        "out": str(out),
        "files": list(files),
        "findings": len(result.reading.findings),
        "verdicts": result.reading.verdicts,
        "warnings": list(result.reading.warnings),
        "timings_s": result.reading.provenance.timings_s,
    }


def _show(summaries: list[dict[str, Any]], failures: list[dict[str, str]], *, as_json: bool) -> None:
    console = Console(stderr=True, highlight=False)
    for failure in failures:
        console.print(f"failed: {failure['input']}: {failure['why']}", markup=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps({"readings": summaries, "failures": failures}, indent=1))
        return
    for summary in summaries:
        verdicts = summary["verdicts"]
        typer.echo(
            f"{summary['findings']} findings, burden {verdicts['burden_mm3'] / 1000:.2f} cm3, "
            f"{summary['timings_s']['all']:.1f} s: {summary['out']}/report.html"
        )
        for warning in summary["warnings"]:
            console.print(f"warning: {warning}", markup=False, soft_wrap=True)
