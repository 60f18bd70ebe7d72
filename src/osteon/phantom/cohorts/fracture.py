"""A fracture case: sagittal T1 and T2 round one fractured vertebra, boxed on three slices of T2, with its 15 features.

As in the fracture study (doi 10.1007/s00586-022-07121-1): 50 of 190 patients malignant; centre a scans as the study did
(GE at 1.5 T, spin-echo T1 400/15 of 320 x 192, fast spin-echo T2 3200/90 of 448 x 224, field of view 30 cm, 4 mm,
rebuilt to 512), the other centres as is usual today. A square box holds the whole abnormal body on the slice through
its middle and the two beside it; how much room it leaves is a guess.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.cohort.manifest import Case
from osteon.errors import LimitError
from osteon.formats.labelme import write_labelme
from osteon.formats.rectangles import Rectangle, SliceAnnotation
from osteon.phantom.cohorts.mr_study import series_folder, write_masks, write_study
from osteon.phantom.fracture_patient import FracturePatient, draw_fracture_patient
from osteon.phantom.lesions.fracture_features import BENIGN, FEATURES, MALIGNANT
from osteon.phantom.mr.protocol import Protocol, draw_protocol
from osteon.phantom.mr.scan import MrScan, resize_labels, scan_patient
from osteon.phantom.options import PhantomOptions, uid_seed

if TYPE_CHECKING:
    from pathlib import Path


MALIGNANT_SHARE = MALIGNANT / (MALIGNANT + BENIGN)
SLICES = 3
_T2 = 1
"""Place of T2 among the series."""
_ROOM_MM = (2.0, 5.0)
_TRIES = 40


def make_case(rng: np.random.Generator, options: PhantomOptions, folder: Path, name: str) -> Case:
    """Draw, scan and write one patient.

    Args:
        rng: everything random comes from it.
        options: what to make.
        folder: of this patient, empty.
        name: the name that the folder will have in the cohort's ``cases``.

    Raises:
        LimitError: no fracture lies between the heights wanted.
    """
    centre = str(rng.choice(list(options.centres)))
    fracture = _in_range(rng, options, malignant=bool(rng.random() < MALIGNANT_SHARE))
    protocol = draw_fracture_protocol(rng, centre=centre, profile=options.profile)
    x, y, z = (float(value) for value in fracture.bone.centre)
    scan = scan_patient(fracture.patient, protocol, range_mm=options.range_mm, target_mm=(x, y, z))
    write_study(scan, folder / "study", case=name, seed=uid_seed(options, name))
    write_labelme(folder / "boxes", boxes(scan, fracture, rng))
    write_features(folder / "features.csv", fracture)
    size = scan.stations[0].series[_T2].volume.array.shape[1]
    masks = {
        kind: write_masks([resize_labels(mask, size)], scan, folder, name=kind, series=_T2)
        for kind, mask in (("vertebrae", scan.stations[0].vertebrae), ("lesions", scan.stations[0].lesions))
    }
    truth = {"boxes": "boxes", "features": "features.csv", **masks}
    person = fracture.patient.person
    return Case(
        case=name,
        patient=name,
        study=f"cases/{name}/study",
        age_years=person.age_years,
        sex=person.sex,
        centre=centre,
        labels={
            "malignant": fracture.malignant,
            "vertebra": fracture.bone.label,
            **({"primary": fracture.primary} if fracture.primary else {}),
        },
        truth={kind: f"cases/{name}/{file}" for kind, file in truth.items()},
    )


def _in_range(rng: np.random.Generator, options: PhantomOptions, *, malignant: bool) -> FracturePatient:
    """A patient whose fracture lies where the scan is."""
    for _ in range(_TRIES):
        fracture = draw_fracture_patient(rng, malignant=malignant)
        low, high = options.range_mm or (-np.inf, np.inf)
        if low + 20 < fracture.bone.centre[2] < high - 20:
            return fracture
    raise LimitError(
        f"none of {_TRIES} fractures lies between {low:g} and {high:g} mm; choose a longer range between 40 and 450 mm"
    )


def draw_fracture_protocol(rng: np.random.Generator, *, centre: str, profile: str) -> Protocol:
    """The settings of one examination: the study's own at centre a, drawn ones elsewhere; always one station.

    Args:
        rng: randomness.
        centre: "a", "b" or "c".
        profile: "full", or "small" for half the study's matrix.
    """
    drawn = replace(draw_protocol(rng, study="fracture", centre=centre, profile=profile), stations=1)
    if centre != "a":
        return drawn
    part = 1 if profile == "full" else 2
    t1, t2 = (replace(drawn.sequence(role), field_t=1.5, matrix=512 // part) for role in ("t1", "t2"))
    sequences = (
        replace(t1, tr_ms=400.0, te_ms=15.0, echo_train=1, acquired=(320 // part, 192 // part)),
        replace(t2, tr_ms=3200.0, te_ms=90.0, acquired=(448 // part, 224 // part)),
    )
    return replace(
        drawn,
        vendor="GE MEDICAL SYSTEMS",
        model="SIGNA EXCITE",
        field_t=1.5,
        sequences=sequences,
        fov_mm=300.0,
        thickness_mm=4.0,
        gap_mm=0.4,
    )


def boxes(scan: MrScan, fracture: FracturePatient, rng: np.random.Generator) -> list[SliceAnnotation]:
    """The same square on T2 slices through and beside the middle of the abnormal body, in pixel edges."""
    volume = scan.stations[0].series[_T2].volume
    index = volume.grid.to_index(_body_points(fracture))
    count, rows, columns = volume.grid.shape
    middle = int(np.clip(round(float(np.median(index[:, 2]))), SLICES // 2, count - 1 - SLICES // 2))
    near = np.abs(index[:, 2] - middle) < SLICES / 2
    low, high = index[near, :2].min(axis=0), index[near, :2].max(axis=0)
    side = float((high - low).max() + 2 * rng.uniform(*_ROOM_MM) / volume.grid.spacing_mm[0])
    centre = (low + high) / 2 + 0.5 + rng.normal(0, 0.02, 2) * side
    edges = np.clip([*(centre - side / 2), *(centre + side / 2)], 0, [columns, rows, columns, rows])
    x0, y0, x1, y1 = (float(np.round(edge)) for edge in edges)
    return [
        SliceAnnotation(
            image_name=f"{k + 1:05d}.dcm",
            series=series_folder(scan, station=0, series=_T2),
            height=rows,
            width=columns,
            rectangles=(Rectangle(label="fracture", x0=x0, y0=y0, x1=x1, y1=y1),),
            slice_index=k,
        )
        for k in range(middle - SLICES // 2, middle + SLICES // 2 + 1)
    ]


def _body_points(fracture: FracturePatient) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """LPS points (n, 3) spread through the body and what its walls push out."""
    rng = np.random.default_rng(0)
    low, high = fracture.region.bounds()
    points = rng.uniform(low, high, (8000, 3)).astype(np.float32)
    inside = fracture.region.distance(points[:, 0], points[:, 1], points[:, 2]) < 0
    return points[inside].astype(np.float64)


def write_features(path: Path, fracture: FracturePatient) -> None:
    """One row of 0 and 1 under the keys of the published table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FEATURES)
        writer.writerow([int(feature in fracture.features) for feature in FEATURES])
