"""Patches of T1 and T2 round one vertebra: three slices of each, sampled linearly, brought to mean 0 and SD 1.

The box on T2 is mapped to T1 through patient space and the movement between the two ("linear registration" in the
study, which names no method; here rigid by mutual information). Channels: T1 before, at, after; T2 before, at, after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from osteon.errors import InputError
from osteon.imaging.register import register
from osteon.imaging.sagittal import sagittal
from osteon.records import Volume
from osteon.systems.fracture.boxes import moved_to, sample_points, square
from osteon.systems.fracture.config import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.imaging.register import Registration
    from osteon.imaging.sagittal import Sagittal
    from osteon.systems.fracture.boxes import SliceBox
    from osteon.systems.fracture.config import FractureConfig

AROUND = (-1, 0, 1)
"""Slices of a patch, from the one to its right."""
LEAST_COVERED = 0.9
"""Of a box, what T1 must show (a guess): a patch half of edge pixels is no T1."""
_FLAT = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """T1 and T2 of one place, with the movement between them.

    Attributes:
        t2: sagittal view of T2, which boxes are mapped to.
        t1: as read.
        moved: from T2 to T1.
    """

    t2: Sagittal
    t1: Volume
    moved: Registration


def make_pair(t2: Volume, t1: Volume, *, registration: str) -> Pair:
    """Register T1 onto T2."""
    view = sagittal(t2)
    fixed = Volume(array=view.array, grid=view.grid, modality="MR")
    return Pair(t2=view, t1=t1, moved=register(fixed, t1, method=registration))


def cut_patches(pair: Pair, boxes: Sequence[SliceBox], *, config: FractureConfig) -> NDArray[np.float32]:
    """Patches with their margin, in the scanner's grey levels.

    Args:
        pair: of volumes.
        boxes: one a patch, on slices of T2 as it was read (``pair.t2.source``).
        config: side, margin.

    Returns:
        (n, 6, side, side), side with both margins; rows run to the feet, columns to the back.

    Raises:
        InputError: a box that lies on no sagittal slice, or where T1 shows nothing.
    """
    return np.stack([_patch(pair, box, config) for box in boxes])


def _patch(pair: Pair, box: SliceBox, config: FractureConfig) -> NDArray[np.float32]:
    grid = pair.t2.grid
    inside = square(moved_to(box, pair.t2.source, to=grid), grid)
    x, y = sample_points(inside, side_px=config.side_px, margin_px=config.margin_px)
    columns, rows = np.meshgrid(x, y)  # (side, side) each
    before, after = [], []
    for step in AROUND:
        slice_ = int(np.clip(inside.index + step, 0, grid.shape[0] - 1))
        points = np.stack([columns, rows, np.full_like(columns, slice_)], axis=-1)  # index x, y, z
        mm = grid.to_mm(points.reshape(-1, 3))
        matrix = np.asarray(pair.moved.matrix)
        index = pair.t1.grid.to_index(mm @ matrix[:3, :3].T + matrix[:3, 3]).reshape(points.shape)
        if step == 0:
            _check_covered(index, pair.t1, config)
        before.append(_sampled(pair.t1.array, index))
        after.append(_sampled(pair.t2.array[slice_][None], points * (1.0, 1.0, 0.0)))
    patch = np.stack([*before, *after])
    assert len(patch) == CHANNELS
    return patch


def _check_covered(index: NDArray[np.float64], t1: Volume, config: FractureConfig) -> None:
    """The middle slice's box, without its margin, must lie within T1."""
    m = config.margin_px
    inner = index[m : m + config.side_px, m : m + config.side_px].reshape(-1, 3)
    share = float(t1.grid.contains(t1.grid.to_mm(inner)).mean())
    if share < LEAST_COVERED:
        raise InputError(
            f"T1 shows {share:.0%} of the box; expected {LEAST_COVERED:.0%}: a T1 of the same place is needed"
        )


def _sampled(array: NDArray[Any], index: NDArray[np.float64]) -> NDArray[np.float32]:
    """Linear values at index (rows, columns, xyz); beyond the edge, the edge's."""
    z0 = int(np.clip(np.floor(index[..., 2].min()) - 1, 0, array.shape[0] - 1))
    z1 = int(np.clip(np.ceil(index[..., 2].max()) + 2, z0 + 1, array.shape[0]))
    places = np.stack([index[..., 2] - z0, index[..., 1], index[..., 0]])
    part = np.asarray(array[z0:z1], dtype=np.float32)
    return np.asarray(ndimage.map_coordinates(part, places, order=1, mode="nearest"), dtype=np.float32)


def inner(patches: NDArray[np.float32], *, margin_px: int) -> NDArray[np.float32]:
    """(..., side, side) without the margins."""
    if margin_px == 0:
        return patches
    return np.asarray(patches[..., margin_px:-margin_px, margin_px:-margin_px])


def standardised(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every channel of every patch (..., y, x) at mean 0 and SD 1; one without contrast becomes 0."""
    mean = patches.mean(axis=(-2, -1), keepdims=True)
    spread = patches.std(axis=(-2, -1), keepdims=True)
    return np.asarray(np.where(spread > _FLAT, (patches - mean) / np.maximum(spread, _FLAT), 0.0), dtype=np.float32)
