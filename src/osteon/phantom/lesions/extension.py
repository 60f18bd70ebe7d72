"""How a tumour leaves its bone: into the canal, beside the spine, through a foramen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.lesions import places
from osteon.phantom.lesions.shapes import Cut, Joined

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Solid, VertebralBody
    from osteon.phantom.lesions.forms import Design


def sparing_discs(body: VertebralBody, mass: Solid) -> Solid:
    """A mass without the column above and below its own vertebra: tumours go round discs, not through them."""
    height = (body.front_mm + body.back_mm) / 2
    for up in (-1, 1):
        beyond = replace(
            body,
            centre=body.centre + body.frame @ np.array([0, 0, up * 2.02 * height]),
            front_mm=3 * height,
            back_mm=3 * height,
            hollow_up_mm=0.0,
            hollow_low_mm=0.0,
            waist=-0.03,
        )
        mass = Cut(mass, beyond)
    return mass


def into_canal(bone: Bone, body: VertebralBody, mass: Solid, *, radius_mm: float) -> Solid:
    """A mass of the back half of a body joined with what it sends into the canal; any other mass as it is.

    Discs are spared. Two bulges beside the midline: the ligament on the back of the bodies holds it there.

    Args:
        bone: vertebra or sacrum.
        body: the body it sits in.
        mass: in LPS mm.
        radius_mm: of the mass; the bulges are half as wide.
    """
    if places.to_offset(body, np.mean(mass.bounds(), axis=0))[1] < 0:
        return sparing_discs(body, mass)
    bulges = tuple(
        Ellipsoid(places.canal_wall_point(bone, body, side=side), radius_mm * np.array([0.45, 0.3, 0.8]), body.frame)
        for side in (-1.0, 1.0)
    )
    return sparing_discs(body, Joined((mass, *bulges), blend_mm=1.5))


def dumb_bell(bone: Bone, body: VertebralBody, *, side: int, radius_mm: float, design: Design) -> Joined:
    """A mass in a foramen: waist between the pedicles, one end in the canal, the larger one beside the spine.

    Args:
        bone: the vertebra above the foramen.
        body: its body.
        side: +1 left, -1 right.
        radius_mm: of the outer end.
        design: form of the outer end.
    """
    waist = places.foramen_point(bone, body, side=side)
    out = body.frame @ np.array([side, 0.25, -0.1])
    outer = waist + out * (0.9 * radius_mm + 3)
    inner = waist - out * (0.45 * radius_mm + 1)
    middle = Ellipsoid(waist, np.array([max(0.5 * radius_mm, 3), 0.45 * radius_mm, 0.5 * radius_mm]), body.frame)
    canal = Ellipsoid(inner, radius_mm * np.array([0.4, 0.45, 0.6]), body.frame)
    return Joined((design.at(outer, 0.8 * radius_mm), middle, canal), blend_mm=0.3 * radius_mm)
