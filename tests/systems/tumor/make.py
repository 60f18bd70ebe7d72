"""Tiny sagittal MR studies with a tumour that small networks can tell apart: bright is malignant, dark benign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.cohort.manifest import Case, Cohort, write_cohort
from osteon.formats.labelme import write_labelme
from osteon.formats.rectangles import Rectangle, SliceAnnotation
from osteon.systems.tumor.config import AgeConfig, DetectorConfig, FusionConfig, SequenceConfig, TumorConfig
from osteon.systems.tumor.sections import LOCATIONS
from tests.dicom.make import Scheme, write_series

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

COSINES = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
NAMES = {"01-t1": "t1_tse_sag", "02-t2": "t2_tse_sag"}
SIDE, SLICES = 64, 5
TINY = TumorConfig(
    detector=DetectorConfig(
        backbone="tiny",
        image_px=64,
        width=16,
        head=16,
        epochs=2,
        batch=4,
        samples=32,
        learning_rate=4e-3,
        threshold=0.05,
        crop=48,
    ),
    sequence=SequenceConfig(backbone="tiny", frames=4, side=32, epochs=2, batch=4, samples=32, learning_rate=4e-3),
    age=AgeConfig(edges=(50.0,)),
    fusion=FusionConfig(folds=2),
    precision="bf16-mixed",  # as published
    device="cpu",
)


def write_patient(
    root: Path, name: str, *, seed: int, malignant: bool, metastasis: bool = False, centre: str = "a"
) -> Case:
    """One case with boxes on three slices of two series."""
    rng = np.random.default_rng([seed, 3])
    x, y = (int(value) for value in rng.integers(18, 30, 2))
    width, height = (int(value) for value in rng.integers(14, 22, 2))
    boxes = []
    for number, (folder, description) in enumerate(NAMES.items(), start=1):
        array = np.clip(rng.normal(400, 20, (SLICES, SIDE, SIDE)), 0, 4000)
        array[:, :, 24:40] += 150
        array[1:4, y : y + height, x : x + width] = 900 if malignant else 60
        scheme = Scheme(
            modality="MR",
            orientation=COSINES,
            spacing_mm=(3.0, 3.0),
            origin_mm=(10.0, -90.0, 90.0),
            gap_mm=5.0,
            slope=None,
            intercept=None,
            study_uid=f"1.2.78.{seed}",
            series_uid=f"1.2.78.{seed}.{number}",
            frame_of_reference="1.2.9",
        )

        def describe(_: int, ds: object, description: str = description, number: int = number) -> None:
            ds.SeriesDescription = description  # type: ignore[attr-defined]
            ds.SeriesNumber = number  # type: ignore[attr-defined]
            ds.PatientAge = f"{30 + 30 * malignant:03d}Y"  # type: ignore[attr-defined]

        paths = write_series(root / name / "study" / folder, array.astype(np.int16), scheme, change=describe)
        rectangle = Rectangle(
            label="malignant" if malignant else "benign",
            x0=float(x),
            y0=float(y),
            x1=float(x + width),
            y1=float(y + height),
        )
        boxes += [
            SliceAnnotation(
                image_name=paths[k].name, series=folder, height=SIDE, width=SIDE, rectangles=(rectangle,), slice_index=k
            )
            for k in (1, 2, 3)
        ]
    write_labelme(root / name / "boxes", boxes)
    labels = {"malignant": malignant, "histology": "chordoma" if malignant else "haemangioma"}
    return Case(
        case=name,
        patient=name,
        study=f"{name}/study",
        age_years=60.0 if malignant else 30.0,
        centre=centre,
        labels={**labels, "location": LOCATIONS[seed // 2 % len(LOCATIONS)], "metastasis": metastasis},
        truth={"boxes": f"{name}/boxes"},
    )


def write_tumor_cohort(
    root: Path, *, patients: int = 4, first: int = 0, tested: int = 0, metastases: Container[int] = ()
) -> Cohort:
    """Half of the patients have malignant tumours; the last ``tested`` are of centre b."""
    cases = tuple(
        write_patient(
            root,
            f"p{k}",
            seed=k,
            malignant=k % 2 == 0,
            metastasis=k in metastases,
            centre="b" if k - first >= patients - tested else "a",
        )
        for k in range(first, first + patients)
    )
    cohort = Cohort(root=root, name="tiny-tumor", modality="MR", system="tumor", cases=cases, kind="phantom")
    write_cohort(cohort)
    return cohort
