from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from osteon.dicom.header import read_instance
from osteon.dicom.limits import Limits
from osteon.dicom.pixels import FrameReader, check_fragments, layout_of
from osteon.errors import InputError, LimitError
from tests.dicom.make import stored_values, write_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.dicom.header import Instance

LIMITS = Limits()


def instance_with(tmp_path: Path, change: Callable[[pydicom.FileDataset], Any] = lambda ds: None) -> Instance:
    (path,) = write_series(tmp_path, stored_values((1, 6, 4)), change=lambda _, ds: change(ds))
    return read_instance(path, limits=LIMITS)


def set_to(**values: object) -> Callable[[pydicom.FileDataset], None]:
    def change(ds: pydicom.FileDataset) -> None:
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return change


def test_layout(tmp_path: Path) -> None:
    layout = layout_of(instance_with(tmp_path, set_to(BitsStored=12, HighBit=11)), limits=LIMITS)
    assert (layout.rows, layout.columns, layout.frames, layout.frame_bytes) == (6, 4, 1, 48)
    assert (layout.dtype, layout.bounds) == (np.dtype("int16"), (-2048, 2047))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_to(BitsAllocated=12), "BitsAllocated 12"),
        (set_to(BitsStored=17), "BitsStored 17"),
        (set_to(HighBit=15, BitsStored=12), "HighBit 15"),
        (set_to(PixelRepresentation=2), "PixelRepresentation 2"),
        (set_to(Rows=0), "0 x 4"),
        (lambda ds: delattr(ds, "BitsStored"), "BitsStored missing"),
        (lambda ds: delattr(ds, "PixelData"), "PixelData is missing"),
        (set_to(NumberOfFrames=2), "PixelData has 48 bytes: expected 96"),
        (set_to(NumberOfFrames=0), "NumberOfFrames is 0"),
    ],
)
def test_descriptions_that_cannot_be_true(tmp_path: Path, change: Callable[..., Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        layout_of(instance_with(tmp_path, change), limits=LIMITS)


def test_floating_point_pixels_are_told_from_missing_ones(tmp_path: Path) -> None:
    def floats(ds: pydicom.FileDataset) -> None:
        del ds.PixelData
        ds.FloatPixelData = bytes(96)

    with pytest.raises(InputError, match="floating-point"):
        layout_of(instance_with(tmp_path, floats), limits=LIMITS)


def test_transfer_syntax_and_pixel_data_must_agree(tmp_path: Path) -> None:
    instance = instance_with(tmp_path)
    data = instance.path.read_bytes()
    swapped = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    assert swapped != data
    instance.path.write_bytes(swapped)
    with pytest.raises(InputError, match="does not fit pixel data that are not compressed"):
        layout_of(read_instance(instance.path, limits=LIMITS), limits=LIMITS)


def compressed(tmp_path: Path) -> Instance:
    return instance_with(tmp_path, lambda ds: ds.compress(RLELossless))


def test_fragments_are_walked(tmp_path: Path) -> None:
    instance = compressed(tmp_path)
    layout = layout_of(instance, limits=LIMITS)
    check_fragments(instance, layout, limits=LIMITS)
    with pytest.raises(LimitError, match="fragments"):
        check_fragments(instance, layout, limits=Limits(max_items=1))
    whole = instance.path.read_bytes()
    for damaged in (whole[:-20], whole[: layout.offset + 4], whole[: layout.offset] + b"\1" * 40):
        instance.path.write_bytes(damaged)
        shorter = read_instance(instance.path, limits=LIMITS)
        with pytest.raises(InputError, match="send"):
            check_fragments(shorter, layout_of(shorter, limits=LIMITS), limits=LIMITS)


def test_far_more_compressed_than_decoded_bytes(tmp_path: Path) -> None:
    instance = compressed(tmp_path)
    with instance.path.open("ab") as file:
        file.write(bytes(2_000_000))
    longer = read_instance(instance.path, limits=LIMITS)
    with pytest.raises(LimitError, match="leave the file out"):
        check_fragments(longer, layout_of(longer, limits=LIMITS), limits=LIMITS)


@pytest.mark.parametrize("change", [lambda ds: None, lambda ds: ds.compress(RLELossless)])
def test_frames_are_those_of_pydicom(tmp_path: Path, change: Callable[..., Any]) -> None:
    instance = instance_with(tmp_path, change)
    with FrameReader(instance, layout_of(instance, limits=LIMITS), limits=LIMITS) as reader:
        assert np.array_equal(reader.read(0), pydicom.dcmread(instance.path).pixel_array)


def test_a_file_that_changed_is_not_read(tmp_path: Path) -> None:
    instance = instance_with(tmp_path)
    with instance.path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match="changed since"):
        FrameReader(instance, layout_of(instance, limits=LIMITS), limits=LIMITS)
