"""Augmentation for segmentation: crop by positive and negative label, rotation, flip, zoom, affine.

The bone U-Net's recipe (Faghani et al., Skeletal Radiol 2022, "Model development for skeleton segmentation"). All of it
is one matrix, so that pixels are resampled once and a rotated crop takes its corners from the image, not from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import UsageError
from osteon.training.affine import about, linear_part, warp

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskAugmentation:
    """How far to go.

    Attributes:
        size: side of the square crop in pixels.
        positive: probability that the crop is centred on a labelled pixel rather than on an unlabelled one.
        rotate, flip, zoom, affine: probability of each.
        rotate_deg: rotation up to this, either way.
        zoom_range: zoom from 1 / (1 + this) to 1 + this.
        shear, translate: of ``affine``: shear up to this, shift up to this part of ``size``.
        fill: image value beyond its edges; masks get 0.

    Raises:
        UsageError: an impossible value.
    """

    size: int
    positive: float = 0.5
    rotate: float = 0.5
    flip: float = 0.5
    zoom: float = 0.5
    affine: float = 0.5
    rotate_deg: float = 15.0
    zoom_range: float = 0.2
    shear: float = 0.1
    translate: float = 0.05
    fill: float = 0.0

    def __post_init__(self) -> None:
        for key in ("positive", "rotate", "flip", "zoom", "affine"):
            if not 0 <= getattr(self, key) <= 1:
                raise UsageError(f"mask augmentation: {key} = {getattr(self, key)}; expected a probability, 0 to 1")
        if self.size < 1 or min(self.rotate_deg, self.zoom_range, self.shear, self.translate) < 0:
            raise UsageError("mask augmentation: expected size >= 1 and no negative range")


def augment_mask(
    image: NDArray[np.float32],
    mask: NDArray[Any],
    *,
    config: MaskAugmentation,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut and transform an image and its mask alike.

    Args:
        image: (C, H, W) float32.
        mask: (K, H, W), bool or uint8; resampled to the nearest, so that labels stay labels.
        config: how far to go.
        generator: draws everything.

    Returns:
        (C, size, size) float32 and (K, size, size) uint8.
    """
    centre = _crop_centre(mask, config=config, generator=generator)
    linear = linear_part(
        angle_deg=generator.uniform(-1, 1) * config.rotate_deg * (generator.random() < config.rotate),
        zoom=(1 + config.zoom_range) ** (generator.uniform(-1, 1) * (generator.random() < config.zoom)),
        shear=generator.uniform(-1, 1) * config.shear * (generator.random() < config.affine),
        mirror=generator.random() < config.flip,
    )
    if generator.random() < config.flip:
        linear = np.diag([1.0, -1.0]) @ linear
    shift = generator.uniform(-1, 1, 2) * config.translate * (generator.random() < config.affine)
    target = (config.size * (0.5 + shift[0]), config.size * (0.5 + shift[1]))
    matrix = about(centre, target, linear=linear)
    shape = (config.size, config.size)
    moved: NDArray[np.float32] = warp(image, matrix, shape, fill=config.fill)
    return moved, warp(mask.astype(np.uint8), matrix, shape, nearest=True)


def _crop_centre(
    mask: NDArray[Any], *, config: MaskAugmentation, generator: np.random.Generator
) -> tuple[float, float]:
    """(x, y) of a crop inside the image (centred if it is larger); on any pixel if the wanted label is absent."""
    labelled = mask.any(axis=0)
    candidates = np.flatnonzero(labelled == (generator.random() < config.positive))
    pick = generator.random()
    count = len(candidates) or labelled.size
    chosen = min(int(pick * count), count - 1)
    row, column = divmod(int(candidates[chosen]) if len(candidates) else chosen, labelled.shape[1])
    return _middle(column, labelled.shape[1], config.size), _middle(row, labelled.shape[0], config.size)


def _middle(position: int, length: int, size: int) -> float:
    """Middle of a crop of ``size`` round ``position`` whose edges fall on pixel edges."""
    room = length - size
    corner = min(max(position - size // 2, 0), room) if room > 0 else room // 2
    return corner + size / 2
