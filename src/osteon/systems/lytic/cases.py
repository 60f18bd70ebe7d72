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
from osteon.imaging.canonical import canonical

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
        fingerprint: of the voxels and masks.
        spacing_mm: (x, y, z).
        sites: 0 outside bone, 1 where only "bone" is known or the first site, else site k + 1 of ``config.SITES``.
        has_sites: whether ``sites`` tells bones apart.
    """

    case: str
    patient: str
    cohort: str
    fingerprint: str
    spacing_mm: tuple[float, float, float]
    hu: NDArray[np.int16]
    sites: NDArray[np.uint8]
    lesions: NDArray[np.uint16]
    has_sites: bool


def load_case_volume(cohort: Cohort, case: Case) -> Volume:
    """The CT of a case: its only readable CT series, or the one with most slices.

    Raises:
        CohortError: none can be read as a volume.
    """
    from osteon.dicom.scan import scan
    from osteon.dicom.series import load_volume
    from osteon.dicom.source import open_source

    path = cohort.study_path(case)
    if not path.exists():
        raise CohortError(f"case {case.case}: study {case.study} is missing from the cohort folder")
    with open_source(path) as source:
        readable = [s for s in scan(source, modality="CT").series if s.grid is not None and s.modality == "CT"]
        if not readable:
            raise CohortError(f"case {case.case}: no CT series in {case.study} can be read; see `osteon info`")
        return load_volume(max(readable, key=lambda s: s.grid.shape[0] if s.grid else 0))


def read_mask(cohort: Cohort, case: Case, kind: str, *, volume: Volume) -> NDArray[Any]:
    """A truth mask in the voxel order of the volume.

    Raises:
        CohortError: it lies on another grid.
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
    return mask.array


def prepare_cases(
    cohort: Cohort, cache: Path, *, on_case: Callable[[int, int, str], None] = lambda done, total, case: None
) -> list[TrainingCase]:
    """Read every case once into ``cache`` and return them memory-mapped."""
    ready = []
    for number, case in enumerate(cohort.cases, start=1):
        folder = cache / f"case-{_fingerprint(cohort, case)}"
        if not (folder / "case.json").exists():
            _write_case(cohort, case, folder)
        ready.append(_open_case(folder, case, cohort=cohort.name))
        on_case(number, len(cohort.cases), case.case)
    return ready


def _fingerprint(cohort: Cohort, case: Case) -> str:
    """Name of the cached copy: changes when the case or one of its mask files does."""
    digest = hashlib.sha256(f"3|{cohort.name}|{case.case}|{case.study}".encode())
    for kind in ("bone", "lesions"):
        if kind in case.truth:
            stat = cohort.truth_path(case, kind).stat()
            digest.update(f"|{kind}|{stat.st_size}|{stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _write_case(cohort: Cohort, case: Case, folder: Path) -> None:
    volume = load_case_volume(cohort, case)
    axial = canonical(volume)
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    np.save(draft / "hu.npy", np.clip(axial.array, -1024, 3071).astype(np.int16))
    sites = read_mask(cohort, case, "bone", volume=volume) if "bone" in case.truth else np.zeros(volume.grid.shape)
    lesions = (
        read_mask(cohort, case, "lesions", volume=volume) if "lesions" in case.truth else np.zeros(volume.grid.shape)
    )
    for name, mask, kind in (("sites", sites, np.uint8), ("lesions", lesions, np.uint16)):
        turned = canonical(type(volume)(array=mask, grid=volume.grid, modality="CT"))
        np.save(draft / f"{name}.npy", turned.array.astype(kind))
    facts = {
        "spacing_mm": list(axial.grid.spacing_mm),
        "has_sites": bool(int(np.max(sites)) > 1),
        "fingerprint": _content(draft),
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


def _open_case(folder: Path, case: Case, *, cohort: str) -> TrainingCase:
    facts = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    x, y, z = facts["spacing_mm"]
    return TrainingCase(
        case=case.case,
        patient=case.patient,
        cohort=cohort,
        fingerprint=facts["fingerprint"],
        spacing_mm=(x, y, z),
        has_sites=facts["has_sites"],
        hu=np.load(folder / "hu.npy", mmap_mode="r"),
        sites=np.load(folder / "sites.npy", mmap_mode="r"),
        lesions=np.load(folder / "lesions.npy", mmap_mode="r"),
    )
