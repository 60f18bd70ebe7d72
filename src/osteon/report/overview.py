"""The whole skeleton at a glance: projections from the front and from the side, with every finding marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.report.pictures import Picture, enlarge, jpeg_uri, scale_bar, to_grey
from osteon.report.views import AXES, EDGE_MARKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.records import Finding
    from osteon.report.views import Scene, Span

MARGIN_PX = 44
"""Width of the strips left and right of a projection in which the numbers stand."""
_TALLEST_PX, _WIDEST_PX = 880, 470
_LABEL_STEP_PX = 15.0
_CT_BONE_HU = 150
_MAX_BYTES = 400_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """Place of a finding on a projection and of its number beside it, in pixels; ``label_y`` is None for a dot only."""

    number: int
    x: float
    y: float
    label_x: float = 0.0
    label_y: float | None = None
    left: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Projection:
    """One projection: its picture and the markers over it."""

    picture: Picture
    markers: tuple[Marker, ...]


def make_overview(scene: Scene, findings: Sequence[Finding], *, modality: str, linked: int) -> tuple[Projection, ...]:
    """Projections from the front and from the side, at one scale.

    Args:
        scene: volume and masks.
        findings: all of them; the first ``linked`` are numbered, the others are dots.
        modality: DICOM Modality; bone is found by its HU on CT where the scene has no bone mask.
        linked: how many findings have key images.

    Returns:
        Front and side view; empty for a volume of fewer than three slices in some direction.
    """
    if min(scene.shape) < 3:
        return ()
    planes = _project(scene, bone_only=modality == "CT")
    boxes = [scene.spans(finding.box) for finding in findings]
    shown = {axis: _used(planes[axis - 1], [box[3 - axis] for box in boxes]) for axis in (1, 2)}
    widest_mm = max((high - low) * scene.spacing_mm[3 - axis] for axis, (low, high) in shown.items())
    scale = min(_TALLEST_PX / (scene.shape[0] * scene.spacing_mm[0]), _WIDEST_PX / widest_mm)
    found = []
    for axis, plane in zip((1, 2), planes, strict=True):
        grey = _radiograph(plane) if modality == "CT" else to_grey(plane, _range(plane))
        picture = _picture(scene, grey, axis, columns=shown[axis], scale=scale)
        points = [_place(scene, box, axis, columns=shown[axis], picture=picture) for box in boxes]
        size = (picture.width, picture.height)
        markers = _place_labels(points, [finding.number for finding in findings], size, labelled=linked)
        found.append(Projection(picture=picture, markers=markers))
    return tuple(found)


def _picture(scene: Scene, grey: NDArray[np.uint8], axis: int, *, columns: Span, scale: float) -> Picture:
    """A projection seen along ``axis``, head on top, cut to ``columns``, at ``scale`` pixels a millimetre."""
    low, high = columns
    size = (
        max(1, round((high - low) * scene.spacing_mm[3 - axis] * scale)),
        max(1, round(scene.shape[0] * scene.spacing_mm[0] * scale)),
    )
    bar_px, bar_text = scale_bar(scale, size[0])
    return Picture(
        uri=jpeg_uri(enlarge(grey[::-1, low:high], size), max_bytes=_MAX_BYTES),
        width=size[0],
        height=size[1],
        alt=f"{AXES[axis].capitalize()} projection of the whole scan, with the findings marked by number",
        caption="From the front (coronal)" if axis == 1 else "From the left (sagittal)",
        marks=EDGE_MARKS[axis],
        bar_px=round(bar_px, 2),
        bar_text=bar_text,
    )


def _place(
    scene: Scene, box: tuple[Span, Span, Span], axis: int, *, columns: Span, picture: Picture
) -> tuple[float, float]:
    """Where the middle of a finding's box appears, (x, y) in pixels."""
    low, high = columns
    x = (sum(box[3 - axis]) / 2 - low) / (high - low) * picture.width
    return x, (1 - sum(box[0]) / 2 / scene.shape[0]) * picture.height


def _project(scene: Scene, *, bone_only: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sum over bone (CT) or mean of everything (MR), along y and along x; slice by slice, so that no copy is made."""
    depth, height, width = scene.shape
    front, side = np.zeros((depth, width), np.float32), np.zeros((depth, height), np.float32)
    for index in range(depth):
        plane = scene.array[index].astype(np.float32)
        if not bone_only:
            front[index], side[index] = plane.mean(axis=0), plane.mean(axis=1)
            continue
        bone = scene.bone[index] if scene.bone is not None else plane >= _CT_BONE_HU
        density = np.where(bone, np.clip(plane + 100, 0, 1600), 0)
        front[index] = density.sum(axis=0) * scene.spacing_mm[1]
        side[index] = density.sum(axis=1) * scene.spacing_mm[2]
    return front, side


def _radiograph(total: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bone along each ray as grey levels; the root keeps thin ribs visible beside the pelvis."""
    root = np.sqrt(total)
    top = float(np.percentile(root[root > 0], 99.7)) if (root > 0).any() else 1.0
    return to_grey(root, (0.0, top))


def _range(plane: NDArray[np.float32]) -> tuple[float, float]:
    """Value shown black and value shown white."""
    low, high = np.percentile(plane, (1.0, 99.5))
    return float(low), float(max(high, low + 1e-6))


def _used(plane: NDArray[np.float32], spans: Sequence[Span]) -> Span:
    """Columns of a projection that show something, or a finding, with a small margin."""
    filled = np.flatnonzero(plane.max(axis=0) > 0.1 * plane.max())
    low = min([int(filled[0])] + [span[0] for span in spans]) if len(filled) else 0
    high = max([int(filled[-1]) + 1] + [span[1] for span in spans]) if len(filled) else plane.shape[1]
    margin = max(2, plane.shape[1] // 50)
    return max(0, low - margin), min(plane.shape[1], high + margin)


def _place_labels(
    points: list[tuple[float, float]], numbers: list[int], size: tuple[int, int], *, labelled: int
) -> tuple[Marker, ...]:
    """Numbers in the margin that is nearer, half of them on each side, in the order of height, not over each other."""
    shown = sorted(range(min(labelled, len(points))), key=lambda index: points[index][0])
    half = (len(shown) + 1) // 2
    sides = {True: shown[:half], False: shown[half:]}
    markers = [Marker(number=numbers[index], x=x, y=y) for index, (x, y) in enumerate(points)]
    for left, members in sides.items():
        downwards = sorted(members, key=lambda index: points[index][1])
        heights = _spread([points[index][1] for index in downwards], size[1])
        for index, height in zip(downwards, heights, strict=True):
            markers[index] = Marker(
                number=numbers[index],
                x=points[index][0],
                y=points[index][1],
                label_x=-8.0 if left else size[0] + 8.0,
                label_y=height,
                left=left,
            )
    return tuple(markers)


def _spread(wanted: list[float], height: float) -> list[float]:
    """Move sorted positions apart to a smallest distance, within 0 to ``height``, as little as need be."""
    if not wanted:
        return []
    step = min(_LABEL_STEP_PX, height / len(wanted))
    placed = [max(step / 2, wanted[0])]
    for want in wanted[1:]:
        placed.append(max(want, placed[-1] + step))
    limit = height - step / 2
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - step
    return placed
