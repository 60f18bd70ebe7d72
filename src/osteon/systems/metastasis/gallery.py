"""Pictures of false positives, by cause: the slice through each, as the networks saw it, with the finding boxed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.report.pictures import Picture, Rectangle, enlarge, jpeg_uri
from osteon.systems.metastasis.config import SEQUENCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.systems.metastasis.calibrate import StationResult
    from osteon.systems.metastasis.cases import StationCase

SHOWN = ("T1", "CE", "FO")
"""Sequences that tell most of a false positive first; two of them are shown."""
MOST_OF_A_CAUSE, MOST = 2, 16
SIDE_MM = 70.0
SIDE_PX = 96
"""Of one sequence's picture; two stand side by side."""
MAX_BYTES = 12_000


@dataclass(frozen=True, kw_only=True, slots=True)
class FalsePositive:
    """A prediction that hits no lesion.

    Attributes:
        cause: kind of the mimic beside it, or that there is none.
        result: of the station that it is in.
        number: which of its predictions, from 0.
        score: its probability.
    """

    cause: str
    result: StationResult
    number: int
    score: float


def gallery(found: Sequence[FalsePositive]) -> tuple[Picture, ...]:
    """The surest false positives of every cause, cause by cause, the most frequent cause first.

    Args:
        found: all of them.
    """
    causes: dict[str, list[FalsePositive]] = {}
    for one in sorted(found, key=lambda one: -one.score):
        causes.setdefault(one.cause, []).append(one)
    ordered = sorted(causes.values(), key=lambda own: (-len(own), own[0].cause))
    return tuple(_picture(one) for own in ordered for one in own[:MOST_OF_A_CAUSE])[:MOST]


def _picture(one: FalsePositive) -> Picture:
    """The slice through the middle of a false positive, cut round it, two sequences side by side."""
    station = one.result.station
    reach_mm = float(one.result.reach_mm[one.number])
    index, row, column, px_per_mm = _place(station, one.result.centres_mm[one.number])
    names = [name for name in SHOWN if name in station.names][:2]
    side = max(2, round(SIDE_MM * px_per_mm))
    top, left = round(row - side / 2), round(column - side / 2)
    cuts = [_cut(station.images[SEQUENCES.index(name), index], top=top, left=left, side=side) for name in names]
    grey = np.concatenate([enlarge(cut, (SIDE_PX, SIDE_PX)) for cut in cuts], axis=1)
    scale = SIDE_PX / side
    width = round(max(2 * reach_mm * px_per_mm * scale, 6.0), 1)
    boxes = tuple(
        Rectangle(
            number=1,
            x=round((column + 0.5 - left) * scale - width / 2 + k * SIDE_PX, 1),
            y=round((row + 0.5 - top) * scale - width / 2, 1),
            width=width,
            height=width,
            main=True,
        )
        for k in range(len(names))
    )
    caption = (
        f"{one.cause}: {station.case}, station {station.index + 1}, {2 * reach_mm:.0f} mm, "
        f"probability {one.score:.2f}; {' and '.join(names)}"
    )
    return Picture(
        uri=jpeg_uri(grey, max_bytes=MAX_BYTES),
        width=grey.shape[1],
        height=grey.shape[0],
        alt=caption,
        caption=caption,
        rectangles=boxes,
    )


def _place(station: StationCase, centre_mm: NDArray[np.float64]) -> tuple[int, float, float, float]:
    """Slice, row and column in the networks' images, and their pixels a millimetre."""
    plan, grid = station.plan, station.grid
    x, y, z = (float(value) for value in grid.to_index(centre_mm))
    top, left = plan.margin
    slices, rows, columns = plan.size
    index = (z + 0.5) * slices / plan.shape[0] - 0.5
    row = (y + top + 0.5) * rows / plan.padded[0] - 0.5
    column = (x + left + 0.5) * columns / plan.padded[1] - 0.5
    return int(np.clip(round(index), 0, slices - 1)), row, column, columns / (plan.padded[1] * grid.spacing_mm[0])


def _cut(plane: NDArray[np.uint8], *, top: int, left: int, side: int) -> NDArray[np.uint8]:
    """A square of an image, black where it runs over the edge."""
    padded = np.pad(np.asarray(plane), side)
    top, left = (int(np.clip(edge, -side, length)) for edge, length in zip((top, left), plane.shape, strict=True))
    return np.asarray(padded[top + side : top + 2 * side, left + side : left + 2 * side])
