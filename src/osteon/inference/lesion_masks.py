"""From linked boxes to lesions: a mask each, and what is measured on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.inference.boxes import Track


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionShape:
    """Voxels of one candidate inside a window of the volume.

    Attributes:
        start: first index (z, y, x) of the window.
        mask: bool, the window's shape.
    """

    start: tuple[int, int, int]
    mask: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """The window as array slices."""
        z, y, x = (slice(a, a + n) for a, n in zip(self.start, self.mask.shape, strict=True))
        return z, y, x


def lesion_shape(
    track: Track,
    hu: NDArray[Any],
    bone: NDArray[Any],
    *,
    spacing_mm: tuple[float, float, float],
    grow: float = 1.15,
) -> LesionShape:
    """Voxels of a lytic lesion inside its boxes.

    Boxes are interpolated over skipped slices; on each slice the ellipse inscribed in the box, grown by ``grow``, is
    cut to the bone mask and to what is darker than halfway between the lesion's middle and its surroundings (after an
    in-plane blur of 0.7 mm). A lesion that this leaves with too little keeps the whole ellipse.
    """
    indices = np.arange(track.slices[0], track.slices[-1] + 1)
    boxes = np.stack([np.interp(indices, track.slices, [b[k] for b in track.boxes]) for k in range(4)], axis=1)
    pad = 3
    x0, y0 = np.maximum(np.floor(boxes[:, :2].min(axis=0)).astype(int) - pad, 0)
    x1 = min(int(np.ceil(boxes[:, 2].max())) + pad, hu.shape[2])
    y1 = min(int(np.ceil(boxes[:, 3].max())) + pad, hu.shape[1])
    mask = np.zeros((len(indices), y1 - y0, x1 - x0), dtype=bool)
    ys, xs = np.mgrid[y0:y1, x0:x1] + 0.5
    sigma = 0.7 / min(spacing_mm[:2])
    for row, index in enumerate(indices):
        bx0, by0, bx1, by1 = boxes[row]
        r2 = ((xs - (bx0 + bx1) / 2) / max((bx1 - bx0) / 2 * grow, 0.5)) ** 2
        r2 = r2 + ((ys - (by0 + by1) / 2) / max((by1 - by0) / 2 * grow, 0.5)) ** 2
        inside = bone[index, y0:y1, x0:x1] > 0
        plane = cv2.GaussianBlur(hu[index, y0:y1, x0:x1].astype(np.float32), (0, 0), sigma)
        mask[row] = _dark_part(np.asarray(plane, dtype=np.float32), r2, inside)
    return LesionShape(start=(int(indices[0]), int(y0), int(x0)), mask=mask)


def _dark_part(plane: NDArray[np.float32], r2: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    ellipse = (r2 <= 1) & inside
    core = (r2 <= 0.25) & inside
    around = (r2 > 1) & (r2 <= 4) & inside
    if core.sum() < 1 or around.sum() < 4 or ellipse.sum() < 4:
        return ellipse if ellipse.any() else r2 <= 0.6
    middle, rest = float(np.median(plane[core])), float(np.median(plane[around]))
    dark = ellipse & (plane < (middle + max(rest, middle + 40)) / 2)
    return dark if dark.sum() >= 0.3 * ellipse.sum() else ellipse


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """Of one lesion: LPS centroid is taken by the caller; lengths in mm, volume in mm3, attenuation in HU."""

    centroid_zyx: tuple[float, float, float]
    key_slice: int
    longest_mm: float
    short_mm: float
    volume_mm3: float
    mean_hu: float


def measure(shape: LesionShape, hu: NDArray[Any], *, spacing_mm: tuple[float, float, float]) -> Measures:
    """Centroid, largest slice, in-plane diameters there, volume and mean attenuation.

    The longest diameter is the largest distance between two outline pixels of a slice, plus one pixel; the short one is
    the extent perpendicular to it on the same slice.
    """
    areas = shape.mask.sum(axis=(1, 2))
    key = int(np.argmax(areas))
    z, y, x = (float(axis.mean()) + offset for axis, offset in zip(np.nonzero(shape.mask), shape.start, strict=True))
    longest, short = _diameters(shape.mask[key], spacing_mm)
    return Measures(
        centroid_zyx=(z, y, x),
        key_slice=key + shape.start[0],
        longest_mm=longest,
        short_mm=short,
        volume_mm3=float(areas.sum() * np.prod(spacing_mm)),
        mean_hu=float(hu[shape.window][shape.mask].mean()),
    )


def _diameters(plane: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> tuple[float, float]:
    inner = cv2.erode(np.pad(plane, 1).astype(np.uint8), np.ones((3, 3), np.uint8))[1:-1, 1:-1]
    ys, xs = np.nonzero(plane & (inner == 0))
    points = np.stack([xs * spacing_mm[0], ys * spacing_mm[1]], axis=1)
    points = points[:: max(1, len(points) // 400)]
    pixel = float(np.mean(spacing_mm[:2]))
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    i, j = np.unravel_index(int(np.argmax(distance)), distance.shape)
    longest = float(distance[i, j])
    if longest == 0:
        return pixel, pixel
    along = (points[j] - points[i]) / longest
    across = points @ np.array([-along[1], along[0]])
    return longest + pixel, float(across.max() - across.min()) + pixel
