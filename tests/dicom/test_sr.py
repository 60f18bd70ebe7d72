from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import highdicom
import pydicom
import pytest
from pydicom.sr.codedict import codes

from osteon.dicom.seg import write_seg
from osteon.dicom.sr import write_sr
from osteon.errors import InputError
from tests.dicom.validators import complaints, dsrdump, needs_dciodvfy, needs_dsrdump
from tests.readings import Example, enhanced_ct, make_example, make_grid, read_headers, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

MOMENT = datetime(2024, 5, 6, 7, 8, 9)


def _write(example: Example, folder: Path) -> tuple[Path, Dataset | None]:
    headers = read_headers(write_series(example, folder / "ct"))
    grid, reading = example.volume.grid, example.reading
    seg = write_seg(
        folder / "x.seg.dcm", masks=example.labels, reading=reading, headers=headers, grid=grid, moment=MOMENT
    )
    write_sr(folder / "x.sr.dcm", reading=reading, headers=headers, grid=grid, seg=seg, moment=MOMENT)
    return folder / "x.sr.dcm", seg


def _numbers(group: object) -> dict[str, tuple[float, str]]:
    return {
        item.name.meaning: (float(item.value), item.unit.value)
        for item in group.get_measurements()  # type: ignore[attr-defined]
    }


def test_highdicom_reads_every_number_back(tmp_path: Path) -> None:
    example = make_example(4, grid=make_grid(oblique=True))
    path, seg = _write(example, tmp_path)
    assert seg is not None
    content = highdicom.sr.srread(path).content
    images = [str(header.SOPInstanceUID) for header in read_headers(sorted((tmp_path / "ct").iterdir()))]
    for finding in example.reading.findings:
        (planar,) = content.get_planar_roi_measurement_groups(tracking_uid=finding.tracking_uid)
        (solid,) = content.get_volumetric_roi_measurement_groups(tracking_uid=finding.tracking_uid)
        assert _numbers(planar) == {"Certainty of Finding": (pytest.approx(100 * finding.score), "%")}
        assert _numbers(solid) == {
            "Volume": (pytest.approx(finding.volume_mm3 / 1000), "cm3"),
            "Long axis": (pytest.approx(finding.longest_diameter_mm), "mm"),
            "Short axis": (pytest.approx(finding.short_diameter_mm), "mm"),
            "Attenuation Coefficient": (pytest.approx(finding.mean_value), "[hnsf'U]"),
        }
        box = finding.box
        corners = [[box.x0, box.y0], [box.x1, box.y0], [box.x1, box.y1], [box.x0, box.y1], [box.x0, box.y0]]
        assert planar.roi.value.tolist() == corners
        assert planar.roi.graphic_type.value == "POLYLINE"
        source = planar.roi.ContentSequence[0].ReferencedSOPSequence[0]
        assert source.ReferencedSOPInstanceUID == images[finding.key_slice]
        for group in (planar, solid):
            assert group.finding_type == codes.SCT.Lesion
            assert group.finding_category == codes.SCT.MorphologicallyAbnormalStructure
            assert group.tracking_identifier == f"Lytic lesion {finding.number}"


def _items(dataset: Dataset) -> list[Dataset]:
    found = [dataset]
    for item in dataset.get("ContentSequence", []):
        found += _items(item)
    return found


def test_each_volume_group_points_at_its_segment(tmp_path: Path) -> None:
    example = make_example(3)
    path, seg = _write(example, tmp_path)
    assert seg is not None
    references = [
        item.ReferencedSOPSequence[0]
        for item in _items(pydicom.dcmread(path))
        if item.get("ValueType") == "IMAGE" and item.ConceptNameCodeSequence[0].CodeMeaning == "Referenced Segment"
    ]
    assert [int(reference.ReferencedSegmentNumber) for reference in references] == [1, 2, 3]
    assert {reference.ReferencedSOPInstanceUID for reference in references} == {seg.SOPInstanceUID}
    evidence = pydicom.dcmread(path).CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    listed = {entry.ReferencedSOPInstanceUID for series in evidence for entry in series.ReferencedSOPSequence}
    assert seg.SOPInstanceUID in listed


def test_multi_frame_source(tmp_path: Path) -> None:
    example = make_example(2)
    header = enhanced_ct(write_series(example, tmp_path / "ct"))
    grid, reading = example.volume.grid, example.reading
    seg = write_seg(tmp_path / "x.seg.dcm", masks=example.labels, reading=reading, headers=[header], grid=grid)
    write_sr(tmp_path / "x.sr.dcm", reading=reading, headers=[header], grid=grid, seg=seg)
    groups = highdicom.sr.srread(tmp_path / "x.sr.dcm").content.get_planar_roi_measurement_groups()
    for group, finding in zip(groups, reading.findings, strict=True):
        number = int(group.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber)
        place = header.PerFrameFunctionalGroupsSequence[number - 1].PlanePositionSequence[0].ImagePositionPatient
        assert list(place) == pytest.approx(grid.to_mm((0, 0, finding.key_slice)))


@needs_dsrdump
def test_dcmtk_reads_the_same_numbers(tmp_path: Path) -> None:
    example = make_example(3)
    text = dsrdump(_write(example, tmp_path)[0])
    for name, values in (
        ("Certainty of Finding", [100 * finding.score for finding in example.reading.findings]),
        ("Volume", [finding.volume_mm3 / 1000 for finding in example.reading.findings]),
        ("Long axis", [finding.longest_diameter_mm for finding in example.reading.findings]),
        ("Short axis", [finding.short_diameter_mm for finding in example.reading.findings]),
        ("Attenuation Coefficient", [finding.mean_value for finding in example.reading.findings]),
        ("Number of lesions", [3]),
    ):
        read = [float(value) for value in re.findall(rf'NUM:\(,,"{name}"\)="([^"]*)"', text)]
        assert read == pytest.approx(values), name
    assert text.count('(lytic,99OSTEON,"Lytic bone lesion")') == 3
    assert '(52101004,SCT,"Present")' in text
    assert "UNVERIFIED" in text
    assert "PRELIMINARY" in text
    for finding in example.reading.findings:
        assert text.count(f'"{finding.tracking_uid}"') == 2


@needs_dsrdump
def test_nothing_found_is_said(tmp_path: Path) -> None:
    path, seg = _write(make_example(0), tmp_path)
    assert seg is None
    text = dsrdump(path)
    assert re.findall(r'NUM:\(,,"Number of lesions"\)="([^"]*)"', text) in (["0"], ["0.0"])
    assert '(,,"Lesion")=(272519000,SCT,"Absent")' in text
    assert "SCOORD" not in text


@needs_dciodvfy
@pytest.mark.parametrize("count", [0, 1, 5])
def test_dciodvfy_finds_nothing(tmp_path: Path, count: int) -> None:
    path, _ = _write(make_example(count, grid=make_grid(oblique=True)), tmp_path)
    assert complaints(path) == []


def test_who_made_it(tmp_path: Path) -> None:
    path, seg = _write(make_example(1), tmp_path)
    report = pydicom.dcmread(path)
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99OSTEON"
    assert (report.PatientID, str(report.PatientName)) == ("case-07", "case-07^")
    for instance in (report, seg):
        assert instance is not None
        entry = next(
            item for item in instance.ContributingEquipmentSequence if item.ManufacturerModelName == "lytic-small"
        )
        assert entry.Manufacturer == "osteon"
        assert entry.SoftwareVersions == "0.1.0+0123456789abcdef"
        assert entry.DeviceUID.startswith("2.25.")


def test_unusual_findings_are_coded_as_well_as_they_can_be(tmp_path: Path) -> None:
    example = make_example(2)
    first, second = example.reading.findings
    findings = (replace(first, kind="metastasis", site="T13", mean_value=None), replace(second, kind="odd", site="toe"))
    path, _ = _write(replace(example, reading=replace(example.reading, findings=findings)), tmp_path)
    groups = highdicom.sr.srread(path).content.get_volumetric_roi_measurement_groups()
    assert [group.finding_type.value for group in groups] == ["94222008", "52988006"]
    assert [group.finding_sites[0].value.value for group in groups] == ["51282000", "272673000"]
    assert "Attenuation Coefficient" not in _numbers(groups[0])


def test_same_input_same_bytes(tmp_path: Path) -> None:
    example = make_example(2)
    first, second = _write(example, tmp_path / "a")[0], _write(example, tmp_path / "b")[0]
    assert first.read_bytes() == second.read_bytes()


def test_refuses_what_it_cannot_reference(tmp_path: Path) -> None:
    example = make_example(1)
    headers = read_headers(write_series(example, tmp_path / "ct"))
    path = tmp_path / "x.sr.dcm"
    with pytest.raises(InputError, match="SEG"):
        write_sr(path, reading=example.reading, headers=headers, grid=example.volume.grid, seg=None)
    with pytest.raises(InputError, match="not read from DICOM"):
        write_sr(path, reading=make_example(0).reading, headers=[], grid=example.volume.grid, seg=None)
    assert not path.exists()


def test_images_that_highdicom_refuses_are_an_error_of_the_input(tmp_path: Path) -> None:
    example = make_example(0)
    headers = read_headers(write_series(example, tmp_path / "ct"))
    for header in headers:
        del header.SOPInstanceUID
    with pytest.raises(InputError, match="SR"):
        write_sr(tmp_path / "x.dcm", reading=example.reading, headers=headers, grid=example.volume.grid, seg=None)
    assert not (tmp_path / "x.dcm").exists()
