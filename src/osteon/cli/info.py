"""`osteon info`: what is in a folder, archive or file - and what is wrong with it."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from osteon.dicom.scan import ScanResult
    from osteon.records import Series, Study

SCHEMA = "osteon-info/1"
PLAIN_WIDTH = 120
"""Columns of the table where standard output is no terminal."""
LONGEST_TEXT = 64
"""Characters of a description in JSON: more than DICOM allows is no description."""
NAMED = 3
"""Files named of those that fail for one reason."""
_UID = re.compile(r"[0-9.]{1,64}")
_EXAMPLE = "Example: [bold]osteon info scans/ --json[/]"


def register(app: typer.Typer) -> None:
    """Add `info` to the command."""

    @app.command(epilog=_EXAMPLE)
    def info(
        path: Annotated[Path, typer.Argument(help="Folder, ZIP archive, DICOMDIR, DICOM or NIfTI file.")],
        as_json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output, not a table.")] = False,
        jobs: Annotated[int, typer.Option(min=1, help="Threads that read headers; several help over a network.")] = 1,
    ) -> None:
        """Show studies, series, their geometry, and what is wrong with them. Exit 1 if something cannot be read."""
        from rich.console import Console

        from osteon.dicom.scan import scan
        from osteon.dicom.source import open_source

        with open_source(path) as source:
            result = scan(source, jobs=jobs)
        if as_json:
            typer.echo(json.dumps(as_document(result, name=path.name), indent=1))
        else:
            _print(result, Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH))
        if result.failures or any(series.problems for series in result.series):
            raise typer.Exit(1)


def as_document(result: ScanResult, *, name: str) -> dict[str, Any]:
    """The scan as plain values for JSON; nothing in it names the patient."""
    return {
        "schema": SCHEMA,
        "input": name,
        "studies": [
            {
                "uid": shown_uid(study.uid),
                "age_years": study.patient.age_years,
                "sex": study.patient.sex,
                "series": [_series_document(series) for series in study.series],
                "warnings": _uid_warnings(StudyInstanceUID=study.uid),
            }
            for study in result.studies
        ],
        "failures": result.failures,
        "ignored_files": result.ignored,
    }


def _series_document(series: Series) -> dict[str, Any]:
    from osteon.dicom.roles import role_with_reason

    grid, found = series.grid, role_with_reason(series)
    return {
        "uid": shown_uid(series.uid),
        "modality": series.modality,
        "description": series.description and series.description[:LONGEST_TEXT],
        "role": found.role,
        "role_reason": found.reason,
        "source": series.source,
        "files": len(series.files),
        "readable_as_volume": grid is not None and not series.problems,
        "shape_zyx": grid and list(grid.shape),
        "spacing_xyz_mm": grid and list(grid.spacing_mm),
        "origin_lps_mm": grid and list(grid.origin_mm),
        "direction": grid and [list(row) for row in grid.direction],
        "slice_gap_mm": _slice_gap_mm(series),
        "tilt_deg": series.attributes.get("tilt_deg"),
        "frame_of_reference_uid": series.frame_of_reference_uid and shown_uid(series.frame_of_reference_uid),
        "attributes": dict(series.attributes),
        "problems": [_own_text(series, text) for text in series.problems],
        "warnings": _series_warnings(series),
    }


def shown_uid(uid: str) -> str:
    """A UID as it stands; of what is none, which may hold anything, a label that is the same every time."""
    if _UID.fullmatch(uid):
        return uid
    return f"malformed-uid-{hashlib.sha256(uid.encode('utf-8', 'replace')).hexdigest()[:12]}"


def _uid_warnings(**uids: str | None) -> list[str]:
    return [
        f"{keyword} is no UID: expected digits and dots, 64 at most; shown as {shown_uid(uid)}; correct the files"
        for keyword, uid in uids.items()
        if uid and not _UID.fullmatch(uid)
    ]


def _series_warnings(series: Series) -> list[str]:
    found = [_own_text(series, text) for text in series.warnings]
    uids = {"SeriesInstanceUID": series.uid, "FrameOfReferenceUID": series.frame_of_reference_uid}
    return found + _uid_warnings(**uids)


def _own_text(series: Series, text: str) -> str:
    """A problem or warning of a series, its UID as it is shown."""
    start = f"Series {series.uid}: "
    return f"Series {shown_uid(series.uid)}: {text.removeprefix(start)}" if text.startswith(start) else text


def _slice_gap_mm(series: Series) -> float | None:
    """Space between one slice and the next; negative where they overlap."""
    thickness = series.attributes.get("SliceThickness")
    if series.grid is None or thickness is None or series.grid.shape[0] < 2:
        return None
    return round(series.grid.spacing_mm[2] - float(thickness), 2) + 0.0


def _print(result: ScanResult, console: Console) -> None:
    from rich.markup import escape

    if not result.studies:
        console.print("No DICOM or NIfTI images found.")
    for study in result.studies:
        _print_study(study, console)
    for line in grouped(result.failures):
        console.print(f"[bold red]cannot be read:[/] {escape(line)}", soft_wrap=True)
    if result.ignored:
        console.print(f"{result.ignored} other file(s) ignored.")


def grouped(failures: Mapping[str, str]) -> list[str]:
    """One line a reason, with how many files it is and the names of the first."""
    by_reason: dict[str, list[str]] = {}
    for name, why in failures.items():
        by_reason.setdefault(why, []).append(name)
    lines = []
    for why, names in by_reason.items():
        listed = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
        lines.append(f"{listed}: {why}" if len(names) == 1 else f"{len(names)} files ({listed}): {why}")
    return lines


def _print_study(study: Study, console: Console) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    age = "" if study.patient.age_years is None else f", {study.patient.age_years:g} years"
    sex = f", {study.patient.sex}" if study.patient.sex else ""
    console.print(f"[bold]Study[/] {shown_uid(study.uid)}{age}{escape(sex)}", soft_wrap=True)
    for text in _uid_warnings(StudyInstanceUID=study.uid):
        console.print(f"  [yellow]warning:[/] {escape(text)}", soft_wrap=True)
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("#", "modality", "description", "role", "files", "matrix", "spacing mm", "gap mm", "tilt", "state"):
        numeric = heading in ("#", "files", "gap mm", "tilt")
        table.add_column(
            heading, justify="right" if numeric else "left", no_wrap=heading not in ("description", "role")
        )
    for number, series in enumerate(study.series, start=1):
        table.add_row(str(number), *(escape(cell) for cell in _cells(series)))
    console.print(table)
    _print_roles(study, console)
    for number, series in enumerate(study.series, start=1):
        uid, warnings = shown_uid(series.uid), _series_warnings(series)
        if series.problems or warnings:
            console.print(f"[bold]{number}[/] series {uid}", soft_wrap=True)
        problems = [_own_text(series, text) for text in series.problems]
        for style, texts in (("bold red]problem", problems), ("yellow]warning", warnings)):
            for text in texts:
                console.print(f"  [{style}:[/] {escape(text.removeprefix(f'Series {uid}: '))}", soft_wrap=True)


def _print_roles(study: Study, console: Console) -> None:
    """Which attributes decided the roles of MR series, where scanners' habits differ most."""
    from rich.markup import escape

    from osteon.dicom.roles import role_with_reason

    for number, series in enumerate(study.series, start=1):
        if series.modality == "MR":
            found = role_with_reason(series)
            text = f"role {found.role or 'not known'}: {found.reason}"
            console.print(f"[bold]{number}[/] {escape(text)}", soft_wrap=True)


def _cells(series: Series) -> list[str]:
    from osteon.dicom.roles import role

    grid, gap, tilt = series.grid, _slice_gap_mm(series), series.attributes.get("tilt_deg")
    return [
        series.modality,
        (series.description or "")[:40],
        role(series) or "",
        str(len(series.files)),
        "x".join(str(length) for length in grid.shape[::-1]) if grid else "",
        "x".join(f"{length:.3g}" for length in grid.spacing_mm) if grid else "",
        "" if gap is None else f"{gap:.2f}",
        "" if tilt is None else f"{tilt:.1f}°",
        _state(series),
    ]


def _state(series: Series) -> str:
    if series.problems:
        return "problem"
    if series.grid is None:
        return "no volume"
    return "warning" if _series_warnings(series) else "ok"
