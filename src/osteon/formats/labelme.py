"""LabelMe rectangles: one JSON file a slice, the annotation format of the ``lytic`` study.

Only rectangles are read: two opposite corners in any order, or four axis-aligned ones. Pictures inside the JSON
(``imageData``) are ignored and never written; ``imagePath`` is a name to match slices by and is never opened.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from osteon.errors import InputError
from osteon.files import whole_folder
from osteon.formats.json_file import read_json, write_json
from osteon.formats.rectangles import Rectangle, SliceAnnotation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WRITTEN_VERSION = "5.5.0"
"""Version of LabelMe's format that ``write_labelme`` follows."""
_SLICE_KEY = "sliceIndex"


def read_labelme_slice(path: Path) -> SliceAnnotation:
    """Read one LabelMe JSON file.

    Raises:
        InputError: not LabelMe, a shape that is no rectangle, or a rectangle outside its image.
    """
    document = read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise InputError(f"{path.name}: not a LabelMe file; expected an object with a list of 'shapes'")
    image_path = document.get("imagePath")
    if not isinstance(image_path, str):
        raise InputError(f"{path.name}: imagePath is {image_path!r}; expected the name of the slice's image")
    rectangles = tuple(
        _rectangle(shape, where=f"{path.name}, shape {number}")
        for number, shape in enumerate(document["shapes"], start=1)
    )
    *folders, image_name = re.split(r"[/\\]", image_path)
    try:
        return SliceAnnotation(
            image_name=image_name,
            series=folders[0] if len(folders) == 1 and folders[0].strip(".") else "",
            height=_length(document, "imageHeight"),
            width=_length(document, "imageWidth"),
            rectangles=rectangles,
            slice_index=document.get(_SLICE_KEY),
        )
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error


def read_labelme(folder: Path) -> tuple[SliceAnnotation, ...]:
    """Read every ``*.json`` of a folder, in the order of their names.

    Raises:
        InputError: no JSON file there, or one that ``read_labelme_slice`` refuses.
    """
    paths = sorted(path for path in folder.glob("*.json") if path.is_file())
    if not paths:
        raise InputError(f"{folder.name}: no LabelMe files here; expected one .json a slice")
    return tuple(read_labelme_slice(path) for path in paths)


def write_labelme_slice(path: Path, annotation: SliceAnnotation) -> None:
    """Write one annotation as LabelMe JSON, which LabelMe opens when the image lies beside it."""
    shapes: list[dict[str, Any]] = [
        {
            "label": box.label,
            "points": [[box.x0, box.y0], [box.x1, box.y1]],
            "group_id": None,
            "description": "",
            "shape_type": "rectangle",
            "flags": {},
        }
        for box in annotation.rectangles
    ]
    document: dict[str, Any] = {
        "version": WRITTEN_VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": "/".join(part for part in (annotation.series, annotation.image_name) if part),
        "imageData": None,
        "imageHeight": annotation.height,
        "imageWidth": annotation.width,
    }
    if annotation.slice_index is not None:
        document[_SLICE_KEY] = annotation.slice_index
    write_json(path, document)


def write_labelme(folder: Path, annotations: Sequence[SliceAnnotation]) -> tuple[Path, ...]:
    """Write one JSON a slice, named after its series and image; ``folder`` must be new or empty.

    Raises:
        InputError: two images whose names differ only in the ending, or the folder is not empty.
    """
    names = [
        "-".join(part for part in (one.series, one.image_name.rsplit(".", 1)[0]) if part) + ".json"
        for one in annotations
    ]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(f"{folder.name}: several images would share {twice[0]}; rename the images")
    with whole_folder(folder) as draft:
        for name, annotation in zip(names, annotations, strict=True):
            write_labelme_slice(draft / name, annotation)
    return tuple(folder / name for name in names)


def _length(document: dict[str, Any], key: str) -> int:
    value = document.get(key)
    if type(value) is not int:
        raise InputError(f"{key} is {value!r}; expected a whole number of pixels")
    return value


def _rectangle(shape: Any, *, where: str) -> Rectangle:
    if not isinstance(shape, dict) or shape.get("shape_type", "polygon") != "rectangle":
        kind = shape.get("shape_type", "polygon") if isinstance(shape, dict) else type(shape).__name__
        raise InputError(f"{where}: shape_type is {kind!r}; expected 'rectangle' (redraw it as one)")
    label = shape.get("label")
    if not isinstance(label, str) or not label.strip():
        raise InputError(f"{where}: label is {label!r}; expected a name")
    columns, rows = _corners(shape.get("points"), where=where)
    try:
        return Rectangle(label=label.strip(), x0=columns[0], y0=rows[0], x1=columns[1], y1=rows[1])
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _corners(points: Any, *, where: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """(x0, x1) and (y0, y1) of two opposite corners, or of four corners parallel to the axes."""
    valid = isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 and all(type(value) in (int, float) for value in point)
        for point in points
    )
    if not valid or len(points) not in (2, 4):
        raise InputError(f"{where}: points are {str(points)[:80]}; expected two corners [[x, y], [x, y]]")
    columns, rows = [float(x) for x, _ in points], [float(y) for _, y in points]
    low_x, high_x, low_y, high_y = min(columns), max(columns), min(rows), max(rows)
    upright = {(x, y) for x in (low_x, high_x) for y in (low_y, high_y)}
    if len(points) == 4 and set(zip(columns, rows, strict=True)) != upright:
        raise InputError(f"{where}: the four points are not an upright rectangle; redraw it as one")
    return (low_x, high_x), (low_y, high_y)
