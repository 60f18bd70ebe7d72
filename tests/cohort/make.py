"""Small cohorts of textures as CT: every patient a texture of their own, slowly changing from slice to slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from osteon.cohort.manifest import Case, Cohort, write_cohort
from osteon.dicom.ct import write_ct_series
from osteon.formats.nifti import write_nifti
from osteon.geometry import Grid
from osteon.records import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def texture(seed: int, *, slices: int = 6, side: int = 48) -> NDArray[np.int16]:
    """HU (z, y, x): a disc of soft tissue with smooth structure in air; neighbouring slices resemble each other."""
    noise = np.random.default_rng(seed).normal(size=(slices + 8, side, side))
    smooth = ndimage.gaussian_filter(noise, (6, 2.5, 2.5))[4 : 4 + slices]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    inside = x**2 + y**2 < (0.45 * side) ** 2
    hu = np.where(inside, 40 + 90 * smooth / smooth.std(), -1000)
    return np.asarray(np.rint(hu), dtype=np.int16)


def grid_of(shape: tuple[int, int, int], *, slice_mm: float = 3.0) -> Grid:
    return Grid(shape=shape, spacing_mm=(1.0, 1.0, slice_mm))


def write_case(
    root: Path,
    case: str,
    hu: NDArray[np.int16],
    *,
    patient: str | None = None,
    identity: str | None = None,
    lesion: bool = True,
    labels: dict[str, object] | None = None,
    seed_uid: str = "seed",
) -> Case:
    """A case with its CT as DICOM, and a lesion mask on the inner slices."""
    grid = grid_of(hu.shape)
    write_ct_series(
        Volume(array=hu, grid=grid, modality="CT"),
        root / "cases" / case / "ct",
        case=identity or patient or case,
        seed_uid=f"{seed_uid} {case}",
        kernel="B",
        slice_thickness_mm=3.0,
        kvp=120,
        exposure_mas=50,
        manufacturer="test",
        description="texture",
        age_years=60,
        sex="F",
    )
    truth = {}
    if lesion:
        mask = np.zeros(hu.shape, dtype=np.uint16)
        middle = hu.shape[1] // 2
        mask[1:-1, middle - 4 : middle + 4, middle - 4 : middle + 4] = 1
        write_nifti(root / "cases" / case / "lesions.nii.gz", mask, grid)
        truth["lesions"] = f"cases/{case}/lesions.nii.gz"
    return Case(
        case=case,
        patient=patient or case,
        study=f"cases/{case}/ct",
        age_years=60.0,
        sex="F",
        centre="a",
        labels=labels or {},
        truth=truth,
    )


def write(root: Path, cases: list[Case], *, system: str = "differential") -> Cohort:
    cohort = Cohort(root=root, name="textures", modality="CT", system=system, cases=tuple(cases), kind="phantom")
    write_cohort(cohort)
    return cohort
