from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.devices import CEMENT, implants, on_the_skin
from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.anatomy.soft import Organ
from tests.phantom.conftest import coarse_grid, whole

if TYPE_CHECKING:
    from osteon.phantom.patient import CtPatient


def test_metal_is_no_bone_and_cement_is(patient: CtPatient) -> None:
    grid = coarse_grid(80.0, 140.0)
    body = next(bone for bone in patient.bones if bone.name == "L2").solids[0]
    ball = Ellipsoid(body.centre, np.array([9.0, 9.0, 9.0]))
    index = tuple(np.rint(grid.to_index(body.centre)).astype(int)[::-1])
    for name, hu in (("metal", 7000.0), (CEMENT, 1800.0)):
        organ = Organ(name=name, solid=ball, hu=hu, texture_hu=0.0, wobble_mm=0.0)
        slab = whole(replace(patient, implants=(organ,)), grid)
        assert slab.hu[index] > 0.9 * hu
        assert (slab.bone[index], slab.labels[index]) == ((1, 21) if name == CEMENT else (0, 0))


def test_people_have_them_at_times(patient: CtPatient) -> None:
    old = replace(patient.person, age_years=80.0, trabecular_hu=70.0)
    drawn = [implants(patient.bones, old, rng=np.random.default_rng(k)) for k in range(300)]
    assert 0.06 < np.mean([bool(one) for one in drawn]) < 0.26
    assert {organ.name for one in drawn for organ in one} == {"metal", "liner", CEMENT}


def test_what_lies_on_the_skin_lies_there(patient: CtPatient) -> None:
    found = [o for k in range(40) for o in on_the_skin(patient.outline, patient.person, rng=np.random.default_rng(k))]
    assert found
    for organ in (o for o in found if isinstance(o.solid, Ellipsoid)):
        x, y, z = organ.solid.centre.astype(np.float32)
        skin, _ = patient.outline.distances(x.reshape(1, 1, 1), y.reshape(1, 1, 1), np.array([z]))
        assert -3 < float(skin[0, 0, 0]) < 12
