"""Sacrum, hip bones and femurs.

Shapes follow anatomy texts in outline; lengths are those of a 175 cm man, scaled by the patient's size. Positions are
LPS mm from the upper end-plate of S1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.bones import Bone
from osteon.phantom.anatomy.shapes import (
    Ellipsoid,
    Limb,
    Plate,
    Solid,
    Vector,
    VertebralBody,
    chain,
    mirrored,
    rotation,
)

if TYPE_CHECKING:
    from osteon.phantom.anatomy.person import Person

_SACRUM_MM = ((50, 32, 28), (37, 22, 24), (31, 17, 20), (26, 14, 17), (21, 12, 15), (13, 9, 14), (9, 7, 12))
"""Width, depth and height of S1 to S5 and of two pieces of the tail bone."""


def build_sacrum(person: Person, rng: np.random.Generator) -> Bone:
    """Sacrum and tail bone: bodies, wings, median crest, with foramina and canal cut out."""
    lean = person.tilt_deg[0] + np.array([4, 14, 16, 4, -14, -34, -48])
    solids: list[Solid] = []
    holes: list[Solid] = []
    point = np.zeros(3)
    for k, (width, depth, height) in enumerate(np.array(_SACRUM_MM, dtype=float) * person.scale):
        frame = rotation(float(lean[k]))
        centre = point - frame @ np.array([0, 0, height / 2])
        body = VertebralBody(
            centre=centre,
            frame=frame,
            width_mm=width,
            depth_mm=depth,
            front_mm=height + 2,
            back_mm=height + 2,
            hollow_up_mm=1.0,
            hollow_low_mm=0.0,
            waist=0.03,
        )
        solids.append(body)
        if k < 4:
            parts, cuts = _sacral_segment(body, k, scale=person.scale, height=height)
            solids += parts
            holes += cuts
        point = centre - frame @ np.array([0, 0, height / 2])
    return Bone(
        name="sacrum",
        site="sacrum",
        label=26,
        solids=tuple(solids),
        holes=tuple(holes),
        cortex_mm=float(rng.uniform(0.5, 0.8)),
        marrow=0.55,
        blend_mm=5,
    )


def _sacral_segment(body: VertebralBody, k: int, *, scale: float, height: float) -> tuple[list[Solid], list[Solid]]:
    """Wings and crest of S1 to S4 (``k`` 0 to 3), and what is cut out: foramina and canal."""
    centre, frame, depth = body.centre, body.frame, body.depth_mm
    solids: list[Solid] = []
    holes: list[Solid] = []
    reach = (37, 33, 26, 19)[k] * scale
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
    return solids, holes


_ILIUM = {
    "psis": ((44, 60, -32), 17), "crest back": ((76, 44, 20), 13), "crest top": ((122, 2, 36), 14),
    "asis": ((124, -64, -22), 14), "aiis": ((104, -52, -66), 17), "roof": ((92, -22, -74), 26),
    "notch": ((66, 28, -72), 14), "joint": ((60, 20, -12), 16), "middle": ((97, 2, -14), 6),
}  # fmt: skip
"""Landmarks of the left wing: position relative to S1 and thickness, mm."""
_ILIUM_FACES = (
    ("psis", "crest back", "joint"), ("psis", "joint", "notch"), ("crest back", "crest top", "middle"),
    ("crest back", "middle", "joint"), ("joint", "middle", "notch"), ("notch", "middle", "roof"),
    ("roof", "middle", "aiis"), ("aiis", "middle", "asis"), ("asis", "middle", "crest top"),
)  # fmt: skip
HIP_CENTRE_MM = np.array([88.0, -24.0, -105.0])
"""Of the left hip joint, relative to S1."""


def build_hip(person: Person, rng: np.random.Generator, *, side: int, word: str) -> list[Bone]:
    """Hip bone with its socket, and the femur; wider in women."""
    s = person.scale
    wide = np.array([1.06 if person.sex == "F" else 1.0, 1, 1])
    spread = rng.normal(0, 2.0, (len(_ILIUM), 3))
    points = {
        name: (mirrored((np.array(p) + d) * s * wide, side), t * s)
        for (name, (p, t)), d in zip(_ILIUM.items(), spread, strict=True)
    }
    solids: list[Solid] = []
    for face in _ILIUM_FACES:
        thick = (float(points[face[0]][1]), float(points[face[1]][1]), float(points[face[2]][1]))
        solids.append(Plate(np.array([points[name][0] for name in face]), thick))

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
    pelvis = Bone(
        name=f"hip bone {word}",
        site="pelvis",
        solids=tuple(solids),
        holes=holes,
        cortex_mm=float(rng.uniform(1.0, 1.5)),
        marrow=0.55,
        blend_mm=6,
    )
    return [pelvis, *_femur(hip, person, side=side, word=word)]


def _femur(hip: Vector, person: Person, *, side: int, word: str) -> list[Bone]:
    """Head, neck and trochanters; shaft to below the scan."""
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
    return [
        Bone(name=f"femur proximal {word}", site="femur", solids=proximal, cortex_mm=1.6, marrow=0.5, blend_mm=6),
        Bone(name=f"femur shaft {word}", site="femur", solids=shaft, cortex_mm=5.5 * s, cortex_hu=1650, marrow=0.02),
    ]
