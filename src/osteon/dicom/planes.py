"""Single planes: where one slice lies, and which planes are of one kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from osteon.dicom.header import Instance

ORIENTATION_TOLERANCE = 1e-3
"""Largest difference of a direction cosine between slices of one stack, and largest deviation from orthonormal."""
POSSIBLE_SPACING_MM = (1e-3, 100.0)
FARTHEST_MM = 1e5
SPACING_TOLERANCE = 1e-3
"""Largest difference of PixelSpacing in millimetres between slices of one stack."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """One slice with its geometry.

    Attributes:
        instance: the frame it comes from.
        position_mm: LPS centre of the first pixel.
        right, down: LPS unit vectors of increasing column and row index.
        spacing_mm: distance between columns, between rows.
        shape: rows, columns.
        frame_of_reference: FrameOfReferenceUID or None.
    """

    instance: Instance
    position_mm: NDArray[np.float64]
    right: NDArray[np.float64]
    down: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    shape: tuple[int, int]
    frame_of_reference: str | None

    @property
    def normal(self) -> NDArray[np.float64]:
        """LPS unit vector from slice to slice: right x down."""
        return np.cross(self.right, self.down)

    @property
    def height_mm(self) -> float:
        """Position along the normal."""
        return float(self.position_mm @ self.normal)


def plane_of(instance: Instance) -> Plane:
    """Read the geometry of one frame.

    Raises:
        InputError: an attribute that geometry needs is missing or impossible; the message names it.
    """
    position = _vector(instance, "ImagePositionPatient", count=3)
    orientation = _vector(instance, "ImageOrientationPatient", count=6)
    spacing = _vector(instance, "PixelSpacing", count=2)
    rows, columns = instance.whole("Rows"), instance.whole("Columns")
    if not rows or not columns:
        raise InputError(f"Rows x Columns is {rows} x {columns}: expected both positive; send the file again")
    low, high = POSSIBLE_SPACING_MM
    if min(spacing) < low or max(spacing) > high:
        raise InputError(f"PixelSpacing is {spacing.tolist()} mm: expected {low:g} to {high:g} mm; correct the file")
    if np.abs(position).max() > FARTHEST_MM:
        raise InputError(f"ImagePositionPatient is {position.tolist()} mm: no scanner is so large; correct the file")
    right, down = orientation[:3], orientation[3:]
    lengths = float(np.linalg.norm(right)), float(np.linalg.norm(down))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(float(right @ down))) > ORIENTATION_TOLERANCE:
        raise InputError(
            f"ImageOrientationPatient is {orientation.tolist()}: expected two perpendicular unit vectors; correct the "
            "file or leave it out"
        )
    right = right / lengths[0]
    down = down - (down @ right) * right
    return Plane(
        instance=instance,
        position_mm=position,
        right=right,
        down=down / np.linalg.norm(down),
        spacing_mm=(float(spacing[1]), float(spacing[0])),
        shape=(rows, columns),
        frame_of_reference=instance.text("FrameOfReferenceUID"),
    )


def _vector(instance: Instance, keyword: str, *, count: int) -> NDArray[np.float64]:
    numbers = instance.numbers(keyword)
    if numbers is None:
        raise InputError(f"{keyword} is missing; without it nothing can be placed: ask the source for complete images")
    if len(numbers) != count:
        raise InputError(f"{keyword} has {len(numbers)} values: expected {count}; correct the file or leave it out")
    return np.array(numbers, dtype=np.float64)


def group_planes(planes: Iterable[Plane]) -> list[list[Plane]]:
    """Sort planes into groups of one matrix, spacing, orientation and frame of reference."""
    kinds: dict[tuple[tuple[int, int], str | None], list[list[Plane]]] = {}
    signatures: dict[int, list[NDArray[np.float64]]] = {}
    for plane in planes:
        groups = kinds.setdefault((plane.shape, plane.frame_of_reference), [])
        known = signatures.setdefault(id(groups), [])
        signature = _signature(plane)
        fits = [bool(fit) for fit in np.abs(np.asarray(known) - signature).max(axis=1) <= 1] if known else []
        if any(fits):
            groups[fits.index(True)].append(plane)
        else:
            groups.append([plane])
            known.append(signature)
    return [group for groups in kinds.values() for group in groups]


def _signature(plane: Plane) -> NDArray[np.float64]:
    """Spacing and orientation in units of what may differ within a stack."""
    return np.concatenate(
        [
            np.divide(plane.spacing_mm, SPACING_TOLERANCE),
            np.append(plane.right, plane.down) / ORIENTATION_TOLERANCE,
        ]
    )


def difference(groups: list[list[Plane]]) -> str:
    """What tells groups of planes apart, in words."""
    firsts = [group[0] for group in groups]
    kinds: dict[str, set[Any]] = {
        "matrix": {plane.shape for plane in firsts},
        "frame of reference": {plane.frame_of_reference for plane in firsts},
        "pixel spacing": {tuple(np.round(plane.spacing_mm, 3)) for plane in firsts},
        "orientation": {tuple(np.round(np.append(plane.right, plane.down), 3)) for plane in firsts},
    }
    return " and ".join(name for name, values in kinds.items() if len(values) > 1)
