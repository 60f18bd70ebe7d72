"""Training cases on disk as windowed arrays: read once from DICOM and masks, then memory-mapped.

Cohort cases become ``<cache>/<case>-<fingerprint>/``: ``hu.npy`` int16, ``sites.npy`` uint8 and ``lesions.npy`` uint16,
all axial (z, y, x), and ``case.json``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError
from osteon.formats.json_file import read_json
from osteon.imaging.canonical import canonical
from osteon.systems.lytic.config import SITES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.records import Volume


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCase:
    """One cached case; arrays are memory maps on one axial grid, (z, y, x).

    Attributes:
        cohort: name of its cohort; patient names are unique within it.
        phantom: whether that cohort is synthetic.
        fingerprint: of the voxels and masks.
        voxels: of the voxels alone; see ``voxel_fingerprint``.
        spacing_mm: (x, y, z).
        sites: 0 outside bone, 1 where only "bone" is known or the first site, else site k + 1 of ``config.SITES``.
        has_bone: whether the bone is known; without it ``sites`` is empty and means nothing.
        has_sites: whether ``sites`` tells bones apart.
        has_lesions: whether the lesions are known; an empty mask that is there says that there are none.
    """

    case: str
    patient: str
    cohort: str
    phantom: bool
    fingerprint: str
    voxels: str
    spacing_mm: tuple[float, float, float]
    hu: NDArray[np.int16]
    sites: NDArray[np.uint8]
    lesions: NDArray[np.uint16]
    has_bone: bool
    has_sites: bool
    has_lesions: bool


def load_case_volume(cohort: Cohort, case: Case) -> Volume:
    """The CT of a case: the series that ``dicom.choose.choose_ct_series`` takes, as in reading.

    Raises:
        CohortError: none can be read as a volume.
    """
    from osteon.dicom.choose import choose_ct_series
    from osteon.dicom.scan import scan
    from osteon.dicom.series import load_volume
    from osteon.dicom.source import open_source

    path = cohort.study_path(case)
    if not path.exists():
        raise CohortError(f"case {case.case}: study {case.study} is missing from the cohort folder")
    with open_source(path) as source:
        chosen = choose_ct_series(scan(source, modality="CT").series)
        if chosen is None:
            raise CohortError(f"case {case.case}: no CT series in {case.study} can be read; see `osteon info`")
        return load_volume(chosen)


def read_mask(cohort: Cohort, case: Case, kind: str, *, volume: Volume) -> NDArray[Any]:
    """A truth mask in the voxel order of the volume.

    Raises:
        CohortError: it lies on another grid, or holds what is no label.
    """
    from osteon.formats.nifti import read_nifti

    path = cohort.truth_path(case, kind)
    mask = read_nifti(path, modality="CT")
    same = mask.grid.shape == volume.grid.shape and np.allclose(mask.grid.affine, volume.grid.affine, atol=0.01)
    if not same:
        raise CohortError(
            f"case {case.case}: {kind} mask has grid {mask.grid.shape} from {np.round(mask.grid.origin_mm, 1)} mm, the "
            f"CT {volume.grid.shape} from {np.round(volume.grid.origin_mm, 1)} mm; resample the mask onto the CT"
        )
    if not np.isfinite(mask.array).all() or mask.array.min() < 0:
        raise CohortError(
            f"case {case.case}: {kind} mask has negative values or values that are no numbers; expected labels from 0"
        )
    return mask.array


def bone_labels(mask: NDArray[Any], *, case: str) -> tuple[NDArray[np.uint8], bool]:
    """Site labels of a bone mask, and whether it tells sites apart; a mask of 0 and one other value does not.

    Args:
        mask: any shape, values from 0.
        case: its name, for the error.

    Returns:
        Labels: 0, and 1 for bone or the number of its site (``config.SITES``).

    Raises:
        CohortError: several values that are not the numbers of sites.
    """
    values = np.unique(mask)
    found = values[values > 0]
    if len(found) < 2:
        return (mask > 0).astype(np.uint8), False
    odd = found[(found > len(SITES)) | (found != np.floor(found))]
    if len(odd):
        raise CohortError(
            f"case {case}: bone mask has values {[f'{value:g}' for value in odd[:5].tolist()]}; expected 0 and one "
            f"other value, or the numbers 1 to {len(SITES)} of the sites {', '.join(SITES)}"
        )
    return mask.astype(np.uint8), True


def lesion_numbers(mask: NDArray[Any], *, case: str) -> NDArray[np.uint16]:
    """Lesion mask as whole numbers.

    Raises:
        CohortError: values that are not 0 to 65535 and whole.
    """
    numbers = mask.astype(np.uint16)
    if not np.array_equal(numbers, mask):
        raise CohortError(f"case {case}: lesion mask has values up to {mask.max():g}; expected whole numbers to 65535")
    return numbers


def voxel_fingerprint(hu: NDArray[Any]) -> str:
    """First 16 hex digits of SHA-256 of an axial volume (z, y, x), HU as they are cached: the same scan is known by it.

    Names of cohort, patient and case, and the masks, do not matter.
    """
    cached = np.ascontiguousarray(_cached(hu), dtype="<i2")
    digest = hashlib.sha256(f"{cached.shape}|".encode())
    digest.update(cached.data)
    return digest.hexdigest()[:16]


def _cached(hu: NDArray[Any]) -> NDArray[np.int16]:
    return np.asarray(np.clip(hu, -1024, 3071)).astype(np.int16)


def prepare_cases(
    cohort: Cohort, cache: Path, *, on_case: Callable[[int, int, str], None] = lambda done, total, case: None
) -> list[TrainingCase]:
    """Read every case once into ``cache`` and return them memory-mapped.

    Raises:
        CohortError: a scan or mask that is missing or cannot be used.
    """
    ready = []
    for number, case in enumerate(cohort.cases, start=1):
        folder = cache / f"case-{_fingerprint(cohort, case)}"
        if not (folder / "case.json").exists():
            _write_case(cohort, case, folder)
        ready.append(_open_case(folder, case, cohort=cohort))
        on_case(number, len(cohort.cases), case.case)
    return ready


def _fingerprint(cohort: Cohort, case: Case) -> str:
    """Name of the cached copy: changes when the case, a file of its study or one of its masks does."""
    root = str(cohort.root.resolve())
    digest = hashlib.sha256(f"4|{root}|{cohort.name}|{case.case}|{case.study}".encode())
    study = cohort.study_path(case)
    files = [study] if study.is_file() else sorted(path for path in study.rglob("*") if path.is_file())
    named = [("study", path) for path in files]
    named += [(kind, cohort.truth_path(case, kind)) for kind in ("bone", "lesions") if kind in case.truth]
    for kind, path in named:
        stat = path.stat()
        digest.update(f"|{kind}|{path.relative_to(cohort.root).as_posix()}|{stat.st_size}|{stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _write_case(cohort: Cohort, case: Case, folder: Path) -> None:
    volume = load_case_volume(cohort, case)
    axial = canonical(volume)
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    np.save(draft / "hu.npy", _cached(axial.array))
    truth: dict[str, NDArray[Any]] = {
        kind: read_mask(cohort, case, kind, volume=volume) if kind in case.truth else np.zeros(volume.grid.shape)
        for kind in ("bone", "lesions")
    }
    sites, has_sites = bone_labels(truth["bone"], case=case.case)
    lesions = lesion_numbers(truth["lesions"], case=case.case)
    for name, mask in (("sites", sites), ("lesions", lesions)):
        turned = canonical(type(volume)(array=mask, grid=volume.grid, modality="CT"))
        np.save(draft / f"{name}.npy", turned.array.astype(mask.dtype))
    facts = {
        "spacing_mm": list(axial.grid.spacing_mm),
        "has_sites": has_sites,
        "fingerprint": _content(draft),
        "voxels": voxel_fingerprint(axial.array),
    }
    (draft / "case.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    draft.rename(folder)


def _content(folder: Path) -> str:
    """SHA-256 over the arrays, the same wherever and whenever they were cached."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.npy")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _open_case(folder: Path, case: Case, *, cohort: Cohort) -> TrainingCase:
    facts = read_json(folder / "case.json")
    x, y, z = facts["spacing_mm"]
    return TrainingCase(
        case=case.case,
        patient=case.patient,
        cohort=cohort.name,
        phantom=cohort.is_phantom,
        fingerprint=facts["fingerprint"],
        voxels=facts["voxels"],
        spacing_mm=(x, y, z),
        has_bone="bone" in case.truth,
        has_sites=facts["has_sites"],
        has_lesions="lesions" in case.truth,
        hu=np.load(folder / "hu.npy", mmap_mode="r"),
        sites=np.load(folder / "sites.npy", mmap_mode="r"),
        lesions=np.load(folder / "lesions.npy", mmap_mode="r"),
    )
