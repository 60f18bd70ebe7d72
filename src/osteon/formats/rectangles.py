"""Labelled rectangles on slices: what LabelMe and COCO files have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError
from osteon.records import Box

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Rectangle:
    """One rectangle on one slice, in pixel *edges*: (0, 0) is the outer corner of the first pixel."""

    label: str
    x0: float
    y0: float
    x1: float
    y1: float
    score: float | None = None

    def __post_init__(self) -> None:
        values = (self.x0, self.y0, self.x1, self.y1)
        if not np.isfinite(values).all() or self.x1 <= self.x0 or self.y1 <= self.y0:
            raise InputError(f"rectangle {self.label!r} {values}: expected finite numbers with x0 < x1 and y0 < y1")
        if self.score is not None and not 0 <= self.score <= 1:
            raise InputError(f"rectangle {self.label!r}: score {self.score} is not a probability")


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceAnnotation:
    """All rectangles of one slice; a slice that was looked at and has none is an annotation too.

    Attributes:
        image_name: file name of the slice's image (no folders); never opened.
        series: name of the image's folder where a study has one a series ("02-t2"); empty if unknown.
        height, width: rows and columns of the image.
        slice_index: index of the slice in its volume, if known.
    """

    image_name: str
    height: int
    width: int
    rectangles: tuple[Rectangle, ...] = ()
    slice_index: int | None = None
    series: str = ""

    def __post_init__(self) -> None:
        if not self.image_name or set(self.image_name) & set("/\\\0") or self.image_name in (".", ".."):
            raise InputError(f"image name {self.image_name!r}: expected a file name without folders")
        if set(self.series) & set("/\\\0") or self.series in (".", ".."):
            raise InputError(f"series {self.series!r}: expected the name of one folder, or nothing")
        if self.height < 1 or self.width < 1:
            raise InputError(
                f"{self.image_name}: image of {self.width} x {self.height} pixels; expected at least 1 x 1"
            )
        if self.slice_index is not None and (type(self.slice_index) is not int or self.slice_index < 0):
            raise InputError(f"{self.image_name}: slice index {self.slice_index!r}; expected a whole number from 0")
        for box in self.rectangles:
            if box.x0 < 0 or box.y0 < 0 or box.x1 > self.width or box.y1 > self.height:
                raise InputError(
                    f"{self.image_name}: rectangle {box.label!r} ({box.x0:g}, {box.y0:g}) to ({box.x1:g}, {box.y1:g}) "
                    f"leaves the image of {self.width} x {self.height} pixels; correct it in the annotation tool"
                )


def from_boxes(
    boxes: Sequence[tuple[str, Box]], *, image_names: Sequence[str], height: int, width: int
) -> tuple[SliceAnnotation, ...]:
    """One annotation for every slice of a volume; a box over several slices gives a rectangle on each.

    Args:
        boxes: label and box.
        image_names: a file name for every slice, in slice order.
        height: rows of a slice.
        width: columns of a slice.

    Raises:
        InputError: a box leaves the volume.
    """
    by_slice: dict[int, list[Rectangle]] = {}
    for label, box in boxes:
        if box.z0 < 0 or box.z1 > len(image_names):
            raise InputError(f"box {label!r} on slices {box.z0} to {box.z1 - 1}: the volume has {len(image_names)}")
        for index in range(box.z0, box.z1):
            rectangle = Rectangle(label=label, x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1)
            by_slice.setdefault(index, []).append(rectangle)
    return tuple(
        SliceAnnotation(
            image_name=name,
            height=height,
            width=width,
            rectangles=tuple(by_slice.get(index, ())),
            slice_index=index,
        )
        for index, name in enumerate(image_names)
    )


def to_boxes(
    annotations: Sequence[SliceAnnotation], *, image_names: Sequence[str] | None = None
) -> tuple[tuple[str, Box], ...]:
    """Label and single-slice box of every rectangle, in slice order.

    Args:
        annotations: of one volume.
        image_names: a file name for every slice, in slice order; an annotation's slice is where its image name stands,
            whatever the ending. Without it, every annotation must know its ``slice_index``.

    Raises:
        InputError: the slice of an annotation cannot be told, or two annotations are of one slice.
    """
    known = None if image_names is None else {_stem(name): index for index, name in enumerate(image_names)}
    if known is not None and image_names is not None and len(known) != len(image_names):
        raise InputError("image names are not unique without their endings; rename the images")
    found: dict[int, SliceAnnotation] = {}
    for annotation in annotations:
        index = annotation.slice_index if known is None else known.get(_stem(annotation.image_name))
        if index is None:
            raise InputError(
                f"annotation of {annotation.image_name}: no slice of that name in the volume; "
                "name the image as the slice's file, or give the slice index"
            )
        if index in found:
            raise InputError(f"annotations of {found[index].image_name} and {annotation.image_name}: the same slice")
        found[index] = annotation
    return tuple(
        (box.label, Box(x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1, z0=index, z1=index + 1))
        for index, annotation in sorted(found.items())
        for box in annotation.rectangles
    )


def _stem(name: str) -> str:
    return name.rsplit(".", 1)[0] if "." in name[1:] else name
