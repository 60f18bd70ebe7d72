"""From a box on one T2 slice, or a point, to the square that the patch shows; all in pixel edges.

The centre of the first pixel is at (0.5, 0.5), as in LabelMe and in ``records.Box``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.geometry import Grid, Triple

_BESIDE = 0.5
"""Slices: a box whose corners lie further apart than this across slices is not in one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceBox:
    """A box on one slice of a grid: slice from 0, columns x and rows y in pixel edges.

    Raises:
        InputError: a box without an inside.
    """

    index: int
    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        values = (self.x0, self.y0, self.x1, self.y1)
        if not np.isfinite(values).all() or self.x1 <= self.x0 or self.y1 <= self.y0:
            raise InputError(f"box {values}: expected finite numbers with x0 < x1 and y0 < y1")

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1."""
        return self.x0, self.y0, self.x1, self.y1


def check_inside(box: SliceBox, grid: Grid) -> None:
    """Refuse a box that leaves its series.

    Raises:
        InputError: it does.
    """
    slices, rows, columns = grid.shape
    if not 0 <= box.index < slices:
        raise InputError(f"box on slice {box.index}: the T2 series has slices 0 to {slices - 1}")
    if box.x0 < 0 or box.y0 < 0 or box.x1 > columns or box.y1 > rows:
        raise InputError(
            f"box ({box.x0:g}, {box.y0:g}) to ({box.x1:g}, {box.y1:g}) leaves the T2 slice of {columns} x {rows} pixels"
        )


def moved_to(box: SliceBox, source: Grid, *, to: Grid) -> SliceBox:
    """The same box on another grid of the same voxels, turned or flipped (``imaging.sagittal``).

    Raises:
        InputError: the box does not lie in one slice of that grid.
    """
    corners = [(x - 0.5, y - 0.5, float(box.index)) for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
    there = to.to_index(source.to_mm(np.array(corners)))  # (4, 3): x, y, z
    if np.ptp(there[:, 2]) > _BESIDE:
        raise InputError("the box is not on a sagittal slice; draw it on a sagittal one")
    low, high = there[:, :2].min(axis=0) + 0.5, there[:, :2].max(axis=0) + 0.5
    return SliceBox(
        index=round(float(there[:, 2].mean())),
        x0=float(low[0]),
        y0=float(low[1]),
        x1=float(high[0]),
        y1=float(high[1]),
    )


def square(box: SliceBox, grid: Grid) -> SliceBox:
    """The square in millimetres about the box's middle with its longer side, as published; it may leave the slice."""
    dx, dy, _ = grid.spacing_mm
    side_mm = max((box.x1 - box.x0) * dx, (box.y1 - box.y0) * dy)
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return SliceBox(
        index=box.index,
        x0=x - side_mm / dx / 2,
        y0=y - side_mm / dy / 2,
        x1=x + side_mm / dx / 2,
        y1=y + side_mm / dy / 2,
    )


def box_round(point_mm: Triple, grid: Grid, *, side_mm: float) -> SliceBox:
    """A square of ``side_mm`` round a point (x, y, z) LPS on the nearest slice, cut to the slice.

    Raises:
        InputError: the point lies outside the grid.
    """
    if not bool(grid.contains(np.asarray(point_mm))):
        raise InputError(f"point {point_mm} mm lies outside the T2 series; expected LPS millimetres of the patient")
    x, y, z = (float(value) for value in grid.to_index(np.asarray(point_mm)))
    dx, dy, _ = grid.spacing_mm
    slices, rows, columns = grid.shape
    return SliceBox(
        index=int(np.clip(round(z), 0, slices - 1)),
        x0=max(x + 0.5 - side_mm / dx / 2, 0.0),
        y0=max(y + 0.5 - side_mm / dy / 2, 0.0),
        x1=min(x + 0.5 + side_mm / dx / 2, float(columns)),
        y1=min(y + 0.5 + side_mm / dy / 2, float(rows)),
    )


def neighbours(box: SliceBox, grid: Grid) -> tuple[SliceBox, ...]:
    """The box on its slice and on the two beside it, as far as they exist."""
    slices = grid.shape[0]
    x0, y0, x1, y1 = box.edges
    return tuple(
        SliceBox(index=k, x0=x0, y0=y0, x1=x1, y1=y1) for k in range(box.index - 1, box.index + 2) if 0 <= k < slices
    )


def sample_points(
    box: SliceBox, *, side_px: int, margin_px: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the pixels of a patch lie: index x of its columns and index y of its rows, (side + 2 margins,) each.

    The edges of the ``side_px`` inner pixels are the box's; the margins go on at the same spacing.
    """
    steps = (np.arange(-margin_px, side_px + margin_px) + 0.5) / side_px
    return box.x0 + steps * (box.x1 - box.x0) - 0.5, box.y0 + steps * (box.y1 - box.y0) - 0.5
