"""A patient with one vertebral fracture to tell benign from malignant, as in doi 10.1007/s00586-022-07121-1.

Ages have the study's means (68.8 benign, 61.7 malignant) and range (23 to 95); their SD of 13 years, the share of women
(65 % benign, 45 % malignant) and the levels are guesses: peaks at T7 to T8 and T11 to L1 in benign fractures, more
lumbar ones in malignant fractures (JMRI 1996;6:667). Necks are left out, where the study had a few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.collapse import Collapse, draw_collapse, protrusions, with_protrusion
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.anatomy.shapes import VertebralBody
from osteon.phantom.anatomy.spine import build_spine
from osteon.phantom.lesions import fracture_features as signs
from osteon.phantom.lesions.fracture import coexisting_lesions, fracture_spots
from osteon.phantom.lesions.mimics import draw_spine_mimics
from osteon.phantom.lesions.shapes import Joined
from osteon.phantom.mr.patient import MrPatient, draw_mr_patient

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.shapes import Solid
    from osteon.phantom.lesions.spot import Spot

AGE_YEARS = (23.0, 95.0)
AGE_MEAN = {True: 61.7, False: 68.8}
AGE_SD = 13.0
FEMALE_SHARE = {True: 0.45, False: 0.65}
PRIMARIES = (("lung", 0.36), ("colon/rectum", 0.18), ("breast", 0.15), ("prostate", 0.12), ("other", 0.19))
"""In the study's order of frequency; the shares are guesses."""
LEVEL_NAMES = ("T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
LEVEL_WEIGHTS = {
    True: (3, 4, 5, 6, 7, 7, 6, 7, 7, 9, 10, 10, 10, 8, 6),
    False: (1, 1, 2, 4, 8, 8, 4, 4, 8, 16, 18, 10, 7, 5, 3),
}
OLD_FRACTURES = {True: 0.12, False: 0.45}
"""Mean number of healed fractures of other vertebrae."""
REACH_MM = 126.0
"""How far from the fracture other vertebrae have lesions: within a field of view of 30 cm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FracturePatient:
    """A posed patient with a fractured vertebra, and what is true of it.

    Attributes:
        patient: what is rendered; ``lesions`` are the changes of marrow and soft tissue, those of the fractured
            vertebra first. Positions in LPS mm from the upper end-plate of S1.
        malignant: the diagnosis.
        features: those of ``fracture_features.FEATURES`` that are present.
        primary: name of the primary tumour; None where benign.
        bone: the fractured vertebra, as rendered.
        region: its body with what its walls push out.
        collapse: its shape.
        old: names of vertebrae with a healed fracture.
    """

    patient: MrPatient
    malignant: bool
    features: signs.State
    primary: str | None
    bone: Bone
    region: Solid
    collapse: Collapse
    old: tuple[str, ...]


def draw_age(rng: np.random.Generator, *, malignant: bool) -> float:
    """Age in years: a beta distribution over the study's range with its mean."""
    low, high = AGE_YEARS
    mean, sd = (AGE_MEAN[malignant] - low) / (high - low), AGE_SD / (high - low)
    size = mean * (1 - mean) / sd**2 - 1
    return float(low + (high - low) * rng.beta(mean * size, (1 - mean) * size))


def draw_primary(rng: np.random.Generator, *, sex: str) -> str:
    """Primary tumour by the study's order, breast in women and prostate in men only."""
    excluded = "prostate" if sex == "F" else "breast"
    names, shares = zip(*((name, share) for name, share in PRIMARIES if name != excluded), strict=True)
    weights = np.array(shares)
    return str(names[int(rng.choice(len(names), p=weights / weights.sum()))])


def draw_fracture_patient(
    rng: np.random.Generator,
    *,
    malignant: bool,
    features: signs.State | None = None,
    level: str | None = None,
) -> FracturePatient:
    """Draw one patient.

    Args:
        rng: randomness; the person and the sizes of the bones do not depend on the features.
        malignant: the diagnosis.
        features: instead of drawn ones; a combination that the module's rules forbid looks odd.
        level: name of the fractured vertebra, "T3" to "L5", instead of a drawn one.
    """
    signs_rng, person_rng, shape_rng, anatomy_rng, spots_rng = rng.spawn(5)
    present = signs.draw_features(signs_rng, malignant=malignant) if features is None else features
    sex = "F" if person_rng.random() < FEMALE_SHARE[malignant] else "M"
    person = draw_person(person_rng, age_years=draw_age(person_rng, malignant=malignant), sex=sex)
    primary = draw_primary(person_rng, sex=sex) if malignant else None
    weights = np.array(LEVEL_WEIGHTS[malignant], dtype=np.float64)
    drawn = LEVEL_NAMES[int(person_rng.choice(len(weights), p=weights / weights.sum()))]
    name = drawn if level is None else level
    old = _old_fractures(name, person_rng, malignant=malignant)
    collapse = _collapse(present, shape_rng, malignant=malignant)
    spine = build_spine(person, anatomy_rng, collapses={**old, name: collapse})
    patient = draw_mr_patient(anatomy_rng, person=person, spine=spine)
    bone = next(bone for bone in patient.bones if bone.name == name)
    region = _region(bone, collapse)
    lesions = fracture_spots(bone, present, rng=spots_rng, malignant=malignant, region=region)
    others, mimics = _elsewhere(
        _healthy(patient.bones, bone, old=tuple(old)), person, present=present, malignant=malignant, rng=spots_rng
    )
    return FracturePatient(
        patient=patient.with_spots((*lesions, *others), tuple(mimics)),
        malignant=malignant,
        features=present,
        primary=primary,
        bone=bone,
        region=region,
        collapse=collapse,
        old=tuple(old),
    )


def _collapse(present: signs.State, rng: np.random.Generator, *, malignant: bool) -> Collapse:
    wedge, whole, concave = (feature in present for feature in (signs.WEDGE, signs.WHOLE, signs.CONCAVE))
    drawn = draw_collapse(rng, wedge=wedge, whole=whole, concave=concave)
    return with_protrusion(drawn, rng, malignant=malignant) if signs.PROTRUSION in present else drawn


def _old_fractures(name: str, rng: np.random.Generator, *, malignant: bool) -> dict[str, Collapse]:
    """Healed fractures of other vertebrae, at least two levels off: a shape without a change of marrow."""
    here = LEVEL_NAMES.index(name)
    others = [other for k, other in enumerate(LEVEL_NAMES) if 2 <= abs(k - here) <= 6]
    chosen = rng.permutation(len(others))[: rng.poisson(OLD_FRACTURES[malignant])]
    shapes = ((True, False, False), (False, True, False), (False, False, True))
    found = {}
    for k in chosen:
        wedge, whole, concave = shapes[int(rng.choice(3, p=(0.55, 0.15, 0.3)))]
        found[others[int(k)]] = draw_collapse(rng, wedge=wedge, whole=whole, concave=concave)
    return found


def _region(bone: Bone, collapse: Collapse) -> Solid:
    body = bone.solids[0]
    assert isinstance(body, VertebralBody)  # only C1 has none
    count = len(protrusions(body, collapse))  # the last of the bone's solids, posed with it
    return Joined((body, *bone.solids[-count:]), blend_mm=bone.blend_mm) if count else body


def _healthy(bones: tuple[Bone, ...], fractured: Bone, *, old: tuple[str, ...]) -> tuple[Bone, ...]:
    """Vertebrae in view, C3 and below, that are not fractured."""
    return tuple(
        bone
        for bone in bones
        if bone.site == "vertebra"
        and bone.label >= 3
        and bone.name not in (fractured.name, *old)
        and abs(float(bone.centre[2] - fractured.centre[2])) < REACH_MM
    )


def _elsewhere(
    healthy: tuple[Bone, ...], person: Person, *, present: signs.State, malignant: bool, rng: np.random.Generator
) -> tuple[list[Spot], list[Spot]]:
    """Lesions of other vertebrae of the trunk, if the patient has any, and mimics in the rest."""
    found: list[Spot] = []
    if signs.OTHERS in present:
        trunk = tuple(bone for bone in healthy if bone.label >= 8)
        found = coexisting_lesions(trunk, rng=rng, malignant=malignant)
    taken = {spot.bone for spot in found}
    free = tuple(bone for bone in healthy if bone.name not in taken)
    return found, draw_spine_mimics(free, person, rng=rng)
