"""What tells whether two cases are one patient, one series or nearly one picture; nothing in it names anybody."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError, InputError, OsteonError
from osteon.imaging.perceptual import BITS, perceptual_hash
from osteon.imaging.slices import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Cohort
    from osteon.records import Series, Volume

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
SLICE_STEP_MM = 2.0
"""Slices closer together than this are hashed every other (third, ...) one."""
_SOFT_TISSUE_HU = Window(low_hu=-160.0, high_hu=240.0)
_SALT = secrets.token_bytes(16)
"""PatientID is compared as a keyed hash of this process, so that not even the hash can leave it."""
_BYTES = BITS // 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """One case, or one image of a folder.

    Attributes:
        name: of the case.
        patient: pseudonym; "" where none is known.
        identities: keyed hashes of PatientID, valid in this process only.
        studies, series: StudyInstanceUIDs and SeriesInstanceUIDs, of DICOM only.
        voxels: SHA-256 of each volume's or picture's values.
        hashes: (n, 32) perceptual hashes of its slices, packed.
        places: (n,) what each hash is of, such as "slice 17".
        indices: (n,) index of the slice in its volume, from 0.
        problem: why it could not be read; "" where it could.
    """

    name: str
    patient: str
    identities: frozenset[str] = frozenset()
    studies: frozenset[str] = frozenset()
    series: frozenset[str] = frozenset()
    voxels: frozenset[str] = frozenset()
    hashes: NDArray[np.uint8]
    places: tuple[str, ...] = ()
    indices: tuple[int, ...] = ()
    problem: str = ""


def fingerprint_cohort(
    cohort: Cohort, *, on_case: Callable[[int, int, str], None] = lambda done, total, case: None
) -> list[Fingerprint]:
    """Read every case once; one that cannot be read is kept, with its problem."""
    found = []
    for number, case in enumerate(cohort.cases, start=1):
        try:
            found.append(fingerprint_study(cohort.study_path(case), name=case.case, patient=case.patient))
        except OsteonError as error:
            found.append(Fingerprint(name=case.case, patient=case.patient, hashes=_no_hashes(), problem=str(error)))
        on_case(number, len(cohort.cases), case.case)
    return found


def fingerprint_study(path: Path, *, name: str, patient: str = "") -> Fingerprint:
    """Read all series of one study: DICOM or NIfTI.

    Raises:
        InputError: nothing in there can be read as a volume.
    """
    from osteon.dicom.scan import scan
    from osteon.dicom.series import load_volume
    from osteon.dicom.source import open_source

    hashes: list[NDArray[np.uint8]] = []
    places: list[str] = []
    indices: list[int] = []
    voxels, read = set(), []
    with open_source(path) as source:
        found = scan(source)
        for number, series in enumerate((one for one in found.series if not one.problems and one.grid), start=1):
            volume = load_volume(series)
            voxels.add(_digest(volume.array))
            read.append(series)
            for index, bits in _slice_hashes(volume):
                hashes.append(bits)
                indices.append(index)
                places.append(f"series {number}, slice {index}")
        identities = {_identity(series) for series in found.series} - {""}
    if not read:
        raise InputError(f"{name}: no series in its study can be read as a volume; see `osteon info`")
    dicom = [series for series in read if series.source == "dicom"]
    return Fingerprint(
        name=name,
        patient=patient,
        identities=frozenset(identities),
        studies=frozenset(series.study_uid for series in dicom),
        series=frozenset(series.uid for series in dicom),
        voxels=frozenset(voxels),
        hashes=np.stack(hashes) if hashes else _no_hashes(),
        places=tuple(places),
        indices=tuple(indices),
    )


def fingerprint_image(path: Path, *, name: str) -> Fingerprint:
    """Read one picture: PNG, JPEG, TIFF, BMP, or one DICOM file.

    Raises:
        InputError: it cannot be read.
    """
    identities, studies, series = set(), set(), set()
    if path.suffix.lower() in IMAGE_SUFFIXES:
        pixels = _read_picture(path, name)
    else:
        pixels, header = _read_dicom(path, name)
        identities = {_keyed(str(header.get("PatientID", "")))} - {""}
        studies = {str(header.get("StudyInstanceUID", ""))} - {""}
        series = {str(header.get("SeriesInstanceUID", ""))} - {""}
    bits = perceptual_hash(pixels)
    return Fingerprint(
        name=name,
        patient="",
        identities=frozenset(identities),
        studies=frozenset(studies),
        series=frozenset(series),
        voxels=frozenset({_digest(pixels)}),
        hashes=_no_hashes() if bits is None else bits[None],
        places=() if bits is None else ("image",),
        indices=() if bits is None else (0,),
    )


def fingerprint_sides(
    sides: dict[str, Path], *, on_case: Callable[[int, int, str], None] = lambda done, total, case: None
) -> dict[str, list[Fingerprint]]:
    """Every picture below the folders of a split, by side; names are relative to the side's folder.

    Raises:
        CohortError: a folder without pictures.
    """
    files = {side: sorted(_pictures(folder)) for side, folder in sides.items()}
    total, done = sum(map(len, files.values())), 0
    found: dict[str, list[Fingerprint]] = {}
    for side, paths in files.items():
        if not paths:
            raise CohortError(f"{side}: no picture below this folder; expected DICOM, PNG, JPEG, TIFF or BMP files")
        found[side] = []
        for path in paths:
            name = f"{side}/{path.relative_to(sides[side]).as_posix()}"
            try:
                found[side].append(fingerprint_image(path, name=name))
            except InputError as error:
                found[side].append(Fingerprint(name=name, patient="", hashes=_no_hashes(), problem=str(error)))
            done += 1
            on_case(done, total, side)
    return found


def _pictures(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and (path.suffix.lower() in IMAGE_SUFFIXES or _looks_like_dicom(path)):
            yield path


def _looks_like_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _slice_hashes(volume: Volume) -> Iterable[tuple[int, NDArray[np.uint8]]]:
    step = max(1, int(SLICE_STEP_MM / volume.grid.spacing_mm[2] + 1e-6))
    for index in range(0, len(volume.array), step):
        plane = volume.array[index]
        bits = perceptual_hash(_SOFT_TISSUE_HU.apply(plane) if volume.modality == "CT" else plane)
        if bits is not None:
            yield index, bits


def _digest(array: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.shape}|".encode())
    # in bytes of one kind, so that a NIfTI copy of a DICOM series is known again
    for plane in array if array.ndim == 3 else array[None]:
        digest.update(np.ascontiguousarray(plane, dtype="<f4").data)
    return digest.hexdigest()


def _identity(series: Series) -> str:
    """Keyed hash of the PatientID of a DICOM series; "" for none."""
    if series.source != "dicom":
        return ""
    from pydicom import dcmread

    try:
        header = dcmread(series.files[0], specific_tags=["PatientID"], stop_before_pixels=True, force=True)
        return _keyed(str(header.get("PatientID", "")))
    except Exception:  # pydicom raises what its parser stumbles over; the scan has read the rest of this file
        return ""


def _keyed(identity: str) -> str:
    return hashlib.blake2b(identity.strip().encode(), key=_SALT).hexdigest() if identity.strip() else ""


def _read_picture(path: Path, name: str) -> NDArray[Any]:
    import cv2

    pixels = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_GRAYSCALE) if path.stat().st_size else None
    if pixels is None:
        raise InputError(f"{name}: not a picture that can be read; export it again")
    return np.asarray(pixels)


def _read_dicom(path: Path, name: str) -> tuple[NDArray[Any], Any]:
    from pydicom import dcmread

    try:
        header = dcmread(path)
        pixels = np.asarray(header.pixel_array, dtype=np.float32)
    except Exception as error:  # pydicom and its decoders raise a dozen kinds on damaged files
        raise InputError(
            f"{name}: not a DICOM image that can be read ({type(error).__name__}); send it again"
        ) from error
    if pixels.ndim != 2:
        raise InputError(f"{name}: {pixels.ndim} dimensions; expected one grey slice a file")
    if header.get("Modality") == "CT":
        slope, intercept = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
        pixels = _SOFT_TISSUE_HU.apply(pixels * slope + intercept)
    return pixels, header


def _no_hashes() -> NDArray[np.uint8]:
    return np.zeros((0, _BYTES), dtype=np.uint8)
