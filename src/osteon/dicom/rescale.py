"""From stored values to Hounsfield units (CT) or signal (MR): PS3.3 C.11.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.dicom.header import Instance

_INT16 = np.iinfo(np.int16)
TISSUE_HU = (-900.0, 4095.0)
"""A padding value inside this range may be tissue and is left alone."""
_AIR_HU = -1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Rescale:
    """Value = stored x slope + intercept, with stored values in ``padding`` meaning no data."""

    slope: float
    intercept: float
    padding: tuple[int, int] | None = None

    @property
    def integral(self) -> bool:
        """Whether whole stored values stay whole."""
        return self.slope.is_integer() and self.intercept.is_integer()


def rescale_of(instance: Instance, *, modality: str, padding: tuple[int, int] | None) -> Rescale:
    """Read the rescale of one frame.

    Raises:
        InputError: missing on CT, zero or negative slope, or values in other units than Hounsfield on CT.
    """
    slope, intercept = instance.number("RescaleSlope"), instance.number("RescaleIntercept")
    unit = instance.text("RescaleType")
    if modality == "CT" and unit not in (None, "HU", "US", "HU_MOD"):
        raise InputError(f"RescaleType is {unit!r}: expected HU; this is no map of Hounsfield units, leave it out")
    if modality != "CT" and slope is None and intercept is None:
        return Rescale(slope=1.0, intercept=0.0)
    if slope is None or intercept is None:
        raise InputError(
            f"RescaleSlope is {slope}, RescaleIntercept {intercept}: expected both; without them stored values have no "
            "unit: send the file again"
        )
    if slope == 0:
        raise InputError("RescaleSlope is 0: every voxel would be the same; correct the file")
    return Rescale(slope=slope, intercept=intercept, padding=_meaningful(padding, slope, intercept, modality=modality))


def _meaningful(
    padding: tuple[int, int] | None, slope: float, intercept: float, *, modality: str
) -> tuple[int, int] | None:
    """The padding range on CT, unless it is air already or could be tissue."""
    if padding is None or modality != "CT":
        return None
    values = sorted(value * slope + intercept for value in padding)
    if values[1] < _AIR_HU or values[0] > TISSUE_HU[1]:
        return padding
    return None


def apply_rescale(raw: NDArray[Any], rescale: Rescale, *, out: NDArray[Any], air: int | None) -> int | None:
    """Write rescaled values to ``out`` (int16 or float32), which may share memory with ``raw``.

    Returns:
        Number of padded voxels, or None if a value does not fit int16.
    """
    empty = None
    if rescale.padding is not None and air is not None:
        low, high = rescale.padding
        empty = (raw >= low) & (raw <= high) if high > low else raw == low
        if not empty.any():
            empty = None
    if out.dtype == np.float32:
        np.multiply(raw, np.float32(rescale.slope), out=out, casting="unsafe")
        out += np.float32(rescale.intercept)
    elif not _to_int16(raw, rescale, out=out, empty=empty):
        return None
    if empty is None:
        return 0
    out[empty] = air
    return int(empty.sum())


def _to_int16(raw: NDArray[Any], rescale: Rescale, *, out: NDArray[Any], empty: NDArray[np.bool_] | None) -> bool:
    """Arithmetic modulo 2^16: right for every value whose result fits, which the extremes tell."""
    kept = raw if empty is None else raw[~empty]
    slope, intercept = int(rescale.slope), int(rescale.intercept)
    if kept.size:
        ends = sorted((int(kept.min()) * slope + intercept, int(kept.max()) * slope + intercept))
        if ends[0] < _INT16.min or ends[1] > _INT16.max:
            return False
    if raw.dtype.itemsize != 2 or not np.shares_memory(raw, out):
        np.copyto(out, raw, casting="unsafe")
    if slope != 1:
        np.multiply(out, _wrapped(slope), out=out)
    if intercept:
        np.add(out, _wrapped(intercept), out=out)
    return True


def _wrapped(value: int) -> np.int16:
    return np.int16((value + 32768) % 65536 - 32768)
