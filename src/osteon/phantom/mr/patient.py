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
from osteon.phantom.anatomy.shapes import Limb, VertebralBody, rotation
from osteon.phantom.anatomy.skeleton import build_skeleton
from osteon.phantom.anatomy.soft import soft_tissue
from osteon.phantom.anatomy.spine import build_spine
from osteon.phantom.anatomy.viscera import viscera
from osteon.phantom.scene import Scene
from osteon.phantom.tissue import expected_marrow_fat

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.shapes import Vector
    from osteon.phantom.anatomy.soft import Organ
    from osteon.phantom.anatomy.spine import Spine
    from osteon.phantom.lesions.spot import Spot

_DETAILED = {"disc", "canal", "cord", "brain"}
"""Organs that are drawn anew for MR."""
_FIELDS = ((26.0, 1.0, 1.0), (9.0, 1.0, 1.0), (1.7, 1.0, 0.5), (3.5, 6.0, 0.7))
"""Step, upright stretch, and size of the box against the patient, of the four fields: coarse, middle, fine (trabeculae
and lobules, finer than on CT), and of fat between the bundles of muscle, which run upright."""
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
    fields = tuple(_field(rng, step_mm=step, upright=upright, size=size) for step, upright, size in _FIELDS)
    scene = Scene(
        person=person,
        bones=bones,
        organs=tuple(replace(organ, solid=organ.solid.moved(pose, still)) for organ in organs),
        outline=build_outline(spine, person),
        spots=(),
        fields=fields,
        back_mm=_back(bones),
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


def _field(rng: np.random.Generator, *, step_mm: float, upright: float, size: float) -> SmoothField:
    """A field over the patient's height; outside its box it is mirrored."""
    part = np.array([size, size, 1.0])
    low, high = _FIELD_LOW_MM * part, _FIELD_HIGH_MM * part
    return SmoothField.draw(rng, low_mm=low, high_mm=high, step_mm=step_mm, stretch=(1.0, 1.0, upright))


def _organs(
    spine: Spine, sacrum: Bone, person: Person, *, grades: tuple[int, ...], rng: np.random.Generator
) -> tuple[Organ, ...]:
    """In painting order: trunk, head and neck, then what lies next to the spine."""
    rough = [organ for organ in soft_tissue(spine, person, rng=rng) if organ.name not in _DETAILED]
    return (
        *viscera(spine, person),
        *rough,
        *skull_base(spine, person),
        *neck(spine, person),
        *foramina(spine),
        *mr_discs(spine, grades, rng=rng),
        *spinal_canal(spine, sacrum, person, rng=rng),
    )


def column_curve(bones: tuple[Bone, ...]) -> Vector:
    """LPS centres of the bodies from the tail bone to C1, (n, 3)."""
    sacrum = next(bone for bone in bones if bone.site == "sacrum")
    sacral = [solid.centre for solid in sacrum.solids if isinstance(solid, VertebralBody)]
    return np.array([*sacral[::-1], *(bone.centre for bone in bones if bone.site == "vertebra")])


_NAPE_MM = {1: 30.0, 2: 30.0, 3: 28.0, 4: 25.0, 5: 20.0, 6: 12.0, 7: 5.0}
"""How far the muscles of the neck reach behind the tips of the spinous processes."""


def _back(bones: tuple[Bone, ...]) -> Vector:
    """The muscle wall behind the tips of the spinous processes: (n, 3) height, LPS x and y; a guess."""
    rows = []
    for bone in bones:
        if bone.site == "vertebra" and bone.label >= 2 and isinstance(bone.solids[1], Limb):
            tip = bone.solids[1].end
            rows.append([tip[2], tip[0], tip[1] + _NAPE_MM.get(bone.label, 3.0)])
    low = np.array(sorted(rows))
    sacrum = next(bone for bone in bones if bone.site == "sacrum")
    crest = np.array([solid.end for solid in sacrum.solids if isinstance(solid, Limb)])
    below = np.stack([crest[:, 2], crest[:, 0], crest[:, 1] + 5.0], axis=1)[::-1]
    tail = below[0] + np.array([-40.0, 0.0, 25.0])
    every = np.vstack([tail, below, low])
    return np.asarray(every[np.argsort(every[:, 0])])


def _marrow_fat(bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> tuple[float, ...]:
    """By age, sex and level, with SDs of 7 % between patients and 2.5 % between bones; shafts are fat."""
    own = rng.normal(0, 0.07)
    shares = []
    for bone in bones:
        mean = expected_marrow_fat(person.age_years, person.sex, label=bone.label)
        drawn = float(np.clip(mean + own + rng.normal(0, 0.025), 0.08, 0.85))
        shares.append(drawn if bone.marrow >= 0.1 else 0.92)
    return tuple(shares)
