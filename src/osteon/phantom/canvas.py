"""A slab of voxels that is painted on: its axes, the voxels near a solid, and the share of a voxel inside a surface.

Every surface is a signed distance, so what part of a voxel lies inside (its partial volume) is computed, not sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import smooth_minimum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from osteon.geometry import Grid
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.fields import SmoothField
    from osteon.phantom.anatomy.shapes import Array, Solid

Window = tuple[slice, slice, slice]
"""A part of a slab, (z, y, x)."""
FAR_MM = np.float32(50.0)
"""Distance given to voxels that are near nothing."""
_HOLE_MARGIN_MM = 8.0


@dataclass(frozen=True, slots=True)
class Canvas:
    """One slab's axes in mm, in the scene's frame.

    Attributes:
        xs, ys, zs: 1-D positions of columns, rows and slices.
        blur_mm: how wide an edge looks: the side of a cube as large as a voxel.
    """

    xs: Array
    ys: Array
    zs: Array
    blur_mm: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x)."""
        return len(self.zs), len(self.ys), len(self.xs)

    @property
    def points(self) -> tuple[Array, Array, Array]:
        """x, y and z of all voxels as broadcastable arrays."""
        return self.xs[None, None, :], self.ys[None, :, None], self.zs[:, None, None]

    def window(self, solid: Solid | Bone, margin_mm: float) -> Window | None:
        """The part of the slab that a solid touches; None if it touches nothing."""
        low, high = solid.bounds()
        slices = []
        for axis, a, b in zip((self.zs, self.ys, self.xs), low[::-1] - margin_mm, high[::-1] + margin_mm, strict=True):
            start, stop = int(axis.searchsorted(a)), int(axis.searchsorted(b))
            if stop <= start:
                return None
            slices.append(slice(start, stop))
        return slices[0], slices[1], slices[2]

    def part(self, window: Window) -> Canvas:
        """The canvas of a window."""
        z, y, x = window
        return Canvas(self.xs[x], self.ys[y], self.zs[z], self.blur_mm)

    def distance(self, solid: Solid | Bone, window: Window) -> Array:
        """Signed distance at every voxel of a window, mm."""
        part = self.part(window)
        return np.broadcast_to(solid.distance(*part.points), part.shape)

    def bone_distance(self, bone: Bone, window: Window) -> Array:
        """As ``distance``, each of a bone's solids measured only near itself: exact to about 2 mm outside the surface.

        Far outside it is ``FAR_MM``; deep inside, a hole more than ``_HOLE_MARGIN_MM`` away is not seen.
        """
        part = self.part(window)
        outer: Array = np.full(part.shape, FAR_MM, dtype=np.float32)
        for solid in bone.solids:
            near = part.window(solid, 2 * bone.blend_mm + 4)
            if near is not None:
                outer[near] = smooth_minimum(outer[near], part.distance(solid, near), blend_mm=bone.blend_mm)
        for hole in bone.holes:
            near = part.window(hole, _HOLE_MARGIN_MM)
            if near is not None:
                np.maximum(outer[near], -part.distance(hole, near), out=outer[near])
        return outer

    def share(self, distance: Array, edge_mm: float = 0.0) -> Array:
        """Part of a voxel inside a surface at signed ``distance``: a ramp as wide as the voxel, plus its own edge."""
        share = np.asarray(distance / np.float32(self.blur_mm + edge_mm))
        np.subtract(np.float32(0.5), share, out=share)
        return np.clip(share, 0, 1, out=share)


@dataclass(frozen=True, slots=True)
class Textures:
    """The patient's random fields (``patient.FIELD_STEPS_MM``) on one slab or window, each (z, y, x)."""

    coarse: Array
    middle: Array
    fine: Array
    fat: Array

    def __getitem__(self, window: Window) -> Textures:
        return Textures(self.coarse[window], self.middle[window], self.fine[window], self.fat[window])


def sample_textures(fields: Sequence[SmoothField], canvas: Canvas) -> Textures:
    """The four random fields on a canvas."""
    return Textures(*(field.sample(canvas.xs, canvas.ys, canvas.zs) for field in fields))


def canvases(grid: Grid, *, slab_slices: int) -> Iterator[tuple[int, Canvas]]:
    """The slabs of a grid in its own frame, whose axes are those of the array (its direction is not looked at).

    The frame's origin is where the patient's is, so that a grid along the LPS axes has LPS coordinates.

    Yields:
        First slice index of the slab, and its canvas.
    """
    origin = grid.axes.T @ np.asarray(grid.origin_mm)
    xs, ys, zs = ((origin[k] + grid.spacing_mm[k] * np.arange(grid.shape[2 - k])).astype(np.float32) for k in range(3))
    blur = float(np.cbrt(grid.voxel_mm3))
    for start in range(0, len(zs), slab_slices):
        yield start, Canvas(xs, ys, zs[start : start + slab_slices], blur)
