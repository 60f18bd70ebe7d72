"""Planes through a volume as a radiologist expects to see them, whatever way the volume is stored.

Patient right and front are on the viewer's left, head and front on top. Nothing is resampled here; planes keep the
volume's own voxels and say how many millimetres a row and a column measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from osteon.errors import GeometryError
from osteon.geometry import closest_lps_axes, reorient_to_lps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.records import Box, Finding, Volume

AXES = ("axial", "coronal", "sagittal")
"""Name of the plane across array axis 0 (z, to the head), 1 (y, to the back) and 2 (x, to the left)."""
EDGE_MARKS = (("R", "L"), ("R", "L"), ("A", "P"))
"""Patient direction at the left and right edge of a plane across axis 0, 1, 2."""
_SKIN_HU, _BODY_MARGIN_MM = -400, 12.0
_OBLIQUE_COSINE = 0.97  # about 14 degrees

Span = tuple[int, int]
"""First index and one past the last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A volume with its masks, turned (not resampled) so that (z, y, x) run to head, back and left.

    Attributes:
        array: voxel values.
        labels: finding number of each voxel, 0 elsewhere.
        bone: whether a voxel is bone, or None.
        spacing_mm: between voxel centres, (z, y, x).
        slice_axis: which axis of ``array`` the slices of the source volume follow; 0 for an axial acquisition.
        oblique: the axes run well beside those of the patient.
        order, sign: how the source was turned, as from ``geometry.closest_lps_axes``.
    """

    array: NDArray[Any]
    labels: NDArray[np.uint16]
    bone: NDArray[np.bool_] | None
    spacing_mm: tuple[float, float, float]
    slice_axis: int
    oblique: bool
    order: tuple[int, int, int]
    sign: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x)."""
        depth, height, width = self.array.shape
        return depth, height, width

    def spans(self, box: Box) -> tuple[Span, Span, Span]:
        """A box on the source grid as whole-voxel spans along the scene's axes (z, y, x), cut to the volume.

        Raises:
            GeometryError: the box lies outside the volume.
        """
        source = ((box.z0, box.z1), (box.y0, box.y1), (box.x0, box.x1))
        found: list[Span] = []
        for axis, step, length in zip(self.order, self.sign, self.shape, strict=True):
            low, high = source[axis]
            low, high = (length - high, length - low) if step < 0 else (low, high)
            first, last = max(0, int(np.floor(low))), min(length, int(np.ceil(high)))
            if first >= last:
                raise GeometryError(f"box {box} lies outside the volume it should be drawn on")
            found.append((first, last))
        return found[0], found[1], found[2]

    def key_index(self, finding: Finding) -> int:
        """Index along ``slice_axis`` of the finding's key slice."""
        length = self.shape[self.slice_axis]
        index = length - 1 - finding.key_slice if self.sign[self.slice_axis] < 0 else finding.key_slice
        return int(np.clip(index, 0, length - 1))

    def best_index(self, finding: Finding, axis: int) -> int:
        """Where a plane across ``axis`` cuts most of the finding; the middle of its box if it has no voxels."""
        if axis == self.slice_axis:
            return self.key_index(finding)
        spans = self.spans(finding.box)
        inside = self.labels[tuple(slice(*span) for span in spans)] == finding.number
        counts = inside.sum(axis=tuple(other for other in range(3) if other != axis))
        return spans[axis][0] + (int(counts.argmax()) if counts.any() else len(counts) // 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """One plane, or a part of it, as it is to be shown: row 0 on top, column 0 on the viewer's left.

    Attributes:
        axis: the scene's axis that it lies across.
        index: where on that axis.
        pixels: voxel values (row, column).
        labels: finding numbers (row, column).
        mm: height of a row and width of a column.
    """

    axis: int
    index: int
    pixels: NDArray[Any]
    labels: NDArray[np.uint16]
    mm: tuple[float, float]


def make_scene(volume: Volume, labels: NDArray[np.uint16], bone: NDArray[np.bool_] | None) -> Scene:
    """Turn a volume and its masks to head, back and left.

    Raises:
        GeometryError: a mask has not the volume's shape.
    """
    for name, mask in (("lesion labels", labels), ("bone mask", bone)):
        if mask is not None and mask.shape != volume.grid.shape:
            raise GeometryError(f"{name} of shape {mask.shape} for a volume of shape {volume.grid.shape}")
    order, sign = closest_lps_axes(volume.grid)
    array, grid = reorient_to_lps(volume.array, volume.grid)
    flips = tuple(slice(None, None, step) for step in sign)
    return Scene(
        array=array,
        labels=labels.transpose(order)[flips],
        bone=None if bone is None else bone.transpose(order)[flips],
        spacing_mm=(grid.spacing_mm[2], grid.spacing_mm[1], grid.spacing_mm[0]),
        slice_axis=order.index(0),
        oblique=bool(np.abs(np.diag(grid.axes)).min() < _OBLIQUE_COSINE),
        order=order,
        sign=sign,
    )


def cut_plane(scene: Scene, axis: int, index: int, spans: tuple[Span, Span, Span] | None = None) -> Plane:
    """The plane across ``axis`` at ``index``, or the part of it within ``spans`` (z, y, x)."""
    window = [slice(None)] * 3 if spans is None else [slice(*span) for span in spans]
    cut: tuple[slice | int, ...] = tuple(index if other == axis else window[other] for other in range(3))
    pixels, labels = scene.array[cut], scene.labels[cut]
    if axis != 0:  # rows are z, which grows to the head
        pixels, labels = pixels[::-1], labels[::-1]
    rows, columns = (other for other in range(3) if other != axis)
    return Plane(
        axis=axis, index=index, pixels=pixels, labels=labels, mm=(scene.spacing_mm[rows], scene.spacing_mm[columns])
    )


def place_in_plane(
    scene: Scene, axis: int, spans: tuple[Span, Span, Span], window: tuple[Span, Span, Span] | None = None
) -> tuple[int, int, int, int]:
    """Row and column edges (top, bottom, left, right) of ``spans`` in the plane across ``axis`` cut to ``window``."""
    window = window or whole_spans(scene)
    rows, columns = (other for other in range(3) if other != axis)
    (low, high), (first, last) = spans[rows], window[rows]
    top, bottom = (last - high, last - low) if axis != 0 else (low - first, high - first)
    return top, bottom, spans[columns][0] - window[columns][0], spans[columns][1] - window[columns][0]


def crop_spans(scene: Scene, centre: tuple[float, float, float], side_mm: float) -> tuple[Span, Span, Span]:
    """A cube of ``side_mm`` round ``centre`` (z, y, x; voxel edges), moved inside the volume or cut to it."""
    found: list[Span] = []
    for middle, spacing, length in zip(centre, scene.spacing_mm, scene.shape, strict=True):
        size = min(length, max(1, round(side_mm / spacing)))
        first = int(np.clip(round(middle - size / 2), 0, length - size))
        found.append((first, first + size))
    return found[0], found[1], found[2]


def whole_spans(scene: Scene) -> tuple[Span, Span, Span]:
    """The whole volume (z, y, x)."""
    depth, height, width = scene.shape
    return (0, depth), (0, height), (0, width)


def body_spans(scene: Scene, index: int, *, keep: tuple[Span, Span, Span]) -> tuple[Span, Span, Span]:
    """The part of an axial CT plane that shows the body, without most of the air and the table.

    Args:
        scene: of a CT volume.
        index: which axial plane.
        keep: spans that must stay visible.
    """
    body = cv2.morphologyEx((scene.array[index] > _SKIN_HU).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(body)
    spans = whole_spans(scene)
    if count < 2:
        return spans
    left, top, width, height = (int(value) for value in stats[1:][stats[1:, cv2.CC_STAT_AREA].argmax()][:4])
    found = [spans[0]]
    for axis, (low, high) in ((1, (top, top + height)), (2, (left, left + width))):
        margin = round(_BODY_MARGIN_MM / scene.spacing_mm[axis])
        low, high = min(low, keep[axis][0]), max(high, keep[axis][1])
        found.append((max(0, low - margin), min(scene.shape[axis], high + margin)))
    return found[0], found[1], found[2]
