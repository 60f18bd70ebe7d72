"""Grey pictures as data URIs, with what is drawn over them kept as shapes, so that it stays sharp and can be hidden."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from osteon.report.views import EDGE_MARKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.report.views import Plane

BONE_WINDOW_HU = (300.0, 1500.0)
"""Level and width."""
_JPEG_QUALITIES = (90, 82, 72, 60, 45, 30)
_BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """Contour of one finding: closed polygons as SVG point lists."""

    number: int
    polygons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rectangle:
    """Box of one finding, in picture pixels; ``main`` for the finding that the picture is about."""

    number: int
    x: float
    y: float
    width: float
    height: float
    main: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture and what is drawn over it, in pixels of the picture."""

    uri: str
    width: int
    height: int
    alt: str
    caption: str
    marks: tuple[str, str] | None = None
    bar_px: float = 0.0
    bar_text: str = ""
    outlines: tuple[Outline, ...] = ()
    rectangles: tuple[Rectangle, ...] = ()


def grey_window(array: NDArray[Any], modality: str) -> tuple[float, float]:
    """Value shown black and value shown white: the bone window on CT, else the 1st and 99.5th percentile."""
    if modality == "CT":
        level, width = BONE_WINDOW_HU
        return level - width / 2, level + width / 2
    steps = tuple(slice(None, None, max(1, length // 64)) for length in array.shape)
    low, high = np.percentile(array[steps], (1.0, 99.5))
    return float(low), float(max(high, low + 1e-6))


def to_grey(pixels: NDArray[Any], window: tuple[float, float]) -> NDArray[np.uint8]:
    """Values as grey levels 0 to 255."""
    low, high = window
    scaled = (pixels.astype(np.float32) - low) * (255.0 / (high - low))
    return np.asarray(np.clip(np.nan_to_num(scaled), 0, 255), dtype=np.uint8)


def picture_size(plane: Plane, longest_px: int) -> tuple[int, int]:
    """Width and height in pixels at which the plane has its true proportions."""
    height_mm, width_mm = plane.pixels.shape[0] * plane.mm[0], plane.pixels.shape[1] * plane.mm[1]
    scale = longest_px / max(height_mm, width_mm)
    return max(1, round(width_mm * scale)), max(1, round(height_mm * scale))


def jpeg_uri(grey: NDArray[np.uint8], *, max_bytes: int) -> str:
    """A grey picture as a JPEG data URI, at the best of six qualities that keeps it below ``max_bytes``."""
    for quality in _JPEG_QUALITIES:
        done, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
        assert done
        if len(data) <= max_bytes:
            break
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def enlarge(grey: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resample to (width, height): cubic when enlarging, by area when shrinking."""
    shrinks = size[0] < grey.shape[1] and size[1] < grey.shape[0]
    resized = cv2.resize(np.ascontiguousarray(grey), size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return np.asarray(resized, dtype=np.uint8)


def outline(plane: Plane, number: int, size: tuple[int, int]) -> Outline | None:
    """Contour of a finding in a plane that is shown at ``size``; None where the plane does not cut it."""
    mask = plane.labels == number
    if not mask.any():
        return None
    smooth = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    inside = np.pad((smooth >= 0.5).astype(np.uint8), 1)
    contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    polygons = []
    for contour in contours:
        points = cv2.approxPolyDP(contour, 0.5, closed=True)[:, 0, :].astype(float) - 0.5  # -1 padding, +0.5 to centres
        if len(points) >= 3:
            polygons.append(" ".join(f"{x:g},{y:g}" for x, y in points))
    return Outline(number=number, polygons=tuple(polygons)) if polygons else None


def scale_bar(px_per_mm: float, width_px: int) -> tuple[float, str]:
    """Length in pixels and text of the longest round bar that takes at most a third of the width."""
    fitting = [length for length in _BARS_MM if length * px_per_mm <= width_px / 3] or [_BARS_MM[0]]
    length = fitting[-1]
    return length * px_per_mm, f"{length // 10} cm" if length >= 50 else f"{length} mm"


def make_picture(
    plane: Plane,
    *,
    window: tuple[float, float],
    longest_px: int,
    max_bytes: int,
    alt: str,
    caption: str,
    outlines: tuple[int, ...] = (),
    boxes: tuple[tuple[int, tuple[int, int, int, int], bool], ...] = (),
) -> Picture:
    """Picture of a plane in its true proportions.

    Args:
        plane: what to show.
        window: value shown black and value shown white.
        longest_px: pixels along the longer side.
        max_bytes: limit for the JPEG.
        alt: description for who cannot see it.
        caption: line below it.
        outlines: numbers of the findings to outline.
        boxes: number, (top, bottom, left, right) edges in voxels of the plane, and whether it is the main finding.
    """
    size = picture_size(plane, longest_px)
    px_x, px_y = size[0] / plane.pixels.shape[1], size[1] / plane.pixels.shape[0]
    bar_px, bar_text = scale_bar(px_x / plane.mm[1], size[0])
    drawn = [outline(plane, number, size) for number in outlines]
    return Picture(
        uri=jpeg_uri(enlarge(to_grey(plane.pixels, window), size), max_bytes=max_bytes),
        width=size[0],
        height=size[1],
        alt=alt,
        caption=caption,
        marks=EDGE_MARKS[plane.axis],
        bar_px=round(bar_px, 2),
        bar_text=bar_text,
        outlines=tuple(shape for shape in drawn if shape is not None),
        rectangles=tuple(
            Rectangle(
                number=number,
                x=round(left * px_x, 2),
                y=round(top * px_y, 2),
                width=round((right - left) * px_x, 2),
                height=round((bottom - top) * px_y, 2),
                main=main,
            )
            for number, (top, bottom, left, right), main in boxes
        ),
    )
