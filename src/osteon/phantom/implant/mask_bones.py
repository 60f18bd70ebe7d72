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
PATCH_MM3, TOUCHING_SHARE = 15000.0, 0.15
"""A patch of a bone is up to this large and has this share of its surface on other pieces: a rib touches vertebrae
with less."""
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


def solid_of_mask(labels: NDArray[Any], grid: Grid, *, number: int, box: tuple[slice, ...]) -> MaskSolid:
    """The solid of one number in a label map (z, y, x); only the box round it, which must be given, is looked at."""
    margin = np.ceil(MARGIN_MM / np.asarray(grid.spacing_mm[::-1])).astype(int)
    window = tuple(
        slice(max(part.start - m, 0), min(part.stop + m, n))
        for part, m, n in zip(box, margin, labels.shape, strict=True)
    )
    inside, sampling = labels[window] == number, grid.spacing_mm[::-1]
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

    Small pieces that lie against another bone are taken to be of it: networks name the sites of single patches wrongly.

    Args:
        sites: (z, y, x), 0 outside bone, else a bone site as in a cohort's ``bone`` truth.
        grid: of both.
        vertebrae: VerSe numbers (z, y, x), or None.
        named: whether the numbers in ``sites`` are sites; otherwise they only say that there is bone.

    Returns:
        Label map int32 (z, y, x), and the pieces, which are at least 300 mm³ large.
    """
    given = np.asarray(sites) if named else (np.asarray(sites) > 0).astype(np.uint8) * np.uint8(len(SITES))
    parts = np.zeros(given.shape, dtype=np.int32)
    pieces: list[BonePiece] = []
    if vertebrae is not None:
        levels = np.asarray(vertebrae)
        for label, window in enumerate(ndimage.find_objects(levels.astype(np.int32)), start=1):
            if window is not None and (label in _VERTEBRAE or label == SACRUM):
                name, site = ("sacrum", "sacrum") if label == SACRUM else (_VERTEBRAE[label], "vertebra")
                _add(pieces, parts, (levels[window] == label), window, grid, names=(name, site, label))
        given = np.where(levels == 0, given, 0)
    for value, window in enumerate(ndimage.find_objects(given.astype(np.int32)), start=1):
        if window is None:
            continue
        site = SITES[value] if value < len(SITES) else "bone"
        labels, _ = ndimage.label(given[window] == value, structure=np.ones((3, 3, 3)))
        order = np.argsort(-np.bincount(labels.ravel())[1:], kind="stable") + 1
        boxes = ndimage.find_objects(labels)
        for number, k in enumerate(order, start=1):
            _add(
                pieces,
                parts[window],
                labels[boxes[k - 1]] == k,
                boxes[k - 1],
                grid,
                names=(f"{site} {number}", site, 0),
            )
    return parts, _joined(parts, pieces, grid)


def _add(
    pieces: list[BonePiece],
    parts: NDArray[np.int32],
    inside: NDArray[np.bool_],
    window: tuple[slice, ...],
    grid: Grid,
    *,
    names: tuple[str, str, int],
) -> None:
    """Enter a mask on a window as one more piece, unless it is a speck."""
    volume = float(inside.sum() * grid.voxel_mm3)
    if volume >= SMALLEST_MM3:
        number = len(pieces) + 1
        parts[window][inside] = number
        pieces.append(BonePiece(name=names[0], site=names[1], label=names[2], number=number, volume_mm3=volume))


def _joined(parts: NDArray[np.int32], pieces: list[BonePiece], grid: Grid) -> tuple[BonePiece, ...]:
    """Give small pieces of no known level to the piece that they lie against most; ``parts`` is changed."""
    kept = {piece.number: piece for piece in pieces}
    boxes: list[Any] = ndimage.find_objects(parts)
    for piece in sorted(pieces, key=lambda one: one.volume_mm3):
        box = boxes[piece.number - 1]
        if piece.label or piece.volume_mm3 > PATCH_MM3 or box is None:
            continue
        window = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in box)
        inside = parts[window] == piece.number
        shell = parts[window][ndimage.binary_dilation(inside, structure=np.ones((3, 3, 3))) & ~inside]
        touching = np.bincount(shell, minlength=1)
        touching[0] = 0
        if touching.sum() < TOUCHING_SHARE * shell.size:
            continue
        other = int(np.argmax(touching))
        parts[window][inside] = other
        larger = kept[other]
        kept[other] = replace(larger, volume_mm3=larger.volume_mm3 + kept.pop(piece.number).volume_mm3)
        united = zip(box, boxes[other - 1], strict=True)
        boxes[other - 1] = tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in united)
    return tuple(kept.values())


def bone_of(piece: BonePiece, parts: NDArray[np.int32], grid: Grid, *, box: tuple[slice, ...]) -> Bone:
    """The piece as a bone, LPS; its cortex is left at the phantom's usual thickness."""
    solid = solid_of_mask(parts, grid, number=piece.number, box=box)
    low, high = solid.bounds()
    return Bone(name=piece.name, site=piece.site, solids=(solid,), label=piece.label, centre=(low + high) / 2)
