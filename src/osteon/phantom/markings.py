"""What surrounds a reader's marks: normal places to mistake, slices that marks cover, outlines drawn by habit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.geometry import Grid, Triple
    from osteon.phantom.readers import Mark


def normal_places(
    bone: NDArray[Any], lesions: NDArray[Any], grid: Grid, *, count: int, seed: int, away_mm: float = 8.0
) -> NDArray[np.float64]:
    """Random places in bone away from lesions, LPS (n, 3); n is ``count``, or fewer where bone is scarce.

    Args:
        bone: mask (z, y, x), 0 outside bone.
        lesions: label map (z, y, x).
        grid: of both.
        count: how many.
        seed: of the draw.
        away_mm: smallest distance from any lesion.
    """
    free = np.asarray(bone) > 0
    if np.any(lesions):
        free &= ndimage.distance_transform_edt(np.asarray(lesions) == 0, sampling=grid.spacing_mm[::-1]) > away_mm
    inside = np.flatnonzero(free)
    rng = np.random.default_rng([seed, 11])
    chosen = rng.choice(inside, size=min(count, len(inside)), replace=False)
    z, y, x = np.unravel_index(chosen, free.shape)
    return grid.to_mm(np.stack([x, y, z], axis=1))


def marked_slices(marks: Sequence[Mark], grid: Grid) -> NDArray[np.bool_]:
    """Which slices of a grid hold a part of a mark's box, (slices,): a reader's slice-level labels.

    On an oblique grid a box counts on every slice that its corners span.
    """
    result = np.zeros(grid.shape[0], dtype=bool)
    for mark in marks:
        corners = np.array(np.meshgrid(*zip(mark.low_mm, mark.high_mm, strict=True))).reshape(3, -1).T
        index = grid.to_index(corners)[:, 2]
        first, last = int(np.ceil(index.min() - 0.5)), int(np.floor(index.max() + 0.5))
        result[max(first, 0) : max(last + 1, 0)] = True
    return result


def drawn_outline(mask: NDArray[Any], *, spacing_mm: Triple, margin_mm: float) -> NDArray[np.bool_]:
    """A lesion's mask (z, y, x) as a reader draws it: its edge moved outwards (below 0: inwards).

    Args:
        mask: one lesion.
        spacing_mm: (x, y, z).
        margin_mm: how far.
    """
    solid = np.asarray(mask) > 0
    sampling = spacing_mm[::-1]
    if margin_mm >= 0:
        if not solid.any() or margin_mm == 0:
            return solid
        return np.asarray(ndimage.distance_transform_edt(~solid, sampling=sampling) <= margin_mm)
    return np.asarray(
        ndimage.distance_transform_edt(np.pad(solid, 1), sampling=sampling)[1:-1, 1:-1, 1:-1] > -margin_mm
    )
