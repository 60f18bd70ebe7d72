"""Undo a gantry tilt: shift every slice within its own plane, so that the grid becomes orthogonal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray  # noqa: TC002

_HALF_PIXEL = 0.5 + 1e-6  # a tie counts as inside, whatever the rounding of the shift


def straighten(array: NDArray[Any], shear_px: tuple[float, float], *, fill: float) -> NDArray[Any]:
    """Move slice ``i`` by ``i x shear`` pixels, by linear interpolation within the slice.

    Slices are not mixed: slice ``i`` of the result holds slice ``i`` of the input only.

    Args:
        array: (z, y, x) in slice order.
        shear_px: displacement from slice to slice as (columns, rows).
        fill: value outside the slices.

    Returns:
        Array of the same type on ``osteon.dicom.stack.sheared_grid``.
    """
    drift = np.asarray(shear_px) * (array.shape[0] - 1)
    before = np.ceil(np.maximum(-drift, 0) - 1e-6).astype(int)
    after = np.ceil(np.maximum(drift, 0) - 1e-6).astype(int)
    shape = (array.shape[0], array.shape[1] + before[1] + after[1], array.shape[2] + before[0] + after[0])
    result = np.full(shape, fill, dtype=array.dtype)
    for index, plane in enumerate(array):
        moved = plane.astype(np.float32)
        for axis, (shear, margin) in enumerate(((shear_px[1], before[1]), (shear_px[0], before[0]))):
            moved = _shift(moved, index * shear + margin, length=shape[1 + axis], axis=axis, fill=fill)
        result[index] = np.rint(moved) if array.dtype.kind in "iu" else moved
    return result


def _shift(plane: NDArray[np.float32], offset: float, *, length: int, axis: int, fill: float) -> NDArray[np.float32]:
    """Place ``plane`` at a fractional ``offset`` along ``axis`` of a plane of ``length``.

    A pixel reaches half a pixel beyond its centre; farther out is ``fill``.
    """
    position = np.arange(length) - offset
    last = plane.shape[axis] - 1
    inside = (position >= -_HALF_PIXEL) & (position <= last + _HALF_PIXEL)
    position = position.clip(0, last)
    low = np.floor(position).astype(int)
    weight = (position - low).astype(np.float32)
    one = np.take(plane, low, axis=axis)
    two = np.take(plane, np.minimum(low + 1, last), axis=axis)
    along = (-1, 1) if axis == 0 else (1, -1)
    weight, inside = weight.reshape(along), inside.reshape(along)
    return np.where(inside, one * (1 - weight) + two * weight, np.float32(fill))
