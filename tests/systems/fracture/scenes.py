"""Tiny sagittal T1 and T2 of one vertebra as DICOM, with boxes and features; malignant ones are dark on T1."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from osteon.cohort.manifest import Case, Cohort, write_cohort
from osteon.formats.labelme import write_labelme
from osteon.formats.rectangles import Rectangle, SliceAnnotation
from osteon.geometry import Grid
from osteon.systems.fracture.config import FractureConfig
from osteon.systems.fracture.published.features import FEATURES
from tests.dicom.make import Scheme, write_series

if TYPE_CHECKING:
    from pathlib import Path

COSINES = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
"""Columns run to the back, rows to the feet; slices follow to the right, as the cross product says."""
DIRECTION = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
SHAPE = (5, 48, 48)
GRID = Grid(shape=SHAPE, spacing_mm=(2.0, 2.0, 4.0), origin_mm=(8.0, -48.0, 0.0), direction=DIRECTION)
BOX = (16.0, 18.0, 32.0, 34.0)
NAMES = {"T1": "t1_tse_sag", "T2": "t2_tse_sag"}

TINY = FractureConfig(
    backbone="tiny",
    side_px=16,
    registration="none",
    benign_copies=2,
    malignant_copies=4,
    epochs=4,
    batch=16,
    learning_rate=1e-2,
    patience=0,
    validation_share=0.3,
    device="cpu",
)


def write_study(folder: Path, *, seed: int, malignant: bool) -> list[str]:
    """Series ``01-t1`` and ``02-t2``: vertebra in the box, a dark band if benign; returns T2's files by slice."""
    names: list[str] = []
    x0, y0, x1, y1 = (int(edge) for edge in BOX)
    for number, (name, marrow) in enumerate((("T1", 300 if malignant else 900), ("T2", 700)), start=1):
        rng = np.random.default_rng([seed, number])
        values = rng.normal(500, 30, SHAPE)
        values[:, y0 + 2 : y1 - 2, x0 + 2 : x1 - 2] = marrow + rng.normal(0, 30)
        if not malignant:
            values[:, y0 + 5 : y0 + 8, x0 + 2 : x1 - 2] = 250
        scheme = Scheme(
            modality="MR",
            orientation=COSINES,
            spacing_mm=GRID.spacing_mm[:2],
            origin_mm=GRID.origin_mm,
            gap_mm=GRID.spacing_mm[2],
            slope=None,
            intercept=None,
            study_uid=f"1.2.78.{seed}",
            series_uid=f"1.2.78.{seed}.{number}",
            frame_of_reference="1.2.9",
        )

        def describe(_: int, ds: object, name: str = name, number: int = number) -> None:
            ds.SeriesDescription, ds.SeriesNumber = NAMES[name], number  # type: ignore[attr-defined]
            ds.StudyTime, ds.StudyID, ds.AccessionNumber = "101500", "7", "8"  # type: ignore[attr-defined]

        series = folder / f"{number:02d}-{name.lower()}"
        paths = write_series(series, np.clip(values, 0, 4000).astype(np.int16), scheme, change=describe)
        names = [path.name for path in paths]
    return names


def write_boxes(folder: Path, files: list[str]) -> None:
    """The same box on the three slices in the middle."""
    rectangle = Rectangle(label="fracture", x0=BOX[0], y0=BOX[1], x1=BOX[2], y1=BOX[3])
    write_labelme(
        folder,
        [
            SliceAnnotation(
                image_name=files[k], series="02-t2", height=SHAPE[1], width=SHAPE[2], rectangles=(rectangle,)
            )
            for k in (1, 2, 3)
        ],
    )


def make_cohort(root: Path, *, patients: int, first: int = 0) -> Cohort:
    """Every other patient is malignant."""
    cases = []
    for k in range(first, first + patients):
        name, malignant = f"p{k:03d}", k % 2 == 1
        files = write_study(root / name / "study", seed=k, malignant=malignant)
        write_boxes(root / name / "boxes", files)
        rng = np.random.default_rng([k, 3])
        with (root / name / "features.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(FEATURES)
            writer.writerow([int(rng.random() < (0.6 if malignant == (j % 2 == 0) else 0.3)) for j in range(15)])
        cases.append(
            Case(
                case=name,
                patient=name,
                study=f"{name}/study",
                age_years=60.0 + k,
                labels={"malignant": malignant, "vertebra": 20},
                truth={"boxes": f"{name}/boxes", "features": f"{name}/features.csv"},
            )
        )
    cohort = Cohort(root=root, name="tiny", modality="MR", system="fracture", cases=tuple(cases), kind="phantom")
    write_cohort(cohort)
    return cohort
