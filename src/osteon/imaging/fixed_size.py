"""Any volume at a fixed number of voxels and back: the input of networks that were trained at one size.

The field of view stays: voxel *edges* of the first and last voxel meet, so that what comes back lies where it was. In
plane the field of view is made square first (by a margin on the shorter side), so that nothing is stretched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from osteon.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.geometry import Grid


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedSize:
    """How one volume and its fixed-size version belong together.

    Attributes:
        shape: of the volume, (slices, rows, columns).
        padded: rows and columns with the margin that makes the field of view square.
        size: of the fixed version, (slices, rows, columns).

    Raises:
        UsageError: a size that is no size.
    """

    shape: tuple[int, int, int]
    padded: tuple[int, int]
    size: tuple[int, int, int]

    def __post_init__(self) -> None:
        if min(self.size) < 1 or min(self.shape) < 1:
            raise UsageError(f"fixed size {self.size}: expected three positive lengths")

    @property
    def margin(self) -> tuple[int, int]:
        """Rows above and columns left of the volume in its square field of view."""
        return (self.padded[0] - self.shape[1]) // 2, (self.padded[1] - self.shape[2]) // 2

    def to_fixed(self, array: NDArray[Any], *, nearest: bool = False) -> NDArray[Any]:
        """Resample (slices, rows, columns) to ``size``: by area where it shrinks, else linear; ``nearest`` for labels.

        Values between stay float32 unless ``nearest``, which keeps the type (uint8, uint16, int16 or float32).
        """
        values = array if nearest else array.astype(np.float32)
        top, left = self.margin
        square = np.zeros((values.shape[0], *self.padded), dtype=values.dtype)
        square[:, top : top + self.shape[1], left : left + self.shape[2]] = values
        shrinks = self.padded[0] > self.size[1] or self.padded[1] > self.size[2]
        way = cv2.INTER_NEAREST_EXACT if nearest else cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        planes = [cv2.resize(plane, (self.size[2], self.size[1]), interpolation=way) for plane in square]
        return along_slices(np.stack(planes), self.size[0], nearest=nearest)

    def to_source(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Resample an answer (slices, rows, columns) of ``size`` back to ``shape``, linear between voxel centres."""
        thick = along_slices(array, self.shape[0])
        top, left = self.margin
        height, width = self.padded
        out = np.empty(self.shape, dtype=np.float32)
        for index, plane in enumerate(thick):
            whole = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
            out[index] = whole[top : top + self.shape[1], left : left + self.shape[2]]
        return out


def fixed_size(grid: Grid, size: tuple[int, int, int]) -> FixedSize:
    """The margin that makes the field of view of a (slices, rows, columns) grid square, in voxels of its own."""
    slices, rows, columns = grid.shape
    width_mm, height_mm = columns * grid.spacing_mm[0], rows * grid.spacing_mm[1]
    side_mm = max(width_mm, height_mm)
    padded = (max(rows, round(side_mm / grid.spacing_mm[1])), max(columns, round(side_mm / grid.spacing_mm[0])))
    return FixedSize(shape=(slices, rows, columns), padded=padded, size=size)


def along_slices(array: NDArray[Any], count: int, *, nearest: bool = False) -> NDArray[Any]:
    """Resample the first axis to ``count`` slices over the same thickness, linear or nearest."""
    slices = array.shape[0]
    if count == slices:
        return array
    places = np.clip((np.arange(count) + 0.5) * slices / count - 0.5, 0, slices - 1)
    if nearest:
        return np.asarray(array[np.rint(places).astype(int)])
    low = np.floor(places).astype(int)
    part = (places - low).astype(np.float32).reshape(-1, *([1] * (array.ndim - 1)))
    high = np.minimum(low + 1, slices - 1)
    return np.asarray(array[low] * (1 - part) + array[high] * part, dtype=np.float32)
