"""Results of one reading as files: reading.json, SEG, SR, report; NIfTI masks where there is no DICOM to refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.systems.study_reading import MarkedSeries, Written, write_result_folder

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.records import Series, Volume
    from osteon.systems.lytic.read import VolumeReading


def write_results(out: Path, result: VolumeReading, *, series: Series, volume: Volume) -> Written:
    """Write the result folder, whole or not at all (``study_reading.write_result_folder``).

    Args:
        out: must not exist, or be empty.
        result: what was read.
        series: where the volume came from; SEG and SR refer to its images.
        volume: what was read.

    Raises:
        InputError: ``out`` exists and is not an empty folder.
    """
    marked = MarkedSeries(series=series, volume=volume, labels=result.lesion_labels)
    return write_result_folder(out, reading=result.reading, series=[marked], bone_mask=result.bone_sites > 0)
