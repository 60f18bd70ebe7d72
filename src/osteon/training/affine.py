"""Planar transforms of images, masks and boxes that agree to the pixel's edge.

A matrix is 2 x 3 and maps source (x, y, 1) to target (x, y), in pixel *edges*: the centre of the first pixel is at
(0.5, 0.5), as boxes are. OpenCV counts from pixel centres; ``warp`` converts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def about(
    source: tuple[float, float], target: tuple[float, float], *, linear: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Matrix that applies the 2 x 2 ``linear`` part about a source point (x, y), which lands on a target point."""
    offset = np.asarray(target, dtype=np.float64) - linear @ np.asarray(source, dtype=np.float64)
    return np.column_stack([linear, offset])


def linear_part(
    *, angle_deg: float = 0.0, zoom: float = 1.0, shear: float = 0.0, mirror: bool = False
) -> NDArray[np.float64]:
    """2 x 2 of, in this order: mirror left-right, shear x by y, rotate (on screen clockwise for positive), zoom."""
    angle = np.deg2rad(angle_deg)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear: NDArray[np.float64] = (
        zoom * rotation @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag([-1.0 if mirror else 1.0, 1.0])
    )
    return linear


def warp(
    image: NDArray[Any],
    matrix: NDArray[np.float64],
    shape: tuple[int, int],
    *,
    fill: float = 0.0,
    nearest: bool = False,
) -> NDArray[Any]:
    """Resample channels (C, H, W), float32 or uint8, to (C, *shape); linear, or nearest for labels."""
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    size = (shape[1], shape[0])
    channels = [
        cv2.warpAffine(np.ascontiguousarray(one), centred, size, flags=flags, borderValue=fill) for one in image
    ]
    return np.stack(channels)


def transform_boxes(boxes: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Axis-aligned hulls of transformed boxes (N, 4): left, top, right, bottom edges."""
    x, y = boxes[:, [0, 2, 2, 0]], boxes[:, [1, 1, 3, 3]]  # (N, 4 corners)
    corners = np.stack([x, y, np.ones_like(x)], axis=-1) @ matrix.T  # (N, 4, xy)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)
