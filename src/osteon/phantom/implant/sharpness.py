"""How sharp a scan is in its plane: the spread of its edges between body and air."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.geometry import Grid

REACH_PX, STEP_PX = 6, 0.25
LEAST_EDGES = 60
MOST_SLICES, MOST_EDGES = 24, 150
SHARP_SHARE = 0.3
"""Edges that run obliquely through a slice look wider: the sharpest third tells the scan's own blur."""
ASSUMED_PX = 0.7
"""SD where a scan shows too little air to measure: a usual reconstruction's, in pixels."""
_QUARTERS = 1.349  # between the quarters of a normal distribution, in SDs


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharpness:
    """Blur in the plane of the slices.

    Attributes:
        sigma_mm: SD of a Gaussian, the pixel's own aperture included.
        edges: how many edges were measured; 0 if it is assumed.
    """

    sigma_mm: float
    edges: int


def measure_sharpness(array: NDArray[Any], grid: Grid, *, ct: bool) -> Sharpness:
    """Estimate the blur of a scan (z, y, x) from edges between air and body.

    Profiles across the edge are taken where both sides are flat; the blur is the distance between a quarter and three
    quarters of the step, over 1.349, of the sharpest third.

    Args:
        array: the scan.
        grid: of it; pixels nearly square.
        ct: air is below -800 HU; otherwise below a tenth of the 95th percentile.
    """
    low, high = (-1000.0, -100.0) if ct else (0.0, 0.35 * float(np.percentile(array, 95)))
    middle = (low + high) / 2
    slices = np.unique(np.linspace(0, array.shape[0] - 1, MOST_SLICES).astype(int))
    widths = [_edge_widths(array[k].astype(np.float32), middle=middle, least=0.6 * (high - low)) for k in slices]
    found = np.concatenate(widths) if widths else np.zeros(0)
    pixel = float(np.sqrt(grid.spacing_mm[0] * grid.spacing_mm[1]))
    if len(found) < LEAST_EDGES:
        return Sharpness(sigma_mm=ASSUMED_PX * pixel, edges=0)
    return Sharpness(sigma_mm=float(np.quantile(found, SHARP_SHARE)) / _QUARTERS * pixel, edges=len(found))


def _edge_widths(image: NDArray[np.float32], *, middle: float, least: float) -> NDArray[np.float64]:
    """Distance in pixels between a quarter and three quarters of the step, of every clean edge of a slice."""
    if min(image.shape) <= 2 * REACH_PX + 2:
        return np.zeros(0)
    body = ndimage.gaussian_filter(image, 1.0) > middle
    rim = body & ~ndimage.binary_erosion(body, border_value=1)
    rim[: REACH_PX + 1], rim[-REACH_PX - 1 :] = False, False
    rim[:, : REACH_PX + 1], rim[:, -REACH_PX - 1 :] = False, False
    points = np.argwhere(rim)
    if not len(points):
        return np.zeros(0)
    points = points[:: max(1, len(points) // MOST_EDGES)].astype(np.float64)
    soft = ndimage.gaussian_filter(image, 2.0)
    slope = np.stack([ndimage.map_coordinates(g, points.T, order=1) for g in np.gradient(soft)], axis=1)
    normal = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
    steps = np.arange(-REACH_PX, REACH_PX + STEP_PX / 2, STEP_PX)
    where = points[:, :, None] + normal[:, :, None] * steps
    profile = ndimage.map_coordinates(image, where.transpose(1, 0, 2).reshape(2, -1), order=3, mode="nearest")
    return _widths(profile.reshape(len(points), len(steps)), steps, least=least)


def _widths(profiles: NDArray[Any], steps: NDArray[np.float64], *, least: float) -> NDArray[np.float64]:
    """Widths of profiles (n, samples) that rise by ``least`` or more from a flat foot, and stay up."""
    foot = np.median(profiles[:, : len(steps) // 4], axis=1)
    uneven = profiles[:, : len(steps) // 4].std(axis=1)
    top = np.max(profiles[:, len(steps) // 2 :], axis=1)
    end = np.median(profiles[:, -len(steps) // 6 :], axis=1)
    rise = top - foot
    clean = (rise > least) & (uneven < 0.06 * rise) & (end - foot > 0.7 * rise)
    widths = []
    for one, low, step in zip(profiles[clean], foot[clean], rise[clean], strict=True):
        share = (one - low) / step
        last = int(np.argmax(share > 0.98))
        first = last - int(np.argmax(share[last::-1] < 0.02))
        if last > first + 1:
            part = np.maximum.accumulate(share[first : last + 1])
            quarter, three = np.interp([0.25, 0.75], part, steps[first : last + 1])
            widths.append(three - quarter)
    return np.array(widths)
