"""SEG and SR of a reading of two series, read back with pydicom and numpy alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from osteon.dicom.frames import SeriesImages
from osteon.dicom.seg import write_seg
from osteon.dicom.sr import write_sr
from osteon.errors import InputError
from osteon.formats.reading_json import read_reading, write_reading
from osteon.geometry import Grid
from tests.dicom.validators import complaints, needs_dciodvfy
from tests.readings import Example, make_example, make_grid, read_headers, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from osteon.records import Reading

MOMENT = datetime(2024, 5, 6, 7, 8, 9)


@dataclass(frozen=True, kw_only=True)
class Two:
    """Findings 1 and 2 on the first station, 3 on the second, and 2 on both."""

    reading: Reading
    headers: list[Dataset]
    first: Example
    further: SeriesImages


def two_stations(folder: Path, *, other_size: bool) -> Two:
    first = make_example(2)
    low = Grid(shape=(9, 32, 40), spacing_mm=(1.1, 0.7, 3.0), origin_mm=(-18.0, 11.0, -440.0))
    second = make_example(2, grid=low if other_size else replace(make_grid(), origin_mm=(-20.25, -6.5, -400.0)), seed=2)
    headers = read_headers(write_series(first, folder / "a"))
    others = read_headers(write_series(second, folder / "b"))
    for header in others:
        for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
            setattr(header, keyword, getattr(headers[0], keyword))
        header.SeriesInstanceUID = "1.2.3.5"
        header.SOPInstanceUID = f"1.2.3.5.{header.InstanceNumber}"
    labels = np.where(second.labels == 1, 3, second.labels).astype(np.uint16)
    third = replace(second.reading.findings[0], number=3, tracking_uid="2.25.77", series_uid="1.2.3.5")
    reading = replace(first.reading, findings=(*first.reading.findings, third))
    further = SeriesImages(uid="1.2.3.5", headers=others, grid=second.volume.grid, masks=labels)
    return Two(reading=reading, headers=headers, first=first, further=further)


def written(two: Two, path: Path) -> Dataset:
    seg = write_seg(
        path,
        masks=two.first.labels,
        reading=two.reading,
        headers=two.headers,
        grid=two.first.volume.grid,
        further=[two.further],
        moment=MOMENT,
    )
    assert seg is not None
    return seg


def labels_by_hand(seg: Dataset, headers: list[Dataset], grid: Grid) -> NDArray[np.uint16]:
    """The frames that refer to these images, put back by their own positions."""
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    planes = bits[: seg.NumberOfFrames * seg.Rows * seg.Columns].reshape(-1, seg.Rows, seg.Columns)
    uids = {str(header.SOPInstanceUID) for header in headers}
    shared = seg.SharedFunctionalGroupsSequence[0]
    labels = np.zeros(grid.shape, np.uint16)
    for plane, groups in zip(planes, seg.PerFrameFunctionalGroupsSequence, strict=True):
        source = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        if source not in uids:
            continue
        orientation = (groups if "PlaneOrientationSequence" in groups else shared).PlaneOrientationSequence[0]
        measures = (groups if "PixelMeasuresSequence" in groups else shared).PixelMeasuresSequence[0]
        cosines = [float(value) for value in orientation.ImageOrientationPatient]
        np.testing.assert_allclose(cosines, [*grid.axes[:, 0], *grid.axes[:, 1]], atol=1e-6)
        np.testing.assert_allclose([float(v) for v in measures.PixelSpacing], [grid.spacing_mm[1], grid.spacing_mm[0]])
        index = grid.to_index([float(value) for value in groups.PlanePositionSequence[0].ImagePositionPatient])
        np.testing.assert_allclose(index, np.round(index), atol=1e-3)
        cut = plane[: grid.shape[1], : grid.shape[2]]
        assert cut.sum() == plane.sum() > 0
        labels[round(float(index[2]))][cut > 0] = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    return labels


@pytest.mark.parametrize("other_size", [False, True])
def test_every_voxel_of_both_series_is_where_it_was(tmp_path: Path, other_size: bool) -> None:
    two = two_stations(tmp_path, other_size=other_size)
    written(two, tmp_path / "x.dcm")
    seg = pydicom.dcmread(tmp_path / "x.dcm")
    np.testing.assert_array_equal(labels_by_hand(seg, two.headers, two.first.volume.grid), two.first.labels)
    np.testing.assert_array_equal(labels_by_hand(seg, two.further.headers, two.further.grid), two.further.masks)  # type: ignore[arg-type]
    referenced = {
        str(one.SeriesInstanceUID): {str(item.ReferencedSOPInstanceUID) for item in one.ReferencedInstanceSequence}
        for one in seg.ReferencedSeriesSequence
    }
    assert set(referenced) == {str(two.headers[0].SeriesInstanceUID), "1.2.3.5"}
    assert referenced["1.2.3.5"] <= {str(header.SOPInstanceUID) for header in two.further.headers}
    assert len(seg.SegmentSequence) == 3
    assert str(two.further.headers[0].SeriesInstanceUID) == "1.2.3.5"  # the caller's headers are as they were


@needs_dciodvfy
@pytest.mark.parametrize("other_size", [False, True])
def test_validator_finds_nothing(tmp_path: Path, other_size: bool) -> None:
    two = two_stations(tmp_path, other_size=other_size)
    seg = written(two, tmp_path / "x.dcm")
    assert complaints(tmp_path / "x.dcm") == []
    report(two, seg, tmp_path / "y.dcm")
    assert complaints(tmp_path / "y.dcm") == []


def report(two: Two, seg: Dataset, path: Path) -> Dataset:
    return write_sr(
        path,
        reading=two.reading,
        headers=two.headers,
        grid=two.first.volume.grid,
        seg=seg,
        further=[two.further],
        moment=MOMENT,
    )


def test_report_refers_to_the_images_of_each_findings_own_series(tmp_path: Path) -> None:
    two = two_stations(tmp_path, other_size=True)
    report(two, written(two, tmp_path / "x.dcm"), tmp_path / "y.dcm")
    text = str(pydicom.dcmread(tmp_path / "y.dcm"))
    third = two.reading.findings[2]
    assert str(two.further.headers[third.key_slice].SOPInstanceUID) in text
    for finding in two.reading.findings[:2]:
        assert str(two.headers[finding.key_slice].SOPInstanceUID) in text


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_another_study_or_frame_of_reference_is_refused_by_name(tmp_path: Path, keyword: str) -> None:
    two = two_stations(tmp_path, other_size=False)
    for header in two.further.headers:
        setattr(header, keyword, "1.9")
    with pytest.raises(InputError, match=f"1.2.3.5.*{keyword}"):
        written(two, tmp_path / "x.dcm")
    assert not (tmp_path / "x.dcm").exists()


def test_reading_json_keeps_the_series_of_a_finding_and_says_nothing_where_it_is_the_readings(tmp_path: Path) -> None:
    reading = two_stations(tmp_path, other_size=False).reading
    write_reading(tmp_path / "reading.json", reading)
    assert read_reading(tmp_path / "reading.json") == reading
    assert (tmp_path / "reading.json").read_text().count('"series_uid"') == 2
