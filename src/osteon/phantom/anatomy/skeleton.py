"""The skeleton put together, and the chest: ribs, sternum, clavicles, scapulae, humeri.

Shapes follow anatomy texts in outline; lengths are those of a 175 cm man, scaled by the patient's size. Each rib
hangs on its vertebra; LPS mm from the upper end-plate of S1. Rib cortex: about the CT means of 1.4 mm (0.9 to 2.6;
PubMed 31225915); the others from anatomy texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.bones import Bone
from osteon.phantom.anatomy.pelvis import build_hip, build_sacrum
from osteon.phantom.anatomy.shapes import SIDES, Ellipsoid, Limb, Plate, Solid, Vector, chain, mirrored
from osteon.phantom.anatomy.skull import build_skull

if TYPE_CHECKING:
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.spine import Spine

THORAX_HALF_WIDTH_MM = (58, 84, 103, 118, 128, 135, 140, 142, 141, 136, 126, 108)
THORAX_HALF_DEPTH_MM = (46, 60, 70, 78, 84, 89, 92, 93, 93, 92, 88, 82)
"""Of the ellipse that ribs 1 to 12 follow."""
_RIB_END_DEG = (150, 150, 152, 152, 150, 146, 142, 136, 130, 124, 98, 72)
_FOLLOWS = 0.6  # how far the chest goes with a spine that bends sideways
_RIB_DROP_MM = (40, 70, 88, 98, 104, 108, 110, 112, 112, 108, 80, 55)


def thorax_centre(spine: Spine, rib: int) -> Vector:
    """Middle of the ellipse that rib ``rib`` (1 to 12) follows, at the height of its head."""
    centre = spine.centres_mm[f"T{rib}"]
    return np.array([_FOLLOWS * centre[0], centre[1] - 30.0, centre[2]])


def rib_path(spine: Spine, rib: int, *, side: int, scale: float, turn_deg: float = 0.0) -> Vector:
    """Points along a rib from its head to its cartilage, (n, 3) mm.

    Args:
        spine: carries the rib.
        rib: 1 to 12, or 13 of those who have it.
        side: +1 left, -1 right.
        scale: the patient's size.
        turn_deg: how much further round the chest it goes.
    """
    vertebra = next(bone for bone in spine.bones if bone.name == f"T{rib}")
    level_head = vertebra.centre + vertebra.frame @ np.array([side * 15.0 * scale, 11.0 * scale, 6.0 * scale])
    tubercle = vertebra.centre + vertebra.frame @ np.array([side * 31.0 * scale, 27.0 * scale, 1.0 * scale])
    centre = thorax_centre(spine, rib)
    row = min(rib, 12) - 1
    a, b = THORAX_HALF_WIDTH_MM[row] * scale, THORAX_HALF_DEPTH_MM[row] * scale
    angles = np.deg2rad(np.linspace(32, (_RIB_END_DEG[row] if rib < 13 else 50) + turn_deg, 16))
    drop = _RIB_DROP_MM[row] * scale * ((angles - angles[0]) / np.pi) ** 0.9
    arc = np.stack([side * a * np.sin(angles), b * np.cos(angles), -drop - 3], axis=1) + centre
    return np.asarray(np.vstack([level_head, tubercle, arc]))


def _ribs(spine: Spine, person: Person, *, rng: np.random.Generator) -> list[Bone]:
    ribs = []
    named = {bone.name for bone in spine.bones}
    for rib in (rib for rib in range(1, 14) if f"T{rib}" in named):
        for side, word in SIDES:
            points = rib_path(spine, rib, side=side, scale=person.scale, turn_deg=float(rng.normal(0, 3)))
            thick = (3.2 if rib > 1 else 4.2) * rng.normal(1, 0.06)
            radii = np.full(len(points), thick)
            radii[0] *= 1.15
            bone = Bone(
                name=f"rib {rib} {word}",
                site="rib",
                solids=chain(points, radii, squash=(1, 1, 2.1 if 3 <= rib <= 10 else 1.7)),
                cortex_mm=float(rng.uniform(0.8, 1.3)),
                cortex_hu=1150,
                marrow=0.55,
                blend_mm=0.5,
            )
            ribs.append(bone)
    return ribs


def _sternum(spine: Spine, person: Person) -> list[Bone]:
    """Breastbone and collarbones."""
    s = person.scale
    front2 = thorax_centre(spine, 2) + np.array([0, -THORAX_HALF_DEPTH_MM[1] * s - 2, -45 * s])
    top = front2 + np.array([0, 10, 38.0]) * s
    low = thorax_centre(spine, 7) + np.array([0, -THORAX_HALF_DEPTH_MM[6] * s - 2, -70 * s])
    angle = front2 + (low - front2) * 0.12
    solids = (
        Limb(top, angle, 5.2, 5.2, (4.2, 1, 1)),
        Limb(angle + (low - angle) * 0.05, low, 4.8, 5.0, (3.3, 1, 1)),
    )
    bones = [Bone(name="sternum", site="sternum", solids=solids, cortex_mm=0.7, cortex_hu=1000, marrow=0.6)]
    for side, word in SIDES:
        shoulder = thorax_centre(spine, 2) + np.array([side * 150, 5, 30.0]) * s
        points = np.array(
            [
                top + np.array([side * 20, 2, 2]) * s,
                top + np.array([side * 55, -2, 14]) * s,
                (top + shoulder) / 2 + np.array([side * 25, 6, 12]) * s,
                shoulder,
            ]
        )
        tube = chain(points, np.array([8, 5.5, 5.5, 6.5]) * s)
        bones.append(Bone(name=f"clavicle {word}", site="clavicle", solids=tube, cortex_mm=1.6, marrow=0.5))
    return bones


def _shoulder(spine: Spine, person: Person) -> list[Bone]:
    """Scapulae and humeri."""
    s = person.scale
    bones: list[Bone] = []
    high, low = thorax_centre(spine, 2), thorax_centre(spine, 7)
    for side, word in SIDES:
        upper = high + mirrored(np.array([72, 86, 5.0]) * s, side)
        lower = low + mirrored(np.array([100, 98, 5.0]) * s, side)
        glenoid = high + mirrored(np.array([138, 32, 0.0]) * s, side)
        middle = (upper + lower + glenoid) / 3 + np.array([side * 4, 5, 0])
        acromion = glenoid + mirrored(np.array([22, 12, 30.0]) * s, side)
        root = high + mirrored(np.array([74, 96, -25.0]) * s, side)
        solids: tuple[Solid, ...] = (
            Plate(np.array([upper, lower, middle]), (6, 9, 2.6)),
            Plate(np.array([lower, glenoid, middle]), (9, 13, 2.6)),
            Plate(np.array([glenoid, upper, middle]), (13, 6, 2.6)),
            Plate(np.array([root, acromion, middle]), (7, 11, 4)),
            Ellipsoid(glenoid, np.array([9, 13, 18.0]) * s),
            Limb(glenoid, glenoid + mirrored(np.array([5, -30, 12.0]) * s, side), 7, 5),
        )
        scapula = Bone(name=f"scapula {word}", site="scapula", solids=solids, cortex_mm=0.9, marrow=0.45, blend_mm=4)
        bones += [scapula, *_humerus(glenoid, person, side=side, word=word)]
    return bones


def _humerus(glenoid: Vector, person: Person, *, side: int, word: str) -> list[Bone]:
    """Head and shaft, hanging from the socket or raised beside the head."""
    s = person.scale
    head = glenoid + mirrored(np.array([30, -10, 4.0]) * s, side)
    elbow = head + mirrored(np.array([-5, -35, 290.0] if person.arms_up else [45, 10, -300.0]) * s, side)
    along = (elbow - head) / np.linalg.norm(elbow - head)
    proximal = (Ellipsoid(head, np.array([23, 23, 23.0]) * s), Limb(head, head + along * 45, 20 * s, 13 * s))
    shaft = (Limb(head + along * 40, elbow, 12.5 * s, 11 * s),)
    return [
        Bone(name=f"humerus head {word}", site="humerus", solids=proximal, cortex_mm=0.9, marrow=0.45),
        Bone(name=f"humerus shaft {word}", site="humerus", solids=shaft, cortex_mm=4.0, cortex_hu=1550, marrow=0.03),
    ]


def build_skeleton(spine: Spine, person: Person, *, rng: np.random.Generator) -> tuple[Bone, ...]:
    """All bones, the spine's first."""
    sacrum = build_sacrum(person, rng)
    bones = [*spine.bones, sacrum, *_ribs(spine, person, rng=rng), *_sternum(spine, person), *_shoulder(spine, person)]
    for side, word in SIDES:
        bones += build_hip(person, rng, side=side, word=word)
    return (*bones, *build_skull(spine, person))
