"""A volume of sagittal slices turned, not resampled: slices to the left, rows to the feet, columns to the back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.geometry import Grid, reorient_to_lps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.records import Volume


@dataclass(frozen=True, kw_only=True, slots=True)
class Sagittal:
    """A sagittal view of a volume.

    Attributes:
        array: (slices, rows, columns): to the left, to the feet, to the back; a view of the volume's array.
        grid: of ``array``.
        source: grid of the volume it was made from.
    """

    array: NDArray[Any]
    grid: Grid
    source: Grid

    def to_source(self, mask: NDArray[Any]) -> NDArray[Any]:
        """Put an array on ``grid`` back into the voxel order of the source volume."""
        out = np.zeros(self.source.shape, dtype=mask.dtype)
        _view(out, self.source)[0][...] = mask
        return out


def sagittal(volume: Volume) -> Sagittal:
    """Turn a volume so that its sagittal planes come first, whatever way it is stored."""
    array, grid = _view(volume.array, volume.grid)
    return Sagittal(array=array, grid=grid, source=volume.grid)


def _view(array: NDArray[Any], grid: Grid) -> tuple[NDArray[Any], Grid]:
    """From (z, y, x) near LPS to (x, -z, y)."""
    turned, lps = reorient_to_lps(array, grid)  # index x to the left, y to the back, z to the head
    view = turned.transpose(2, 0, 1)[:, ::-1, :]
    axes = lps.axes
    columns = np.stack([axes[:, 1], -axes[:, 2], axes[:, 0]], axis=1)  # of the new index x (back), y (feet), z (left)
    dx, dy, dz = lps.spacing_mm
    corner = lps.to_mm((0, 0, lps.shape[0] - 1))
    rows = columns.tolist()
    return view, Grid(
        shape=(view.shape[0], view.shape[1], view.shape[2]),
        spacing_mm=(dy, dz, dx),
        origin_mm=(float(corner[0]), float(corner[1]), float(corner[2])),
        direction=(tuple(rows[0]), tuple(rows[1]), tuple(rows[2])),
    )
