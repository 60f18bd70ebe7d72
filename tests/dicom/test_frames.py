from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.dicom.frames import refusals_as_input_errors, source_frames, without_names_in_logs
from osteon.errors import InputError
from osteon.geometry import Grid
from tests.readings import enhanced_ct, make_example, make_grid, read_headers, write_series

if TYPE_CHECKING:
    from pathlib import Path


def test_every_slice_finds_its_image(tmp_path: Path) -> None:
    example = make_example(grid=make_grid(oblique=True))
    headers = read_headers(write_series(example, tmp_path / "ct"))
    frames = source_frames(headers, example.volume.grid)
    assert [frames.header(k).InstanceNumber for k in range(12)] == list(range(1, 13))
    assert frames.frame_number(3) is None


def test_missing_and_malformed_patient_attributes_are_mended_in_a_copy_only(tmp_path: Path) -> None:
    example = make_example()
    headers = read_headers(write_series(example, tmp_path / "ct"))
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "StudyID", "StudyDate", "AccessionNumber"):
        del headers[0][keyword]
    headers[0].PatientSex = "X"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        headers[0].StudyTime = "noon"
    copy = source_frames(headers, example.volume.grid).header(0)
    assert (copy.PatientID, copy.StudyDate, copy.PatientSex, copy.StudyTime) == ("", "", "", "")
    assert "PatientID" not in headers[0]
    assert headers[0].PatientSex == "X"


def test_what_has_no_frames_is_refused(tmp_path: Path) -> None:
    example = make_example()
    headers = read_headers(write_series(example, tmp_path / "ct"))
    grid = example.volume.grid
    with pytest.raises(InputError, match="not read from DICOM"):
        source_frames([], grid)
    with pytest.raises(InputError, match="voxels"):
        source_frames(headers[:-1], grid)
    with pytest.raises(InputError, match="resampled"):
        source_frames(headers[::-1], grid)
    with pytest.raises(InputError, match=r"resampled .*1\.0 mm"):
        source_frames(headers, replace(grid, origin_mm=(grid.origin_mm[0] + 1, *grid.origin_mm[1:])))
    turned = replace(grid, direction=make_grid(oblique=True).direction)
    with pytest.raises(InputError, match="resampled"):
        source_frames(headers, turned)
    del headers[3].ImagePositionPatient
    with pytest.raises(InputError, match="no valid position"):
        source_frames(headers, grid)


def test_multi_frame_images_are_matched_frame_by_frame(tmp_path: Path) -> None:
    example = make_example(grid=make_grid(oblique=True))
    grid = example.volume.grid
    header = enhanced_ct(write_series(example, tmp_path / "ct"))
    places = [
        np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        for groups in header.PerFrameFunctionalGroupsSequence
    ]
    expected = tuple(
        int(np.argmin([np.linalg.norm(place - grid.to_mm((0, 0, index))) for place in places])) + 1
        for index in range(12)
    )
    frames = source_frames([header], grid)
    assert frames.frame_numbers == expected
    assert (frames.header(4).SOPInstanceUID, frames.frame_number(4)) == (header.SOPInstanceUID, expected[4])
    flipped = grid.affine @ np.diag([1.0, 1.0, -1.0, 1.0])
    flipped[:3, 3] = grid.to_mm((0, 0, 11))
    assert source_frames([header], Grid.from_affine(flipped, grid.shape)).frame_numbers == expected[::-1]
    del header.SharedFunctionalGroupsSequence
    with pytest.raises(InputError, match="multi-frame"):
        source_frames([header], grid)


def test_images_need_one_frame_of_reference(tmp_path: Path) -> None:
    example = make_example()
    headers = read_headers(write_series(example, tmp_path / "ct"))
    headers[2].FrameOfReferenceUID = "1.2.3"
    with pytest.raises(InputError, match="2 FrameOfReferenceUIDs"):
        source_frames(headers, example.volume.grid)
    del headers[2].FrameOfReferenceUID
    with pytest.raises(InputError, match="no FrameOfReferenceUID"):
        source_frames(headers, example.volume.grid)


@pytest.mark.parametrize("error", [ValueError, AttributeError, TypeError, KeyError, NotImplementedError])
def test_what_libraries_refuse_is_an_error_of_the_input_without_their_words(error: type[Exception]) -> None:
    with pytest.raises(InputError, match=rf"SEG.*{error.__name__}") as caught, refusals_as_input_errors("SEG"):
        raise error("Doe^John")
    assert "Doe" not in str(caught.value)
    with pytest.raises(InputError, match="as it was"), refusals_as_input_errors("SEG"):
        raise InputError("as it was")
    with pytest.raises(OSError, match="disk"), refusals_as_input_errors("SEG"):
        raise OSError("disk")


def test_names_stay_out_of_logs(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("highdicom.base")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with without_names_in_logs():
            log.warning("Doe John")
            warnings.warn("Doe John", UserWarning, stacklevel=1)
        assert not caught
    assert "Doe" not in caplog.text
    log.warning("after")
    assert "after" in caplog.text
