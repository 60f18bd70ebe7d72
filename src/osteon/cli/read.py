"""``osteon read``: studies in, reading.json, SEG, SR and report out."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from osteon.cli.arguments import check_device, check_out, open_model
from osteon.cli.progress import progress_bar
from osteon.errors import InputError, OsteonError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.dicom.scan import ScanResult
    from osteon.systems.protocol import ReadOptions, System

HELP = """Read studies with a model and write the results.

MODEL is a bundle's folder, or a system's name for the small model that ships with osteon (lytic, metastasis, fracture),
trained on phantoms only; the bundle says which system reads. STUDY is a folder, a zip, a DICOMDIR, a DICOM or a NIfTI
file. OUT gets reading.json, findings.seg.dcm, findings.sr.dcm and report.html; with several studies, a numbered folder
each.

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
        lesions: Path | None = typer.Option(
            None, "--lesions", help="Mask of the lesions (NIfTI or DICOM SEG), for differential; else lytic finds them."
        ),
        roles: list[str] = typer.Option(
            [], "--role", help="UID=NAME: what a series is (T1, ..., none), whatever its headers say; may be repeated."
        ),
        box: str = typer.Option(
            "", "--box", help="SLICE,X0,Y0,X1,Y1 on T2 (slice from 0, pixel edges): the vertebra that fracture reads."
        ),
        point: str = typer.Option("", "--point", help="X,Y,Z in LPS mm: a point in that vertebra, instead of a box."),
        as_json: bool = typer.Option(False, "--json", help="Print a summary as JSON on stdout."),
    ) -> None:
        from osteon.dicom.sequences import parse_roles
        from osteon.systems.protocol import ReadOptions

        check_device(device)
        check_out(out)
        if jobs:
            import torch

            torch.set_num_threads(jobs)
        system, loaded = open_model(model, device=device)
        check_lesions(lesions, studies)
        where, point_mm = check_place(box, point, studies)
        options = ReadOptions(
            series_uid=series_uid,
            roles=parse_roles(roles),
            jobs=jobs or None,
            lesions=lesions,
            box=where,
            point_mm=point_mm,
        )
        summaries: list[dict[str, Any]] = []
        failures: list[dict[str, str]] = []
        for number, path in enumerate(studies, start=1):
            target = out if len(studies) == 1 else out / f"{number:03d}"
            try:
                outcome = read_path(path, system, loaded, out=target, options=options)
                summaries += outcome.summaries
                failures += [{"input": f"{number}: {path.name}"} | failure for failure in outcome.failures]
            except OsteonError as error:
                failures.append({"input": f"{number}: {path.name}", "why": str(error)})
        _show(summaries, failures, as_json=as_json)
        if failures:
            raise typer.Exit(1)


def check_lesions(lesions: Path | None, studies: Sequence[Path]) -> None:
    """Refuse a mask that is not there, or one for several studies.

    Raises:
        UsageError: it is so.
    """
    if lesions is not None and (len(studies) > 1 or not lesions.is_file()):
        why = f"one mask for {len(studies)} studies" if len(studies) > 1 else "no such file"
        raise UsageError(f"--lesions {lesions.name}: {why}; give one study, and the file of its mask")


def check_place(
    box: str, point: str, studies: Sequence[Path]
) -> tuple[tuple[float, ...] | None, tuple[float, float, float] | None]:
    """The box or the point that was given, as numbers.

    Raises:
        UsageError: not of the form, both of them, or one for several studies.
    """
    if (box or point) and (len(studies) > 1 or (box and point)):
        raise UsageError("--box or --point: expected one of them, for one study")
    found = _numbers("--box", box, "SLICE,X0,Y0,X1,Y1", count=5) if box else None
    if found is not None and (found[0] != int(found[0]) or found[0] < 0):
        raise UsageError(f"--box {box!r}: the slice is a whole number from 0")
    if not point:
        return found, None
    x, y, z = _numbers("--point", point, "X,Y,Z", count=3)
    return None, (x, y, z)


def _numbers(option: str, text: str, form: str, *, count: int) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count or not all(math.isfinite(value) for value in values):
        raise UsageError(f"{option} {text!r}: expected {form}, {count} numbers with commas between")
    return values


def read_path(path: Path, system: System, model: Any, *, out: Path, options: ReadOptions | None = None) -> Outcome:
    """Read every study in ``path``, one result folder each; a study that cannot be read costs only itself.

    Args:
        path: folder, zip, DICOMDIR, DICOM or NIfTI file.
        system: whose model it is.
        model: from its ``load_model``.
        out: the result folder of the only study; with several, their numbered folders lie in it.
        options: with ``series_uid``, only that series; else every study of the system's modality is read or is a
            failure.

    Raises:
        InputError: nothing in there can be read.
    """
    from osteon.dicom.scan import scan
    from osteon.dicom.source import open_source
    from osteon.systems.protocol import ReadOptions

    outcome, chosen = Outcome(), options or ReadOptions()
    with open_source(path) as source:
        found = scan(source, modality=system.MODALITY)
        reasons = [(study, system.unreadable(study, options=chosen)) for study in found.studies]
        readable = [study for study, why in reasons if not why]
        if not readable:
            raise InputError(_why_nothing(path, found, system, chosen))
        for study, why in reasons:
            if why and not chosen.series_uid and any(one.modality == system.MODALITY for one in study.series):
                outcome.failures.append({"study": study.uid, "why": why})
        for number, study in enumerate(readable, start=1):
            target = out if len(readable) == 1 else out / f"{number:03d}"
            try:
                with progress_bar("reading") as report:
                    asked = replace(chosen, on_progress=report)
                    summary = system.read_study(study, model, target, options=asked, found=found)
                outcome.summaries.append(summary)
            except OsteonError as error:
                outcome.failures.append({"study": study.uid, "why": str(error)})
            except (MemoryError, OSError, RuntimeError) as error:  # RuntimeError: torch, out of memory for one
                why = getattr(error, "strerror", None) or type(error).__name__
                outcome.failures.append({"study": study.uid, "why": f"stopped ({why}); free memory or disk, try again"})
    return outcome


def _why_nothing(path: Path, found: ScanResult, system: System, options: ReadOptions) -> str:
    """Say what is there instead of what the system reads."""
    from osteon.records import Patient, Study

    if options.series_uid:
        return f"{path.name}: no readable {system.MODALITY} series with the UID that --series names; see `osteon info`"
    everything = Study(uid="", patient=Patient(), series=tuple(found.series))
    reasons = [f"{name}: {why}" for name, why in list(found.failures.items())[:3]]
    return " ".join([f"{path.name}: {system.unreadable(everything, options=options)}", *reasons])


def _show(summaries: list[dict[str, Any]], failures: list[dict[str, str]], *, as_json: bool) -> None:
    console = Console(stderr=True, highlight=False)
    for failure in failures:
        console.print(f"failed: {failure['input']}: {failure['why']}", markup=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps({"readings": summaries, "failures": failures}, indent=1))
        return
    for summary in summaries:
        typer.echo(f"{summary['summary']}: {summary['out']}/report.html")
        for warning in summary["warnings"]:
            console.print(f"warning: {warning}", markup=False, soft_wrap=True)
