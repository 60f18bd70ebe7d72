"""Results of one reading as files: reading.json, SEG, SR, report; NIfTI where there is no DICOM to refer to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from osteon.errors import InputError
from osteon.files import whole_folder
from osteon.formats.reading_json import write_reading

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.records import Reading, Series, Volume
    from osteon.systems.differential.read import DifferentialReading


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A result folder: names of its files, sorted, and the reading as in its reading.json."""

    files: tuple[str, ...]
    reading: Reading


def write_results(out: Path, result: DifferentialReading, *, series: Series, volume: Volume) -> Written:
    """Write the result folder, whole or not at all.

    Where no SEG and SR can be made, the lesion mask is written as NIfTI, and a warning of the reading says why.

    Raises:
        InputError: ``out`` exists and is not an empty folder.
    """
    from osteon.formats.nifti import write_nifti
    from osteon.report.reading_page import write_reading_page

    reading = result.reading
    with whole_folder(out) as draft:
        missing = _write_dicom(draft, result, series=series, volume=volume)
        if missing:
            reading = replace(reading, warnings=(*reading.warnings, missing))
            write_nifti(draft / "findings.nii.gz", result.lesion_labels, volume.grid)
        write_reading(draft / "reading.json", reading)
        write_reading_page(
            draft / "report.html",
            reading=reading,
            volume=volume,
            bone_mask=None,
            lesion_labels=result.lesion_labels,
            series_description=series.description,
        )
        names = sorted(path.name for path in draft.iterdir())
    return Written(files=tuple(names), reading=reading)


def _write_dicom(draft: Path, result: DifferentialReading, *, series: Series, volume: Volume) -> str:
    """Write SEG and SR; returns why not, or an empty text."""
    from osteon.dicom.seg import write_seg
    from osteon.dicom.series import load_headers
    from osteon.dicom.sr import write_sr

    if series.source != "dicom":
        return "The input is no DICOM series: the lesions were written as NIfTI instead of SEG and SR."
    try:
        headers = load_headers(series)
        seg = write_seg(
            draft / "findings.seg.dcm",
            masks=result.lesion_labels,
            reading=result.reading,
            headers=headers,
            grid=volume.grid,
        )
        write_sr(draft / "findings.sr.dcm", reading=result.reading, headers=headers, grid=volume.grid, seg=seg)
    except InputError as error:
        (draft / "findings.seg.dcm").unlink(missing_ok=True)  # without the SR that explains it
        return f"No SEG and SR: {error}; the lesions were written as NIfTI instead."
    return ""
