"""From single planes to stacks: which slices belong together, in which order, on which grid.

Slices are sorted by their position along the plane's normal (PS3.3 C.7.6.2.1.1), never by name or InstanceNumber.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import GeometryError, InputError
from osteon.geometry import Grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from osteon.dicom.planes import Plane

    Part = tuple[str, list[Plane]]  # what tells it apart, and its planes in order

SAME_PLACE_MM = 0.01
"""Planes nearer than this along the normal are at one position."""
GAP_TOLERANCE = 0.05
"""Largest deviation of one slice gap, as a part of the stack's gap (and at least 0.02 mm, for rounded positions)."""
DRIFT_TOLERANCE = 0.2
"""Largest distance of any slice from its place on the regular grid, as a part of the gap."""
SHEAR_TOLERANCE_PX = 0.5
"""Sideways drift over the whole stack, in pixels, from which on a stack counts as tilted."""
STATED_TILT_DEG = 0.5
"""GantryDetectorTilt from which on it must show in the geometry."""
LARGEST_TILT_DEG = 45.0
"""No gantry tilts by more than 30 degrees."""
MIN_RUN = 3
"""Fewest slices that make a stack of their own when one series holds several spacings."""
_SPLIT_KEYS = ("EchoTime", "EffectiveEchoTime", "EchoNumbers", "ImageType", "FrameType", "DiffusionBValue", "StackID",
    "TemporalPositionIdentifier", "TemporalPositionIndex", "AcquisitionNumber", "InversionTime", "FlipAngle",
    "ConvolutionKernel", "SliceThickness", "AcquisitionTime")  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """Slices in order, with the grid they make.

    Attributes:
        planes: sorted along the normal.
        grid: of the volume after tilt correction; None where no volume can be made.
        shear_px: sideways displacement from slice to slice as (columns, rows); zero unless tilted.
        tilt_deg: angle between the line of slices and their normal; None unless tilted.
        label: what tells it from the other stacks of its series, or empty.
        problems, warnings: full sentences without the series' name.
    """

    planes: tuple[Plane, ...]
    grid: Grid | None = None
    shear_px: tuple[float, float] = (0.0, 0.0)
    tilt_deg: float | None = None
    label: str = ""
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def build_stacks(group: Sequence[Plane]) -> list[Stack]:
    """Make stacks from planes that share matrix, spacing and orientation.

    A series may hold several: echoes, Dixon images or b-values at the same places, or stretches of different spacing.
    They are split where that can be done in one way only; otherwise they stay together and have a problem.
    """
    planes = _sorted(group)
    for split in (_by_attribute_at_same_places, _by_spacing, _by_attribute_if_all_regular):
        parts = split(planes)
        if len(parts) > 1:
            return [
                replace(stack, label=", ".join(part for part in (label, stack.label) if part))
                for label, members in parts
                for stack in build_stacks(members)
            ]
    return [arrange(planes)]


def _sorted(planes: Iterable[Plane]) -> list[Plane]:
    planes = list(planes)
    normal = planes[0].normal
    return sorted(planes, key=lambda plane: float(plane.position_mm @ normal))


def _heights(planes: Sequence[Plane]) -> NDArray[np.float64]:
    normal = planes[0].normal
    return np.array([plane.position_mm @ normal for plane in planes])


def _repeats(planes: Sequence[Plane]) -> int:
    """How many slices lie at the position of the one before."""
    return int((np.diff(_heights(planes)) <= SAME_PLACE_MM).sum())


def _by_attribute_at_same_places(planes: list[Plane]) -> list[Part]:
    """Parts that occupy the same places and differ in one attribute, which shares out the slices of every place."""
    together = _most_at_one_place(planes)
    if together < 2:
        return []
    for keyword in _SPLIT_KEYS:
        parts = _partition(planes, keyword)
        shares, rest = divmod(together, len(parts))
        if len(parts) > 1 and rest == 0 and all(_most_at_one_place(part) == shares for _, part in parts):
            return parts
    return []


def _most_at_one_place(planes: Sequence[Plane]) -> int:
    heights = _heights(planes)
    return int((np.searchsorted(heights, heights + SAME_PLACE_MM, side="right") - np.arange(len(planes))).max())


def _by_attribute_if_all_regular(planes: list[Plane]) -> list[Part]:
    """Parts that differ in one attribute and are faultless each, out of planes that are not so together."""
    if len(planes) < 2 * MIN_RUN or not arrange(planes).problems:
        return []
    for keyword in _SPLIT_KEYS:
        parts = _partition(planes, keyword)
        if len(parts) > 1 and all(len(part) >= MIN_RUN and not arrange(part).problems for _, part in parts):
            return parts
    return []


def _partition(planes: Iterable[Plane], keyword: str) -> list[Part]:
    parts: dict[str, list[Plane]] = {}
    for plane in planes:
        parts.setdefault(plane.instance.shown(keyword), []).append(plane)
    return [(f"{keyword} {value}", part) for value, part in parts.items()]


def _near(gap: float, reference: float) -> bool:
    return abs(gap - reference) <= max(GAP_TOLERANCE * reference, 0.02)


def _by_spacing(planes: list[Plane]) -> list[Part]:
    """Stretches of different slice spacing, where it is plain which slice belongs where.

    Plain means: runs of at least ``MIN_RUN`` equally spaced slices that together hold every slice once, and no gap
    between two runs that could be slices missing from one of them.
    """
    gaps = np.diff(_heights(planes))
    if len(gaps) < 2 or gaps.min() <= SAME_PLACE_MM or all(_near(gap, float(np.median(gaps))) for gap in gaps):
        return []
    runs: list[tuple[int, int]] = []
    start = 0
    while start < len(planes):
        stop = start + 1
        while stop < len(planes) and _near(gaps[stop - 1], gaps[start]):
            stop += 1
        if stop - start < MIN_RUN:
            return []
        runs.append((start, stop))
        start = stop
    for (start, stop), (following, _) in pairwise(runs):
        before, between, after = gaps[start], gaps[stop - 1], gaps[following]
        if _near(between, after) or (_near(before, after) and _is_multiple(between, before)):
            return []
    return [(f"slice spacing {gaps[start]:.2f} mm", planes[start:stop]) for start, stop in runs]


def _is_multiple(gap: float, unit: float) -> bool:
    return _near(gap / max(1, round(gap / unit)), unit)


def arrange(planes: Sequence[Plane]) -> Stack:
    """Put one stack's planes in order and make its grid, or say why there is none."""
    ordered = tuple(_sorted(planes))
    try:
        return _arranged(ordered)
    except GeometryError as error:
        return Stack(planes=ordered, problems=(str(error),))


def _arranged(planes: tuple[Plane, ...]) -> Stack:
    step, warnings = _step(planes)
    first = planes[0]
    spacing = float(step @ first.normal)
    shear = np.array([step @ first.right, step @ first.down]) / first.spacing_mm
    grid = _straight_grid(planes, spacing)
    if np.abs(shear).max() * (len(planes) - 1) <= SHEAR_TOLERANCE_PX:
        return Stack(planes=planes, grid=grid, warnings=(*warnings, *_stated_tilt(first)))
    angle = float(np.degrees(np.arctan2(np.linalg.norm(shear * first.spacing_mm), spacing)))
    if angle > LARGEST_TILT_DEG:
        raise GeometryError(
            f"each slice is displaced sideways against the one before, by {angle:.1f} degrees; expected at most "
            f"{LARGEST_TILT_DEG:g}, as from a tilted gantry. The positions cannot be right: send the series again."
        )
    tilt = (
        f"The stack is sheared (on CT: tilted gantry): each slice is displaced against the one before, by {angle:.1f} "
        "degrees. The volume is resampled within the slice planes to an orthogonal grid."
    )
    return Stack(
        planes=planes,
        grid=sheared_grid(grid, shear),
        tilt_deg=round(angle, 2),
        shear_px=(float(shear[0]), float(shear[1])),
        warnings=(*warnings, tilt),
    )


def _straight_grid(planes: tuple[Plane, ...], spacing: float) -> Grid:
    first = planes[0]
    rows, columns = first.shape
    direction = np.stack([first.right, first.down, first.normal], axis=1)
    x, y, z = (float(value) for value in first.position_mm)
    return Grid(
        shape=(len(planes), rows, columns),
        spacing_mm=(*first.spacing_mm, spacing),
        origin_mm=(x, y, z),
        direction=tuple(tuple(float(cosine) for cosine in row) for row in direction),  # type: ignore[arg-type]
    )


def _stated_tilt(plane: Plane) -> tuple[str, ...]:
    """A tilt that GantryDetectorTilt states and the positions do not show."""
    try:
        tilt = plane.instance.number("GantryDetectorTilt") or 0.0
    except InputError:
        return ()
    if abs(tilt) < STATED_TILT_DEG or abs(plane.normal[2]) < np.cos(np.radians(STATED_TILT_DEG)):
        return ()
    return (
        f"GantryDetectorTilt is {tilt:g} degrees, but positions and orientation show no tilt; they were believed. "
        "Check that vertebrae are not sheared.",
    )


def sheared_grid(grid: Grid, shear_px: NDArray[np.float64]) -> Grid:
    """The orthogonal grid that holds every slice of a tilted stack; slice planes and spacing stay as they are."""
    drift = np.asarray(shear_px) * (grid.shape[0] - 1)
    before = np.ceil(np.maximum(-drift, 0) - 1e-6).astype(int)
    after = np.ceil(np.maximum(drift, 0) - 1e-6).astype(int)
    start = (0, -int(before[1]), -int(before[0]))
    stop = (grid.shape[0], grid.shape[1] + int(after[1]), grid.shape[2] + int(after[0]))
    return grid.cropped(start, stop)


def _step(planes: tuple[Plane, ...]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """LPS vector from slice to slice.

    Raises:
        GeometryError: repeated positions, unequal gaps, slices out of line, or a lone slice of unknown thickness.
    """
    if len(planes) == 1:
        return _lone_step(planes[0])
    heights = _heights(planes)
    gaps = np.diff(heights)
    repeats = _repeats(planes)
    if repeats:
        raise GeometryError(
            f"{repeats} of {len(planes)} slices lie at the position of another, and no single attribute tells them "
            "apart. Send one acquisition for each series, or leave out the copies."
        )
    usual = float(np.median(gaps))
    if not all(_near(gap, usual) for gap in gaps):
        raise GeometryError(_uneven(gaps, usual))
    count = len(planes) - 1
    step = (planes[-1].position_mm - planes[0].position_mm) / count
    positions = np.array([plane.position_mm for plane in planes])
    drift = positions - (planes[0].position_mm + np.arange(count + 1)[:, None] * step)
    sideways = np.abs(drift @ np.stack([planes[0].right, planes[0].down], axis=1)).max()
    if np.abs(drift @ planes[0].normal).max() > DRIFT_TOLERANCE * usual:
        raise GeometryError(
            f"slice gaps from {gaps.min():.2f} to {gaps.max():.2f} mm drift away from a regular grid; expected uniform "
            "spacing. Reconstruct the series with one spacing."
        )
    if sideways > SHEAR_TOLERANCE_PX * min(planes[0].spacing_mm):
        raise GeometryError(
            f"slices are displaced sideways by up to {sideways:.1f} mm without a common tilt; expected one line of "
            "positions. Send the series again, each stack as a series of its own."
        )
    return step, ()


def _uneven(gaps: NDArray[np.float64], usual: float) -> str:
    at = next(index for index, gap in enumerate(gaps) if not _near(gap, usual))
    text = (
        f"slice gaps from {gaps.min():.2f} to {gaps.max():.2f} mm (usually {usual:.2f} mm); expected uniform spacing. "
    )
    wide = [gap for gap in gaps if not _near(gap, usual)]
    if all(gap > usual and _is_multiple(gap, usual) for gap in wide):
        missing = sum(round(gap / usual) - 1 for gap in wide)
        return text + f"{missing} slice(s) are missing, the first after slice {at + 1}: send the series again."
    return text + f"The first deviation follows slice {at + 1}. Send each stack as a series of its own."


def _lone_step(plane: Plane) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    thickness = plane.instance.number("SliceThickness")
    if not thickness or thickness <= 0:
        raise GeometryError(
            "there is one slice and no SliceThickness; its extent is unknown. Send the whole series, or slices with "
            "SliceThickness."
        )
    return plane.normal * thickness, (
        f"There is one slice only; its SliceThickness of {thickness:g} mm stands for the slice spacing.",
    )
