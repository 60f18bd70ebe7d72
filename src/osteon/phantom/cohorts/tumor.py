"""A tumor case: sagittal T1, T2 and fat-suppressed T2 round one tumour, boxed on every slice of every series.

As in the tumour study (doi 10.1186/s13244-022-01227-2): LabelMe rectangles "benign" or "malignant". Centre b has
primary tumours alone, as its test set had. Healthy patients, where some are asked for, are scanned where tumours are
and have an empty mask, no boxes and no verdict.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.cohort.manifest import Case
from osteon.errors import LimitError
from osteon.formats.labelme import write_labelme
from osteon.formats.rectangles import Rectangle, SliceAnnotation
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.cohorts.files import write_json
from osteon.phantom.cohorts.mr_study import series_folder, write_masks, write_study
from osteon.phantom.disease import Disease, draw_diagnosis, draw_disease
from osteon.phantom.lesions.primary import draw_place
from osteon.phantom.mr.annotator import lesion_rows, spot_row
from osteon.phantom.mr.patient import draw_mr_patient
from osteon.phantom.mr.protocol import draw_protocol
from osteon.phantom.mr.scan import MrScan, resize_labels, scan_patient
from osteon.phantom.options import PhantomOptions, uid_seed

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.phantom.mr.patient import MrPatient

LACKING_SHARE = 0.2
"""Share of studies without one of the three sequences: with 3.7 series a patient on average, some had one missing and
others one twice; a guess."""
LEAST_BOX_PX = 4
_TRIES = 12


def make_case(rng: np.random.Generator, options: PhantomOptions, folder: Path, name: str) -> Case:
    """Draw, scan and write one patient.

    Args:
        rng: everything random comes from it.
        options: what to make.
        folder: of this patient, empty.
        name: the name that the folder will have in the cohort's ``cases``.

    Raises:
        LimitError: in a dozen patients no tumour came into the picture.
    """
    centre = str(rng.choice(list(options.centres)))
    disease, scan = _visible(rng, options, centre=centre)
    person = scan.patient.person
    write_study(scan, folder / "study", case=name, seed=uid_seed(options, name))
    masks = {
        **_write_boxes(scan, disease, folder),
        "lesions": write_masks([one.lesions for one in scan.stations], scan, folder, name="lesions"),
        "vertebrae": write_masks([one.vertebrae for one in scan.stations], scan, folder, name="vertebrae"),
        "lesion_table": "lesions.json",
    }
    rows = {"lesions": lesion_rows(scan), "mimics": [spot_row(spot) for spot in scan.patient.mimics]}
    write_json(folder / "lesions.json", rows)
    return Case(
        case=name,
        patient=name,
        study=f"cases/{name}/study",
        age_years=person.age_years,
        sex=person.sex,
        centre=centre,
        labels=disease.labels,
        truth={kind: f"cases/{name}/{file}" for kind, file in masks.items()},
    )


def _write_boxes(scan: MrScan, disease: Disease, folder: Path) -> dict[str, str]:
    """The boxes of a tumour, as the case's truth; nothing where there is none."""
    if "malignant" not in disease.labels:
        return {}
    verdict = "malignant" if disease.labels["malignant"] else "benign"
    write_labelme(folder / "boxes", boxes(scan, label=verdict))
    return {"boxes": "boxes"}


def _visible(rng: np.random.Generator, options: PhantomOptions, *, centre: str) -> tuple[Disease, MrScan]:
    """The first patient of a drawn diagnosis whose tumour lies in the picture; of the healthy, the first."""
    diagnosis = draw_diagnosis("tumor", rng, centre=centre, healthy_share=options.healthy)
    for _ in range(_TRIES):
        person = draw_person(rng, age_years=diagnosis.age_years, sex=diagnosis.sex)
        patient = draw_mr_patient(rng, person=person)
        disease = draw_disease(diagnosis, patient.bones, person, rng=rng)
        patient = patient.with_spots(disease.lesions, disease.mimics)
        protocol = replace(draw_protocol(rng, study="tumor", centre=centre, profile=options.profile), stations=1)
        if rng.random() < LACKING_SHARE:
            lacking = int(rng.choice(3, p=(0.25, 0.25, 0.5)))
            kept = tuple(one for k, one in enumerate(protocol.sequences) if k != lacking)
            protocol = replace(protocol, sequences=kept)
        x, y, z = _middle(disease, patient, rng)
        scan = scan_patient(patient, protocol, range_mm=options.range_mm, target_mm=(x, y, z))
        if not disease.lesions or _rectangles(scan.stations[0].lesions, label="any"):
            return disease, scan
    raise LimitError(f"no tumour of {_TRIES} ({diagnosis.name}) lies in the picture; choose a longer range")


def _middle(disease: Disease, patient: MrPatient, rng: np.random.Generator) -> tuple[float, float, float]:
    """LPS point that the scan is made round: the tumour, or of the healthy a bone that tumours would be in."""
    if disease.lesions:
        low, high = disease.lesions[0].solid.bounds()
    else:
        low, high = draw_place(patient.bones, rng).bounds()
    x, y, z = (float(value) for value in (low + high) / 2)
    return x, y, z


def boxes(scan: MrScan, *, label: str) -> list[SliceAnnotation]:
    """A rectangle a lesion on every slice that shows one, of every series, in pixel edges.

    Args:
        scan: with the lesions in its masks.
        label: what they are.
    """
    found = []
    for k, station in enumerate(scan.stations):
        for j, series in enumerate(station.series):
            rows = series.volume.array.shape[1]
            for index, rectangles in _rectangles(resize_labels(station.lesions, rows), label=label).items():
                found.append(
                    SliceAnnotation(
                        image_name=f"{index + 1:05d}.dcm",
                        series=series_folder(scan, station=k, series=j),
                        height=rows,
                        width=series.volume.array.shape[2],
                        rectangles=rectangles,
                        slice_index=index,
                    )
                )
    return found


def _rectangles(lesions: NDArray[np.uint16], *, label: str) -> dict[int, tuple[Rectangle, ...]]:
    """Slice index -> the boxes of its lesions, without slivers; slices without boxes are left out."""
    result = {}
    for index, plane in enumerate(lesions):
        rectangles = []
        for number in np.unique(plane[plane > 0]):
            y, x = np.nonzero(plane == number)
            if len(x) >= LEAST_BOX_PX:
                sides = {"x0": x.min(), "y0": y.min(), "x1": x.max() + 1, "y1": y.max() + 1}
                rectangles.append(Rectangle(label=label, **{side: float(edge) for side, edge in sides.items()}))
        if rectangles:
            result[index] = tuple(rectangles)
    return result
