from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydicom.datadict import keyword_for_tag

from osteon.dicom.header import TAGS, Instance, read_instance
from osteon.dicom.limits import Limits
from osteon.dicom.scan import scan
from osteon.errors import InputError
from tests.dicom.make import Scheme, stored_values, write_enhanced, write_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pydicom


def read_with(tmp_path: Path, change: Callable[[pydicom.FileDataset], Any]) -> Instance:
    (path,) = write_series(tmp_path, stored_values((1, 4, 4)), change=lambda _, ds: change(ds))
    return read_instance(path, limits=Limits())


def test_tags_are_those_of_the_standard() -> None:
    assert {keyword: keyword_for_tag(tag) for keyword, tag in TAGS.items()} == {keyword: keyword for keyword in TAGS}


def test_no_attribute_names_the_patient() -> None:
    assert not {"PatientName", "PatientID", "OtherPatientIDs", "PatientAddress"} & set(TAGS)


@pytest.mark.parametrize(
    ("charset", "text"),
    [("ISO_IR 192", "Wirbelsäule 脊椎"), ("ISO_IR 100", "Wirbelsäule"), ("ISO_IR 144", "позвоночник"), ("", "spine")],
)
def test_descriptions_in_other_alphabets(tmp_path: Path, charset: str, text: str) -> None:
    def change(ds: pydicom.FileDataset) -> None:
        ds.SpecificCharacterSet, ds.SeriesDescription = charset, text

    assert read_with(tmp_path, change).text("SeriesDescription") == text


def test_text_is_one_printable_line(tmp_path: Path) -> None:
    instance = read_with(tmp_path, lambda ds: ds.add_new("SeriesDescription", "LT", " a\r\n\x1b[31mb  c "))
    assert instance.text("SeriesDescription") == "a [31mb c"
    assert read_with(tmp_path, lambda ds: delattr(ds, "SeriesDescription")).text("SeriesDescription") is None


@pytest.mark.parametrize("raw", [b"abc ", b"nan ", b"1e999 ", b"1\\ \\3 ", b"\xff\xfe"])
def test_numbers_that_are_none(tmp_path: Path, raw: bytes) -> None:
    instance = read_with(tmp_path, lambda ds: None)
    instance.values[TAGS["PixelSpacing"]] = raw
    with pytest.raises(InputError, match=r"PixelSpacing is .*expected finite numbers"):
        instance.numbers("PixelSpacing")


def test_absent_and_empty_numbers_are_none(tmp_path: Path) -> None:
    instance = read_with(tmp_path, lambda ds: setattr(ds, "EchoTime", None))
    assert (instance.number("EchoTime"), instance.number("KVP")) == (None, None)
    instance.values[TAGS["NumberOfFrames"]] = b"1.5 "
    with pytest.raises(InputError, match="whole number"):
        instance.whole("NumberOfFrames")


def test_attributes_of_enhanced_objects_come_from_functional_groups(tmp_path: Path) -> None:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    def echoes(ds: pydicom.FileDataset) -> None:
        for number, frame in enumerate(ds.PerFrameFunctionalGroupsSequence):
            echo = Dataset()
            echo.EffectiveEchoTime = 12.5 if number < 2 else 80.0
            frame.MREchoSequence = Sequence([echo])
            frame.add_new(0x00091001, "OB", b"private bytes that are no sequence")

    values = stored_values((4, 6, 5))
    scheme = Scheme(modality="MR")
    write_enhanced(tmp_path / "a.dcm", values, scheme, order=[0, 1, 0, 1], change=echoes)
    series = scan(tmp_path).series
    assert sorted(one.attributes["EffectiveEchoTime"] for one in series) == [12.5, 80.0]
    assert sorted(one.frames for one in series) == [((0, 0), (0, 1)), ((0, 2), (0, 3))]
    assert any("EffectiveEchoTime 12.5" in warning for one in series for warning in one.warnings)
