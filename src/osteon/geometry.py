"""Where a voxel is: index to patient millimetres and back, on any oblique or flipped grid.

World frame: DICOM patient space (LPS: x to the patient's left, y to the back, z to the head), in
millimetres, as in DICOM PS3.3 C.7.6.2. Arrays are ``(z, y, x)``; points and index triples are ``(x, y, z)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

Triple = tuple[float, float, float]
IDENTITY: tuple[Triple, Triple, Triple] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_ORTHONORMAL_TOLERANCE = 1e-3


def _triple(values: Sequence[float] | NDArray[np.float64]) -> Triple:
    x, y, z = (float(value) for value in values)
    return x, y, z


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A regular grid of voxels in patient space.

    Attributes:
        shape: number of voxels as ``(z, y, x)``, the shape of the array on this grid.
        spacing_mm: distance between voxel centres along the index axes ``(x, y, z)``.
        origin_mm: LPS position ``(x, y, z)`` of the centre of voxel (0, 0, 0).
        direction: 3 x 3, row by row; its *columns* are the LPS unit vectors of the index axes x, y, z.

    Raises:
        GeometryError: spacing not positive, shape empty, or direction not orthonormal.
    """

    shape: tuple[int, int, int]
    spacing_mm: Triple = (1.0, 1.0, 1.0)
    origin_mm: Triple = (0.0, 0.0, 0.0)
    direction: tuple[Triple, Triple, Triple] = IDENTITY

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise GeometryError(f"grid shape {self.shape}: expected three positive lengths (z, y, x)")
        numbers = np.array([*self.spacing_mm, *self.origin_mm, *np.ravel(self.direction)], dtype=np.float64)
        if numbers.shape != (15,) or not np.isfinite(numbers).all():
            raise GeometryError("grid spacing, origin or direction is not 3 + 3 + 9 finite numbers")
        if min(self.spacing_mm) <= 0:
            raise GeometryError(f"grid spacing {self.spacing_mm} mm: expected positive lengths")
        axes = self.axes
        if not np.allclose(axes.T @ axes, np.eye(3), atol=_ORTHONORMAL_TOLERANCE):
            raise GeometryError(
                "grid direction is not orthonormal (sheared axes, as from an uncorrected gantry tilt); resample first"
            )

    @property
    def axes(self) -> NDArray[np.float64]:
        """3 x 3 matrix whose columns are the LPS unit vectors of the index axes x, y, z."""
        return np.asarray(self.direction, dtype=np.float64)

    @property
    def affine(self) -> NDArray[np.float64]:
        """4 x 4 matrix from homogeneous index ``(x, y, z, 1)`` to LPS millimetres."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_mm
        return matrix

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in cubic millimetres."""
        return float(np.prod(self.spacing_mm))

    @property
    def size_mm(self) -> Triple:
        """Extent along the index axes (x, y, z), from outer voxel edge to outer voxel edge."""
        return _triple(np.asarray(self.shape[::-1]) * np.asarray(self.spacing_mm))

    @classmethod
    def from_affine(cls, affine: ArrayLike, shape: tuple[int, int, int]) -> Grid:
        """Make a grid from a 4 x 4 index (x, y, z) to LPS matrix and an array shape (z, y, x)."""
        matrix = np.asarray(affine, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise GeometryError("affine: expected a finite 4 x 4 matrix")
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        if (spacing <= 0).any():
            raise GeometryError("affine: an axis has no length")
        rows = matrix[:3, :3] / spacing
        return cls(
            shape=shape,
            spacing_mm=_triple(spacing),
            origin_mm=_triple(matrix[:3, 3]),
            direction=(_triple(rows[0]), _triple(rows[1]), _triple(rows[2])),
        )

    def to_mm(self, index: ArrayLike) -> NDArray[np.float64]:
        """LPS millimetres of continuous indices ``(..., 3)`` given as (x, y, z)."""
        scaled = np.asarray(index, dtype=np.float64) * np.asarray(self.spacing_mm)
        return np.asarray(scaled @ self.axes.T + np.asarray(self.origin_mm))

    def to_index(self, point_mm: ArrayLike) -> NDArray[np.float64]:
        """Continuous index (x, y, z) of LPS points ``(..., 3)``; voxel centres lie on whole numbers."""
        offset = np.asarray(point_mm, dtype=np.float64) - np.asarray(self.origin_mm)
        return np.asarray(offset @ np.linalg.inv(self.axes).T / np.asarray(self.spacing_mm))

    def contains(self, point_mm: ArrayLike) -> NDArray[np.bool_]:
        """Whether LPS points ``(..., 3)`` lie inside the grid, outer voxel edges included."""
        index = self.to_index(point_mm)
        limit = np.asarray(self.shape[::-1]) - 0.5
        return np.asarray(((index >= -0.5) & (index <= limit)).all(axis=-1))

    def resized(self, spacing_mm: Triple) -> Grid:
        """The same field of view at another spacing (x, y, z); the outer corner of voxel 0 stays in place."""
        old, new = np.asarray(self.spacing_mm), np.asarray(spacing_mm, dtype=np.float64)
        counts = np.maximum(1, np.round(np.asarray(self.size_mm) / new)).astype(int)
        return Grid(
            shape=(int(counts[2]), int(counts[1]), int(counts[0])),
            spacing_mm=_triple(new),
            origin_mm=_triple(self.to_mm((new - old) / 2 / old)),
            direction=self.direction,
        )

    def cropped(self, start: tuple[int, int, int], stop: tuple[int, int, int]) -> Grid:
        """The part of the grid from index ``start`` to before ``stop``, both (z, y, x) as array slices are."""
        shape = (stop[0] - start[0], stop[1] - start[1], stop[2] - start[2])
        return Grid(
            shape=shape,
            spacing_mm=self.spacing_mm,
            origin_mm=_triple(self.to_mm(start[::-1])),
            direction=self.direction,
        )


def closest_lps_axes(grid: Grid) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Which array axis runs closest to each world axis, and whether it runs against it.

    Of axes that are as close as each other, the one that has the place already keeps it, so that what was turned once
    is not turned again.

    Returns:
        ``(order, sign)``: to bring an array (z, y, x) near LPS, transpose by ``order`` (array axes that become the new
        z, y, x) and then flip the new axes whose ``sign`` is -1.
    """
    remaining = [0, 1, 2]
    columns = np.full(3, -1)
    strength = np.abs(grid.axes).round(9)
    for world, column in sorted(np.ndindex(3, 3), key=lambda wc: (-strength[wc], wc[0] != wc[1])):
        if columns[world] < 0 and column in remaining:
            columns[world] = column
            remaining.remove(column)
    signs = [1 if grid.axes[world, columns[world]] >= 0 else -1 for world in range(3)]
    order = (int(2 - columns[2]), int(2 - columns[1]), int(2 - columns[0]))
    return order, (signs[2], signs[1], signs[0])


def reorient_to_lps(array: NDArray[np.generic], grid: Grid) -> tuple[NDArray[np.generic], Grid]:
    """Permute and flip axes, without resampling, so that (z, y, x) run closest to LPS (head, back, left).

    Returns:
        A view of ``array`` and its grid. Every voxel keeps its place in patient space.
    """
    order, sign = closest_lps_axes(grid)
    view = array.transpose(order)
    flips = tuple(slice(None, None, step) for step in sign)
    columns = [2 - axis for axis in order]  # index axis (x=0, y=1, z=2) behind the new z, y, x
    corner = np.zeros(3)
    for column, step, length in zip(columns, sign, view.shape, strict=True):
        corner[column] = length - 1 if step < 0 else 0
    axes = np.stack([grid.axes[:, c] * s for c, s in zip(columns[::-1], sign[::-1], strict=True)], axis=1)
    spacing = [grid.spacing_mm[c] for c in columns[::-1]]
    return view[flips], Grid(
        shape=(view.shape[0], view.shape[1], view.shape[2]),
        spacing_mm=_triple(spacing),
        origin_mm=_triple(grid.to_mm(corner)),
        direction=(_triple(axes[0]), _triple(axes[1]), _triple(axes[2])),
    )
