"""A volume turned, not resampled, so that (z, y, x) run to the head, the back and the left; masks turned back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.geometry import Grid, reorient_to_lps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.records import Volume

OBLIQUE_DEG = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Canonical:
    """An axial view of a volume.

    Attributes:
        array: (z, y, x), closest to LPS; a view of the volume's array.
        grid: of ``array``.
        source: grid of the volume it was made from.
    """

    array: NDArray[Any]
    grid: Grid
    source: Grid

    def to_source(self, mask: NDArray[Any]) -> NDArray[Any]:
        """Put an array on ``grid`` back into the voxel order of the source volume; itself where that is the same order.

        A whole body's masks are more than a gigabyte, and most axial series need no turning.
        """
        out = np.zeros(self.source.shape, dtype=mask.dtype)  # takes no memory before something is written
        view, _ = reorient_to_lps(out, self.source)
        if view.shape == out.shape and view.strides == out.strides:
            return mask
        view[...] = mask
        return out

    def tilt_deg(self) -> float:
        """Angle between the slice axis and the patient's long axis."""
        return float(np.rad2deg(np.arccos(np.clip(abs(self.grid.axes[2, 2]), 0, 1))))


def canonical(volume: Volume) -> Canonical:
    """Turn a volume to LPS."""
    array, grid = reorient_to_lps(volume.array, volume.grid)
    return Canonical(array=array, grid=grid, source=volume.grid)
