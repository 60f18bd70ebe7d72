"""Scans that come without a slice order of their own (NIfTI): slices across the axis that is sampled most coarsely."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.geometry import Grid, reorient_to_lps

if TYPE_CHECKING:
    from numpy.typing import NDArray

AS_FINE = 1.15
"""Slices stay axial where no other axis is coarser than theirs by more than this factor."""


def in_slices(array: NDArray[np.generic], grid: Grid, *, sagittal: bool) -> tuple[NDArray[np.generic], Grid]:
    """Turn a volume, without resampling, so that its first axis runs across its slices, as a scanner would write them.

    Axial: rows to the back, columns to the left. Sagittal and coronal: rows to the feet, columns to the back or left.

    Args:
        array: (z, y, x).
        grid: of it.
        sagittal: how slices lie where all axes are about as fine (MR of the spine); else axial.

    Returns:
        A view, and its grid.
    """
    turned, axial = reorient_to_lps(array, grid)
    x, y, z = axial.spacing_mm
    across = 0 if sagittal else 2
    coarsest = int(np.argmax([x, y, z]))
    if max(x, y, z) > AS_FINE * (x, y, z)[across]:
        across = coarsest
    if across == 2:
        return turned, axial
    other = 1 - across
    view = turned.transpose(2 - across, 0, 2 - other)[:, ::-1]
    axes = axial.axes
    columns = np.stack([axes[:, other], -axes[:, 2], axes[:, across]], axis=1)
    origin = axial.to_mm((0, 0, axial.shape[0] - 1))
    rows = [(float(row[0]), float(row[1]), float(row[2])) for row in columns]
    spacing = axial.spacing_mm
    return view, Grid(
        shape=(view.shape[0], view.shape[1], view.shape[2]),
        spacing_mm=(spacing[other], spacing[2], spacing[across]),
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=(rows[0], rows[1], rows[2]),
    )
