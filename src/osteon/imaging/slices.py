"""Axial slices ready for a 2-D network: window, resize to a fixed pixel size, neighbours as channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from osteon.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Linear window: ``low_hu`` becomes 0 and ``high_hu`` becomes 1, clipped outside."""

    low_hu: float
    high_hu: float

    def __post_init__(self) -> None:
        if not self.high_hu > self.low_hu:
            raise UsageError(f"window {self.low_hu} to {self.high_hu} HU: expected the lower end first")

    def apply(self, hu: NDArray[Any]) -> NDArray[np.float32]:
        """Values 0 to 1, float32."""
        scaled = (hu.astype(np.float32) - np.float32(self.low_hu)) / np.float32(self.high_hu - self.low_hu)
        return np.asarray(np.clip(scaled, 0, 1), dtype=np.float32)


def resize_slice(
    image: NDArray[Any], *, from_mm: tuple[float, float], to_mm: float, nearest: bool = False
) -> NDArray[Any]:
    """Resize one (y, x) slice from pixels of ``from_mm`` (x, y) to square pixels of ``to_mm``, same field of view."""
    height, width = image.shape
    size = (max(1, round(width * from_mm[0] / to_mm)), max(1, round(height * from_mm[1] / to_mm)))
    if nearest:
        return cv2.resize(image, size, interpolation=cv2.INTER_NEAREST_EXACT)
    shrinks = size[0] * 1.3 < width or size[1] * 1.3 < height
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def neighbour_indices(index: int, *, count: int, step: int) -> tuple[int, int, int]:
    """Slice indices ``step`` below, at and ``step`` above ``index``; the ends repeat."""
    return max(index - step, 0), index, min(index + step, count - 1)


def context_step(spacing_z_mm: float, context_mm: float) -> int:
    """How many slices make up ``context_mm``; 0 asks for no context (three times the same slice)."""
    return 0 if context_mm <= 0 else max(1, round(context_mm / spacing_z_mm))


def pad_to_multiple(image: NDArray[np.float32], multiple: int) -> NDArray[np.float32]:
    """Pad (C, H, W) at the lower and right edge with zeros until both sides are whole multiples."""
    _, height, width = image.shape
    down, right = -height % multiple, -width % multiple
    return np.pad(image, ((0, 0), (0, down), (0, right))) if down or right else image
