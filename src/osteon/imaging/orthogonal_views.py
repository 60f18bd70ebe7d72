"""Three planes through a point of a volume, each with its neighbours: how nodule detectors look again at a candidate.

Setio et al., IEEE Trans Med Imaging 2016, doi 10.1109/TMI.2016.2536809, had nine planes; an axial, a coronal and a
sagittal one are three of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Readable(Protocol):
    """An array, a memory map, or what reads like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(z, y, x)."""

    def __getitem__(self, window: Any, /) -> Any:
        """The part in a window of slices."""


def view_points(
    *, side_px: int, pixel_mm: float, offsets_mm: Sequence[float], linear: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Where the pixels of the three planes lie, in mm from the centre.

    Args:
        side_px: pixels along each side.
        pixel_mm: their size.
        offsets_mm: of the parallel planes from the centre, 0 among them as a rule.
        linear: (3, 3) turn, zoom or mirror of all points, axes z, y, x; none by default.

    Returns:
        (3, K, side, side, 3): planes across z, y and x, K offsets, and the point (z, y, x).
    """
    along = (np.arange(side_px) - (side_px - 1) / 2) * pixel_mm
    rows, columns = np.meshgrid(along, along, indexing="ij")
    points = np.zeros((3, len(offsets_mm), side_px, side_px, 3))
    for axis in range(3):
        first, second = (k for k in range(3) if k != axis)
        for number, offset in enumerate(offsets_mm):
            points[axis, number, ..., axis] = offset
            points[axis, number, ..., first] = rows
            points[axis, number, ..., second] = columns
    return points if linear is None else points @ linear.T


def sample_points(
    volume: Readable,
    points_mm: NDArray[np.float64],
    *,
    centre: Sequence[float],
    spacing_mm: tuple[float, float, float],
    outside: float = 0.0,
) -> NDArray[np.float32]:
    """Linear interpolation of a volume (z, y, x) at points (..., 3) in mm (z, y, x) from ``centre``.

    Args:
        volume: of any number type; only the part that the points need is read.
        points_mm: from the centre.
        centre: index (z, y, x) of voxel centres, fractions allowed.
        spacing_mm: (x, y, z), as everywhere.
        outside: value beyond the volume.
    """
    where = points_mm / np.asarray(spacing_mm[::-1]) + np.asarray(centre, dtype=np.float64)
    low = np.maximum(np.floor(where.reshape(-1, 3).min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(where.reshape(-1, 3).max(axis=0)).astype(int) + 1, volume.shape)
    if (low >= high).any():
        return np.full(where.shape[:-1], outside, dtype=np.float32)
    part = np.asarray(volume[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], dtype=np.float32)
    found = ndimage.map_coordinates(part, np.moveaxis(where - low, -1, 0), order=1, mode="constant", cval=outside)
    return np.asarray(found, dtype=np.float32)
