from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pydicom
import pytest

from osteon.dicom.seg import write_seg
from osteon.errors import InputError
from osteon.geometry import Grid
from tests.dicom.validators import complaints, needs_dciodvfy
from tests.readings import Example, enhanced_ct, make_example, make_grid, read_headers, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

MOMENT = datetime(2024, 5, 6, 7, 8, 9)


def _write(example: Example, folder: Path, **changes: object) -> Dataset | None:
    headers = read_headers(write_series(example, folder / "ct"))
    values = {"masks": example.labels, "reading": example.reading, "headers": headers, "grid": example.volume.grid}
    return write_seg(folder / "findings.seg.dcm", **(values | {"moment": MOMENT} | changes))  # type: ignore[arg-type]


def _labels_by_hand(path: Path, grid: Grid) -> NDArray[np.uint16]:
    """Read a SEG with pydicom and numpy alone: bits, then the place of every frame from its own position."""
    seg = pydicom.dcmread(path)
    assert (seg.SegmentationType, seg.BitsAllocated, seg.PixelRepresentation) == ("BINARY", 1, 0)
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    planes = bits[: seg.NumberOfFrames * seg.Rows * seg.Columns].reshape(-1, seg.Rows, seg.Columns)
    shared = seg.SharedFunctionalGroupsSequence[0]
    cosines = [float(value) for value in shared.PlaneOrientationSequence[0].ImageOrientationPatient]
    np.testing.assert_allclose(cosines, [*grid.axes[:, 0], *grid.axes[:, 1]], atol=1e-6)
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [grid.spacing_mm[1], grid.spacing_mm[0]]
    labels = np.zeros(grid.shape, np.uint16)
    for plane, groups in zip(planes, seg.PerFrameFunctionalGroupsSequence, strict=True):
        index = grid.to_index([float(value) for value in groups.PlanePositionSequence[0].ImagePositionPatient])
        np.testing.assert_allclose(index, np.round(index), atol=1e-3)
        assert plane.any(), "a frame without voxels was written"
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        labels[round(float(index[2]))][plane > 0] = number
    return labels


@pytest.mark.parametrize("oblique", [False, True])
def test_every_voxel_is_where_it_was(tmp_path: Path, oblique: bool) -> None:
    example = make_example(4, grid=make_grid(oblique=oblique))
    _write(example, tmp_path)
    np.testing.assert_array_equal(_labels_by_hand(tmp_path / "findings.seg.dcm", example.volume.grid), example.labels)


def test_highdicom_reads_the_same_volume_and_segments(tmp_path: Path) -> None:
    example = make_example(3)
    _write(example, tmp_path)
    seg = highdicom.seg.segread(tmp_path / "findings.seg.dcm")
    uids = [uid for _, _, uid in seg.get_source_image_uids()]
    order = sorted(uids, key=[str(h.SOPInstanceUID) for h in read_headers(sorted((tmp_path / "ct").iterdir()))].index)
    read = seg.get_pixels_by_source_instance(order, combine_segments=True)
    used = example.labels.any(axis=(1, 2))
    np.testing.assert_array_equal(read, example.labels[used])
    for finding, described in zip(example.reading.findings, seg.SegmentSequence, strict=True):
        assert (described.SegmentNumber, described.TrackingUID) == (finding.number, finding.tracking_uid)
        assert described.TrackingID == f"Lytic lesion {finding.number}"
        assert described.SegmentLabel.startswith(f"{finding.number} lytic lesion")
        assert described.SegmentAlgorithmType == "AUTOMATIC"
        algorithm = described.SegmentationAlgorithmIdentificationSequence[0]
        assert (algorithm.AlgorithmName, algorithm.AlgorithmFamilyCodeSequence[0].CodeValue) == (
            "lytic-small",
            "123110",
        )
    assert seg.SegmentSequence[0].AnatomicRegionSequence[0].CodeValue == "113197003"


def test_multi_frame_source(tmp_path: Path) -> None:
    example = make_example(3, grid=make_grid(oblique=True))
    header = enhanced_ct(write_series(example, tmp_path / "ct"))
    path, grid = tmp_path / "x.seg.dcm", example.volume.grid
    seg = write_seg(path, masks=example.labels, reading=example.reading, headers=[header], grid=grid, moment=MOMENT)
    np.testing.assert_array_equal(_labels_by_hand(path, grid), example.labels)
    assert seg is not None
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == header.SeriesInstanceUID


def test_bone_is_an_extra_segment_that_overlaps_no_finding(tmp_path: Path) -> None:
    example = make_example(2)
    seg = _write(example, tmp_path, bone_mask=example.bone)
    assert seg is not None
    assert seg.SegmentsOverlap == "NO"
    expected = np.where((example.labels == 0) & example.bone, 3, example.labels)
    np.testing.assert_array_equal(_labels_by_hand(tmp_path / "findings.seg.dcm", example.volume.grid), expected)
    assert seg.SegmentSequence[2].SegmentLabel == "Bone without findings"


def test_nothing_found_means_no_file(tmp_path: Path) -> None:
    assert _write(make_example(0), tmp_path) is None
    assert not (tmp_path / "findings.seg.dcm").exists()


@needs_dciodvfy
@pytest.mark.parametrize("bone", [False, True])
def test_dciodvfy_finds_nothing(tmp_path: Path, bone: bool) -> None:
    example = make_example(4, grid=make_grid(oblique=True))
    _write(example, tmp_path, **({"bone_mask": example.bone} if bone else {}))
    assert complaints(tmp_path / "findings.seg.dcm") == []


def test_same_input_same_bytes_and_new_model_new_uids(tmp_path: Path) -> None:
    example = make_example(2)
    first = _write(example, tmp_path / "a")
    _write(example, tmp_path / "b")
    path = "findings.seg.dcm"
    assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
    provenance = replace(example.reading.provenance, model_hash="f" * 64)
    other = _write(example, tmp_path / "c", reading=replace(example.reading, provenance=provenance))
    assert first is not None
    assert other is not None
    assert first.SOPInstanceUID != other.SOPInstanceUID
    devices = {str(seg.ContributingEquipmentSequence[1].DeviceUID) for seg in (first, other)}
    assert len(devices) == 2


def test_patient_and_study_are_those_of_the_images_whatever_the_alphabet(tmp_path: Path) -> None:
    example = make_example(1)
    headers = read_headers(write_series(example, tmp_path / "ct"))
    for header in headers:
        header.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        header.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
        header.PatientID = "0815"
        header.save_as(tmp_path / "ct" / f"{header.InstanceNumber:05d}.dcm")
    headers = read_headers(sorted((tmp_path / "ct").iterdir()))
    path = tmp_path / "x.seg.dcm"
    write_seg(path, masks=example.labels, reading=example.reading, headers=headers, grid=example.volume.grid)
    seg = pydicom.dcmread(path)
    assert seg.PatientName.ideographic == "山田^太郎"
    assert (seg.PatientID, seg.StudyInstanceUID) == ("0815", headers[0].StudyInstanceUID)
    assert seg.FrameOfReferenceUID == headers[0].FrameOfReferenceUID


def test_single_component_names_are_not_printed(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    example = make_example(1)
    headers = read_headers(write_series(example, tmp_path / "ct"))
    for header in headers:
        header.PatientName = "Doe John"
    write_seg(
        tmp_path / "x.dcm", masks=example.labels, reading=example.reading, headers=headers, grid=example.volume.grid
    )
    assert not [str(entry.message) for entry in recwarn if "Doe" in str(entry.message)]


def test_masks_and_findings_must_agree(tmp_path: Path) -> None:
    example = make_example(2)
    labels = example.labels
    with pytest.raises(InputError, match=r"without a finding \[9\], .* without voxels \[2\]"):
        _write(example, tmp_path / "a", masks=np.where(labels == 2, 9, labels).astype(np.uint16))
    with pytest.raises(InputError, match="shape"):
        _write(example, tmp_path / "b", masks=labels[1:])
    findings = tuple(replace(finding, number=finding.number + 1) for finding in example.reading.findings)
    with pytest.raises(InputError, match="1, 2, 3"):
        _write(example, tmp_path / "c", reading=replace(example.reading, findings=findings))
    with pytest.raises(InputError, match="resampled"):
        _write(example, tmp_path / "d", grid=replace(example.volume.grid, origin_mm=(0.0, 0.0, 0.0)))
    assert not list(tmp_path.rglob("*.seg.dcm"))


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "Rows"])
def test_images_that_highdicom_refuses_are_an_error_of_the_input(tmp_path: Path, keyword: str) -> None:
    example = make_example(2)
    headers = read_headers(write_series(example, tmp_path / "ct"))
    for header in headers:
        delattr(header, keyword)
    path = tmp_path / "x.seg.dcm"
    with pytest.raises(InputError, match="SEG"):
        write_seg(path, masks=example.labels, reading=example.reading, headers=headers, grid=example.volume.grid)
    assert not path.exists()


def test_on_a_real_series(tmp_path: Path, real_data: Path) -> None:
    headers = sorted(
        read_headers(sorted((real_data / "ct_abdomen_cb001").glob("*.dcm"))[:30]),
        key=lambda header: float(header.ImagePositionPatient[2]),
    )
    headers = [
        h for h in headers if abs(float(h.ImagePositionPatient[2]) - float(headers[0].ImagePositionPatient[2])) < 89
    ]
    first = headers[0]
    grid = Grid(
        shape=(len(headers), first.Rows, first.Columns),
        spacing_mm=(float(first.PixelSpacing[1]), float(first.PixelSpacing[0]), 3.0),
        origin_mm=tuple(float(value) for value in first.ImagePositionPatient),  # type: ignore[arg-type]
    )
    example = make_example(3, grid=grid)
    path = tmp_path / "x.seg.dcm"
    write_seg(path, masks=example.labels, reading=example.reading, headers=headers, grid=grid)
    np.testing.assert_array_equal(_labels_by_hand(path, grid), example.labels)
