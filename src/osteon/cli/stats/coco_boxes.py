"""COCO ground truth and predictions as a test set, each complaint with the entry it is about.

Truth: images (``id``, optional ``file_name``, ``patient``, ``series``), annotations (``image_id``, ``category_id``,
``bbox``, optional ``iscrowd``, ``site``, ``volume_mm3``), categories. Predictions: a list of ``image_id``,
``category_id``, ``bbox``, ``score``, or a COCO file whose annotations have scores. ``bbox`` is [x, y, width, height].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cli.stats.detection_set import DetectionSet, case_info
from osteon.errors import InputError
from osteon.evaluation.average_precision import Boxes, make_boxes
from osteon.evaluation.pairs import Rule, box_pairs
from osteon.formats.json_file import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.formats.tables import CaseTable

MAX_BYTES = 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class _Truth:
    name: str
    images: tuple[dict[str, Any], ...]
    image_row: dict[Any, int]
    classes: dict[int, str]
    boxes: Boxes
    annotations: tuple[dict[str, Any], ...]


def read_coco_test_set(
    truth_path: Path, predicted_path: Path, *, rule: Rule, any_class: bool = False, table: CaseTable | None = None
) -> DetectionSet:
    """Read both files and pair their boxes.

    Args:
        truth_path: COCO ground truth.
        predicted_path: predictions.
        rule: when two boxes touch.
        any_class: let a prediction find a lesion of another class.
        table: of ``--cases``; its case is the image's file name, or its id where there is none.

    Raises:
        InputError: an entry that breaks the format, a prediction for an unknown image or class, a score that is missing
            or not finite.
    """
    truth = _read_truth(truth_path)
    predicted = _read_predictions(predicted_path, truth)
    plain = np.flatnonzero(~truth.boxes.crowd)
    width = 1 if any_class else max(truth.classes) + 1
    groups = [
        boxes.image * width + (0 if any_class else boxes.label) for boxes in (predicted, _rows(truth.boxes, plain))
    ]
    pairs = box_pairs(
        predicted.edges, truth.boxes.edges[plain], rule=rule, predicted_group=groups[0], true_group=groups[1]
    )
    lesions = [truth.annotations[row] for row in plain]
    crowds = truth.boxes.image.size - plain.size
    return DetectionSet(
        cases=_cases(truth, table),
        case_word="image",
        score=predicted.score,
        case=predicted.image,
        lesion_case=truth.boxes.image[plain],
        pairs=pairs,
        boxes=(predicted, truth.boxes),
        classes=truth.classes,
        volume_cm3=_volumes(lesions),
        site=_sites(lesions),
        notes=("A prediction can only find a lesion of its own class.",)
        if len(truth.classes) > 1 and not any_class
        else (),
        warnings=(f"{crowds} crowd regions count in average precision only (as in COCO).",) if crowds else (),
    )


def _rows(boxes: Boxes, rows: NDArray[np.intp]) -> Boxes:
    return make_boxes(boxes.edges[rows], image=boxes.image[rows], label=boxes.label[rows])


def _read_truth(path: Path) -> _Truth:
    document = read_json(path, max_bytes=MAX_BYTES, finite=False)
    parts = [
        document.get(key) if isinstance(document, dict) else None for key in ("images", "annotations", "categories")
    ]
    if not all(isinstance(part, list) and all(isinstance(entry, dict) for entry in part) for part in parts):
        raise InputError(f"{path.name}: not COCO ground truth; expected the lists images, annotations and categories")
    images, annotations, categories = ([*part] for part in parts if part is not None)
    if not images:
        raise InputError(f"{path.name}: no image; expected every image of the test set, those without lesions included")
    if all(isinstance(image.get("id"), int) for image in images):
        images.sort(key=lambda image: image["id"])  # pycocotools' order: it decides between equal scores
    image_row = _numbered(images, "image", path.name)
    classes = {
        _whole(key, f"{path.name}: category"): str(categories[row].get("name", key))
        for key, row in _numbered(categories, "category", path.name).items()
    }
    if not classes:
        raise InputError(f"{path.name}: no category; expected one for each class of lesion")
    rows = [
        _box(entry, f"{path.name}, annotation {entry.get('id', number)}", image_row, classes, smallest=0.0)
        for number, entry in enumerate(annotations)
    ]
    crowd = [bool(entry.get("iscrowd", 0)) for entry in annotations]
    return _Truth(
        name=path.name,
        images=tuple(images),
        image_row=image_row,
        classes=classes,
        boxes=_to_boxes(rows, crowd=crowd),
        annotations=tuple(annotations),
    )


def _numbered(entries: list[dict[str, Any]], what: str, name: str) -> dict[Any, int]:
    """Row of each entry by its id; ids must be there and differ."""
    found: dict[Any, int] = {}
    for row, entry in enumerate(entries):
        key = entry.get("id")
        if not isinstance(key, (int, str)):
            raise InputError(f"{name}, {what} entry {row}: id is {key!r}; expected a number or a text")
        if key in found:
            raise InputError(f"{name}: two entries of {what} have the id {key!r}; ids must differ")
        found[key] = row
    return found


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{where} id is {value!r}; expected a whole number from 0")
    return value


def _box(
    entry: dict[str, Any], where: str, images: dict[Any, int], classes: dict[int, str], *, smallest: float | None
) -> tuple[int, int, float, float, float, float]:
    """Image row, class and edges of one entry; ``smallest``: width and height must be above it (None: may be 0)."""
    image, label, bbox = entry.get("image_id"), entry.get("category_id"), entry.get("bbox")
    if not isinstance(image, (int, str)) or image not in images:
        raise InputError(f"{where}: image_id {image!r} is no image of the truth; expected one of its {len(images)} ids")
    if not isinstance(label, int) or label not in classes:
        raise InputError(f"{where}: category_id {label!r}; expected one of {sorted(classes)}")
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(_is_number(value) for value in bbox):
        raise InputError(f"{where}: bbox {str(bbox)[:60]}; expected [x, y, width, height], four finite numbers")
    x, y, width, height = (float(value) for value in bbox)
    if min(width, height) < 0 or (smallest is not None and min(width, height) <= smallest):
        raise InputError(f"{where}: bbox {bbox}; expected a width and a height above 0")
    return images[image], label, x, y, x + width, y + height


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _to_boxes(rows: list[tuple[int, int, float, float, float, float]], **columns: Any) -> Boxes:
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return make_boxes(table[:, 2:], image=table[:, 0].astype(np.intp), label=table[:, 1].astype(np.intp), **columns)


def _read_predictions(path: Path, truth: _Truth) -> Boxes:
    document = read_json(path, max_bytes=MAX_BYTES, finite=False)
    entries = document.get("annotations") if isinstance(document, dict) else document
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(
            f"{path.name}: not COCO predictions; expected a list of image_id, category_id, bbox and score, or a COCO "
            "file whose annotations have scores"
        )
    rows, scores = [], []
    for number, entry in enumerate(entries):
        where = f"{path.name}, prediction {number}"
        rows.append(_box(entry, where, truth.image_row, truth.classes, smallest=None))
        score = entry.get("score")
        if not _is_number(score):
            raise InputError(f"{where} (image_id {entry['image_id']!r}): score is {score!r}; expected a finite number")
        scores.append(score)
    return _to_boxes(rows, score=scores)


def _cases(truth: _Truth, table: CaseTable | None) -> Any:
    names = [str(image.get("file_name") or image["id"]).replace("\\", "/").split("/")[-1] for image in truth.images]
    if len(set(names)) != len(names):
        names = [str(image["id"]) for image in truth.images]
    known = {
        key: [str(image[key]) for image in truth.images] if all(key in image for image in truth.images) else None
        for key in ("patient", "series")
    }
    return case_info(names, table=table, patients=known["patient"], series=known["series"], word="image")


def _volumes(lesions: list[dict[str, Any]]) -> NDArray[np.float64] | None:
    values = [lesion.get("volume_mm3") for lesion in lesions]
    if not values or not all(_is_number(value) for value in values):
        return None
    return np.array(values, dtype=np.float64) / 1000


def _sites(lesions: list[dict[str, Any]]) -> NDArray[np.str_] | None:
    if not any("site" in lesion for lesion in lesions):
        return None
    return np.array([str(lesion.get("site") or "unknown") for lesion in lesions], dtype=np.str_)
