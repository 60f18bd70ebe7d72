"""A scan's own noise: how strong it is at a place, how neighbouring voxels share it, and more of the same.

Measured on small blocks of soft tissue whose linear trend is taken off. Tissue structure can only add to the spread
of a block, so the quieter blocks near a place tell the noise there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft, ndimage

from osteon.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.geometry import Grid
    from osteon.phantom.anatomy.shapes import Array, Vector

BLOCK_MM, LEAST_PX, MOST_PX = 11.0, 6, 16
SOFT_HU = (-60.0, 220.0)
"""Block means on CT: no fat, since skin folds and bowel walls lie in it, no bone; contrast agent allowed."""
QUIET_SHARE, QUIET_FACTOR = 0.10, 1.4
"""Blocks whose spread is up to 1.4 times that of the quietest tenth hold noise alone: of even tissue that is all but a
few in a hundred, and blocks with edges or fat in muscle lie above."""
NEAR_MM, EVERYWHERE_MM = 30.0, 1e6
"""Noise of CT changes with the path through the body; that of MR hardly does."""
LEAST_BLOCKS = 12
LAGS_Z = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks:
    """Soft-tissue blocks of one scan, without their linear trend.

    Attributes:
        centre_mm: (n, 3) along the grid's own axes (x, y, z), mm from voxel (0, 0, 0).
        sd: (n,) spread within the block.
        mean: (n,).
        values: (n, by, bx) residuals.
        below: (n,) index of the block one slice below at the same place, or -1.
    """

    centre_mm: Vector
    sd: Vector
    mean: Vector
    values: Array
    below: NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalNoise:
    """The noise at one place.

    Attributes:
        sd: in the scan's units.
        in_plane: correlation (2 ry + 1, 2 rx + 1), 1 in the middle.
        along_z: correlation of slices 0, 1, ... apart; 1 first.
    """

    sd: float
    in_plane: Vector
    along_z: Vector


def soft_blocks(array: NDArray[Any], *, bone: NDArray[Any], grid: Grid, ct: bool) -> Blocks:
    """Cut a volume (z, y, x) into blocks that hold soft tissue alone; on MR, where marrow is even too, also bone.

    Args:
        array: the scan.
        bone: mask (z, y, x).
        grid: of both.
        ct: soft tissue is told by its attenuation; otherwise anything but the darkest sixth is.

    Raises:
        InputError: there are too few blocks.
    """
    by, bx = (int(np.clip(round(BLOCK_MM / grid.spacing_mm[k]), LEAST_PX, MOST_PX)) for k in (1, 0))
    rows, columns = array.shape[1] // by, array.shape[2] // bx
    if rows == 0 or columns == 0:
        raise InputError(
            f"scan of {array.shape[2]} x {array.shape[1]} pixels: too small to measure its noise in blocks of "
            f"{bx} x {by}; give the whole scan"
        )
    low, high = SOFT_HU if ct else _bright_range(array)
    near_bone = ndimage.binary_dilation(np.asarray(bone) > 0, structure=np.ones((1, 5, 5))) & ct
    found: list[tuple[Vector, Vector, Vector, Array, NDArray[np.intp]]] = []
    previous = np.full((rows, columns), -1)
    count = 0
    for k in range(array.shape[0]):
        blocks = _tiles(array[k].astype(np.float32), by, bx)
        mean = blocks.mean(axis=(2, 3))
        residual = _without_trend(blocks)
        sd = residual.std(axis=(2, 3)) * np.sqrt(by * bx / (by * bx - 3))
        good = (mean > low) & (mean < high) & (sd > 0) & ~_tiles(near_bone[k], by, bx).any(axis=(2, 3))
        r, c = np.nonzero(good)
        y, x = (r * by + (by - 1) / 2) * grid.spacing_mm[1], (c * bx + (bx - 1) / 2) * grid.spacing_mm[0]
        centre = np.stack([x, y, np.full(len(r), k * grid.spacing_mm[2])], axis=1)
        found.append((centre, sd[good].astype(float), mean[good].astype(float), residual[good], previous[good]))
        previous = np.full((rows, columns), -1)
        previous[good] = count + np.arange(len(r))
        count += len(r)
    if count < LEAST_BLOCKS:
        raise InputError(
            f"only {count} blocks of {BLOCK_MM:g} mm of soft tissue in the scan; expected at least {LEAST_BLOCKS} to "
            "measure its noise by. Is it CT in Hounsfield units (or MR) with tissue round the bones?"
        )
    columns_of = [np.concatenate(column) for column in zip(*found, strict=True)]
    return Blocks(
        centre_mm=columns_of[0], sd=columns_of[1], mean=columns_of[2], values=columns_of[3], below=columns_of[4]
    )


def _bright_range(array: NDArray[Any]) -> tuple[float, float]:
    top = float(np.percentile(array, 99))
    return top / 6, top


def _tiles(image: NDArray[Any], by: int, bx: int) -> NDArray[Any]:
    """(rows, columns, by, bx) of an image, what is left over at its end cut off."""
    rows, columns = image.shape[0] // by, image.shape[1] // bx
    return image[: rows * by, : columns * bx].reshape(rows, by, columns, bx).swapaxes(1, 2)


def _without_trend(blocks: Array) -> Array:
    """Blocks (..., by, bx) less their mean and their best plane."""
    y, x = (np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in blocks.shape[-2:])
    centred = blocks - blocks.mean(axis=(-2, -1), keepdims=True)
    steep_y = (centred * y[:, None]).sum(axis=(-2, -1)) / ((y**2).sum() * len(x))
    steep_x = (centred * x).sum(axis=(-2, -1)) / ((x**2).sum() * len(y))
    return np.asarray(centred - steep_y[..., None, None] * y[:, None] - steep_x[..., None, None] * x, dtype=np.float32)


def local_noise(blocks: Blocks, point_mm: Vector, *, near_mm: float = NEAR_MM) -> LocalNoise:
    """The noise near a point given along the grid's own axes, mm from voxel (0, 0, 0).

    Blocks count by their distance; the quiet ones tell spread and correlations.

    Args:
        blocks: of the scan.
        point_mm: (3,) place.
        near_mm: SD of the Gaussian of the distance; large for noise that is the same everywhere.
    """
    away = np.linalg.norm(blocks.centre_mm - point_mm, axis=1)
    nearest = float(np.sort(away)[min(LEAST_BLOCKS, len(away)) - 1])
    weight = np.exp(-0.5 * (away / max(near_mm, nearest)) ** 2)
    order = np.argsort(blocks.sd, kind="stable")
    total = np.cumsum(weight[order]) / weight.sum()
    limit = QUIET_FACTOR * float(blocks.sd[order][np.searchsorted(total, QUIET_SHARE)])
    quiet = order[: max(1, int(np.searchsorted(blocks.sd[order], limit, side="right")))]
    sd = float(np.sqrt(np.average(blocks.sd[quiet] ** 2, weights=weight[quiet] + 1e-12)))
    chosen = quiet[np.argsort(-weight[quiet], kind="stable")[:400]]
    in_plane, lost = _in_plane(blocks.values[chosen])
    return LocalNoise(sd=sd * np.sqrt(1 + lost), in_plane=in_plane, along_z=_along_z(blocks, quiet))


def _in_plane(values: Array) -> tuple[Vector, float]:
    """Correlation of residuals (n, by, bx) at lags up to half a block, falling to 0 at its end, and variance lost.

    With the trend of a block goes a part of its noise, which leaves far lags negative: what is missing there is missing
    everywhere, and put back.
    """
    by, bx = values.shape[1:]
    spectrum = np.abs(fft.rfft2(values, s=(2 * by, 2 * bx))) ** 2
    sums = fft.irfft2(spectrum.mean(axis=0), s=(2 * by, 2 * bx))
    ry, rx = by // 2, bx // 2
    lags_y, lags_x = np.arange(-ry, ry + 1), np.arange(-rx, rx + 1)
    pairs = (by - np.abs(lags_y))[:, None] * (bx - np.abs(lags_x))[None, :]
    covariance = sums[np.ix_(lags_y, lags_x)] / pairs
    fade = _fade(lags_y)[:, None] * _fade(lags_x)[None, :]
    edge = np.concatenate([covariance[[0, -1]].ravel(), covariance[:, [0, -1]].ravel()])
    lost = max(0.0, -float(edge.mean())) / float(covariance[ry, rx])
    shares = (covariance / covariance[ry, rx] + lost) / (1 + lost)
    return np.asarray(shares * fade, dtype=np.float64), lost


def _fade(lags: NDArray[np.intp]) -> Vector:
    """1 up to half the longest lag, then down to 0."""
    longest = len(lags) // 2
    beyond = np.clip((np.abs(lags) - longest / 2) / (longest / 2 + 1), 0, 1)
    return np.asarray(np.cos(0.5 * np.pi * beyond) ** 2)


def _along_z(blocks: Blocks, quiet: NDArray[np.intp]) -> Vector:
    """Correlation of blocks 0 to 3 slices apart; 0 where nothing lies below."""
    result = [1.0]
    upper, lower = quiet, quiet
    for _ in range(LAGS_Z):
        lower = blocks.below[lower]
        upper, lower = upper[lower >= 0], lower[lower >= 0]
        if not len(lower):
            break
        a, b = blocks.values[upper], blocks.values[lower]
        value = float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
        if value < 0.03:
            break
        result.append(value)
    return np.array(result)


def more_noise(noise: LocalNoise, shape: tuple[int, int, int], *, rng: np.random.Generator) -> Array:
    """Noise of unit spread with the measured correlations, (z, y, x)."""
    ry, rx = (n // 2 for n in noise.in_plane.shape)
    padded = (
        shape[0] + 2 * len(noise.along_z),
        max(shape[1], 2 * ry + 1) + 2 * ry,
        max(shape[2], 2 * rx + 1) + 2 * rx,
    )
    plane = np.zeros(padded[1:])
    plane[: 2 * ry + 1, : 2 * rx + 1] = noise.in_plane
    plane = np.roll(plane, (-ry, -rx), axis=(0, 1))
    line = np.zeros(padded[0])
    fade = np.linspace(1, 0, len(noise.along_z), endpoint=False)
    line[: len(noise.along_z)] = noise.along_z * fade
    line[1:] += line[:0:-1]  # symmetric: as far up as down
    power = np.maximum(fft.fft(line).real, 0)[:, None, None] * np.maximum(fft.rfft2(plane).real, 0)
    white = rng.standard_normal(padded, dtype=np.float32)
    made = fft.irfftn(fft.rfftn(white) * np.sqrt(power), s=padded)
    weight = np.full(power.shape[-1], 2.0)
    weight[0] = 1.0
    if padded[2] % 2 == 0:
        weight[-1] = 1.0
    made /= np.sqrt((power * weight).sum() / np.prod(padded))
    return np.asarray(made[: shape[0], : shape[1], : shape[2]], dtype=np.float32)
