"""Solids that lesions are built of beside ellipsoids: joined, ragged, kept inside a bone, cut, inset, boxes.

All answer as ``anatomy.shapes.Solid``: signed distance in mm at LPS points, negative inside; right in sign, close near
the surface. The noise belongs to the shape, so that its volume is known before anything is rendered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import smooth_maximum, smooth_minimum

if TYPE_CHECKING:
    from osteon.phantom.anatomy.shapes import Array, Solid, Vector

_MOST_NOISE = 2.5
"""Noise is cut off here, so that a box round the shape is certain."""


def frame_of(solid: object) -> Vector:
    """Axes of a solid or bone, (3, 3); those of the patient if it has none. Struts stand along the third."""
    return np.asarray(getattr(solid, "frame", np.eye(3)))


@dataclass(frozen=True, slots=True)
class Joined:
    """Several solids joined with a fillet.

    Attributes:
        parts: at least one.
        blend_mm: size of the fillet.
    """

    parts: tuple[Solid, ...]
    blend_mm: float = 2.0

    @property
    def frame(self) -> Vector:
        """Axes of the first part."""
        return frame_of(self.parts[0])

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Smooth minimum of the parts' distances, in their order."""
        parts = (part.distance(x, y, z) for part in self.parts)
        return reduce(lambda a, b: smooth_minimum(a, b, blend_mm=self.blend_mm), parts)

    def bounds(self) -> tuple[Vector, Vector]:
        """Box round all parts and what the fillets can add."""
        lows, highs = zip(*(part.bounds() for part in self.parts), strict=True)
        margin = min(len(self.parts) - 1, 4) * self.blend_mm / 4
        return np.min(lows, axis=0) - margin, np.max(highs, axis=0) + margin

    def moved(self, rotation: Vector, shift_mm: Vector) -> Joined:
        """Rotate and shift."""
        return replace(self, parts=tuple(part.moved(rotation, shift_mm) for part in self.parts))


def _wave_noise(points: tuple[Array, Array, Array], *, waves: Vector, phases: Vector) -> Array:
    """Sum of plane waves at broadcastable points: mean 0, SD 1, nearly normal."""
    x, y, z = points
    noise: Array = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y), np.shape(z)), dtype=np.float32)
    for wave, phase in zip(waves.astype(np.float32), phases.astype(np.float32), strict=True):
        noise += np.cos((x * wave[0] + phase) + y * wave[1] + z * wave[2])
    noise *= np.float32(np.sqrt(2 / len(phases)))
    return noise


@dataclass(frozen=True, slots=True)
class Displaced:
    """A solid whose surface is displaced by smooth noise: a sum of plane waves.

    Attributes:
        solid: the smooth shape.
        amplitude_mm: SD of the displacement; at most 2.5 times that.
        waves: (n, 3) wave vectors, rad/mm.
        phases: (n,) rad.
    """

    solid: Solid
    amplitude_mm: float
    waves: Vector
    phases: Vector

    @property
    def frame(self) -> Vector:
        """Axes of the smooth shape."""
        return frame_of(self.solid)

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """The solid's distance plus the noise there."""
        noise = np.clip(_wave_noise((x, y, z), waves=self.waves, phases=self.phases), -_MOST_NOISE, _MOST_NOISE)
        return np.asarray(self.solid.distance(x, y, z) + np.float32(self.amplitude_mm) * noise, dtype=np.float32)

    def bounds(self) -> tuple[Vector, Vector]:
        """Box round the farthest that the noise can reach."""
        low, high = self.solid.bounds()
        return low - _MOST_NOISE * self.amplitude_mm, high + _MOST_NOISE * self.amplitude_mm

    def moved(self, rotation: Vector, shift_mm: Vector) -> Displaced:
        """Rotate and shift, the noise with it."""
        waves = self.waves @ rotation.T
        phases = self.phases - waves @ shift_mm
        return replace(self, solid=self.solid.moved(rotation, shift_mm), waves=waves, phases=phases)


@dataclass(frozen=True, slots=True)
class Speckle:
    """Foci scattered through all space: where noise is above a level. Of use inside ``Kept``.

    Attributes:
        level: in SDs of the noise; 1.3 leaves a tenth of the volume, 0 a half.
        waves: (n, 3) wave vectors, rad/mm.
        phases: (n,) rad.
    """

    level: float
    waves: Vector
    phases: Vector

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """How far the noise is below the level, over its usual slope: right in sign, in mm only roughly."""
        noise = _wave_noise((x, y, z), waves=self.waves, phases=self.phases)
        slope = np.float32(np.sqrt((self.waves**2).sum(axis=1).mean() / 3))
        return np.asarray((np.float32(self.level) - noise) / slope, dtype=np.float32)

    def bounds(self) -> tuple[Vector, Vector]:
        """Without end."""
        return np.full(3, -np.inf), np.full(3, np.inf)

    def moved(self, rotation: Vector, shift_mm: Vector) -> Speckle:
        """Rotate and shift."""
        waves = self.waves @ rotation.T
        return replace(self, waves=waves, phases=self.phases - waves @ shift_mm)


@dataclass(frozen=True, slots=True)
class Kept:
    """The part of a solid that lies inside another, for example a lesion that follows its bone's cortex.

    Attributes:
        solid: what is kept.
        limit: a solid or a bone.
        inset_mm: how far under the limit's surface it ends; negative to let it stand out.
        blend_mm: rounding of the edge.
    """

    solid: Solid
    limit: Solid
    inset_mm: float = 0.0
    blend_mm: float = 0.5

    @property
    def frame(self) -> Vector:
        """Axes of the limit: a lesion's struts stand upright in its bone."""
        return frame_of(self.limit)

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Smooth maximum of both."""
        limit = self.limit.distance(x, y, z) + np.float32(self.inset_mm)
        return smooth_maximum(self.solid.distance(x, y, z), limit, blend_mm=self.blend_mm)

    def bounds(self) -> tuple[Vector, Vector]:
        """What both boxes share; a bone's fillets may stand out of its own."""
        (low, high), (limit_low, limit_high) = self.solid.bounds(), self.limit.bounds()
        margin = max(-self.inset_mm, 0.0) + 1.0
        return np.maximum(low, limit_low - margin), np.minimum(high, limit_high + margin)

    def moved(self, rotation: Vector, shift_mm: Vector) -> Kept:
        """Rotate and shift both."""
        return replace(self, solid=self.solid.moved(rotation, shift_mm), limit=self.limit.moved(rotation, shift_mm))


@dataclass(frozen=True, slots=True)
class Cut:
    """A solid without what lies in another."""

    solid: Solid
    hole: Solid

    @property
    def frame(self) -> Vector:
        """Axes of the solid."""
        return frame_of(self.solid)

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Maximum of the solid's distance and the hole's, turned inside out."""
        return np.asarray(np.maximum(self.solid.distance(x, y, z), -self.hole.distance(x, y, z)), dtype=np.float32)

    def bounds(self) -> tuple[Vector, Vector]:
        """The solid's."""
        return self.solid.bounds()

    def moved(self, rotation: Vector, shift_mm: Vector) -> Cut:
        """Rotate and shift both."""
        return Cut(self.solid.moved(rotation, shift_mm), self.hole.moved(rotation, shift_mm))


@dataclass(frozen=True, slots=True)
class Inset:
    """A solid's inner part: what lies deeper than ``depth_mm`` under its surface; negative to add a layer."""

    solid: Solid
    depth_mm: float

    @property
    def frame(self) -> Vector:
        """Axes of the solid."""
        return frame_of(self.solid)

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """The solid's distance plus the depth."""
        return np.asarray(self.solid.distance(x, y, z) + np.float32(self.depth_mm), dtype=np.float32)

    def bounds(self) -> tuple[Vector, Vector]:
        """The solid's, grown by a layer that is added (not where its distance is only first-order)."""
        low, high = self.solid.bounds()
        more = max(-self.depth_mm, 0.0)
        return low - more, high + more

    def moved(self, rotation: Vector, shift_mm: Vector) -> Inset:
        """Rotate and shift."""
        return replace(self, solid=self.solid.moved(rotation, shift_mm))


@dataclass(frozen=True, slots=True)
class HalfSpace:
    """All that lies behind a plane, against its unit ``normal``; only of use inside ``Kept`` and ``Cut``."""

    point: Vector
    normal: Vector

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Distance along the normal, exact."""
        n, p = self.normal.astype(np.float32), self.point.astype(np.float32)
        return np.asarray((x - p[0]) * n[0] + (y - p[1]) * n[1] + (z - p[2]) * n[2], dtype=np.float32)

    def bounds(self) -> tuple[Vector, Vector]:
        """Without end."""
        return np.full(3, -np.inf), np.full(3, np.inf)

    def moved(self, rotation: Vector, shift_mm: Vector) -> HalfSpace:
        """Rotate and shift."""
        return HalfSpace(rotation @ self.point + shift_mm, rotation @ self.normal)


@dataclass(frozen=True, slots=True)
class Block:
    """A box, for example a radiation field.

    Attributes:
        centre: (3,) mm.
        half_mm: (3,) half its sides, along the columns of ``frame``.
        frame: 3 x 3.
    """

    centre: Vector
    half_mm: Vector
    frame: Vector = field(default_factory=lambda: np.eye(3))

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Exact distance to a box."""
        c = self.centre.astype(np.float32)
        sides = []
        for column, half in zip(self.frame.T.astype(np.float32), self.half_mm.astype(np.float32), strict=True):
            along = (x - c[0]) * column[0] + (y - c[1]) * column[1] + (z - c[2]) * column[2]
            sides.append(np.abs(along) - half)
        outside = np.sqrt(sum(np.maximum(side, 0) ** 2 for side in sides))
        return np.asarray(outside + np.minimum(reduce(np.maximum, sides), 0), dtype=np.float32)

    def bounds(self) -> tuple[Vector, Vector]:
        """Tight box."""
        reach = np.abs(self.frame * self.half_mm).sum(axis=1)
        return self.centre - reach, self.centre + reach

    def moved(self, rotation: Vector, shift_mm: Vector) -> Block:
        """Rotate and shift."""
        return replace(self, centre=rotation @ self.centre + shift_mm, frame=rotation @ self.frame)
