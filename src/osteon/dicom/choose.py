"""Which CT series of a study is read where nobody names one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from osteon.geometry import Grid
    from osteon.records import Series

FEWEST_SLICES = 3
AXIAL_DEG = 45.0
SAME_COVERAGE_MM = 10.0
"""Thick and thin slices of one acquisition differ by about a slice thickness in what they cover."""


def choose_ct_series(series: Iterable[Series], series_uid: str = "") -> Series | None:
    """The CT series to read.

    Series with problems and those of fewer than ``FEWEST_SLICES`` slices are left out (localizers, single images).
    Of the rest: those whose slices are axial (normal within 45 degrees of the head-foot axis), if there are any; of
    these the ones that cover most from head to foot, up to 10 mm less; of these the one with most slices; of equals
    the first.

    Args:
        series: of one study.
        series_uid: only a series of this SeriesInstanceUID, if given.

    Returns:
        None if there is no such series.
    """
    fit = [(one, one.grid) for one in series if one.grid is not None and _can_be_read(one, one.grid, series_uid)]
    if not fit:
        return None
    fit = [pair for pair in fit if _is_axial(pair[1])] or fit
    longest = max(_coverage_mm(grid) for _, grid in fit)
    fit = [pair for pair in fit if _coverage_mm(pair[1]) >= longest - SAME_COVERAGE_MM]
    return max(fit, key=lambda pair: pair[1].shape[0])[0]


def _can_be_read(series: Series, grid: Grid, series_uid: str) -> bool:
    wanted = not series_uid or series.uid == series_uid
    return wanted and series.modality == "CT" and not series.problems and grid.shape[0] >= FEWEST_SLICES


def _is_axial(grid: Grid) -> bool:
    return bool(abs(grid.axes[2, 2]) >= np.cos(np.deg2rad(AXIAL_DEG)))


def _coverage_mm(grid: Grid) -> float:
    """Length along the index axis that runs closest to head-foot."""
    return grid.size_mm[int(np.argmax(np.abs(grid.axes[2])))]
