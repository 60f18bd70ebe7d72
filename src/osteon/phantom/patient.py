"""One patient before the scan: skeleton, soft tissue, lesions and mimics, drawn in a fixed order and posed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.calcifications import calcifications
from osteon.phantom.anatomy.devices import implants, on_the_skin
from osteon.phantom.anatomy.fields import SmoothField
from osteon.phantom.anatomy.outline import Outline, build_outline
from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.shapes import rotation
from osteon.phantom.anatomy.skeleton import build_skeleton
from osteon.phantom.anatomy.soft import Organ, soft_tissue
from osteon.phantom.anatomy.spine import Spine, build_spine
from osteon.phantom.disease import draw_disease
from osteon.phantom.lesions.mimics import draw_mimics
from osteon.phantom.lesions.myeloma import Shares, draw_whole_body

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.disease import Diagnosis
    from osteon.phantom.lesions.spot import Spot

FIELD_STEPS_MM = (26.0, 9.0, 3.2, 14.0)
"""Blob sizes of the four random fields: coarse, middle, fine, and of fat in muscle."""
_FIELD_HALF_MM = np.array([300.0, 260.0])


@dataclass(frozen=True, kw_only=True, slots=True)
class CtPatient:
    """Everything that is drawn of a patient before rendering; positions in LPS mm from the upper end-plate of S1.

    Attributes:
        person: age, sex, size and so on.
        spine: the column before the patient is turned (yaw) and leans (roll).
        bones: posed, as rendered.
        organs: posed, in painting order.
        outline: skin and muscle wall.
        lesions: in the order of their numbers in the mask, from 1.
        mimics: rendered like lesions, in no mask.
        fields: random fields of ``FIELD_STEPS_MM``.
        texture_seed: seed of the scanner's noise.
        implants: posed; painted over the bones.
        marrow: infiltration of whole bones, painted first; in no mask.
    """

    person: Person
    spine: Spine
    bones: tuple[Bone, ...]
    organs: tuple[Organ, ...]
    outline: Outline
    lesions: tuple[Spot, ...]
    mimics: tuple[Spot, ...]
    fields: tuple[SmoothField, ...]
    texture_seed: int
    implants: tuple[Organ, ...] = ()
    marrow: tuple[Spot, ...] = ()


def draw_patient(
    rng: np.random.Generator,
    *,
    range_mm: tuple[float, float],
    sites: tuple[str, ...] | None = None,
    mean_lesions: float = 14.0,
    diagnosis: Diagnosis | None = None,
    shares: Shares | None = None,
) -> CtPatient:
    """Draw one patient.

    Args:
        rng: randomness.
        range_mm: heights (z) between which the patient can be rendered. Bones whose middle lies between them may carry
            lesions and mimics.
        sites: bone sites that may carry them; None for all.
        mean_lesions: scale of the lesion count in ``range_mm``, see ``lesions.lytic.draw_lesions``.
        diagnosis: what the patient has instead of the lytic lesions of myeloma; decides age, sex, lesions and mimics.
        shares: of those lytic lesions: who is healthy and whose marrow is infiltrated; None for ``Shares()``.
    """
    age_years, sex = (None, None) if diagnosis is None else (diagnosis.age_years, diagnosis.sex)
    person = draw_person(rng, age_years=age_years, sex=sex, variants=True)
    spine = build_spine(person, rng)
    pose = rotation(0.0, person.roll_deg, person.yaw_deg)
    shift = np.zeros(3)
    bones = tuple(bone.moved(pose, shift) for bone in build_skeleton(spine, person, rng=rng))
    soft = soft_tissue(spine, person, rng=rng)
    soft = (*soft, *calcifications(spine, person, soft, rng=rng))
    outline = build_outline(spine, person)
    organs = tuple(replace(o, solid=o.solid.moved(pose, shift)) for o in soft)
    organs = (*organs, *on_the_skin(outline, person, rng=rng))
    metal = implants(bones, person, rng=rng)
    seen = tuple(bone for bone in bones if _inside(bone, range_mm) and (sites is None or bone.site in sites))
    marrow: tuple[Spot, ...] = ()
    if diagnosis is None:
        focal, change = draw_whole_body(
            seen, person, rng=rng, mean_count=mean_lesions, shares=Shares() if shares is None else shares
        )
        lesions, marrow = tuple(focal), tuple(change)
        mimics = tuple(draw_mimics(seen, person, rng=rng))
    else:
        disease = draw_disease(diagnosis, seen, person, rng=rng)
        lesions, mimics = disease.lesions, disease.mimics
    low, high = np.array([*-_FIELD_HALF_MM, range_mm[0] - 30]), np.array([*_FIELD_HALF_MM, range_mm[1] + 30])
    fields = tuple(SmoothField.draw(rng, low_mm=low, high_mm=high, step_mm=step) for step in FIELD_STEPS_MM)
    return CtPatient(
        person=person,
        spine=spine,
        bones=bones,
        organs=organs,
        outline=outline,
        implants=metal,
        lesions=lesions,
        mimics=mimics,
        marrow=marrow,
        fields=fields,
        texture_seed=int(rng.integers(2**31)),
    )


def _inside(bone: Bone, range_mm: tuple[float, float]) -> bool:
    low, high = bone.bounds()
    middle = (low[2] + high[2]) / 2
    return bool(range_mm[0] + 5 < middle < range_mm[1] - 5)
