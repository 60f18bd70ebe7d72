"""Solid shapes given by their signed distance: negative inside, positive outside, in millimetres.

Every shape answers ``distance(x, y, z)`` for broadcastable arrays of LPS millimetres and ``bounds()``, the corners of
a box that holds it. Distances are exact for spheres and for bars of one radius and a round section; for the others
they have the right sign and are close near the surface, which is all that a partial-volume rendering needs.
Points and corners are (x, y, z); a ``frame`` is 3 x 3, its columns the unit vectors of the solid's own axes.

Source of the forms: I. Quilez's "distance functions" (https://iquilezles.org/articles/distfunctions/) for the bar, the
first-order ellipsoid and the polynomial smooth minimum; the vertebral body is osteon's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""Values at points or voxels."""
Vector = NDArray[np.float64]
"""A point (3,), several (n, 3), or a 3 x 3 matrix."""
SIDES = ((1, "left"), (-1, "right"))
"""Sign of x in LPS and the word for it."""


class Solid(Protocol):
    """Anything with a signed distance."""

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance in mm at LPS points given as broadcastable arrays."""

    def bounds(self) -> tuple[Vector, Vector]:
        """Lowest and highest corner (x, y, z) of a box around the solid, mm."""

    def moved(self, rotation: Vector, shift_mm: Vector) -> Solid:
        """The solid after ``p -> rotation @ p + shift``."""


def _f32(*values: float) -> tuple[np.float32, ...]:
    return tuple(np.float32(value) for value in values)


def _local(points: tuple[Array, Array, Array], *, centre: Vector, frame: Vector) -> tuple[Array, Array, Array]:
    """Coordinates along the columns of ``frame``, from ``centre``."""
    x, y, z = (p - np.float32(c) for p, c in zip(points, centre, strict=True))
    u, v, w = (_f32(*frame[:, k]) for k in range(3))
    return (
        x * u[0] + y * u[1] + z * u[2],
        x * v[0] + y * v[1] + z * v[2],
        x * w[0] + y * w[1] + z * w[2],
    )


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """Ellipsoid, or with ``shell_mm`` only a layer of that thickness inside its surface.

    Attributes:
        centre: (3,) mm.
        radii: (3,) mm, along the columns of ``frame``.
        frame: 3 x 3.
        shell_mm: thickness of the layer; None for the whole.
    """

    centre: Vector
    radii: Vector
    frame: Vector = field(default_factory=lambda: np.eye(3))
    shell_mm: float | None = None

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance, first-order exact at the surface; 0 at the very centre, which is neither side's."""
        u, v, w = _local((x, y, z), centre=self.centre, frame=self.frame)
        a, b, c = _f32(*self.radii)
        k0 = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2)
        k1 = np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2 + (w / c**2) ** 2)
        d = k0 * (k0 - 1) / np.maximum(k1, np.float32(1e-6))
        if self.shell_mm is not None:
            half = np.float32(self.shell_mm / 2)
            d = np.abs(d + half) - half
        return np.asarray(d, dtype=np.float32)

    def bounds(self) -> tuple[Vector, Vector]:
        """Tight box."""
        reach = np.sqrt(((self.frame * self.radii) ** 2).sum(axis=1))
        return self.centre - reach, self.centre + reach

    def moved(self, rotation: Vector, shift_mm: Vector) -> Ellipsoid:
        """Rotate and shift."""
        return replace(self, centre=rotation @ self.centre + shift_mm, frame=rotation @ self.frame)


@dataclass(frozen=True, slots=True)
class Limb:
    """Round-ended bar from ``start`` to ``end``, its radius going from one to the other.

    Attributes:
        start, end: ends of the axis, (3,) mm.
        radius_start, radius_end: mm.
        squash: stretches the section along the columns of ``frame``: (1, 1, 2) makes it twice as high along the third.
        frame: 3 x 3.
    """

    start: Vector
    end: Vector
    radius_start: float
    radius_end: float
    squash: tuple[float, float, float] = (1.0, 1.0, 1.0)
    frame: Vector = field(default_factory=lambda: np.eye(3))

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Distance to the axis less the local radius, in squashed coordinates."""
        scale = np.asarray(self.squash)
        u, v, w = _local((x, y, z), centre=self.start, frame=self.frame)
        su, sv, sw = _f32(*(1 / scale))
        u, v, w = u * su, v * sv, w * sw
        axis = (self.frame.T @ (self.end - self.start)) / scale
        length2 = max(float(axis @ axis), 1e-9)
        a = _f32(*axis)
        t = np.clip((u * a[0] + v * a[1] + w * a[2]) / np.float32(length2), 0, 1)
        d = np.sqrt((u - t * a[0]) ** 2 + (v - t * a[1]) ** 2 + (w - t * a[2]) ** 2)
        radius = np.float32(self.radius_start) + t * np.float32(self.radius_end - self.radius_start)
        return np.asarray((d - radius) * np.float32(scale.min()), dtype=np.float32)

    def bounds(self) -> tuple[Vector, Vector]:
        """Box round both ends, a little generous for squashed sections."""
        reach = max(self.radius_start, self.radius_end) * np.abs(self.frame * np.asarray(self.squash)).sum(axis=1)
        return np.minimum(self.start, self.end) - reach, np.maximum(self.start, self.end) + reach

    def moved(self, rotation: Vector, shift_mm: Vector) -> Limb:
        """Rotate and shift."""
        return replace(
            self,
            start=rotation @ self.start + shift_mm,
            end=rotation @ self.end + shift_mm,
            frame=rotation @ self.frame,
        )


@dataclass(frozen=True, slots=True)
class Plate:
    """Flat triangle with rounded edges: wings of pelvis and shoulder blade.

    Attributes:
        corners: (3, 3) mm, a corner a row.
        thickness_mm: at each corner, linear between them.
    """

    corners: Vector
    thickness_mm: tuple[float, float, float]

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Distance to the triangle less half the local thickness; near its corners the nearest point is approximate."""
        a, b, c = self.corners
        ab, ac = b - a, c - a
        d00, d01, d11 = float(ab @ ab), float(ab @ ac), float(ac @ ac)
        scale = max(d00 * d11 - d01 * d01, 1e-9)
        p = tuple(q - np.float32(k) for q, k in zip((x, y, z), a, strict=True))
        pb = p[0] * np.float32(ab[0]) + p[1] * np.float32(ab[1]) + p[2] * np.float32(ab[2])
        pc = p[0] * np.float32(ac[0]) + p[1] * np.float32(ac[1]) + p[2] * np.float32(ac[2])
        s = (np.float32(d11) * pb - np.float32(d01) * pc) / np.float32(scale)
        t = (np.float32(d00) * pc - np.float32(d01) * pb) / np.float32(scale)
        s, t = _into_triangle(s, t)
        q = [p[k] - s * np.float32(ab[k]) - t * np.float32(ac[k]) for k in range(3)]
        ta, tb, tc = _f32(*self.thickness_mm)
        half = (ta + s * (tb - ta) + t * (tc - ta)) / 2
        return np.asarray(np.sqrt(q[0] ** 2 + q[1] ** 2 + q[2] ** 2) - half, dtype=np.float32)

    def bounds(self) -> tuple[Vector, Vector]:
        """Box round the corners."""
        reach = max(self.thickness_mm) / 2
        return self.corners.min(axis=0) - reach, self.corners.max(axis=0) + reach

    def moved(self, rotation: Vector, shift_mm: Vector) -> Plate:
        """Rotate and shift."""
        return replace(self, corners=self.corners @ rotation.T + shift_mm)


def _into_triangle(s: Array, t: Array) -> tuple[Array, Array]:
    """Bring barycentric coordinates into the triangle: clip, then pull back over the far edge."""
    s, t = np.clip(s, 0, 1), np.clip(t, 0, 1)
    over = np.maximum(s + t - 1, 0) / 2
    s, t = s - over, t - over
    return np.clip(s, 0, 1), np.clip(t, 0, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class VertebralBody:
    """A vertebral body: kidney-shaped section, waist, wedge and concave end-plates. Discs are bodies too.

    Attributes:
        centre: (3,) mm.
        frame: 3 x 3; its columns are left, back and up of the vertebra.
        width_mm, depth_mm: end-plate sizes.
        front_mm, back_mm: anterior and posterior heights.
        hollow_up_mm, hollow_low_mm: depth of the end-plate concavities; negative for a disc that fills one.
        waist: how much narrower the mid-height is (0.1 = 10 %); negative for a bulge, which ``bounds`` leaves out.
        round_mm: rounding of the rim.
    """

    centre: Vector
    frame: Vector
    width_mm: float
    depth_mm: float
    front_mm: float
    back_mm: float
    hollow_up_mm: float = 1.5
    hollow_low_mm: float = 2.0
    waist: float = 0.1
    round_mm: float = 1.5

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Smooth maximum of the side wall's and the end-plates' distances."""
        u, v, w = _local((x, y, z), centre=self.centre, frame=self.frame)
        half_depth = np.float32(self.depth_mm / 2)
        slope = np.float32((self.back_mm - self.front_mm) / self.depth_mm)
        half_height = np.float32((self.front_mm + self.back_mm) / 4) + slope * v / 2
        half_height = np.clip(half_height, np.float32(1.0), None)
        level = np.clip(w / half_height, -1, 1)
        narrow = 1 - np.float32(self.waist) * (1 - level**2)
        a = np.float32(self.width_mm / 2) * narrow
        back_dent = np.float32(0.12 * self.depth_mm) * np.exp(-((u / (np.float32(0.42) * a)) ** 2))
        b = np.where(v > 0, half_depth - back_dent, half_depth) * narrow
        r = (np.abs(u / a) ** 2.2 + np.abs(v / b) ** 2.2 + np.float32(1e-9)) ** np.float32(1 / 2.2)
        rho = np.sqrt(u**2 + v**2)
        side: Array = np.where(r > 0.05, rho * (1 - 1 / np.maximum(r, np.float32(0.05))), -np.minimum(a, b))
        dish = 1 - np.clip(r, 0, 1) ** 3
        hollow = np.where(w > 0, np.float32(self.hollow_up_mm), np.float32(self.hollow_low_mm)) * dish
        cap = np.asarray(np.abs(w) - (half_height - hollow), dtype=np.float32)
        return smooth_maximum(side, cap, blend_mm=self.round_mm)

    def bounds(self) -> tuple[Vector, Vector]:
        """Box round the rotated block; a bulge (negative ``waist``) stands out of it."""
        half = np.array([self.width_mm, self.depth_mm, max(self.front_mm, self.back_mm) * 1.15]) / 2
        half[2] += max(0.0, -self.hollow_up_mm, -self.hollow_low_mm)
        reach = np.abs(self.frame * half).sum(axis=1)
        return self.centre - reach, self.centre + reach

    def moved(self, rotation: Vector, shift_mm: Vector) -> VertebralBody:
        """Rotate and shift."""
        return replace(self, centre=rotation @ self.centre + shift_mm, frame=rotation @ self.frame)


def smooth_minimum(a: Array, b: Array, *, blend_mm: float) -> Array:
    """Union of two distances with a fillet of about ``blend_mm`` (polynomial smooth minimum)."""
    k = np.float32(max(blend_mm, 1e-3))
    h = np.maximum(k - np.abs(a - b), 0) / k
    return np.asarray(np.minimum(a, b) - h * h * k / 4, dtype=np.float32)


def smooth_maximum(a: Array, b: Array, *, blend_mm: float) -> Array:
    """Intersection of two distances with a rounded edge of about ``blend_mm``."""
    return -smooth_minimum(-a, -b, blend_mm=blend_mm)


def chain(points: Vector, radii: Vector, *, squash: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> tuple[Limb, ...]:
    """A tube along a polyline (n, 3) with radii (n,) in mm: one :class:`Limb` a segment."""
    return tuple(
        Limb(points[k], points[k + 1], float(radii[k]), float(radii[k + 1]), squash) for k in range(len(points) - 1)
    )


def mirrored(points: Vector, side: int) -> Vector:
    """Points (..., 3) with x multiplied by ``side`` (+1 left, -1 right)."""
    return np.asarray(np.asarray(points, dtype=np.float64) * np.array([side, 1.0, 1.0]))


def rotation(x_deg: float = 0.0, y_deg: float = 0.0, z_deg: float = 0.0) -> Vector:
    """Rotation matrix: about x, then y, then z (right-handed, degrees)."""
    cx, sx, cy, sy, cz, sz = (f(np.deg2rad(d)) for d in (x_deg, y_deg, z_deg) for f in (np.cos, np.sin))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)
