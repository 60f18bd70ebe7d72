from __future__ import annotations

import pytest

from osteon.errors import InputError
from osteon.formats.rectangles import Rectangle, SliceAnnotation, from_boxes, to_boxes
from osteon.records import Box

NAMES = ("00001.dcm", "00002.dcm", "00003.dcm")


def test_boxes_become_one_rectangle_a_slice_and_come_back() -> None:
    boxes = [("lytic", Box(x0=1, y0=2, x1=4.5, y1=6, z0=0, z1=2)), ("cyst", Box(x0=0, y0=0, x1=9, y1=7, z0=1, z1=2))]
    slices = from_boxes(boxes, image_names=NAMES, height=7, width=9)
    assert [len(entry.rectangles) for entry in slices] == [1, 2, 0]
    back = to_boxes(slices)
    assert [(label, box.z0, box.z1) for label, box in back] == [("lytic", 0, 1), ("lytic", 1, 2), ("cyst", 1, 2)]
    assert back[2][1] == Box(x0=0, y0=0, x1=9, y1=7, z0=1, z1=2)


def test_slices_are_found_by_name_whatever_the_ending() -> None:
    rectangle = Rectangle(label="lytic", x0=1, y0=1, x1=2, y1=2)
    slices = [
        SliceAnnotation(image_name="00003.png", height=4, width=4, rectangles=(rectangle,), slice_index=0),
        SliceAnnotation(image_name="00001.png", height=4, width=4, rectangles=(rectangle,)),
    ]
    assert [box.z0 for _, box in to_boxes(slices, image_names=NAMES)] == [0, 2]
    with pytest.raises(InputError, match=r"00001\.png"):
        to_boxes(slices)
    with pytest.raises(InputError, match="no slice of that name"):
        to_boxes(slices, image_names=("a.png",))
    with pytest.raises(InputError, match="same slice"):
        to_boxes([slices[0], slices[0]])
    with pytest.raises(InputError, match="unique"):
        to_boxes(slices, image_names=("1.png", "1.dcm"))


def test_a_box_outside_the_volume_is_an_error() -> None:
    with pytest.raises(InputError, match="volume has 3"):
        from_boxes([("x", Box(x0=0, y0=0, x1=1, y1=1, z0=2, z1=4))], image_names=NAMES, height=7, width=9)
    with pytest.raises(InputError, match="leaves the image"):
        from_boxes([("x", Box(x0=0, y0=0, x1=9.5, y1=1, z0=0, z1=1))], image_names=NAMES, height=7, width=9)


@pytest.mark.parametrize("name", ["", "..", "a/b.png", "..\\b.png"])
def test_image_names_are_never_paths(name: str) -> None:
    with pytest.raises(InputError, match="file name"):
        SliceAnnotation(image_name=name, height=1, width=1)


@pytest.mark.parametrize("corner", [0.0, -1.0, float("nan"), float("inf")])
def test_rectangles_have_an_area(corner: float) -> None:
    with pytest.raises(InputError, match="x0 < x1"):
        Rectangle(label="x", x0=0, y0=0, x1=corner, y1=1)
