"""``osteon read``: studies in, reading.json, SEG, SR and report out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from osteon.cli.arguments import bundle_folder, check_device, check_out
from osteon.cli.progress import progress_bar
from osteon.errors import InputError, OsteonError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.dicom.scan import ScanResult
    from osteon.records import Series, Study

HELP = """Read studies with a model and write the results.

MODEL is a bundle's folder, or a system's name (lytic) for the small model that ships with osteon, which was trained on
phantoms only. STUDY is a folder, a zip, a DICOMDIR, a DICOM or a NIfTI file. OUT gets reading.json, findings.seg.dcm,
findings.sr.dcm and report.html; with several studies, a numbered folder each.

[bold]Example[/]: osteon read lytic study --out result
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one input.

    Attributes:
        summaries: one for each study whose results were written.
        failures: "study" and "why" of each study that could not be read.
    """

    summaries: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)


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
        check_out(out)
        if jobs:
            import torch

            torch.set_num_threads(jobs)
        loaded = load_model(bundle_folder(model), device=device)
        summaries: list[dict[str, Any]] = []
        failures: list[dict[str, str]] = []
        for number, path in enumerate(studies, start=1):
            target = out if len(studies) == 1 else out / f"{number:03d}"
            try:
                outcome = read_path(path, loaded, target, series_uid=series_uid, jobs=jobs or None)
                summaries += outcome.summaries
                failures += [{"input": f"{number}: {path.name}"} | failure for failure in outcome.failures]
            except OsteonError as error:
                failures.append({"input": f"{number}: {path.name}", "why": str(error)})
        _show(summaries, failures, as_json=as_json)
        if failures:
            raise typer.Exit(1)


def read_path(path: Path, model: Any, out: Path, *, series_uid: str = "", jobs: int | None = None) -> Outcome:
    """Read every study in ``path``, one result folder each; a study that cannot be read costs only itself.

    Args:
        path: folder, zip, DICOMDIR, DICOM or NIfTI file.
        model: from ``systems.lytic.bundle.load_model``.
        out: the result folder of the only study; with several, their numbered folders lie in it.
        series_uid: the only SeriesInstanceUID to read; else every study with CT is read or is a failure.
        jobs: threads that decode.

    Raises:
        InputError: nothing in there can be read.
    """
    from osteon.dicom.choose import choose_ct_series
    from osteon.dicom.scan import scan
    from osteon.dicom.source import open_source

    outcome = Outcome()
    with open_source(path) as source:
        found = scan(source, modality="CT")
        chosen = [(study, choose_ct_series(study.series, series_uid)) for study in found.studies]
        readable = [(study, series) for study, series in chosen if series is not None]
        if not readable:
            raise InputError(_why_nothing(path, found, series_uid))
        for study, series in chosen:
            if series is None and not series_uid and any(one.modality == "CT" for one in study.series):
                outcome.failures.append({"study": study.uid, "why": _no_series(study.series)})
        for number, (study, series) in enumerate(readable, start=1):
            target = out if len(readable) == 1 else out / f"{number:03d}"
            try:
                outcome.summaries.append(_read_series(study, series, model, target, found=found, jobs=jobs))
            except OsteonError as error:
                outcome.failures.append({"study": study.uid, "why": str(error)})
            except (MemoryError, OSError, RuntimeError) as error:  # RuntimeError: torch, out of memory for one
                why = getattr(error, "strerror", None) or type(error).__name__
                outcome.failures.append({"study": study.uid, "why": f"stopped ({why}); free memory or disk, try again"})
    return outcome


def _why_nothing(path: Path, found: ScanResult, series_uid: str) -> str:
    """Say what is there instead of a readable CT series."""
    if series_uid:
        return f"{path.name}: no readable CT series with the UID that --series names; see `osteon info`"
    reasons = [f"{name}: {why}" for name, why in list(found.failures.items())[:3]]
    return " ".join([f"{path.name}: {_no_series(found.series)}", *reasons])


def _no_series(series: Sequence[Series]) -> str:
    """Say what there is instead of a readable CT series."""
    from osteon.dicom.choose import FEWEST_SLICES

    problems = [f"series {one.uid} ({one.modality}): {one.problems[0]}" for one in series if one.problems]
    kinds = sorted({one.modality for one in series})
    what = f"found {', '.join(kinds)}" if kinds else "found no image series"
    return " ".join([f"no CT series of {FEWEST_SLICES} slices or more that can be read; {what}.", *problems[:3]])


def _read_series(
    study: Study, series: Series, model: Any, out: Path, *, found: ScanResult, jobs: int | None
) -> dict[str, Any]:
    from osteon.dicom.series import load_volume
    from osteon.systems.lytic.output import write_results
    from osteon.systems.lytic.read import read_volume

    volume = load_volume(series, jobs=jobs)
    notes = [warning for warning in series.warnings if warning not in volume.warnings]  # read_volume adds those
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
    written = write_results(out, result, series=series, volume=volume)
    return {
        "study": study.uid,
        "series": series.uid,
        "out": str(out),
        "files": list(written.files),
        "findings": len(written.reading.findings),
        "verdicts": written.reading.verdicts,
        "warnings": list(written.reading.warnings),
        "timings_s": written.reading.provenance.timings_s,
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
