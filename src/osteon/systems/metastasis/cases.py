"""Cohort cases as prepared stations on disk: read, registered and resized once, then memory-mapped.

Each station of a case becomes ``<cache>/<fingerprint>/<k>/``: ``images.npy`` uint8 (3, slices, rows, columns) in the
order of ``config.SEQUENCES`` (zeros where a sequence is absent), ``small.npy`` uint16 lesions of that size,
``lesions.npy`` uint16 lesions on the reference's sagittal view, and ``station.json``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.dicom.sequences import check_one_examination, choose_sequences
from osteon.errors import CohortError, InputError
from osteon.evaluation.lesions import lesion_volumes_mm3
from osteon.formats.json_file import read_json
from osteon.geometry import Grid
from osteon.imaging.fixed_size import FixedSize, fixed_size
from osteon.imaging.sagittal import sagittal
from osteon.systems.metastasis.config import KINDS, SEQUENCES
from osteon.systems.metastasis.stations import (
    SMALLEST_OVERLAP,
    lesion_overlap,
    prepare_station,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.dicom.sequences import Station
    from osteon.records import Volume
    from osteon.systems.metastasis.config import InputConfig
    from osteon.systems.metastasis.stations import PreparedStation

VERSION = 1
GRID_TOLERANCE_MM = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class StationCase:
    """One station of one case, ready to train on or to evaluate; arrays are memory maps.

    Attributes:
        case, patient, centre: of the cohort.
        cohort: its name; patient names are unique within it.
        phantom: whether that cohort is synthetic.
        index: number of the station from the head, from 0.
        series_uid: of the reference.
        names: sequences that are there.
        images: uint8 (3, slices, rows, columns), in the order of ``SEQUENCES``.
        small: uint16, lesions at the networks' size.
        lesions: uint16, lesions on the reference's sagittal view, numbered 1 to n without gaps.
        numbers: what each lesion is called in the cohort's truth.
        volumes_cm3: of each lesion on the reference's grid, as far as this station shows it.
        affine: 4 x 4, from index (x, y, z) of the sagittal view to LPS mm.
        has_lesions: whether the lesions are known.
        excluded: why this station is left out (movement between sequences); "" where it is not.
        moved: how each sequence was registered, in words.
        voxels: fingerprint of the images as they were read.
    """

    case: str
    patient: str
    centre: str
    cohort: str
    phantom: bool
    index: int
    series_uid: str
    names: tuple[str, ...]
    images: NDArray[np.uint8]
    small: NDArray[np.uint16]
    lesions: NDArray[np.uint16]
    numbers: tuple[int, ...]
    volumes_cm3: tuple[float, ...]
    affine: NDArray[np.float64]
    has_lesions: bool
    excluded: str
    moved: dict[str, str]
    voxels: str

    @property
    def grid(self) -> Grid:
        """Of the sagittal view."""
        slices, rows, columns = self.lesions.shape
        return Grid.from_affine(self.affine, (slices, rows, columns))

    @property
    def plan(self) -> FixedSize:
        """Between the networks' size and the sagittal view."""
        slices, rows, columns = self.images.shape[1:]
        return fixed_size(self.grid, (slices, rows, columns))

    def channels(self, names: tuple[str, ...]) -> NDArray[np.uint8]:
        """The images of some sequences, (sequences, slices, rows, columns)."""
        return np.asarray(self.images[[SEQUENCES.index(name) for name in names]])


def prepare_cases(
    cohort: Cohort,
    cache: Path,
    *,
    config: InputConfig,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> list[StationCase]:
    """Read every case once into ``cache`` and return its stations, memory-mapped.

    Raises:
        CohortError: a scan or mask that is missing or cannot be used; the case is named.
    """
    ready: list[StationCase] = []
    for number, case in enumerate(cohort.cases, start=1):
        ready += prepare_case(cohort, case, cache, config=config)
        on_case(number, len(cohort.cases), case.case)
    return ready


def prepare_case(cohort: Cohort, case: Case, cache: Path, *, config: InputConfig) -> list[StationCase]:
    """The stations of one case, from the cache where they are there already.

    Raises:
        CohortError: as ``prepare_cases``.
    """
    folder = cache / _fingerprint(cohort, case, config)
    if not (folder / "done").exists():
        draft = folder.with_name(folder.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            _write_case(cohort, case, draft, config=config)
        except InputError as error:
            raise CohortError(f"case {case.case}: {error}") from error
        (draft / "done").touch()
        draft.rename(folder)
    members = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: int(path.name))
    return [_open_station(member, case, cohort) for member in members]


def _fingerprint(cohort: Cohort, case: Case, config: InputConfig) -> str:
    """Name of the cached copy: changes when the case, a file of it, or the way of preparing does."""
    digest = hashlib.sha256(json.dumps([VERSION, str(cohort.root.resolve()), case.case, asdict(config)]).encode())
    study = cohort.study_path(case)
    paths = [("study", path) for path in ([study] if study.is_file() else sorted(study.rglob("*")))]
    if "lesions" in case.truth:
        truth = cohort.truth_path(case, "lesions")
        paths += [("lesions", path) for path in ([truth] if truth.is_file() else sorted(truth.rglob("*")))]
    for kind, path in (pair for pair in paths if pair[1].is_file()):
        stat = path.stat()
        digest.update(f"|{kind}|{path.relative_to(cohort.root).as_posix()}|{stat.st_size}|{stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _write_case(cohort: Cohort, case: Case, folder: Path, *, config: InputConfig) -> None:
    from osteon.dicom.scan import scan
    from osteon.dicom.source import open_source

    with open_source(cohort.study_path(case)) as source:
        studies = scan(source, modality="MR").studies
        if len({study.uid for study in studies}) > 1:
            raise InputError(f"{len(studies)} studies in {case.study}; expected one examination; separate them")
        series = [one for study in studies for one in study.series]
        found = choose_sequences(series, kinds=KINDS)
        check_one_examination([one for station in found.stations for one in station.series.values()])
        masks = _masks(cohort, case)
        for index, station in enumerate(found.stations):
            _write_station(station, masks, folder / str(index), config=config)


def _masks(cohort: Cohort, case: Case) -> list[Volume] | None:
    """The label maps of a case; None where its lesions are not known."""
    from osteon.formats.nifti import read_nifti

    if "lesions" not in case.truth:
        return None
    path = cohort.truth_path(case, "lesions")
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.name.endswith((".nii", ".nii.gz")))
    masks = [read_nifti(file, modality="MR") for file in files]
    for mask in masks:
        if not np.isfinite(mask.array).all() or mask.array.min() < 0 or (mask.array != np.floor(mask.array)).any():
            raise InputError("a lesion mask has values that are no whole numbers from 0; expected lesion numbers")
    return masks


def _write_station(station: Station, masks: list[Volume] | None, folder: Path, *, config: InputConfig) -> None:
    from osteon.dicom.series import load_volume

    volumes = {name: load_volume(one) for name, one in station.series.items()}
    prepared = prepare_station(volumes, config)
    lesions = _own_mask(masks, prepared.view.grid, station)
    labels, numbers = _numbered(lesions)
    excluded = _moved_too_far(labels, prepared, volumes, station)
    images = np.zeros((len(SEQUENCES), *prepared.plan.size), dtype=np.uint8)
    for name, image in prepared.images.items():
        images[SEQUENCES.index(name)] = image
    folder.mkdir()
    np.save(folder / "images.npy", images)
    np.save(folder / "lesions.npy", labels)
    np.save(folder / "small.npy", prepared.plan.to_fixed(labels, nearest=True))
    grid = prepared.view.grid
    facts = {
        "series_uid": station.reference.uid,
        "names": list(station.series),
        "numbers": numbers,
        "volumes_cm3": (lesion_volumes_mm3(labels, voxel_mm3=grid.voxel_mm3) / 1000).tolist(),
        "affine": grid.affine.tolist(),
        "has_lesions": masks is not None,
        "excluded": excluded,
        "moved": {name: found.how for name, found in prepared.moved.items()},
        "voxels": voxel_fingerprint(volumes),
    }
    (folder / "station.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


def voxel_fingerprint(volumes: dict[str, Volume]) -> str:
    """First 16 hex digits of SHA-256 of the reference's voxels: the same scan is known by it, whatever it is called."""
    array = next(iter(volumes.values())).array
    digest = hashlib.sha256(f"{array.shape}|".encode())
    digest.update(np.ascontiguousarray(array, dtype="<f4").data)
    return digest.hexdigest()[:16]


def _own_mask(masks: list[Volume] | None, grid: Grid, station: Station) -> NDArray[np.uint16]:
    """The label map on the sagittal grid of this station."""
    if masks is None:
        return np.zeros(grid.shape, np.uint16)
    for mask in masks:
        view = sagittal(mask)
        if view.grid.shape == grid.shape and np.allclose(view.grid.affine, grid.affine, atol=GRID_TOLERANCE_MM):
            return view.array.astype(np.uint16)
    found = ", ".join(f"{mask.grid.shape} from {np.round(mask.grid.origin_mm, 1).tolist()} mm" for mask in masks[:3])
    assert station.reference.grid is not None
    own = station.reference.grid
    raise InputError(
        f"no lesion mask on the grid of series {station.reference.uid} ({next(iter(station.series))}), "
        f"{own.shape} from {np.round(own.origin_mm, 1).tolist()} mm; found {found or 'none'}; resample the mask onto "
        "that series"
    )


def _numbered(lesions: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], list[int]]:
    """Labels 1 to n without gaps, and what they were."""
    values = np.unique(lesions[lesions > 0])
    table = np.zeros(int(values.max()) + 1 if len(values) else 1, dtype=np.uint16)
    table[values] = np.arange(1, len(values) + 1)
    return table[lesions], [int(value) for value in values]


def _moved_too_far(
    lesions: NDArray[np.uint16], prepared: PreparedStation, volumes: dict[str, Volume], station: Station
) -> str:
    for name in list(volumes)[1:]:
        part, why = lesion_overlap(lesions, prepared, name, volumes[name])
        if part < SMALLEST_OVERLAP:
            return f"series {station.series[name].uid} ({name}): {why}"
    return ""


def _open_station(folder: Path, case: Case, cohort: Cohort) -> StationCase:
    facts: dict[str, Any] = read_json(folder / "station.json")
    return StationCase(
        case=case.case,
        patient=case.patient,
        centre=case.centre or "",
        cohort=cohort.name,
        phantom=cohort.is_phantom,
        index=int(folder.name),
        series_uid=facts["series_uid"],
        names=tuple(facts["names"]),
        images=np.load(folder / "images.npy", mmap_mode="r"),
        small=np.load(folder / "small.npy", mmap_mode="r"),
        lesions=np.load(folder / "lesions.npy", mmap_mode="r"),
        numbers=tuple(facts["numbers"]),
        volumes_cm3=tuple(facts["volumes_cm3"]),
        affine=np.asarray(facts["affine"]),
        has_lesions=facts["has_lesions"],
        excluded=facts["excluded"],
        moved=facts["moved"],
        voxels=facts["voxels"],
    )
