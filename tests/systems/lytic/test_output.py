"""The result folder of a made-up reading, with and without DICOM objects; no model runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom
import pytest

from osteon.dicom.scan import scan
from osteon.formats.nifti import read_nifti
from osteon.formats.reading_json import read_reading
from osteon.systems.lytic.output import write_results
from osteon.systems.lytic.read import VolumeReading
from tests.readings import Example, make_example, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.records import Series

MASKS = ("bone.nii.gz", "findings.nii.gz")
OBJECTS = ("findings.seg.dcm", "findings.sr.dcm")


def _result(example: Example) -> VolumeReading:
    return VolumeReading(reading=example.reading, bone_sites=example.bone.astype("uint8"), lesion_labels=example.labels)


def _series(example: Example, folder: Path, without: str = "") -> Series:
    for path in write_series(example, folder):
        if without:
            header = pydicom.dcmread(path)
            del header[without]
            header.save_as(path)
    (series,) = scan(folder).series
    return series


def test_dicom_in_dicom_out(tmp_path: Path) -> None:
    example = make_example(2)
    written = write_results(
        tmp_path / "out", _result(example), series=_series(example, tmp_path / "ct"), volume=example.volume
    )
    assert written.files == (*OBJECTS, "reading.json", "report.html")
    assert written.reading == example.reading


def test_images_without_frame_of_reference_give_masks_and_a_warning(tmp_path: Path) -> None:
    example = make_example(2)
    series = _series(example, tmp_path / "ct", without="FrameOfReferenceUID")
    written = write_results(tmp_path / "out", _result(example), series=series, volume=example.volume)
    assert written.files == (*MASKS, "reading.json", "report.html")
    assert "FrameOfReferenceUID" in written.reading.warnings[-1]
    assert read_reading(tmp_path / "out" / "reading.json").warnings == written.reading.warnings
    assert (read_nifti(tmp_path / "out" / "findings.nii.gz").array == example.labels).all()


@pytest.mark.parametrize("error", [ValueError, AttributeError, TypeError])
def test_a_library_that_refuses_the_sr_costs_no_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise error("Doe^John")

    monkeypatch.setattr("highdicom.sr.Comprehensive3DSR", refuse)
    example = make_example(2)
    series = _series(example, tmp_path / "ct")
    written = write_results(tmp_path / "out", _result(example), series=series, volume=example.volume)
    assert written.files == (*MASKS, "reading.json", "report.html")
    assert error.__name__ in written.reading.warnings[-1]
    assert "Doe" not in (tmp_path / "out" / "reading.json").read_text()
