"""Results of one study as files: reading.json, one SEG and one SR over all its stations, report; or NIfTI masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.systems.study_reading import MarkedSeries, Written, write_result_folder

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.systems.metastasis.read import StudyReading


def write_results(out: Path, result: StudyReading) -> Written:
    """Write the result folder, whole or not at all (``study_reading.write_result_folder``).

    Raises:
        InputError: ``out`` exists and is not an empty folder.
    """
    series = [
        MarkedSeries(series=one.station.reference, volume=one.volume, labels=one.labels) for one in result.stations
    ]
    return write_result_folder(out, reading=result.reading, series=series)
