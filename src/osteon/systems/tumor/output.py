"""Results of one study as files: reading.json, one SEG and one SR over all its series, report; or NIfTI masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from osteon.errors import InputError
from osteon.files import whole_folder
from osteon.formats.reading_json import write_reading

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.records import Reading
    from osteon.systems.tumor.read import StudyReading


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A result folder: names of its files, sorted, and the reading as in its reading.json."""

    files: tuple[str, ...]
    reading: Reading


def write_results(out: Path, result: StudyReading) -> Written:
    """Write the result folder, whole or not at all.

    Where no SEG and SR can be made, the masks of each series with a finding are written as NIfTI, and a warning says
    why.

    Raises:
        InputError: ``out`` exists and is not an empty folder.
    """
    from osteon.formats.nifti import write_nifti
    from osteon.report.reading_page import PageSeries, write_reading_page

    reading = result.reading
    first, *others = result.series
    shown = [one for one in others if one.labels.any()]
    with whole_folder(out) as draft:
        missing = _write_dicom(draft, result)
        if missing:
            reading = replace(reading, warnings=(*reading.warnings, missing))
            for number, one in enumerate([one for one in result.series if one.labels.any()], start=1):
                write_nifti(draft / f"findings-{number}.nii.gz", one.labels, one.volume.grid)
        write_reading(draft / "reading.json", reading)
        write_reading_page(
            draft / "report.html",
            reading=reading,
            volume=first.volume,
            bone_mask=None,
            lesion_labels=first.labels,
            series_description=first.series.description,
            further=[
                PageSeries(
                    uid=one.series.uid, volume=one.volume, lesion_labels=one.labels, description=one.series.description
                )
                for one in shown
            ],
        )
        names = sorted(path.name for path in draft.iterdir())
    return Written(files=tuple(names), reading=reading)


def _write_dicom(draft: Path, result: StudyReading) -> str:
    """Write SEG and SR; returns why not, or an empty text."""
    from osteon.dicom.frames import SeriesImages
    from osteon.dicom.seg import write_seg
    from osteon.dicom.series import load_headers
    from osteon.dicom.sr import write_sr

    first, *others = result.series
    used = [first, *(one for one in others if one.labels.any())]
    if any(one.series.source != "dicom" for one in used):
        return "The input is no DICOM series: masks were written as NIfTI instead of SEG and SR."
    try:
        headers = [load_headers(one.series) for one in used]
        further = [
            SeriesImages(uid=one.series.uid, headers=own, grid=one.volume.grid, masks=one.labels)
            for one, own in zip(used[1:], headers[1:], strict=True)
        ]
        grid = first.volume.grid
        seg = write_seg(
            draft / "findings.seg.dcm",
            masks=first.labels,
            reading=result.reading,
            headers=headers[0],
            grid=grid,
            further=further,
        )
        write_sr(
            draft / "findings.sr.dcm",
            reading=result.reading,
            headers=headers[0],
            grid=grid,
            seg=seg,
            further=further,
        )
    except InputError as error:
        (draft / "findings.seg.dcm").unlink(missing_ok=True)  # without the SR that explains it
        return f"No SEG and SR: {error}; masks were written as NIfTI instead."
    return ""
