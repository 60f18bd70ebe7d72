"""Bones of a real scan, taken from masks, as the phantom's bones: what lesions are drawn into."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from osteon.phantom.anatomy.bones import Bone
from osteon.phantom.painter import SITES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.geometry import Grid
    from osteon.phantom.anatomy.shapes import Array, Vector

SMALLEST_MM3 = 300.0
"""Smaller pieces of bone are taken for specks."""
MARGIN_MM = 6.0
"""How far outside a bone its distance is known; farther away it grows no more."""
_VERTEBRAE = {n: f"C{n}" for n in range(1, 8)}
_VERTEBRAE |= {7 + n: f"T{n}" for n in range(1, 13)} | {19 + n: f"L{n}" for n in range(1, 7)} | {28: "T13"}
SACRUM = 26


@dataclass(frozen=True, slots=True)
class MaskSolid:
    """A solid given by signed distances on a grid of voxels.

    Attributes:
        distances: (z, y, x) mm, negative inside.
        grid: of ``distances``.
        turn: 3 x 3 rotation from the grid's patient space to the solid's.
        shift_mm: (3,) then added.
    """

    distances: Array
    grid: Grid
    turn: Vector = field(default_factory=lambda: np.eye(3))
    shift_mm: Vector = field(default_factory=lambda: np.zeros(3))

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Trilinear; outside the grid the value at its border."""
        shape = np.broadcast_shapes(np.shape(x), np.shape(y), np.shape(z))
        # index = matrix @ point + offset, axis by axis so that broadcastable points stay small
        scaled = (self.grid.axes / np.asarray(self.grid.spacing_mm)).T @ self.turn.T
        offset = self.grid.to_index(-self.turn.T @ self.shift_mm)
        index = np.empty((3, *shape), dtype=np.float32)
        for k in range(3):
            a, b, c = scaled[k].astype(np.float32)
            index[2 - k] = x * a + y * b + z * c + np.float32(offset[k])
        return np.asarray(ndimage.map_coordinates(self.distances, index, order=1, mode="nearest"), dtype=np.float32)

    def bounds(self) -> tuple[Vector, Vector]:
        """Box round what lies inside."""
        z, y, x = (axis.astype(np.float64) for axis in np.nonzero(self.distances < 0))
        low, high = np.array([x.min(), y.min(), z.min()]) - 0.5, np.array([x.max(), y.max(), z.max()]) + 0.5
        corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
        points = self.grid.to_mm(corners) @ self.turn.T + self.shift_mm
        return points.min(axis=0), points.max(axis=0)

    def moved(self, rotation: Vector, shift_mm: Vector) -> MaskSolid:
        """Rotate and shift."""
        return replace(self, turn=rotation @ self.turn, shift_mm=rotation @ self.shift_mm + shift_mm)


def solid_of_mask(mask: NDArray[np.bool_], grid: Grid) -> MaskSolid:
    """The solid of a mask (z, y, x) with some voxel set; only the box round it is kept."""
    margin = np.ceil(MARGIN_MM / np.asarray(grid.spacing_mm[::-1])).astype(int)
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    window = tuple(
        slice(max(part.start - m, 0), min(part.stop + m, n))
        for part, m, n in zip(found, margin, mask.shape, strict=True)
    )
    inside, sampling = mask[window], grid.spacing_mm[::-1]
    half = np.float32(min(sampling) / 2)  # a voxel's centre lies half a voxel from the surface, or more
    outer = ndimage.distance_transform_edt(~inside, sampling=sampling)
    inner = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=sampling)[1:-1, 1:-1, 1:-1]
    distance = np.where(inside, half - inner, outer - half).astype(np.float32)
    start = (window[0].start, window[1].start, window[2].start)
    stop = (window[0].stop, window[1].stop, window[2].stop)
    return MaskSolid(distance, grid.cropped(start, stop))


@dataclass(frozen=True, kw_only=True, slots=True)
class BonePiece:
    """One bone of a mask, not yet measured.

    Attributes:
        name: "L3", "rib 2", "bone 1".
        site: as in ``Bone``; "bone" where the mask does not say.
        label: VerSe number, or 0.
        number: in the label map that ``pieces_of`` returns.
        volume_mm3: by voxel counting.
    """

    name: str
    site: str
    label: int
    number: int
    volume_mm3: float


def pieces_of(
    sites: NDArray[Any], grid: Grid, *, vertebrae: NDArray[Any] | None = None, named: bool = True
) -> tuple[NDArray[np.int32], tuple[BonePiece, ...]]:
    """Divide a bone mask into bones: by vertebra where those are known, else by site and what hangs together.

    Args:
        sites: (z, y, x), 0 outside bone, else a bone site as in a cohort's ``bone`` truth.
        grid: of both.
        vertebrae: VerSe numbers (z, y, x), or None.
        named: whether the numbers in ``sites`` are sites; otherwise they only say that there is bone.

    Returns:
        Label map int32 (z, y, x), and the pieces, which are at least 300 mm³ large.
    """
    rest = np.asarray(sites) > 0
    parts = np.zeros(rest.shape, dtype=np.int32)
    pieces: list[BonePiece] = []

    def add(mask: NDArray[np.bool_], *, name: str, site: str, label: int = 0) -> None:
        volume = float(mask.sum() * grid.voxel_mm3)
        if volume >= SMALLEST_MM3:
            parts[mask] = len(pieces) + 1
            pieces.append(BonePiece(name=name, site=site, label=label, number=len(pieces) + 1, volume_mm3=volume))

    if vertebrae is not None:
        for label in sorted(set(np.unique(vertebrae).tolist()) & ({*_VERTEBRAE} | {SACRUM})):
            name, site = ("sacrum", "sacrum") if label == SACRUM else (_VERTEBRAE[label], "vertebra")
            add(np.asarray(vertebrae) == label, name=name, site=site, label=label)
        rest &= np.asarray(vertebrae) == 0
    for value in np.unique(np.asarray(sites)[rest]).tolist() if named else [None]:
        site = SITES[int(value)] if value is not None and 0 < value < len(SITES) else "bone"
        mask = rest if value is None else rest & (np.asarray(sites) == value)
        labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        order = np.argsort(-sizes, kind="stable") + 1
        for number, k in enumerate(order[sizes[order - 1] * grid.voxel_mm3 >= SMALLEST_MM3], start=1):
            add(labels == k, name=f"{site} {number}", site=site)
    return parts, tuple(pieces)


def bone_of(piece: BonePiece, parts: NDArray[np.int32], grid: Grid) -> Bone:
    """The piece as a bone, LPS; its cortex is left at the phantom's usual thickness."""
    solid = solid_of_mask(parts == piece.number, grid)
    low, high = solid.bounds()
    return Bone(name=piece.name, site=piece.site, solids=(solid,), label=piece.label, centre=(low + high) / 2)
