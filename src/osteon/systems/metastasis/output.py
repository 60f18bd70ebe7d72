"""Results of one study as files: reading.json, one SEG and one SR over all its stations, report; or NIfTI masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from osteon.errors import InputError
from osteon.files import whole_folder
from osteon.formats.reading_json import write_reading

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.records import Reading
    from osteon.systems.metastasis.read import StudyReading


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A result folder.

    Attributes:
        files: names of the files in it, sorted.
        reading: as in its reading.json: warnings about missing files are added.
    """

    files: tuple[str, ...]
    reading: Reading


def write_results(out: Path, result: StudyReading) -> Written:
    """Write the result folder, whole or not at all.

    Where no SEG and SR can be made, the masks of each station are written as NIfTI, and a warning says why.

    Args:
        out: must not exist, or be empty.
        result: what was read.

    Raises:
        InputError: ``out`` exists and is not an empty folder.
    """
    from osteon.formats.nifti import write_nifti
    from osteon.report.reading_page import PageSeries, write_reading_page

    reading = result.reading
    first, *others = result.stations
    with whole_folder(out) as draft:
        missing = _write_dicom(draft, result)
        if missing:
            reading = replace(reading, warnings=(*reading.warnings, missing))
            for number, station in enumerate(result.stations, start=1):
                name = "findings.nii.gz" if not others else f"findings-{number}.nii.gz"
                write_nifti(draft / name, station.labels, station.volume.grid)
        write_reading(draft / "reading.json", reading)
        write_reading_page(
            draft / "report.html",
            reading=reading,
            volume=first.volume,
            bone_mask=None,
            lesion_labels=first.labels,
            series_description=first.station.reference.description,
            further=[
                PageSeries(
                    uid=one.station.reference.uid,
                    volume=one.volume,
                    lesion_labels=one.labels,
                    description=one.station.reference.description,
                )
                for one in others
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

    references = [one.station.reference for one in result.stations]
    if any(one.source != "dicom" for one in references):
        return "The input is no DICOM series: masks were written as NIfTI instead of SEG and SR."
    try:
        headers = [load_headers(one) for one in references]
        if len({one.uid for one in references}) < len(references):
            raise InputError("several stations share one SeriesInstanceUID")
        further = [
            SeriesImages(uid=one.station.reference.uid, headers=own, grid=one.volume.grid, masks=one.labels)
            for one, own in zip(result.stations[1:], headers[1:], strict=True)
        ]
        first = result.stations[0]
        seg = write_seg(
            draft / "findings.seg.dcm",
            masks=first.labels,
            reading=result.reading,
            headers=headers[0],
            grid=first.volume.grid,
            further=further,
        )
        write_sr(
            draft / "findings.sr.dcm",
            reading=result.reading,
            headers=headers[0],
            grid=first.volume.grid,
            seg=seg,
            further=further,
        )
    except InputError as error:
        (draft / "findings.seg.dcm").unlink(missing_ok=True)  # without the SR that explains it
        return f"No SEG and SR: {error}; masks were written as NIfTI instead."
    return ""
