"""A metastasis case: sagittal T1, Dixon fat-only and contrast-enhanced fat-suppressed T1, with lesions outlined.

Ages and sexes as in the metastasis study (63.5 +- 11.5 years, half women, doi 10.3348/kjr.2023.0671). Centre b, the
external one, has no Dixon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.cohort.manifest import Case
from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.cohorts.files import write_json
from osteon.phantom.cohorts.mr_study import write_masks, write_study
from osteon.phantom.lesions.metastasis import draw_metastases, draw_primary
from osteon.phantom.lesions.mimics import draw_spine_mimics
from osteon.phantom.mr.annotator import annotated, lesion_rows, spot_row
from osteon.phantom.mr.patient import draw_mr_patient
from osteon.phantom.mr.protocol import draw_protocol
from osteon.phantom.mr.scan import scan_patient
from osteon.phantom.options import PhantomOptions, uid_seed

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

AGE_YEARS = (63.5, 11.5)
AGE_RANGE_YEARS = (25.0, 92.0)


def make_case(rng: np.random.Generator, options: PhantomOptions, folder: Path, name: str) -> Case:
    """Draw, scan and write one patient.

    Args:
        rng: everything random comes from it.
        options: what to make.
        folder: of this patient, empty.
        name: the name that the folder will have in the cohort's ``cases``.
    """
    centre = str(rng.choice(list(options.centres)))
    person = draw_adult(rng, mean_years=AGE_YEARS[0], sd_years=AGE_YEARS[1])
    primary = draw_primary(rng, sex=person.sex)
    patient = draw_mr_patient(rng, person=person)
    spine = tuple(bone for bone in patient.bones if bone.site in ("vertebra", "sacrum"))
    lesions = draw_metastases(spine, person, rng=rng, primary=primary, centre=centre) if options.mean_lesions else []
    mimics = draw_spine_mimics(spine, person, rng=rng)
    patient = patient.with_spots(tuple(lesions), tuple(mimics))
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
        labels={"lesions": len(rows), "primary": primary.name},
        truth={kind: f"cases/{name}/{file}" for kind, file in masks.items()},
    )


def draw_adult(rng: np.random.Generator, *, mean_years: float, sd_years: float, female_share: float = 0.5) -> Person:
    """Somebody of a wanted age and sex."""
    age = min(max(float(rng.normal(mean_years, sd_years)), AGE_RANGE_YEARS[0]), AGE_RANGE_YEARS[1])
    sex = "F" if rng.random() < female_share else "M"
    person = draw_person(rng, age_years=age)
    while person.sex != sex:
        person = draw_person(rng, age_years=age)
    return person
