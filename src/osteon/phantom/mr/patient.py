"""A patient as MR needs one: the CT phantom's skeleton and organs with canal, discs, neck and marrow in detail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.canal import draw_grades, foramina, mr_discs, spinal_canal
from osteon.phantom.anatomy.fields import SmoothField
from osteon.phantom.anatomy.neck import neck, skull_base
from osteon.phantom.anatomy.outline import build_outline
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.anatomy.shapes import rotation
from osteon.phantom.anatomy.skeleton import build_skeleton
from osteon.phantom.anatomy.soft import soft_tissue
from osteon.phantom.anatomy.spine import build_spine
from osteon.phantom.patient import FIELD_STEPS_MM
from osteon.phantom.scene import Scene
from osteon.phantom.tissue import expected_marrow_fat

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.soft import Organ
    from osteon.phantom.anatomy.spine import Spine
    from osteon.phantom.lesions.spot import Spot

_DETAILED = {"disc", "canal", "cord", "brain"}
"""Organs that are drawn anew for MR."""
_FIELD_LOW_MM = np.array([-150.0, -240.0, -260.0])
_FIELD_HIGH_MM = np.array([150.0, 200.0, 720.0])


@dataclass(frozen=True, kw_only=True, slots=True)
class MrPatient:
    """A posed patient, LPS mm from the upper end-plate of S1.

    Attributes:
        person: age, sex, size and so on.
        spine: before the patient is turned (yaw) and leans (roll).
        bones: posed; the spine's first.
        marrow_fat: fat fraction of each bone's marrow.
        grades: Pfirrmann grade of each disc, the lowest lumbar one first.
        scene: what is painted, without spots.
        lesions: in the order of their numbers in the mask, from 1.
        mimics: painted like lesions, in no mask.
        texture_seed: seed of the scanner's noise.
    """

    person: Person
    spine: Spine
    bones: tuple[Bone, ...]
    marrow_fat: tuple[float, ...]
    grades: tuple[int, ...]
    scene: Scene
    lesions: tuple[Spot, ...] = ()
    mimics: tuple[Spot, ...] = ()
    texture_seed: int = 0

    def with_spots(self, lesions: tuple[Spot, ...], mimics: tuple[Spot, ...]) -> MrPatient:
        """The patient with these lesions and mimics, both in LPS."""
        spots = tuple(enumerate((*mimics, *lesions), start=1 - len(mimics)))
        return replace(self, lesions=lesions, mimics=mimics, scene=replace(self.scene, spots=spots))


def draw_mr_patient(rng: np.random.Generator, *, person: Person | None = None, spine: Spine | None = None) -> MrPatient:
    """Draw one patient without lesions.

    Args:
        rng: randomness.
        person: who; drawn if not given.
        spine: a spine that was built for that person and perhaps changed (a collapsed vertebra); built if not given.
    """
    person = person or draw_person(rng)
    spine = spine or build_spine(person, rng)
    pose, still = rotation(0.0, person.roll_deg, person.yaw_deg), np.zeros(3)
    skeleton = build_skeleton(spine, person, rng=rng)
    sacrum = next(bone for bone in skeleton if bone.site == "sacrum")
    bones = tuple(bone.moved(pose, still) for bone in skeleton)
    grades = draw_grades(spine, person, rng=rng)
    organs = _organs(spine, sacrum, person, grades=grades, rng=rng)
    fields = tuple(
        SmoothField.draw(rng, low_mm=_FIELD_LOW_MM, high_mm=_FIELD_HIGH_MM, step_mm=step) for step in FIELD_STEPS_MM
    )
    scene = Scene(
        person=person,
        bones=bones,
        organs=tuple(replace(organ, solid=organ.solid.moved(pose, still)) for organ in organs),
        outline=build_outline(spine, person),
        spots=(),
        fields=fields,
    )
    return MrPatient(
        person=person,
        spine=spine,
        bones=bones,
        marrow_fat=_marrow_fat(bones, person, rng=rng),
        grades=grades,
        scene=scene,
        texture_seed=int(rng.integers(2**31)),
    )


def _organs(
    spine: Spine, sacrum: Bone, person: Person, *, grades: tuple[int, ...], rng: np.random.Generator
) -> tuple[Organ, ...]:
    """In painting order: trunk, head and neck, then what lies next to the spine."""
    rough = [organ for organ in soft_tissue(spine, person, rng=rng) if organ.name not in _DETAILED]
    return (
        *rough,
        *skull_base(spine, person),
        *neck(spine, person),
        *foramina(spine),
        *mr_discs(spine, grades, rng=rng),
        *spinal_canal(spine, sacrum, person, rng=rng),
    )


def _marrow_fat(bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> tuple[float, ...]:
    """By age, sex and level, with SDs of 7 % between patients and 2.5 % between bones; shafts are fat."""
    own = rng.normal(0, 0.07)
    shares = []
    for bone in bones:
        mean = expected_marrow_fat(person.age_years, person.sex, label=bone.label)
        drawn = float(np.clip(mean + own + rng.normal(0, 0.025), 0.08, 0.85))
        shares.append(drawn if bone.marrow >= 0.1 else 0.92)
    return tuple(shares)
