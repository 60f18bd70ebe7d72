"""The body's outline: skin and muscle wall from the thighs to the crown. Sizes are a guess, not a survey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import PchipInterpolator

if TYPE_CHECKING:
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.shapes import Array
    from osteon.phantom.anatomy.spine import Spine


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """The trunk, neck and head: a superellipse at each height; two round thighs below.

    Attributes:
        width, depth: half axes (x, y) in mm of the muscle wall, by height z; the skin lies a fat layer outside.
        centre_y, centre_x: LPS y and x of the centre, by height.
        fat: thickness of the fat layer in mm, by height.
        low_mm, high_mm: heights between which these hold; outside, their last value goes on.
        slant: mm to the left for every mm up, as the patient leans.
        crotch_mm: height below which there are thighs.
        thigh_mm: distance of a thigh's axis from the midline, and its radius.
    """

    width: PchipInterpolator
    depth: PchipInterpolator
    centre_y: PchipInterpolator
    centre_x: PchipInterpolator
    fat: PchipInterpolator
    low_mm: float
    high_mm: float
    slant: float
    crotch_mm: float
    thigh_mm: tuple[float, float]

    def distances(self, x: Array, y: Array, zs: Array) -> tuple[Array, Array]:
        """Signed distances to the skin and to the muscle wall, mm.

        Args:
            x: LPS mm, broadcastable.
            y: the same.
            zs: LPS mm; 1-D for the first axis, or broadcastable too.
        """
        if zs.ndim == 1:
            zs = zs[:, None, None]
        z = np.clip(zs, self.low_mm, self.high_mm)
        a, b, c, f = (fun(z).astype(np.float32) for fun in (self.width, self.depth, self.centre_y, self.fat))
        dx = x - np.float32(self.slant) * zs.astype(np.float32) - self.centre_x(z).astype(np.float32)
        dy = y - c
        rho = np.sqrt(dx**2 + dy**2)
        below = z < self.crotch_mm
        legs = self._legs(dx, dy) if below.any() else None
        result = []
        for extra in (f, np.float32(0)):
            d = _superellipse(dx, dy, rho=rho, half=(a, b), extra=extra)
            if legs is not None:
                d = np.where(below, legs - extra * np.float32(0.7), d)
            result.append(d)
        return result[0], result[1]

    def box(self, zs: Array) -> tuple[float, float, float, float]:
        """Lowest and highest x, then y, in LPS mm, that the skin reaches at heights ``zs`` (n,) or between them."""
        z = np.clip(zs, self.low_mm, self.high_mm)
        centre = self.slant * zs + self.centre_x(z)
        fat = float(self.fat(z).max())
        side = max(float(self.width(z).max()), sum(self.thigh_mm)) + fat
        deep = max(float(self.depth(z).max()), self.thigh_mm[1] + 4) + fat
        middle = self.centre_y(z)
        return (
            float(centre.min()) - side,
            float(centre.max()) + side,
            float(middle.min()) - deep,
            float(middle.max()) + deep,
        )

    def _legs(self, dx: Array, dy: Array) -> Array:
        """Distance to the muscle of the nearer thigh."""
        across = np.abs(dx) - np.float32(self.thigh_mm[0])
        return np.asarray(np.sqrt(across**2 + (dy - 4) ** 2) - np.float32(self.thigh_mm[1]))


def _superellipse(dx: Array, dy: Array, *, rho: Array, half: tuple[Array, Array], extra: Array | np.float32) -> Array:
    """Signed distance to a superellipse of half axes ``half`` and ``extra`` fat round it, a little less behind.

    Written with one array worked on in place: these are the largest that a phantom needs.
    """
    a, b = half
    back_fat = np.where(dy > 0, extra * np.float32(0.8), extra)
    r = (np.abs(dx) / (a + extra)) ** 2.4 + (np.abs(dy) / (b + back_fat)) ** 2.4
    r += np.float32(1e-9)
    np.power(r, np.float32(1 / 2.4), out=r)
    middle = r <= 0.05
    np.maximum(r, np.float32(0.05), out=r)
    np.divide(1, r, out=r)
    np.subtract(1, r, out=r)
    r *= rho
    if middle.any():
        np.copyto(r, -(np.minimum(a, b) + extra), where=middle)
    return np.asarray(r, dtype=np.float32)


def build_outline(spine: Spine, person: Person) -> Outline:
    """Thighs, hips, waist, chest, neck and head: knots at bony landmarks, interpolated."""
    s, c = person.scale, spine.centres_mm
    knots = [  # z, half width, half depth, y of the centre, fat against the waist's
        (-500.0, 135, 78, -12, 0.7),
        (-230.0, 158, 92, -8, 1.0),
        (-110.0, 166, 100, 2, 1.3),
        (-20.0, 152, 98, -12, 1.2),
        (float(c["L3"][2]), 142, 96, float(c["L3"][1]) - 22, 1.0),
        (float(c["T12"][2]), 148, 108, float(c["T12"][1]) - 26, 0.8),
        (float(c["T8"][2]), 158, 116, float(c["T8"][1]) - 26, 0.7),
        (float(c["T4"][2]), 172, 104, float(c["T4"][1]) - 20, 0.7),
        (float(c["T2"][2]), 178, 88, float(c["T2"][1]) - 12, 0.6),
        (float(c["C7"][2]) + 10, 96, 68, float(c["C7"][1]) - 5, 0.4),
        (float(c["C5"][2]), 62, 70, float(c["C5"][1]) - 10, 0.25),
        (float(c["C3"][2]), 66, 92, float(c["C3"][1]) - 34, 0.2),
        (float(c["C1"][2]), 72, 102, float(c["C1"][1]) - 34, 0.15),
        (float(c["C1"][2]) + 80 * s, 80, 100, float(c["C1"][1]) - 22, 0.12),
        (float(c["C1"][2]) + 175 * s, 25, 30, float(c["C1"][1]) - 22, 0.1),
    ]
    z, width, depth, centre, fat = (np.array(column) for column in zip(*knots, strict=True))
    names = ("L5", "L3", "T12", "T8", "T4", "T1", "C4", "C1")
    heights, sides = [-120.0, -20.0, *(c[n][2] for n in names)], [0.0, 0.0, *(0.6 * c[n][0] for n in names)]
    return Outline(
        centre_x=PchipInterpolator(heights, sides),
        width=PchipInterpolator(z, width * s),
        depth=PchipInterpolator(z, depth * s),
        centre_y=PchipInterpolator(z, centre),
        fat=PchipInterpolator(z, fat * person.fat_mm),
        low_mm=float(z[0]),
        high_mm=float(z[-1]),
        slant=float(np.sin(np.deg2rad(person.roll_deg))),
        crotch_mm=-215.0 * s,
        thigh_mm=(98.0 * s, 76.0 * s),
    )
