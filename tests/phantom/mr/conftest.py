"""One MR examination that many tests look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.lesions.spot import Spot
from osteon.phantom.lesions.tissues import LYTIC
from osteon.phantom.mr.patient import MrPatient, draw_mr_patient
from osteon.phantom.mr.protocol import Protocol, draw_protocol
from osteon.phantom.mr.scan import MrScan, scan_patient

LUMBAR_MM = (-40.0, 170.0)


@pytest.fixture(scope="session")
def mr_person() -> Person:
    """An average woman of 60."""
    drawn = draw_person(np.random.default_rng(3), age_years=60.0)
    return replace(drawn, sex="F", scale=0.95, fat_mm=18.0, degeneration=0.2, muscle_fat=0.2, scoliosis_mm=0.5)


def lesion_in(patient: MrPatient, name: str, *, radius_mm: float, shift_mm: float = 0.0, out: bool = False) -> Spot:
    bone = next(one for one in patient.bones if one.name == name)
    centre = bone.centre + bone.frame @ np.array([0.0, shift_mm, 0.0])
    return Spot(
        kind="lytic metastasis",
        bone=name,
        site="vertebra",
        label=bone.label,
        solid=Ellipsoid(centre, np.full(3, radius_mm)),
        hu=55.0,
        edge_mm=0.5,
        strength=1.0,
        destroys_cortex=out,
        wobble_mm=0.0,
        diameter_mm=2 * radius_mm,
        tissue=LYTIC,
        grows_out=out,
    )


@pytest.fixture(scope="session")
def mr_patient(mr_person: Person) -> MrPatient:
    """With a metastasis inside L3, and one that grows out of L1 at the back."""
    patient = draw_mr_patient(np.random.default_rng(8), person=mr_person)
    inner = lesion_in(patient, "L3", radius_mm=7.0)
    outer = lesion_in(patient, "L1", radius_mm=9.0, shift_mm=18.0, out=True)
    return patient.with_spots((inner, outer), ())


@pytest.fixture(scope="session")
def protocols() -> dict[str, Protocol]:
    """Of both studies, coarse, without a saturation band."""
    drawn = {}
    for study in ("metastasis", "tumor"):
        one = draw_protocol(np.random.default_rng(2), study=study, centre="a")
        sequences = tuple(replace(q, acquired=(160, 144), matrix=160, snr=60.0) for q in one.sequences)
        drawn[study] = replace(one, sequences=sequences, slices=9, saturation_band=False, thickness_mm=4.0, gap_mm=0.4)
    return drawn


@pytest.fixture(scope="session")
def mr_scan(mr_patient: MrPatient, protocols: dict[str, Protocol]) -> MrScan:
    """T1, Dixon fat, contrast-enhanced T1 of the lumbar spine."""
    return scan_patient(mr_patient, protocols["metastasis"], range_mm=LUMBAR_MM)


@pytest.fixture(scope="session")
def t2_scan(mr_patient: MrPatient, protocols: dict[str, Protocol]) -> MrScan:
    """T1, T2 and fat-suppressed T2 of the same."""
    return scan_patient(mr_patient, protocols["tumor"], range_mm=LUMBAR_MM)
