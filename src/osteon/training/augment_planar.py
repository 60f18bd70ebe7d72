"""Augmentation in the plane of the slice: rotation, shift, zoom; one matrix for all slices of a volume.

As the metastasis study has it (doi:10.3348/kjr.2023.0671): rotation to 20 degrees, shifts, zoom 0.9 to 1.1.
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
class PlanarAugmentation:
    """How far to go, either way; 0 for never.

    Attributes:
        rotation_deg: of the image about its middle.
        shift: of its side.
        zoom: from 1 - zoom to 1 + zoom.
        flip: probability of a mirror image, columns turned round.

    Raises:
        UsageError: an impossible value.
    """

    rotation_deg: float = 20.0
    shift: float = 0.1
    zoom: float = 0.1
    flip: float = 0.0

    def __post_init__(self) -> None:
        if min(self.rotation_deg, self.shift) < 0 or not 0 <= self.zoom < 1 or not 0 <= self.flip <= 1:
            raise UsageError(f"planar augmentation {self}: expected no negative range, zoom below 1, flip 0 to 1")


def augment_planar(
    image: NDArray[np.uint8], mask: NDArray[Any], *, config: PlanarAugmentation, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Turn, move and scale an image and its mask alike.

    Args:
        image: (..., H, W) uint8: channels, or channels and slices; beyond the edges it becomes 0.
        mask: (..., H, W), bool or uint8; resampled to the nearest.
        config: how far.
        generator: draws everything.

    Returns:
        Both in the shapes they had, uint8.
    """
    height, width = image.shape[-2:]
    linear = linear_part(
        angle_deg=generator.uniform(-1, 1) * config.rotation_deg,
        zoom=1 + generator.uniform(-1, 1) * config.zoom,
        mirror=generator.random() < config.flip,
    )
    down, right = generator.uniform(-1, 1, 2) * config.shift
    middle = (width / 2, height / 2)
    matrix = about(middle, (middle[0] + right * width, middle[1] + down * height), linear=linear)
    moved = warp(image.reshape(-1, height, width), matrix, (height, width))
    labels = warp(mask.astype(np.uint8).reshape(-1, height, width), matrix, (height, width), nearest=True)
    return moved.reshape(image.shape), labels.reshape(mask.shape)
