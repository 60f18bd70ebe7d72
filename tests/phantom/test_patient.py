from __future__ import annotations

import numpy as np

from osteon.phantom.anatomy.shapes import rotation
from osteon.phantom.patient import FIELD_STEPS_MM, CtPatient, draw_patient


def test_the_seed_decides_everything() -> None:
    one, two = (draw_patient(np.random.default_rng(3), range_mm=(0.0, 40.0)) for _ in range(2))
    other = draw_patient(np.random.default_rng(4), range_mm=(0.0, 40.0))
    assert one.person == two.person != other.person
    assert one.texture_seed == two.texture_seed != other.texture_seed
    for a, b in zip(one.fields, two.fields, strict=True):
        np.testing.assert_array_equal(a.lattice, b.lattice)
    assert [spot.diameter_mm for spot in one.lesions] == [spot.diameter_mm for spot in two.lesions]


def test_bones_are_posed_and_the_spine_is_not(patient: CtPatient) -> None:
    pose = rotation(0.0, patient.person.roll_deg, patient.person.yaw_deg)
    posed = {bone.name: bone.centre for bone in patient.bones}
    for name in ("L4", "T7", "C3"):
        np.testing.assert_allclose(posed[name], pose @ patient.spine.centres_mm[name])


def test_lesions_and_mimics_lie_in_bones_within_the_range(patient: CtPatient) -> None:
    named = {bone.name: bone for bone in patient.bones}
    assert patient.lesions
    assert patient.mimics
    for spot in (*patient.lesions, *patient.mimics):
        low, high = named[spot.bone].bounds()
        assert -60 < (low + high)[2] / 2 < 300


def test_sites_restrict_lesions_and_mimics() -> None:
    drawn = [
        draw_patient(np.random.default_rng(k), range_mm=(0.0, 300.0), sites=("rib",), mean_lesions=20.0)
        for k in range(3)
    ]
    assert {spot.site for patient in drawn for spot in (*patient.lesions, *patient.mimics)} == {"rib"}


def test_fields_cover_what_can_be_rendered(patient: CtPatient) -> None:
    assert [field.step_mm for field in patient.fields] == list(FIELD_STEPS_MM)
    for field in patient.fields:
        low = np.array(field.origin_mm)
        high = low + field.step_mm * (np.array(field.lattice.shape[::-1]) - 1)
        assert (low < [-300, -260, -90]).all()
        assert (high > [300, 260, 330]).all()
