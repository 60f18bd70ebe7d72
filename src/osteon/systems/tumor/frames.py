"""Series of a study as grey frames: which are read, how they are turned and stretched, and regions cut from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from osteon.dicom import roles
from osteon.dicom.sequences import FEWEST_SLICES, LEFT_OUT, plane_of_slices
from osteon.errors import InputError, UsageError
from osteon.imaging.grey import to_bytes
from osteon.imaging.sagittal import sagittal
from osteon.systems.tumor.config import SEQUENCES, T1, T2, T2_FAT_SUPPRESSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from osteon.geometry import Grid
    from osteon.imaging.sagittal import Sagittal
    from osteon.records import Series, Volume

KIND_OF_ROLE = {
    roles.T1: T1,
    roles.T2: T2,
    roles.T2_FAT_SUPPRESSED: T2_FAT_SUPPRESSED,
    roles.STIR: T2_FAT_SUPPRESSED,
    roles.DIXON["WATER"]: T2_FAT_SUPPRESSED,
}
"""A Dixon water image counts if it is T2-weighted. STIR is read as the fat-suppressed T2 that it stands in for."""
PERCENTILES = (0.5, 99.5)
_EVEN_GREY, _LEAST_GREY, _FEWER = 0.4, 0.03, 8
"""What an evened picture has where it is as bright as round about; and what keeps air dark;
one pixel in how many is enough to blur."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Series that are read, each with its kind, and why others that might be meant are not."""

    series: tuple[tuple[str, Series], ...]
    notes: tuple[str, ...] = ()


def choose_series(series: Sequence[Series], *, given: Mapping[str, str] | None = None, series_uid: str = "") -> Chosen:
    """All sagittal T1, T2 and fat-suppressed T2 series of a study, without contrast agent; several of a kind may be.

    Args:
        series: of one study.
        given: SeriesInstanceUID -> "T1", "T2", "FS-T2" or "none", instead of what the headers say.
        series_uid: only this one.

    Raises:
        InputError: none can be read.
        UsageError: a role for a series that is not there, or one that is none.
    """
    told = dict(given or {})
    for uid, name in told.items():
        if name not in (*SEQUENCES, LEFT_OUT) or uid not in {one.uid for one in series}:
            raise UsageError(f"role {name!r} for series {uid}: expected one of {', '.join(SEQUENCES)}, none, and a "
                             "series of the study")  # fmt: skip
    kept, notes = [], []
    for one in series:
        kind = told.get(one.uid) or _kind_of(one)
        if kind in (None, LEFT_OUT) or (series_uid and one.uid != series_uid):
            continue
        why = _unfit(one)
        if why:
            notes.append(f"Series {one.uid} ({kind}) is left out: {why}.")
        else:
            kept.append((str(kind), one))
    if not kept:
        found = [f"{one.uid} is {roles.role(one) or 'of unknown role'}" for one in series if one.modality == "MR"]
        raise InputError(
            f"no sequence that can be read; expected sagittal {', '.join(SEQUENCES)}. "
            + (" ".join(notes[:5]) or f"Found: {'; '.join(found[:5]) or 'no MR series'}.")
        )
    return Chosen(series=tuple(sorted(kept, key=lambda pair: SEQUENCES.index(pair[0]))), notes=tuple(notes))


def _kind_of(series: Series) -> str | None:
    if series.modality != "MR":
        return None
    found = roles.role(series)
    if found == roles.DIXON["WATER"] and roles.weighting(series) != roles.T2:
        return None
    return KIND_OF_ROLE.get(found or "")


def _unfit(series: Series) -> str:
    if series.problems or series.grid is None:
        return [*series.problems, "it holds no volume"][0].rstrip(".")
    if series.grid.shape[0] < FEWEST_SLICES:
        return f"{series.grid.shape[0]} slice(s), expected {FEWEST_SLICES} or more"
    plane = plane_of_slices(series.grid)
    return "" if plane == "sagittal" else f"its slices are {plane}, expected sagittal"


def grey_frames(volume: Volume) -> tuple[Sagittal, NDArray[np.uint8]]:
    """The sagittal view of a volume and its frames (slices, rows, columns): head up, face to the left."""
    view = sagittal(volume)
    return view, np.ascontiguousarray(to_bytes(np.asarray(view.array), percentiles=PERCENTILES))


def box_to_view(
    box: tuple[float, float, float, float], index: int, *, source: Grid, view: Grid
) -> tuple[int, tuple[float, float, float, float]]:
    """A rectangle in pixel edges on slice ``index`` of a source grid, on the sagittal view: slice and edges."""
    x0, y0, x1, y1 = box
    corners = np.array([(x0 - 0.5, y0 - 0.5, index), (x1 - 0.5, y1 - 0.5, index)], dtype=np.float64)
    there = np.asarray(view.to_index(source.to_mm(corners)))
    low, high = there.min(axis=0) + 0.5, there.max(axis=0) + 0.5
    return round(float(there[:, 2].mean())), (float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def fit_picture(frame: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    """A frame (y, x, channels) scaled to a longer side of ``side``, in the upper left of a square; the factor."""
    factor = side / max(frame.shape[:2])
    size = (max(1, round(frame.shape[1] * factor)), max(1, round(frame.shape[0] * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    square = np.zeros((side, side, frame.shape[2]), np.uint8)
    square[: size[1], : size[0]] = _resized(frame, size, how)
    return square, factor


def _resized(frame: NDArray[np.uint8], size: tuple[int, int], how: int) -> NDArray[np.uint8]:
    """(y, x, channels) at another size (x, y); one channel stays one."""
    scaled = cv2.resize(np.ascontiguousarray(frame), size, interpolation=how)
    return np.asarray(scaled.reshape(size[1], size[0], -1))


def evened_out(picture: NDArray[np.uint8], *, spread: float) -> NDArray[np.float32]:
    """A picture (y, x, channels) as 0 to 1, the slow change of brightness under a surface coil divided out.

    Args:
        picture: 8 bits.
        spread: standard deviation of the blur that is divided by, in parts of the picture's side; 0 leaves it.
    """
    grey = picture.astype(np.float32) / np.float32(255)
    if spread == 0:
        return grey
    height, width = picture.shape[:2]
    few = (max(1, width // _FEWER), max(1, height // _FEWER))  # what is slow needs few pixels
    rough = cv2.GaussianBlur(cv2.resize(grey, few, interpolation=cv2.INTER_AREA), (0, 0), spread * max(few))
    slow = cv2.resize(rough, (width, height), interpolation=cv2.INTER_LINEAR).reshape(grey.shape)
    return np.asarray(np.clip(_EVEN_GREY * grey / (slow + _LEAST_GREY), 0, 1), dtype=np.float32)


def cut_region(
    frames: NDArray[np.uint8], indices: NDArray[np.intp], box: NDArray[Any], *, side: int, margin: float
) -> NDArray[np.uint8]:
    """The same region of several frames, each scaled to a square; what lies outside the picture is black.

    Args:
        frames: (slices, rows, columns).
        indices: (N,) slices.
        box: (4,) left, top, right, bottom in pixel edges.
        side: of the result.
        margin: the region's sides in sides of the box.

    Returns:
        uint8 (N, side, side).
    """
    x0, y0, x1, y1 = (float(edge) for edge in box)
    width, height = max((x1 - x0) * margin, 2.0), max((y1 - y0) * margin, 2.0)
    left, top = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
    # centres of target pixels to centres of source pixels
    matrix = np.array(
        [[width / side, 0, left + width / side / 2 - 0.5], [0, height / side, top + height / side / 2 - 0.5]]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    made = {int(k): cv2.warpAffine(frames[k], matrix, (side, side), flags=flags) for k in np.unique(indices)}
    return np.stack([made[int(k)] for k in indices])


def neighbours(middle: int, *, count: int, frames: int) -> NDArray[np.intp]:
    """N slices in a row round ``middle``, moved inwards at the ends; stretched evenly where there are fewer than N."""
    if count <= frames:
        return spread(np.arange(count), frames)
    start = min(max(middle - frames // 2, 0), count - frames)
    return np.arange(start, start + frames)


def spread(indices: NDArray[np.intp], frames: int) -> NDArray[np.intp]:
    """(N,) of fewer slices, in order, each repeated as evenly as can be."""
    return np.asarray(indices[np.arange(frames) * len(indices) // frames], dtype=np.intp)
