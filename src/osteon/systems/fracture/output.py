"""Results of one reading as files: reading.json, SEG of the box, SR, report; NIfTI where there is no DICOM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from osteon.errors import InputError
from osteon.files import whole_folder
from osteon.formats.reading_json import write_reading

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.records import Reading
    from osteon.systems.fracture.read import FractureReading


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A result folder: names of its files, sorted, and the reading as in its reading.json."""

    files: tuple[str, ...]
    reading: Reading


def write_results(out: Path, result: FractureReading) -> Written:
    """Write the result folder, whole or not at all.

    Raises:
        InputError: ``out`` exists and is not an empty folder.
    """
    from osteon.formats.nifti import write_nifti
    from osteon.report.reading_page import write_reading_page

    reading = result.reading
    with whole_folder(out) as draft:
        missing = _write_dicom(draft, result)
        if missing:
            reading = replace(reading, warnings=(*reading.warnings, missing))
            write_nifti(draft / "findings.nii.gz", result.labels, result.volume.grid)
        write_reading(draft / "reading.json", reading)
        write_reading_page(
            draft / "report.html",
            reading=reading,
            volume=result.volume,
            bone_mask=None,
            lesion_labels=result.labels,
            series_description=result.series.description,
        )
        names = sorted(path.name for path in draft.iterdir())
    return Written(files=tuple(names), reading=reading)


def _write_dicom(draft: Path, result: FractureReading) -> str:
    """Write SEG and SR; returns why not, or an empty text."""
    from osteon.dicom.seg import write_seg
    from osteon.dicom.series import load_headers
    from osteon.dicom.sr import write_sr

    if result.series.source != "dicom":
        return "The input is no DICOM series: the box was written as NIfTI instead of SEG and SR."
    grid, reading = result.volume.grid, result.reading
    try:
        headers = load_headers(result.series)
        seg = write_seg(draft / "findings.seg.dcm", masks=result.labels, reading=reading, headers=headers, grid=grid)
        write_sr(draft / "findings.sr.dcm", reading=reading, headers=headers, grid=grid, seg=seg)
    except InputError as error:
        (draft / "findings.seg.dcm").unlink(missing_ok=True)  # without the SR that explains it
        return f"No SEG and SR: {error}; the box was written as NIfTI instead."
    return ""
