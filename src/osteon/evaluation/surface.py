"""Distances between the surfaces of two masks, in millimetres, with anisotropic spacing.

The surface of a mask is the set of its border voxels: those with a face neighbour outside the mask or the array.
Distances run between voxel centres, from every border voxel of one mask to the nearest of the other.

- ``hausdorff_mm``: the larger of the two directed percentiles (95: HD95; 100: the Hausdorff distance).
- ``surface_dice``: normalised surface Dice, the share of all border voxels that lie within a tolerance of the other
  surface (Nikolov et al., J Med Internet Res 2021, 23:e26151; here each border voxel counts once, not by its area).
- ``mean_surface_mm``: mean over all border voxels of both masks (average symmetric surface distance).

Both masks empty: nothing is defined (nan). One empty: distances are infinite, surface Dice is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

from osteon.errors import GeometryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

NAN, INFINITE = float("nan"), float("inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class SurfaceDistances:
    """Distance from every border voxel to the other surface, millimetres; infinite where the other mask is empty.

    Attributes:
        from_true: (n,) one for each border voxel of the true mask.
        from_predicted: (m,) one for each border voxel of the predicted mask.
    """

    from_true: NDArray[np.float64]
    from_predicted: NDArray[np.float64]


def border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Border voxels of a mask of any dimension: inside, with a face neighbour that is not."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        moved = np.moveaxis(mask, axis, 0)
        core = np.moveaxis(inner, axis, 0)
        core[1:] &= moved[:-1]
        core[:-1] &= moved[1:]
        core[:1] = core[-1:] = False
    return mask & ~inner


def surface_distances(true: ArrayLike, predicted: ArrayLike, *, spacing_mm: Sequence[float]) -> SurfaceDistances:
    """Distances between the surfaces of two masks.

    Args:
        true: mask (z, y, x) or (y, x); anything but 0 is inside.
        predicted: mask on the same grid.
        spacing_mm: distance between voxel centres along ``(x, y, z)`` or ``(x, y)``, as in ``Grid.spacing_mm``.

    Raises:
        GeometryError: shapes differ, or the spacing is not one positive length for each axis.
    """
    a, b = np.asarray(true) != 0, np.asarray(predicted) != 0
    if a.shape != b.shape:
        raise GeometryError(f"masks of shapes {a.shape} (true) and {b.shape} (predicted): expected the same grid")
    scale = np.asarray(spacing_mm, dtype=np.float64)[::-1]
    if scale.shape != (a.ndim,) or not (np.isfinite(scale).all() and (scale > 0).all()):
        raise GeometryError(f"spacing {tuple(spacing_mm)} mm for {a.ndim} axes: expected a positive length for each")
    true_points, predicted_points = (_border_points(mask) * scale for mask in (a, b))
    return SurfaceDistances(
        from_true=_nearest(true_points, predicted_points), from_predicted=_nearest(predicted_points, true_points)
    )


def _bounds(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First index and one past the last of what is inside, along each axis; (0, 0) where nothing is."""
    ends = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        ends.append((int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, 0))
    return ends


def _border_points(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices (n, ndim) of the border voxels, found inside the bounding box."""
    bounds = _bounds(mask)
    inside = mask[tuple(slice(*ends) for ends in bounds)]
    return np.argwhere(border(inside)) + np.array([ends[0] for ends in bounds], dtype=np.intp)


def _nearest(points: NDArray[np.float64], surface: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(surface):
        return np.full(len(points), INFINITE)
    if not len(points):
        return np.empty(0)
    return np.asarray(KDTree(surface).query(points)[0], dtype=np.float64)


def hausdorff_mm(distances: SurfaceDistances, *, percentile: float = 95.0) -> float:
    """The larger of both directed percentiles of the distances, millimetres.

    Raises:
        UsageError: ``percentile`` is not from 0 to 100.
    """
    if not 0 <= percentile <= 100:
        raise UsageError(f"percentile {percentile} of surface distances: expected 0 to 100")
    sides = (distances.from_true, distances.from_predicted)
    if not any(side.size for side in sides):
        return NAN
    if not all(side.size for side in sides):
        return INFINITE
    return max(float(np.percentile(side, percentile)) for side in sides)


def surface_dice(distances: SurfaceDistances, *, tolerance_mm: float) -> float:
    """Normalised surface Dice, 0 to 1.

    Args:
        distances: from ``surface_distances``.
        tolerance_mm: distance up to which a border voxel counts as matched; choose what two readers differ by.

    Raises:
        UsageError: a tolerance that is negative or not finite.
    """
    if not (np.isfinite(tolerance_mm) and tolerance_mm >= 0):
        raise UsageError(f"surface tolerance {tolerance_mm} mm: expected a length from 0")
    together = np.concatenate([distances.from_true, distances.from_predicted])
    within = together <= tolerance_mm + 1e-9  # spacing such as 0.1 mm adds up inexactly
    return float(within.mean()) if together.size else NAN


def mean_surface_mm(distances: SurfaceDistances) -> float:
    """Mean distance over the border voxels of both masks, millimetres."""
    together = np.concatenate([distances.from_true, distances.from_predicted])
    return float(together.mean()) if together.size else NAN
