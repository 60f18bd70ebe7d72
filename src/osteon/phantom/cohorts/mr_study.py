"""The files of an MR case: a study with one folder a series, and masks with one file a station."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from osteon.dicom.mr import write_mr_series
from osteon.formats.nifti import write_nifti
from osteon.phantom.mr.headers import header_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.phantom.mr.scan import MrScan, MrSeries


def series_folder(scan: MrScan, *, station: int, series: int) -> str:
    """Name of a series' folder in the study, "02-t2"; stations and series count from 0."""
    number = station * len(scan.protocol.sequences) + series + 1
    return f"{number:02d}-{scan.stations[station].series[series].sequence.role}"


def write_study(scan: MrScan, folder: Path, *, case: str, seed: str) -> None:
    """Write every series as ``folder/<NN>-<role>/NNNNN.dcm``.

    Args:
        scan: what to write.
        folder: of the study, not there yet.
        case: pseudonym.
        seed: where DICOM UIDs come from.
    """
    folder.mkdir(parents=True)
    for k, station in enumerate(scan.stations):
        for j, series in enumerate(station.series):
            _write(scan, series, folder / series_folder(scan, station=k, series=j), case=case, seed=seed)


def _write(scan: MrScan, series: MrSeries, folder: Path, *, case: str, seed: str) -> None:
    person = scan.patient.person
    write_mr_series(
        series.volume,
        folder,
        header=header_of(series.sequence, scan.protocol, series_number=int(folder.name.split("-")[0])),
        case=case,
        seed_uid=seed,
        age_years=person.age_years,
        sex=person.sex,
    )


def write_masks(masks: list[NDArray[Any]], scan: MrScan, folder: Path, *, name: str, series: int = 0) -> str:
    """Write one mask a station: ``name.nii.gz``, or where there are several stations a folder ``name``.

    Args:
        masks: of each station, on the grid of its series ``series``.
        scan: whose they are.
        folder: of the case.
        name: "lesions" or "vertebrae".
        series: whose grid, counted from 0.

    Returns:
        The file's or folder's name.
    """
    grids = [station.series[series].volume.grid for station in scan.stations]
    if len(masks) == 1:
        write_nifti(folder / f"{name}.nii.gz", masks[0], grids[0])
        return f"{name}.nii.gz"
    (folder / name).mkdir()
    for k, (mask, grid) in enumerate(zip(masks, grids, strict=True), start=1):
        write_nifti(folder / name / f"station-{k}.nii.gz", mask, grid)
    return name
