from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from osteon.errors import InputError
from osteon.formats.coco import read_coco, write_coco
from osteon.formats.rectangles import Rectangle, SliceAnnotation

if TYPE_CHECKING:
    from pathlib import Path

SLICES = (
    SliceAnnotation(
        image_name="00001.png",
        height=48,
        width=64,
        slice_index=0,
        rectangles=(
            Rectangle(label="lytic", x0=0.1, y0=0.3, x1=64, y1=48, score=0.75),
            Rectangle(label="cyst", x0=1.25, y0=2, x1=3, y1=9.5),
        ),
    ),
    SliceAnnotation(image_name="00002.png", height=48, width=64),
)


def test_round_trip(tmp_path: Path) -> None:
    write_coco(tmp_path / "boxes.json", SLICES)
    assert read_coco(tmp_path / "boxes.json") == SLICES


def test_pycocotools_reads_the_same_boxes(tmp_path: Path) -> None:
    coco_module = pytest.importorskip("pycocotools.coco")
    write_coco(tmp_path / "boxes.json", SLICES)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = coco_module.COCO(str(tmp_path / "boxes.json"))
    assert [coco.imgs[number]["file_name"] for number in sorted(coco.imgs)] == ["00001.png", "00002.png"]
    names = {number: entry["name"] for number, entry in coco.cats.items()}
    found = {names[entry["category_id"]]: entry for entry in coco.loadAnns(coco.getAnnIds(imgIds=[1]))}
    assert found["cyst"]["bbox"] == [1.25, 2, 1.75, 7.5]
    assert found["cyst"]["area"] == pytest.approx(13.125)
    assert found["lytic"]["score"] == 0.75
    assert coco.getAnnIds(imgIds=[2]) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "expected images"),
        ({"categories": []}, "category_id"),
        ({"annotations": [{"id": 1, "image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, "image_id"),
        ({"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1]}]}, "expected images"),
        ({"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 0, 1]}]}, "x0 < x1"),
        ({"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [60, 0, 5, 1]}]}, "leaves the image"),
        ({"images": [{"id": 1, "file_name": "a", "width": 1, "height": 1}] * 2}, "twice"),
        ({"images": [{"id": 1, "file_name": "a", "width": 64, "height": 48, "slice_index": "x"}]}, "slice index"),
    ],
)
def test_bad_input_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "boxes.json"
    write_coco(path, SLICES)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=rf"boxes\.json: .*{message}"):
        read_coco(path)
