"""Tiny synthetic spine MR studies as DICOM, with lesions that a small network can learn: no phantom needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from osteon.cohort.manifest import Case, Cohort, write_cohort
from osteon.formats.nifti import write_nifti
from osteon.geometry import Grid
from tests.dicom.make import Scheme, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COSINES = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
"""Columns run to the back, rows to the feet; slices follow to the right, as the cross product says."""
DIRECTION = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
SHAPE = (8, 64, 64)
SPACING = (4.0, 4.0, 5.0)
NAMES = {"T1": "t1_tse_sag", "FO": "t1_tse_dixon_sag_F", "CE": "t1_tse_fs_sag_gd"}
LEVELS = {"T1": (300, 900, 350), "FO": (200, 1000, 150), "CE": (250, 350, 1000)}
"""Mean signal of soft tissue, marrow and lesion."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a study shall be."""

    seed: int = 0
    lesions: int = 2
    stations: int = 1
    sequences: tuple[str, ...] = ("T1", "FO", "CE")
    frame_of_reference: str = "1.2.9"
    overlap_mm: float = 50.0
    moved_mm: dict[str, float] = field(default_factory=dict)
    """How far the head-foot position of a sequence's content lies beside that of T1."""


def station_grid(index: int, scene: Scene) -> Grid:
    top = -index * (SHAPE[1] * SPACING[1] - scene.overlap_mm)
    return Grid(shape=SHAPE, spacing_mm=SPACING, origin_mm=(18.0, -120.0, top), direction=DIRECTION)


def marrow_and_lesions(
    grid: Grid, scene: Scene, *, beside_mm: float = 0.0
) -> tuple[NDArray[np.bool_], NDArray[np.uint16]]:
    """Vertebrae every 30 mm down the back, and balls in some of them, in patient space."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)[..., ::-1]
    x, y, z = np.moveaxis(grid.to_mm(index), -1, 0)
    z = z - beside_mm
    level = np.mod(z, 30.0)
    marrow = (np.abs(x) < 17) & (np.abs(y) < 18) & (level > 4) & (level < 26)
    rng = np.random.default_rng([scene.seed, 5])
    places = rng.permutation(np.arange(2, 2 + 8 * scene.stations))[: scene.lesions]
    lesions = np.zeros(grid.shape, np.uint16)
    for number, place in enumerate(places, start=1):
        centre = (rng.uniform(-6, 6), rng.uniform(-6, 6), -30.0 * place + 15.0)
        radius = rng.uniform(9, 11)  # neighbours stay two pixels apart
        lesions[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 < radius**2] = number
    return marrow, lesions


def write_study(
    folder: Path, scene: Scene, *, change: dict[str, str] | None = None
) -> list[tuple[Grid, NDArray[np.uint16]]]:
    """Write the DICOM series of a study; grid and lesion labels of every station's T1."""
    study_uid = f"1.2.77.{scene.seed}"
    truth = []
    for index in range(scene.stations):
        grid = station_grid(index, scene)
        truth.append((grid, marrow_and_lesions(grid, scene)[1]))
        for number, name in enumerate(scene.sequences):
            marrow, lesions = marrow_and_lesions(grid, scene, beside_mm=scene.moved_mm.get(name, 0.0))
            soft, bone, lesion = LEVELS[name]
            noise = np.random.default_rng([scene.seed, index, number]).normal(0, 25, grid.shape)
            values = np.where(lesions > 0, lesion, np.where(marrow, bone, soft)) + noise
            scheme = Scheme(
                modality="MR",
                orientation=COSINES,
                spacing_mm=SPACING[:2],
                origin_mm=grid.origin_mm,
                gap_mm=SPACING[2],
                slope=None,
                intercept=None,
                study_uid=study_uid,
                series_uid=f"{study_uid}.{index}.{number + 1}",
                frame_of_reference=scene.frame_of_reference,
            )

            def describe(_: int, ds: object, name: str = name, number: int = number) -> None:
                ds.SeriesDescription = NAMES[name]  # type: ignore[attr-defined]
                ds.SeriesNumber = number + 1  # type: ignore[attr-defined]
                ds.StudyTime, ds.StudyID, ds.AccessionNumber = "101500", "7", "8"  # type: ignore[attr-defined]
                for keyword, value in (change or {}).items():
                    setattr(ds, keyword, value)

            write_series(
                folder / f"{index}{number}", np.clip(values, 0, 4000).astype(np.int16), scheme, change=describe
            )
    return truth


def write_lesions(folder: Path, truth: list[tuple[Grid, NDArray[np.uint16]]]) -> None:
    folder.mkdir(parents=True)
    for index, (grid, labels) in enumerate(truth):
        write_nifti(folder / f"{index}.nii.gz", labels, grid)


def make_cohort(root: Path, scenes: list[Scene], *, name: str = "tiny", centre: str = "a") -> Cohort:
    """A cohort of such studies with lesion masks, one patient each."""
    cases = []
    for number, scene in enumerate(scenes):
        case = f"p{number:03d}"
        truth = write_study(root / case / "study", scene)
        write_lesions(root / case / "lesions", truth)
        cases.append(
            Case(
                case=case,
                patient=case,
                study=f"{case}/study",
                centre=centre,
                labels={"lesions": scene.lesions},
                truth={"lesions": f"{case}/lesions"},
            )
        )
    cohort = Cohort(root=root, name=name, modality="MR", system="metastasis", cases=tuple(cases), kind="phantom")
    write_cohort(cohort)
    return cohort
