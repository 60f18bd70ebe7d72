"""Everything but the spine: sacrum, pelvis, femurs, ribs, sternum, shoulder girdle, humeri and skull.

Shapes follow anatomy texts in outline; lengths are those of a 175 cm man, scaled by the patient's size. Positions are
relative to the upper end-plate of S1 and, in the chest, to the vertebra that carries each rib.
"""

from __future__ import annotations

import numpy as np

from osteon.phantom.bones import Bone
from osteon.phantom.person import Person
from osteon.phantom.shapes import Ellipsoid, Limb, Plate, Solid, Vector, VertebralBody, chain, mirrored, rotation
from osteon.phantom.spine import Spine

SIDES = ((1, "left"), (-1, "right"))
THORAX_HALF_WIDTH_MM = (58, 84, 103, 118, 128, 135, 140, 142, 141, 136, 126, 108)
THORAX_HALF_DEPTH_MM = (46, 60, 70, 78, 84, 89, 92, 93, 93, 92, 88, 82)
_RIB_END_DEG = (150, 150, 152, 152, 150, 146, 142, 136, 130, 124, 98, 72)
_RIB_DROP_MM = (40, 70, 88, 98, 104, 108, 110, 112, 112, 108, 80, 55)


def thorax_centre(spine: Spine, rib: int) -> Vector:
    """Middle of the ellipse that rib ``rib`` (1 to 12) follows, at the height of its head."""
    return spine.centres_mm[f"T{rib}"] + np.array([0, -30.0, 0])


def rib_path(spine: Spine, rib: int, side: int, scale: float, turn: float = 0.0) -> Vector:
    """Points along a rib from its head to its cartilage, (n, 3) mm."""
    vertebra = next(bone for bone in spine.bones if bone.name == f"T{rib}")
    level_head = vertebra.centre + vertebra.frame @ np.array([side * 15.0 * scale, 11.0 * scale, 6.0 * scale])
    tubercle = vertebra.centre + vertebra.frame @ np.array([side * 31.0 * scale, 27.0 * scale, 1.0 * scale])
    centre = thorax_centre(spine, rib)
    a, b = THORAX_HALF_WIDTH_MM[rib - 1] * scale, THORAX_HALF_DEPTH_MM[rib - 1] * scale
    angles = np.deg2rad(np.linspace(32, _RIB_END_DEG[rib - 1] + turn, 16))
    drop = _RIB_DROP_MM[rib - 1] * scale * ((angles - angles[0]) / np.pi) ** 0.9
    arc = np.stack([side * a * np.sin(angles), b * np.cos(angles), -drop - 3], axis=1) + centre
    return np.vstack([level_head, tubercle, arc])


def _ribs(spine: Spine, person: Person, rng: np.random.Generator) -> list[Bone]:
    ribs = []
    for rib in range(1, 13):
        for side, word in SIDES:
            points = rib_path(spine, rib, side, person.scale, float(rng.normal(0, 3)))
            thick = (3.2 if rib > 1 else 4.2) * rng.normal(1, 0.06)
            radii = np.full(len(points), thick)
            radii[0] *= 1.15
            tall = 2.1 if 3 <= rib <= 10 else 1.7
            ribs.append(
                Bone(
                    name=f"rib {rib} {word}",
                    site="rib",
                    solids=chain(points, radii, (1, 1, tall)),
                    cortex_mm=float(rng.uniform(0.8, 1.3)),
                    cortex_hu=1150,
                    marrow=0.55,
                    blend_mm=0.5,
                )  # fmt: skip
            )
    return ribs


def _sternum(spine: Spine, person: Person) -> list[Bone]:
    s = person.scale
    front2 = thorax_centre(spine, 2) + np.array([0, -THORAX_HALF_DEPTH_MM[1] * s - 2, -45 * s])
    top = front2 + np.array([0, 10, 38.0]) * s
    low = thorax_centre(spine, 7) + np.array([0, -THORAX_HALF_DEPTH_MM[6] * s - 2, -70 * s])
    angle = front2 + (low - front2) * 0.12
    solids = (
        Limb(top, angle, 5.2, 5.2, (4.2, 1, 1)),
        Limb(angle + (low - angle) * 0.05, low, 4.8, 5.0, (3.3, 1, 1)),
    )
    sternum = Bone(name="sternum", site="sternum", solids=solids, cortex_mm=0.7, cortex_hu=1000, marrow=0.6)
    bones = [sternum]
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
        bones.append(
            Bone(
                name=f"clavicle {word}",
                site="clavicle",
                solids=chain(points, np.array([8, 5.5, 5.5, 6.5]) * s),
                cortex_mm=1.6,
                marrow=0.5,
            )  # fmt: skip
        )
    return bones


def _shoulder(spine: Spine, person: Person) -> list[Bone]:
    """Scapulae and humeri, arms beside the head or along the body."""
    s, bones = person.scale, []
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
        bones.append(
            Bone(name=f"scapula {word}", site="scapula", solids=solids, cortex_mm=0.9, marrow=0.45, blend_mm=4)
        )
        head = glenoid + mirrored(np.array([30, -10, 4.0]) * s, side)
        elbow = head + mirrored(np.array([-5, -35, 290.0] if person.arms_up else [45, 10, -300.0]) * s, side)
        along = (elbow - head) / np.linalg.norm(elbow - head)
        proximal = (Ellipsoid(head, np.array([23, 23, 23.0]) * s), Limb(head, head + along * 45, 20 * s, 13 * s))
        bones.append(Bone(name=f"humerus head {word}", site="humerus", solids=proximal, cortex_mm=0.9, marrow=0.45))
        shaft = (Limb(head + along * 40, elbow, 12.5 * s, 11 * s),)
        bones.append(
            Bone(name=f"humerus shaft {word}", site="humerus", solids=shaft, cortex_mm=4.0, cortex_hu=1550, marrow=0.03)
        )
    return bones


def _sacrum(person: Person, rng: np.random.Generator) -> Bone:
    s = person.scale
    sizes = ((50, 32, 28), (37, 22, 24), (31, 17, 20), (26, 14, 17), (21, 12, 15), (13, 9, 14), (9, 7, 12))
    lean = person.tilt_deg[0] + np.array([4, 14, 16, 4, -14, -34, -48])
    solids: list[Solid] = []
    holes: list[Solid] = []
    point = np.zeros(3)
    for k, (width, depth, height) in enumerate(np.array(sizes, dtype=float) * s):
        frame = rotation(float(lean[k]))
        centre = point - frame @ np.array([0, 0, height / 2])
        solids.append(VertebralBody(centre, frame, width, depth, height + 2, height + 2, 1.0, 0.0, 0.03))
        if k < 4:
            reach = (37, 33, 26, 19)[k] * s
            for side in (-1, 1):
                ala = centre + frame @ np.array([side * reach, 7 + 2 * k, (-5, -2, 0, 0)[k]])
                solids.append(Ellipsoid(ala, np.array([(25, 21, 17, 12)[k], (21, 17, 13, 9)[k], height * 0.62]), frame))
                hole = centre + frame @ np.array([side * (17 - k), 4 + 1.5 * k, -height / 2])
                ends = frame @ np.array([0, 30.0, 0])
                holes.append(Limb(hole - ends, hole + ends, 4.8 - 0.5 * k, 4.2 - 0.5 * k))
            crest = centre + frame @ np.array([0, depth / 2 + 20 - 3 * k, 0])
            solids.append(Limb(crest, crest + frame @ np.array([0, 0, -height * 0.9]), 4.0, 3.5, (3.2, 1, 1), frame))
            canal = centre + frame @ np.array([0, depth / 2 + 8 - 1.2 * k, 0])
            up = frame @ np.array([0, 0, height * 0.6])
            holes.append(Limb(canal - up, canal + up, 5.5 - 0.8 * k, 6.0 - 0.8 * k, (2.0, 1, 1), frame))
        point = centre - frame @ np.array([0, 0, height / 2])
    return Bone(name="sacrum", site="sacrum", label=26, solids=tuple(solids), holes=tuple(holes),
                cortex_mm=float(rng.uniform(0.5, 0.8)), marrow=0.55, blend_mm=5)  # fmt: skip


_ILIUM = {
    "psis": ((44, 60, -32), 17), "crest back": ((76, 44, 20), 13), "crest top": ((122, 2, 36), 14),
    "asis": ((124, -64, -22), 14), "aiis": ((104, -52, -66), 17), "roof": ((92, -22, -74), 26),
    "notch": ((66, 28, -72), 14), "joint": ((60, 20, -12), 16), "middle": ((97, 2, -14), 6),
}  # fmt: skip
_ILIUM_FACES = (
    ("psis", "crest back", "joint"), ("psis", "joint", "notch"), ("crest back", "crest top", "middle"),
    ("crest back", "middle", "joint"), ("joint", "middle", "notch"), ("notch", "middle", "roof"),
    ("roof", "middle", "aiis"), ("aiis", "middle", "asis"), ("asis", "middle", "crest top"),
)  # fmt: skip
HIP_CENTRE_MM = np.array([88.0, -24.0, -105.0])


def _hip(person: Person, side: int, word: str, rng: np.random.Generator) -> list[Bone]:
    s = person.scale
    wide = np.array([1.06 if person.sex == "F" else 1.0, 1, 1])
    spread = rng.normal(0, 2.0, (len(_ILIUM), 3))
    points = {
        name: (mirrored((np.array(p) + d) * s * wide, side), t * s)
        for (name, (p, t)), d in zip(_ILIUM.items(), spread, strict=True)
    }
    solids: list[Solid] = [
        Plate(np.array([points[n][0] for n in face]), tuple(float(points[n][1]) for n in face))  # type: ignore[arg-type]
        for face in _ILIUM_FACES
    ]

    def at(*p: float) -> Vector:
        return mirrored(np.array(p) * s * wide, side)

    hip = mirrored(HIP_CENTRE_MM * s * wide, side)
    solids += [
        Ellipsoid(hip + np.array([-side * 5, 2, 4]), np.array([31, 32, 33.0]) * s),
        Limb(at(80, 0, -118), at(66, 12, -172), 15 * s, 16 * s),
        Limb(at(64, 4, -178), at(20, -48, -152), 8 * s, 6.5 * s, (1, 1, 1.4)),
        Limb(at(76, -46, -96), at(20, -68, -116), 9 * s, 8 * s),
        Ellipsoid(at(13, -66, -126), np.array([9, 10, 18.0]) * s),
    ]
    opening = mirrored(np.array([25, -8, -14.0]) * s, side)
    holes: tuple[Solid, ...] = (
        Ellipsoid(hip, np.full(3, 26.5 * s)),
        Ellipsoid(hip + opening, np.full(3, 31.0 * s)),
    )
    pelvis = Bone(name=f"hip bone {word}", site="pelvis", solids=tuple(solids), holes=holes,
                  cortex_mm=float(rng.uniform(1.0, 1.5)), marrow=0.55, blend_mm=6)  # fmt: skip
    return [pelvis, *_femur(hip, person, side, word)]


def _femur(hip: Vector, person: Person, side: int, word: str) -> list[Bone]:
    s = person.scale

    def at(*p: float) -> Vector:
        return hip + mirrored(np.array(p) * s, side)

    proximal: tuple[Solid, ...] = (
        Ellipsoid(hip, np.full(3, 23.5 * s)),
        Limb(hip, at(38, 10, -32), 17 * s, 18 * s),
        Ellipsoid(at(50, 16, -24), np.array([13, 17, 22.0]) * s),
        Ellipsoid(at(24, 24, -70), np.array([9, 9, 13.0]) * s),
        Limb(at(38, 10, -30), at(36, 10, -95), 20 * s, 15.5 * s),
    )
    shaft = chain(
        np.array([at(37, 10, -80), at(32, 0, -190), at(18, -2, -330), at(12, 2, -420)]),
        np.array([15.5, 14, 14.5, 20]) * s,
    )
    bones = [
        Bone(name=f"femur proximal {word}", site="femur", solids=proximal, cortex_mm=1.6, marrow=0.5, blend_mm=6),
        Bone(name=f"femur shaft {word}", site="femur", solids=shaft, cortex_mm=5.5 * s, cortex_hu=1650, marrow=0.02),
    ]
    return bones


def _skull(spine: Spine, person: Person) -> list[Bone]:
    """Vault, base, face and jaw: enough for scans that begin at the skull base."""
    s = person.scale
    middle = spine.centres_mm["C1"] + np.array([0, -22.0, 88.0]) * s
    vault = Ellipsoid(middle, np.array([73, 92, 78.0]) * s, shell_mm=6.8 * s)

    def at(*p: float) -> Vector:
        return middle + np.array(p) * s

    foramen = Limb(at(0, 22, -90), at(0, 22, -60), 15 * s, 15 * s)
    base: list[Solid] = [
        vault,
        Plate(np.array([at(-50, -20, -52), at(50, -20, -52), at(0, -72, -36)]), (7, 7, 5)),
        Plate(np.array([at(-55, 20, -55), at(55, 20, -55), at(0, -25, -50)]), (7, 7, 14)),
        Limb(at(0, -20, -52), at(0, 6, -74), 11 * s, 7 * s),
    ]
    for side in (-1, 1):
        base.append(Limb(at(side * 62, 18, -48), at(side * 18, -8, -52), 13 * s, 8 * s))
        base.append(Ellipsoid(at(side * 54, 28, -66), np.array([11, 13, 18.0]) * s))
        base.append(Limb(at(side * 20, 14, -78), at(side * 22, 6, -80), 7 * s, 6 * s))
    skull = Bone(name="skull", site="skull", solids=tuple(base), holes=(foramen,), cortex_mm=1.9, cortex_hu=1450,
                 marrow=1.6, blend_mm=3)  # fmt: skip
    face: list[Solid] = []
    jaw: list[Solid] = []
    for side in (-1, 1):
        face.append(Ellipsoid(at(side * 26, -72, -62), np.array([19, 22, 22.0]) * s, shell_mm=2.2))
        face.append(Limb(at(side * 45, -78, -58), at(side * 62, -20, -55), 4 * s, 3.5 * s, (1, 1, 1.6)))
        corner = at(side * 46, -30, -118)
        jaw.append(Limb(at(side * 50, -14, -62), corner, 5.0 * s, 5.0 * s, (1, 2.2, 1)))
        jaw.append(Limb(corner, at(side * 22, -84, -128), 5.5 * s, 6 * s, (1, 1, 2.0)))
        jaw.append(Limb(at(side * 22, -84, -128), at(0, -94, -130), 6 * s, 6.5 * s, (1, 1, 2.0)))
    face.append(Limb(at(-22, -92, -90), at(22, -92, -90), 5 * s, 5 * s, (1, 1, 1.6)))
    face.append(Plate(np.array([at(-24, -90, -84), at(24, -90, -84), at(0, -50, -82)]), (4, 4, 4)))
    bones = [
        skull,
        Bone(name="face", site="skull", solids=tuple(face), cortex_mm=1.2, cortex_hu=1300, marrow=0.4),
        Bone(name="mandible", site="skull", solids=tuple(jaw), cortex_mm=2.2, cortex_hu=1500, marrow=0.8),
    ]
    return bones


def build_skeleton(spine: Spine, person: Person, rng: np.random.Generator) -> tuple[Bone, ...]:
    """All bones: the spine's and the others."""
    bones = [*spine.bones, _sacrum(person, rng), *_ribs(spine, person, rng), *_sternum(spine, person)]
    bones += _shoulder(spine, person)
    for side, word in SIDES:
        bones += _hip(person, side, word, rng)
    return tuple([*bones, *_skull(spine, person)])
