"""Smooth random fields fixed in patient space, so that any slab of them can be made alone.

They stand for what varies in tissue: fat between muscle bundles, trabecular density, wavy organ surfaces. Scanner
noise is another thing (``phantom.ct.acquisition``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from osteon.phantom.anatomy.shapes import Array, Vector


@dataclass(frozen=True, slots=True)
class SmoothField:
    """Random lattice, interpolated: zero mean, unit variance at the lattice points, less between them.

    Attributes:
        lattice: (z, y, x) float32 normal numbers.
        origin_mm: LPS (x, y, z) of lattice point (0, 0, 0).
        step_mm: lattice spacing, about the size of the blobs.
        stretch: factors of the spacing along (x, y, z): (1, 1, 5) makes blobs that stand upright.
    """

    lattice: Array
    origin_mm: tuple[float, float, float]
    step_mm: float
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        low_mm: Vector,
        high_mm: Vector,
        step_mm: float,
        stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> SmoothField:
        """Draw a lattice that covers the box from ``low_mm`` to ``high_mm`` (x, y, z)."""
        steps = step_mm * np.asarray(stretch)
        count = np.ceil((high_mm - low_mm) / steps).astype(int) + 4
        lattice = rng.standard_normal(count[::-1], dtype=np.float32)
        origin = low_mm - 1.5 * steps
        return cls(lattice, (float(origin[0]), float(origin[1]), float(origin[2])), step_mm, stretch)

    def turned(self, axes: Vector) -> SmoothField:
        """The field in the frame whose axes, columns of ``axes``, are the LPS axes in another order or reversed."""
        order, sign = np.abs(axes).argmax(axis=0), axes.sum(axis=0)
        lattice = self.lattice.transpose([2 - order[k] for k in (2, 1, 0)])
        origin = []
        for k in range(3):
            start = self.origin_mm[order[k]]
            if sign[k] < 0:
                lattice = np.flip(lattice, 2 - k)
                start = -(start + (lattice.shape[2 - k] - 1) * self.step_mm * self.stretch[order[k]])
            origin.append(float(start))
        a, b, c = (self.stretch[k] for k in order)
        return SmoothField(np.ascontiguousarray(lattice), (origin[0], origin[1], origin[2]), self.step_mm, (a, b, c))

    def sample(self, xs: Array, ys: Array, zs: Array) -> Array:
        """Values on the grid spanned by three 1-D LPS axes in mm: (len(zs), len(ys), len(xs)) float32.

        Cubic within a lattice plane, smoothstep between planes. Outside the lattice it is mirrored in x and y and its
        last plane goes on in z.
        """
        u, v, w = (
            (np.asarray(axis, dtype=np.float64) - origin) / (self.step_mm * factor)
            for axis, origin, factor in zip((xs, ys, zs), self.origin_mm, self.stretch, strict=True)
        )
        map_x, map_y = np.meshgrid(u.astype(np.float32), v.astype(np.float32))
        planes: dict[int, Array] = {}

        def plane(level: int) -> Array:
            level = min(max(level, 0), self.lattice.shape[0] - 1)
            if level not in planes:
                image = cv2.remap(self.lattice[level], map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
                planes[level] = np.asarray(image, dtype=np.float32)
            return planes[level]

        out = np.empty((len(zs), len(ys), len(xs)), dtype=np.float32)
        for k, position in enumerate(w):
            below = int(np.floor(position))
            t = np.float32(position - below)
            t = t * t * (3 - 2 * t)
            np.add(plane(below) * (1 - t), plane(below + 1) * t, out=out[k])
            planes.pop(below - 1, None)
        return out
