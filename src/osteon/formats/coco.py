"""COCO detection JSON: images, categories and ``bbox`` annotations; nothing else of COCO.

``bbox`` is [x, y, width, height] in pixel edges, as the COCO data format has it. Slices are images; ``slice_index`` is
an extra key of an image that other programs ignore.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from osteon.errors import InputError
from osteon.formats.json_file import read_json, write_json
from osteon.formats.rectangles import Rectangle, SliceAnnotation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_coco(path: Path, annotations: Sequence[SliceAnnotation]) -> None:
    """Write slices with their rectangles; images and annotations are numbered from 1 in the order given."""
    labels = sorted({box.label for annotation in annotations for box in annotation.rectangles})
    category = {label: number for number, label in enumerate(labels, start=1)}
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for number, annotation in enumerate(annotations, start=1):
        image: dict[str, Any] = {
            "id": number,
            "file_name": annotation.image_name,
            "width": annotation.width,
            "height": annotation.height,
        }
        if annotation.slice_index is not None:
            image["slice_index"] = annotation.slice_index
        images.append(image)
        for box in annotation.rectangles:
            width, height = box.x1 - box.x0, box.y1 - box.y0
            entry = {
                "id": len(boxes) + 1,
                "image_id": number,
                "category_id": category[box.label],
                "bbox": [box.x0, box.y0, width, height],
                "area": width * height,
                "iscrowd": 0,
            }
            boxes.append(entry if box.score is None else entry | {"score": box.score})
    categories = [{"id": number, "name": label, "supercategory": "lesion"} for label, number in category.items()]
    write_json(path, {"images": images, "annotations": boxes, "categories": categories})


def read_coco(path: Path) -> tuple[SliceAnnotation, ...]:
    """Read every image with its rectangles, in the order of the file.

    Raises:
        InputError: not COCO detection JSON, an id that is missing or used twice, or a box outside its image.
    """
    document = read_json(path)
    try:
        return _slices(document)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path.name}: not COCO detection JSON ({type(error).__name__}: {error}); "
            "expected images, annotations with bbox, and categories"
        ) from error


def _slices(document: dict[str, Any]) -> tuple[SliceAnnotation, ...]:
    names = {entry["id"]: str(entry["name"]) for entry in document["categories"]}
    boxes: dict[Any, list[Rectangle]] = {image["id"]: [] for image in document["images"]}
    size = {image["id"]: (int(image["width"]), int(image["height"])) for image in document["images"]}
    if len(boxes) != len(document["images"]) or len(names) != len(document["categories"]):
        raise InputError("an image or category id is used twice; ids must be unique")
    for entry in document["annotations"]:
        if entry["image_id"] not in boxes or entry["category_id"] not in names:
            raise InputError(f"annotation {entry.get('id')!r}: its image_id or category_id is not in the file")
        x, y, width, height = (float(value) for value in entry["bbox"])
        limit_x, limit_y = size[entry["image_id"]]
        score = entry.get("score")
        boxes[entry["image_id"]].append(
            Rectangle(
                label=names[entry["category_id"]],
                x0=x,
                y0=y,
                x1=_snap(x + width, limit_x),
                y1=_snap(y + height, limit_y),
                score=None if score is None else float(score),
            )
        )
    return tuple(
        SliceAnnotation(
            image_name=re.split(r"[/\\]", str(image["file_name"]))[-1],
            height=int(image["height"]),
            width=int(image["width"]),
            rectangles=tuple(boxes[image["id"]]),
            slice_index=image.get("slice_index"),
        )
        for image in document["images"]
    )


def _snap(edge: float, limit: int) -> float:
    """Take back what x + width gains by rounding when the box ends at the image's edge."""
    return float(limit) if abs(edge - limit) < 1e-6 else edge
