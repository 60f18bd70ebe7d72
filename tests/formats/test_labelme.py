from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from osteon.errors import InputError
from osteon.formats.labelme import read_labelme, read_labelme_slice, write_labelme, write_labelme_slice
from osteon.formats.rectangles import Rectangle, SliceAnnotation

if TYPE_CHECKING:
    from pathlib import Path

# As LabelMe 5 saves it (shapes, flags and image fields in its order), corners drawn from bottom right to top left.
SAVED_BY_LABELME = """{
  "version": "5.4.1",
  "flags": {},
  "shapes": [
    {
      "label": "lytic",
      "points": [[301.5, 250.25], [280.0, 231.75]],
      "group_id": null,
      "description": "",
      "shape_type": "rectangle",
      "flags": {},
      "mask": null
    }
  ],
  "imagePath": "..\\\\images\\\\slice_0412.png",
  "imageData": "iVBORw0KGgo=",
  "imageHeight": 512,
  "imageWidth": 512
}"""


def _document(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SAVED_BY_LABELME)
    return document | changes


def _shape(**changes: Any) -> dict[str, Any]:
    shape: dict[str, Any] = _document()["shapes"][0]
    return shape | changes


def test_reads_what_labelme_saves(tmp_path: Path) -> None:
    path = tmp_path / "slice_0412.json"
    path.write_text(SAVED_BY_LABELME)
    assert read_labelme_slice(path) == SliceAnnotation(
        image_name="slice_0412.png",
        height=512,
        width=512,
        rectangles=(Rectangle(label="lytic", x0=280.0, y0=231.75, x1=301.5, y1=250.25),),
    )


def test_round_trip_of_a_folder_with_an_empty_slice(tmp_path: Path) -> None:
    boxes = (
        Rectangle(label="lytic", x0=0, y0=0, x1=64, y1=48),
        Rectangle(label="größer", x0=1.25, y0=2, x1=3, y1=9.5),
    )
    slices = (
        SliceAnnotation(image_name="00001.png", height=48, width=64, rectangles=boxes, slice_index=0),
        SliceAnnotation(image_name="00002.png", height=48, width=64, slice_index=1),
    )
    paths = write_labelme(tmp_path / "boxes", slices)
    assert [path.name for path in paths] == ["00001.json", "00002.json"]
    assert read_labelme(tmp_path / "boxes") == slices


def test_written_points_fill_the_same_pixels_as_pillow_draws(tmp_path: Path) -> None:
    """LabelMe itself rasters a rectangle with Pillow from its points (labelme.utils.shape_to_mask)."""
    box = Rectangle(label="lytic", x0=3, y0=5, x1=10, y1=8)
    write_labelme_slice(
        tmp_path / "a.json", SliceAnnotation(image_name="a.png", height=12, width=16, rectangles=(box,))
    )
    shape = json.loads((tmp_path / "a.json").read_text())["shapes"][0]
    image = Image.new("L", (16, 12))
    (x0, y0), (x1, y1) = shape["points"]
    ImageDraw.Draw(image).rectangle([x0, y0, x1 - 1, y1 - 1], fill=1)
    rows, columns = np.nonzero(np.asarray(image))
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (box.x0, box.x1, box.y0, box.y1)
    assert shape["shape_type"] == "rectangle"


def test_four_upright_corners_are_a_rectangle_and_a_tilted_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(_document(shapes=[_shape(points=[[1, 2], [5, 2], [5, 9], [1, 9]])])))
    (box,) = read_labelme_slice(path).rectangles
    assert (box.x0, box.y0, box.x1, box.y1) == (1, 2, 5, 9)
    path.write_text(json.dumps(_document(shapes=[_shape(points=[[1, 2], [5, 3], [4, 9], [0, 8]])])))
    with pytest.raises(InputError, match="upright"):
        read_labelme_slice(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON document"),
        ("[]", "not a LabelMe file"),
        ("[" * 100_000, "not a JSON document"),
        (json.dumps(_document(shapes=None)), "shapes"),
        (json.dumps(_document(imagePath=None)), "imagePath"),
        (json.dumps(_document(imagePath="..")), "file name"),
        (json.dumps(_document(imageHeight="512")), "imageHeight"),
        (json.dumps(_document(imageWidth=True)), "imageWidth"),
        (json.dumps(_document(imageWidth=300)), "leaves the image"),
        (json.dumps(_document(sliceIndex=-1)), "slice index"),
        (json.dumps(_document(shapes=[_shape(shape_type="polygon")])), "shape 1.*polygon"),
        (json.dumps(_document(shapes=[_shape(label=" ")])), "label"),
        (json.dumps(_document(shapes=[_shape(points=[[1, 2]])])), "two corners"),
        (json.dumps(_document(shapes=[_shape(points=[[1, 2], [1, 9]])])), "x0 < x1"),
        (json.dumps(_document(shapes=[_shape(points=[["1", 2], [1, 9]])])), "two corners"),
        (json.dumps(_document(shapes=[3])), "shape_type"),
        (SAVED_BY_LABELME.replace("301.5", "NaN"), "NaN"),
        (SAVED_BY_LABELME.replace("301.5", "1e999"), "too large"),
    ],
)
def test_bad_input_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "slice_0412.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"slice_0412\.json") as caught:
        read_labelme_slice(path)
    assert caught.match(f"(?s){message}")


def test_folders_without_annotations_and_clashing_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no LabelMe files"):
        read_labelme(tmp_path)
    twin = [SliceAnnotation(image_name=f"a.{ending}", height=1, width=1) for ending in ("png", "jpg")]
    with pytest.raises(InputError, match=r"a\.json"):
        write_labelme(tmp_path / "out", twin)
    assert not (tmp_path / "out").exists()


def test_slices_of_several_series_are_told_apart_by_their_folder(tmp_path: Path) -> None:
    series = ("01-t1", "02-t2")
    slices = [SliceAnnotation(image_name="00007.dcm", series=one, height=8, width=9, slice_index=6) for one in series]
    paths = write_labelme(tmp_path / "boxes", slices)
    assert [path.name for path in paths] == ["01-t1-00007.json", "02-t2-00007.json"]
    assert json.loads(paths[1].read_text(encoding="utf-8"))["imagePath"] == "02-t2/00007.dcm"
    assert list(read_labelme(tmp_path / "boxes")) == slices


@pytest.mark.parametrize("image_path", ["../00007.dcm", "a/b/00007.dcm", "/00007.dcm", "C:\\x\\00007.dcm"])
def test_other_folders_of_an_image_path_are_no_series(tmp_path: Path, image_path: str) -> None:
    path = tmp_path / "one.json"
    write_labelme_slice(path, SliceAnnotation(image_name="00007.dcm", height=8, width=9))
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, "imagePath": image_path}), encoding="utf-8")
    read = read_labelme_slice(path)
    assert (read.image_name, read.series) == ("00007.dcm", "")


@pytest.mark.parametrize("series", ["a/b", "..", "a\\b"])
def test_a_series_is_one_folder(series: str) -> None:
    with pytest.raises(InputError, match="series"):
        SliceAnnotation(image_name="00007.dcm", series=series, height=8, width=9)
