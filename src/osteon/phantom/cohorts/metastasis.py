"""A metastasis case: sagittal T1, Dixon fat-only and contrast-enhanced fat-suppressed T1, with lesions outlined.

Ages, sexes, counts and volumes as in the metastasis study (doi 10.3348/kjr.2023.0671), see ``phantom.disease``. Centre
b, the external one, has no Dixon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.cohort.healthy import LABEL
from osteon.cohort.manifest import Case
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.cohorts.files import write_json
from osteon.phantom.cohorts.mr_study import write_masks, write_study
from osteon.phantom.disease import draw_diagnosis, draw_disease
from osteon.phantom.mr.annotator import annotated, lesion_rows, spot_row
from osteon.phantom.mr.patient import draw_mr_patient
from osteon.phantom.mr.protocol import draw_protocol
from osteon.phantom.mr.scan import scan_patient
from osteon.phantom.options import PhantomOptions, uid_seed

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


def make_case(rng: np.random.Generator, options: PhantomOptions, folder: Path, name: str) -> Case:
    """Draw, scan and write one patient.

    Args:
        rng: everything random comes from it.
        options: what to make.
        folder: of this patient, empty.
        name: the name that the folder will have in the cohort's ``cases``.
    """
    centre = str(rng.choice(list(options.centres)))
    healthy_share = options.healthy if options.mean_lesions else 1.0
    diagnosis = draw_diagnosis("metastasis", rng, centre=centre, healthy_share=healthy_share)
    person = draw_person(rng, age_years=diagnosis.age_years, sex=diagnosis.sex)
    patient = draw_mr_patient(rng, person=person)
    spine = tuple(bone for bone in patient.bones if bone.site in ("vertebra", "sacrum"))
    disease = draw_disease(diagnosis, spine, person, rng=rng)
    patient = patient.with_spots(disease.lesions, disease.mimics)
    protocol = draw_protocol(rng, study="metastasis", centre=centre, profile=options.profile)
    scan, _ = annotated(scan_patient(patient, protocol, range_mm=options.range_mm))
    write_study(scan, folder / "study", case=name, seed=uid_seed(options, name))
    rows = lesion_rows(scan)
    masks = {
        "lesions": write_masks([one.lesions for one in scan.stations], scan, folder, name="lesions"),
        "vertebrae": write_masks([one.vertebrae for one in scan.stations], scan, folder, name="vertebrae"),
        "lesion_table": "lesions.json",
    }
    write_json(folder / "lesions.json", {"lesions": rows, "mimics": [spot_row(spot) for spot in patient.mimics]})
    return Case(
        case=name,
        patient=name,
        study=f"cases/{name}/study",
        age_years=person.age_years,
        sex=person.sex,
        centre=centre,
        labels={
            **disease.labels,
            "lesions": len(rows),
            **({LABEL: True} if options.healthy is not None and diagnosis.name == "none" else {}),
        },
        truth={kind: f"cases/{name}/{file}" for kind, file in masks.items()},
    )
