"""One lesion composed into a real scan: its share of every voxel as this scanner blurs it, and the scanner's noise.

Inside the lesion what the scan shows of marrow and cortex (everything beyond its noise) is taken away and the lesion's
own value put there; the scan's noise stays where it can be told from structure, and the rest is made up with noise of
the same strength and grain. So neither the spread nor the texture of the noise changes at the lesion's edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from osteon.phantom.anatomy.fields import SmoothField
from osteon.phantom.canvas import Canvas, sample_textures
from osteon.phantom.implant.noise import EVERYWHERE_MM, NEAR_MM, Blocks, LocalNoise, local_noise, more_noise
from osteon.phantom.patient import FIELD_STEPS_MM
from osteon.phantom.spots import paint_spot, spot_margin_mm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.geometry import Grid
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Array, Vector
    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.palette import SpotPalette

FINE_MM = 0.6
"""Lesions are painted on a lattice at least this fine."""
CORTEX_MM = 1.2
"""Cortex as it shows in scans: real shells of 0.4 mm look twice as thick and more."""
STRUCTURE_PX = 5
"""Window in the plane in which noise and structure are told apart."""
LEAST_SHARE = 2e-3
"""Voxels with less of a lesion stay as they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanFacts:
    """What is known of the scan.

    Attributes:
        grid: of the volume.
        blocks: its soft tissue, for the noise.
        sigma_mm: blur in the plane, SD.
        thickness_mm: slice thickness.
        ct: CT or MR.
    """

    grid: Grid
    blocks: Blocks
    sigma_mm: float
    thickness_mm: float
    ct: bool

    def frame_point(self, point_mm: Vector) -> Vector:
        """An LPS point along the grid's own axes, mm from voxel (0, 0, 0)."""
        return np.asarray(self.grid.to_index(point_mm) * np.asarray(self.grid.spacing_mm))


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A lesion on a part of the scan, all (z, y, x).

    Attributes:
        window: the part.
        share: how much of each voxel is the lesion's, blurred as the scan is, 0 to 1.
        value: share times the lesion's value.
        flank: share of what a destroyed cortex sheds outside the bone.
        inside: the true mask.
    """

    window: tuple[slice, slice, slice]
    share: Array
    value: Array
    flank: Array
    inside: NDArray[np.bool_]


def layer_of(
    spot: Spot, bone: Bone, palette: SpotPalette, *, scan: ScanFacts, rng: np.random.Generator
) -> Layer | None:
    """Paint a lesion as the scan would show it alone; None if it lies outside the scan.

    Args:
        spot: LPS.
        bone: it is in, LPS.
        palette: values of its tissues, in two channels: the value, and 1.
        scan: where it goes.
        rng: its inner texture.
    """
    grid = scan.grid
    turned, holder = _in_frame(spot, grid), bone.moved(grid.axes.T, -grid.axes.T @ np.asarray(grid.origin_mm))
    margin = spot_margin_mm(spot) + 3 * scan.sigma_mm + np.array([0.0, 0.0, scan.thickness_mm])
    low, high = turned.solid.bounds()
    start = np.maximum(np.floor((low - margin) / grid.spacing_mm), 0).astype(int)
    stop = np.minimum(np.ceil((high + margin) / grid.spacing_mm) + 1, grid.shape[::-1]).astype(int)
    if (stop <= start).any():
        return None
    factors = [2 * int(np.ceil((spacing / FINE_MM - 1) / 2)) + 1 for spacing in grid.spacing_mm]
    canvas = _fine_canvas(grid, start, stop, factors)
    painted = _painted(turned, holder, palette, canvas=canvas, rng=rng)
    sigma = [scan.sigma_mm / s * f for s, f in zip(grid.spacing_mm, factors, strict=True)]
    thick = max(1, round(scan.thickness_mm / grid.spacing_mm[2] * factors[2]))
    picks = tuple(slice(f // 2, None, f) for f in factors[::-1])

    def seen(fine: Array) -> Array:
        blurred = ndimage.gaussian_filter(fine, (0, sigma[1], sigma[0]), mode="nearest")
        return np.asarray(ndimage.uniform_filter1d(blurred, thick, axis=0, mode="nearest")[picks], dtype=np.float32)

    return Layer(
        window=(slice(start[2], stop[2]), slice(start[1], stop[1]), slice(start[0], stop[0])),
        share=np.clip(seen(painted.share), 0, 1),
        value=seen(painted.value),
        flank=seen(painted.flank) if scan.ct else np.zeros_like(painted.flank[picks]),
        inside=painted.inside[picks],
    )


def _in_frame(spot: Spot, grid: Grid) -> Spot:
    """The spot along the grid's own axes, mm from voxel (0, 0, 0)."""
    return spot.moved(grid.axes.T, -grid.axes.T @ np.asarray(grid.origin_mm))


def _fine_canvas(grid: Grid, start: NDArray[Any], stop: NDArray[Any], factors: list[int]) -> Canvas:
    axes = []
    for k in range(3):
        count, step = int(stop[k] - start[k]) * factors[k], grid.spacing_mm[k] / factors[k]
        axes.append(((start[k] - 0.5) * grid.spacing_mm[k] + step * (np.arange(count) + 0.5)).astype(np.float32))
    voxel = np.prod([s / f for s, f in zip(grid.spacing_mm, factors, strict=True)])
    return Canvas(axes[0], axes[1], axes[2], float(np.cbrt(voxel)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Painted:
    share: Array
    value: Array
    flank: Array
    inside: NDArray[np.bool_]


def _painted(spot: Spot, bone: Bone, palette: SpotPalette, *, canvas: Canvas, rng: np.random.Generator) -> _Painted:
    """The lesion on the fine lattice, before any blur."""
    low, high = (np.array([f(axis) for axis in (canvas.xs, canvas.ys, canvas.zs)]) for f in (np.min, np.max))
    fields = tuple(SmoothField.draw(rng, low_mm=low, high_mm=high, step_mm=step) for step in FIELD_STEPS_MM)
    textures = sample_textures(fields, canvas)
    surface = np.asarray(np.broadcast_to(bone.distance(*canvas.points), canvas.shape))
    soft, marrow = (np.zeros((2, *canvas.shape), dtype=np.float32) for _ in range(2))
    compact: Array = np.ones(canvas.shape, dtype=np.float32)
    inside: NDArray[np.bool_] = np.zeros(canvas.shape, dtype=bool)
    body: Array = np.zeros(canvas.shape, dtype=np.float32)
    for part in (spot, *spot.parts):
        d = np.broadcast_to(part.solid.distance(*canvas.points), canvas.shape)
        d = np.asarray(d + np.float32(part.wobble_mm) * textures.middle)
        paint_spot(part, d, palette, canvas=canvas, layers=(soft, compact, marrow), textures=textures)
        inside |= (d < 0) & ((surface < 0) | part.grows_out)
        if part.destroys_cortex:
            body = np.maximum(body, canvas.share(d, part.edge_mm) * np.float32(part.strength))
    whole, inner = canvas.share(surface), canvas.share(surface + np.float32(CORTEX_MM))
    shell = (whole - inner) * (1 - compact)
    share = soft[1] * (1 - whole) + inner * marrow[1] + shell
    fill = marrow[0] / np.maximum(marrow[1], 1e-6)
    value = soft[0] * (1 - whole) + inner * marrow[0] + shell * fill
    flank = body * (1 - whole) * (surface < 3 * CORTEX_MM)
    return _Painted(share=share, value=value, flank=np.asarray(flank - flank * soft[1]), inside=inside)


def put_in(
    array: NDArray[np.float32],
    layer: Layer,
    *,
    others: NDArray[np.bool_],
    noise: LocalNoise,
    rng: np.random.Generator,
) -> None:
    """Compose a lesion into a scan (z, y, x), changed in place.

    Args:
        array: the scan.
        layer: from ``layer_of``.
        others: (z, y, x) of the layer's window: bone that the lesion's own bone sheds nothing on.
        noise: the scan's, there.
        rng: what noise has to be made up.
    """
    part = array[layer.window]
    wide = (0, STRUCTURE_PX, STRUCTURE_PX)
    reach = tuple(slice(max(s.start - w, 0), s.stop + w) for s, w in zip(layer.window, wide, strict=True))
    context = array[reach]
    back = tuple(
        slice(s.start - r.start, s.start - r.start + n) for s, r, n in zip(layer.window, reach, part.shape, strict=True)
    )
    size = (1, STRUCTURE_PX, STRUCTURE_PX)
    mean = ndimage.uniform_filter(context, size)[back]
    spread = np.maximum(
        ndimage.uniform_filter(context.astype(np.float64) ** 2, size)[back] - mean.astype(np.float64) ** 2, 1e-6
    )
    a = np.where(layer.share > LEAST_SHARE, layer.share, 0).astype(np.float64)
    sd = min(noise.sd, _quietest(spread, a))
    kept = np.clip(sd**2 / spread, 0, 1)
    structure = mean + (1 - kept) * (part - mean)
    wanted = (1 - a) ** 2 * spread + (1 - (1 - a) ** 2) * sd**2
    untouched = (1 - a) ** 2
    there = spread * (untouched + ((1 - a + a * kept) ** 2 - untouched) * _left_in_middle(noise.in_plane))
    missing = np.sqrt(np.maximum(wanted - there, 0))
    shed = np.where(others | (layer.flank <= LEAST_SHARE), 0.0, layer.flank) * np.maximum(structure - _level(layer), 0)
    part += -a * structure + np.where(a > 0, layer.value, 0) + missing * more_noise(noise, part.shape, rng=rng) - shed


def _left_in_middle(in_plane: Vector) -> float:
    """Variance of noise about its window's mean in the middle of the window, over that in all of the window.

    A window's mean follows its middle more than its corners.
    """
    ry, rx = (n // 2 for n in in_plane.shape)
    y, x = (axis.ravel() for axis in np.indices((STRUCTURE_PX, STRUCTURE_PX)))
    steps_y, steps_x = np.subtract.outer(y, y), np.subtract.outer(x, x)
    known = (np.abs(steps_y) <= ry) & (np.abs(steps_x) <= rx)
    shares = np.where(known, in_plane[np.clip(steps_y + ry, 0, 2 * ry), np.clip(steps_x + rx, 0, 2 * rx)], 0.0)
    everywhere, middle = float(shares.mean()), float(shares[len(y) // 2].mean())
    return (1 - 2 * middle + everywhere) / max(1 - everywhere, 1e-3)


def _quietest(spread: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """What the noise cannot exceed: the spread of the quieter voxels that are replaced, which hold noise and structure.

    A window of five pixels shows less than all of a correlated noise, and the quieter quarter less still: together up
    to a third.
    """
    inside = spread[share > 0.5 * float(share.max())]
    return 1.5 * float(np.sqrt(np.quantile(inside, 0.25))) if inside.size else np.inf


def _level(layer: Layer) -> float:
    """The lesion's value where it is purest."""
    total = float(layer.share.sum())
    return float(layer.value.sum()) / total if total > 0 else 0.0


def noise_at(scan: ScanFacts, spot: Spot) -> LocalNoise:
    """The scan's noise at a lesion."""
    near = NEAR_MM if scan.ct else EVERYWHERE_MM
    return local_noise(scan.blocks, scan.frame_point(np.mean(spot.solid.bounds(), axis=0)), near_mm=near)
