"""Copies of training patches: randomly moved, scaled and turned; more of the rarer class, so that both weigh alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.systems.fracture.patches import inner, standardised
from osteon.training.affine import about, linear_part, warp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.systems.fracture.config import FractureConfig


def copies_of(label: NDArray[np.int64], *, benign: int, malignant: int) -> NDArray[np.int64]:
    """Rows (sample, copy) of the augmented set, samples in order; copy 0 is the patch itself.

    Args:
        label: (n,) 0 benign, 1 malignant.
        benign: copies of a benign sample.
        malignant: copies of a malignant one.
    """
    counts = np.where(np.asarray(label) > 0, malignant, benign)
    sample = np.repeat(np.arange(len(counts)), counts)
    copy = np.concatenate([np.arange(count) for count in counts]) if len(counts) else np.zeros(0, np.int64)
    return np.stack([sample, copy], axis=1).astype(np.int64)


def make_copy(
    patch: NDArray[np.float32], *, config: FractureConfig, generator: np.random.Generator | None
) -> NDArray[np.float32]:
    """One copy of a patch, ready for the network.

    Args:
        patch: (channels, side, side) with margins; what a copy shows beyond them is the mean of the channel.
        config: how far copies go.
        generator: draws the copy; None for the patch as it is.

    Returns:
        (channels, side_px, side_px), each channel at mean 0 and SD 1.
    """
    if generator is None:
        return standardised(inner(patch, margin_px=config.margin_px))
    side = config.side_px
    linear = linear_part(
        angle_deg=generator.uniform(-1, 1) * config.rotation_deg, zoom=1 + generator.uniform(-1, 1) * config.zoom
    )
    right, down = generator.uniform(-1, 1, 2) * config.shift * side
    middle = patch.shape[-1] / 2
    matrix = about((middle, middle), (side / 2 + right, side / 2 + down), linear=linear)
    level = patch.mean(axis=(-2, -1), keepdims=True)
    moved = warp((patch - level).astype(np.float32), matrix, (side, side))
    return standardised(moved.astype(np.float32))
