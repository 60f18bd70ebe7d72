"""What reading one study has in common for all systems: which CT series, the result folder, the summary.

``read_study`` of ``systems/<name>/system.py`` is made of these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import InputError
from osteon.files import whole_folder
from osteon.formats.reading_json import write_reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.dicom.scan import ScanResult
    from osteon.records import Reading, Series, Study, Volume


@dataclass(frozen=True, kw_only=True, slots=True)
class MarkedSeries:
    """One series that was read: labels are uint16 (z, y, x) on the volume's grid; k marks finding number k."""

    series: Series
    volume: Volume
    labels: NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A result folder.

    Attributes:
        files: names of the files in it, sorted.
        reading: as in its reading.json: a warning about missing files is added.
    """

    files: tuple[str, ...]
    reading: Reading


def why_no_ct(study: Study, series_uid: str) -> str:
    """Why a study has no CT series to read, in a sentence; "" where it has one."""
    from osteon.dicom.choose import FEWEST_SLICES, choose_ct_series

    if choose_ct_series(study.series, series_uid) is not None:
        return ""
    problems = [f"series {one.uid} ({one.modality}): {one.problems[0]}" for one in study.series if one.problems]
    kinds = sorted({one.modality for one in study.series})
    what = f"found {', '.join(kinds)}" if kinds else "found no image series"
    return " ".join([f"no CT series of {FEWEST_SLICES} slices or more that can be read; {what}.", *problems[:3]])


def ct_series(study: Study, series_uid: str) -> Series:
    """The CT series of a study that is read.

    Raises:
        InputError: it has none.
    """
    from osteon.dicom.choose import choose_ct_series

    series = choose_ct_series(study.series, series_uid)
    if series is None:
        raise InputError(f"study {study.uid}: {why_no_ct(study, series_uid)}")
    return series


def unread_files(found: ScanResult) -> list[str]:
    """A warning where some files of the input could not be read."""
    count = len(found.failures)
    return [f"{count} files of the input could not be read; see `osteon info`."] if count else []


def write_result_folder(
    out: Path,
    *,
    reading: Reading,
    series: Sequence[MarkedSeries],
    bone_mask: NDArray[np.bool_] | None = None,
) -> Written:
    """Write reading.json, one SEG and one SR over all series, and report.html; the folder appears whole or not at all.

    Where no SEG and SR can be made, the masks are written as NIfTI (findings.nii.gz; of several series
    findings-1.nii.gz and so on), and a warning of the reading says why.

    Args:
        out: must not exist, or be empty.
        reading: what was found.
        series: those to show and to mark, that of ``reading.series_uid`` first.
        bone_mask: (z, y, x) of the first series, where the system has one; bone.nii.gz beside NIfTI masks.

    Raises:
        InputError: ``out`` exists and is not an empty folder.
    """
    from osteon.report.reading_page import PageSeries, write_reading_page

    first, *others = series
    with whole_folder(out) as draft:
        missing = _write_dicom(draft, reading, series)
        if missing:
            reading = replace(reading, warnings=(*reading.warnings, missing))
            _write_nifti(draft, series, bone_mask)
        write_reading(draft / "reading.json", reading)
        write_reading_page(
            draft / "report.html",
            reading=reading,
            volume=first.volume,
            bone_mask=bone_mask,
            lesion_labels=first.labels,
            series_description=first.series.description,
            further=[
                PageSeries(
                    uid=one.series.uid, volume=one.volume, lesion_labels=one.labels, description=one.series.description
                )
                for one in others
            ],
        )
        names = sorted(path.name for path in draft.iterdir())
    return Written(files=tuple(names), reading=reading)


def _write_nifti(draft: Path, series: Sequence[MarkedSeries], bone_mask: NDArray[np.bool_] | None) -> None:
    from osteon.formats.nifti import write_nifti

    for number, one in enumerate(series, start=1):
        name = "findings.nii.gz" if len(series) == 1 else f"findings-{number}.nii.gz"
        write_nifti(draft / name, one.labels, one.volume.grid)
    if bone_mask is not None:
        write_nifti(draft / "bone.nii.gz", bone_mask.astype(np.uint8), series[0].volume.grid)


def _write_dicom(draft: Path, reading: Reading, series: Sequence[MarkedSeries]) -> str:
    """Write SEG and SR; returns why not, or an empty text."""
    from osteon.dicom.frames import SeriesImages
    from osteon.dicom.seg import write_seg
    from osteon.dicom.series import load_headers
    from osteon.dicom.sr import write_sr

    if any(one.series.source != "dicom" for one in series):
        return "The input is no DICOM series: masks were written as NIfTI instead of SEG and SR."
    try:
        headers = [load_headers(one.series) for one in series]
        if len({one.series.uid for one in series}) < len(series):
            raise InputError("several series share one SeriesInstanceUID")
        further = [
            SeriesImages(uid=one.series.uid, headers=own, grid=one.volume.grid, masks=one.labels)
            for one, own in zip(series[1:], headers[1:], strict=True)
        ]
        grid = series[0].volume.grid
        seg = write_seg(
            draft / "findings.seg.dcm",
            masks=series[0].labels,
            reading=reading,
            headers=headers[0],
            grid=grid,
            further=further,
        )
        write_sr(draft / "findings.sr.dcm", reading=reading, headers=headers[0], grid=grid, seg=seg, further=further)
    except InputError as error:
        (draft / "findings.seg.dcm").unlink(missing_ok=True)  # without the SR that explains it
        return f"No SEG and SR: {error}; masks were written as NIfTI instead."
    return ""


def summary_of(study: Study, out: Path, written: Written, text: str) -> dict[str, Any]:
    """What ``protocol.System.read_study`` returns.

    Args:
        study: that was read.
        out: the result folder.
        written: what is in it.
        text: the answer in one line; seconds are added.
    """
    reading = written.reading
    seconds = reading.provenance.timings_s
    return {
        "study": study.uid,
        "series": reading.series_uid,
        "out": str(out),
        "files": list(written.files),
        "findings": len(reading.findings),
        "verdicts": reading.verdicts,
        "warnings": list(reading.warnings),
        "timings_s": seconds,
        "summary": f"{text}, {seconds['all']:.1f} s",
    }
