"""Skull: vault, base, face and jaw, enough for scans that begin at the skull base. Shapes in outline only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.bones import Bone
from osteon.phantom.anatomy.shapes import Ellipsoid, Limb, Plate, Solid, Vector

if TYPE_CHECKING:
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.spine import Spine


def build_skull(spine: Spine, person: Person) -> list[Bone]:
    """Brain case, face and lower jaw, set on C1."""
    s = person.scale
    middle = spine.centres_mm["C1"] + np.array([0, -22.0, 88.0]) * s
    return [_vault(middle, s), _face(middle, s), _mandible(middle, s)]


def _vault(middle: Vector, s: float) -> Bone:
    """Brain case with its base round ``middle``, at size ``s``."""

    def at(*p: float) -> Vector:
        return middle + np.array(p) * s

    foramen = Limb(at(0, 22, -90), at(0, 22, -60), 15 * s, 15 * s)
    solids: list[Solid] = [
        Ellipsoid(middle, np.array([73, 92, 78.0]) * s, shell_mm=6.8 * s),
        Plate(np.array([at(-50, -20, -52), at(50, -20, -52), at(0, -72, -36)]), (7, 7, 5)),
        Plate(np.array([at(-55, 20, -55), at(55, 20, -55), at(0, -25, -50)]), (7, 7, 14)),
        Limb(at(0, -20, -52), at(0, 6, -74), 11 * s, 7 * s),
    ]
    for side in (-1, 1):
        solids += [
            Limb(at(side * 62, 18, -48), at(side * 18, -8, -52), 13 * s, 8 * s),
            Ellipsoid(at(side * 54, 28, -66), np.array([11, 13, 18.0]) * s),
            Limb(at(side * 20, 14, -78), at(side * 22, 6, -80), 7 * s, 6 * s),
        ]
    return Bone(
        name="skull",
        site="skull",
        solids=tuple(solids),
        holes=(foramen,),
        cortex_mm=1.9,
        cortex_hu=1450,
        marrow=1.6,
        blend_mm=3,
    )


def _face(middle: Vector, s: float) -> Bone:
    """Walls of the maxillary sinuses, cheek bones and palate."""

    def at(*p: float) -> Vector:
        return middle + np.array(p) * s

    solids: list[Solid] = []
    for side in (-1, 1):
        solids += [
            Ellipsoid(at(side * 26, -72, -62), np.array([19, 22, 22.0]) * s, shell_mm=2.2),
            Limb(at(side * 45, -78, -58), at(side * 62, -20, -55), 4 * s, 3.5 * s, (1, 1, 1.6)),
        ]
    solids += [
        Limb(at(-22, -92, -90), at(22, -92, -90), 5 * s, 5 * s, (1, 1, 1.6)),
        Plate(np.array([at(-24, -90, -84), at(24, -90, -84), at(0, -50, -82)]), (4, 4, 4)),
    ]
    return Bone(name="face", site="skull", solids=tuple(solids), cortex_mm=1.2, cortex_hu=1300, marrow=0.4)


def _mandible(middle: Vector, s: float) -> Bone:
    """Lower jaw: ramus, body and chin of both sides."""

    def at(*p: float) -> Vector:
        return middle + np.array(p) * s

    solids: list[Solid] = []
    for side in (-1, 1):
        corner, bend = at(side * 46, -30, -118), at(side * 22, -84, -128)
        solids += [
            Limb(at(side * 50, -14, -62), corner, 5.0 * s, 5.0 * s, (1, 2.2, 1)),
            Limb(corner, bend, 5.5 * s, 6 * s, (1, 1, 2.0)),
            Limb(bend, at(0, -94, -130), 6 * s, 6.5 * s, (1, 1, 2.0)),
        ]
    return Bone(name="mandible", site="skull", solids=tuple(solids), cortex_mm=2.2, cortex_hu=1500, marrow=0.8)
