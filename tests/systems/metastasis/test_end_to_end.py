"""From DICOM in to DICOM out with a tiny model: what is found lies where it was put."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from osteon.dicom.scan import scan
from osteon.errors import InputError, UsageError
from osteon.formats.nifti import read_nifti
from osteon.formats.reading_json import read_reading
from osteon.systems.metastasis import system
from osteon.systems.protocol import ReadOptions
from tests.dicom.validators import complaints, needs_dciodvfy
from tests.systems.metastasis.scenes import Scene, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.dicom.scan import ScanResult
    from osteon.systems.metastasis.bundle import MetastasisModel


def read(folder: Path, model: MetastasisModel, out: Path, **options: object) -> dict[str, object]:
    found = scan(folder)
    return system.read_study(found.studies[0], model, out, options=ReadOptions(**options), found=found)  # type: ignore[arg-type]


def test_findings_lie_on_the_lesions_of_both_stations(tmp_path: Path, tiny_model: MetastasisModel) -> None:
    truth = write_study(tmp_path / "s", Scene(seed=50, lesions=5, stations=2))
    summary = read(tmp_path / "s", tiny_model, tmp_path / "out")
    assert summary["files"] == ["findings.seg.dcm", "findings.sr.dcm", "reading.json", "report.html"]
    reading = read_reading(tmp_path / "out" / "reading.json")
    assert reading.verdicts["stations"] == 2
    assert reading.findings
    inside = 0
    for finding in reading.findings:
        for grid, labels in truth:
            x, y, z = np.rint(grid.to_index(finding.centre_mm)).astype(int)
            if grid.contains(finding.centre_mm) and labels[z, y, x]:
                inside += 1
                break
    assert inside >= 0.6 * len(reading.findings)
    first = reading.series_uid
    assert {finding.series_uid or first for finding in reading.findings} <= {"1.2.77.50.0.1", "1.2.77.50.1.1"}


def test_seg_holds_the_findings_of_reading_json(tmp_path: Path, tiny_model: MetastasisModel) -> None:
    write_study(tmp_path / "s", Scene(seed=51, lesions=4, stations=2))
    read(tmp_path / "s", tiny_model, tmp_path / "out")
    reading = read_reading(tmp_path / "out" / "reading.json")
    seg = pydicom.dcmread(tmp_path / "out" / "findings.seg.dcm")
    assert [one.TrackingUID for one in seg.SegmentSequence] == [one.tracking_uid for one in reading.findings]
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Bony metastasis"
    assert {str(one.SeriesInstanceUID) for one in seg.ReferencedSeriesSequence} <= {"1.2.77.51.0.1", "1.2.77.51.1.1"}


@needs_dciodvfy
def test_validator_finds_nothing(tmp_path: Path, tiny_model: MetastasisModel) -> None:
    write_study(tmp_path / "s", Scene(seed=52, lesions=4, stations=2))
    read(tmp_path / "s", tiny_model, tmp_path / "out")
    for name in ("findings.seg.dcm", "findings.sr.dcm"):
        assert complaints(tmp_path / "out" / name) == []


def test_the_sequences_that_are_there_choose_the_network(tmp_path: Path, tiny_model: MetastasisModel) -> None:
    write_study(tmp_path / "s", Scene(seed=53, sequences=("T1",)))
    read(tmp_path / "s", tiny_model, tmp_path / "out")
    reading = read_reading(tmp_path / "out" / "reading.json")
    assert reading.operating_point["network"] == "T1"
    assert any("no CE there" in warning for warning in reading.warnings)


def test_ce_alone_has_no_network_and_says_so(tmp_path: Path, tiny_model: MetastasisModel) -> None:
    write_study(tmp_path / "s", Scene(seed=54, sequences=("CE",)))
    with pytest.raises(InputError, match=r"1\.2\.77\.54\.0\.1 \(CE\).*networks for T1\+CE, T1"):
        read(tmp_path / "s", tiny_model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_role_given_by_hand_is_taken(tmp_path: Path, tiny_model: MetastasisModel) -> None:
    write_study(tmp_path / "s", Scene(seed=55), change={"SeriesDescription": "spine"})
    found: ScanResult = scan(tmp_path / "s")
    assert "no usable sequence" in system.unreadable(found.studies[0], options=ReadOptions())
    roles = {"1.2.77.55.0.1": "T1", "1.2.77.55.0.3": "CE"}
    assert system.unreadable(found.studies[0], options=ReadOptions(roles=roles)) == ""
    summary = read(tmp_path / "s", tiny_model, tmp_path / "out", roles=roles)
    assert "T1+CE" in str(summary["summary"])
    with pytest.raises(UsageError, match="T9"):
        read(tmp_path / "s", tiny_model, tmp_path / "other", roles={"1.2.77.55.0.1": "T9"})


def test_two_patients_in_one_study_are_refused(tmp_path: Path, tiny_model: MetastasisModel) -> None:
    write_study(tmp_path / "s", Scene(seed=56, sequences=("T1", "CE")))
    for path in (tmp_path / "s" / "01").iterdir():
        ds = pydicom.dcmread(path)
        ds.PatientID = "ANOTHER"
        ds.save_as(path)
    with pytest.raises(InputError, match="two patients"):
        read(tmp_path / "s", tiny_model, tmp_path / "out")


@pytest.mark.parametrize(
    ("keyword", "value", "told"),
    [
        ("FrameOfReferenceUID", "1.2.10", "lies over series 1.2.77.58.0.1 but has another FrameOfReferenceUID"),
        ("ImagePositionPatient", None, "is not read: the model has networks for T1+CE, T1"),
    ],
)
def test_sequences_that_do_not_belong_together_are_not_read_together_and_named(
    tmp_path: Path, tiny_model: MetastasisModel, keyword: str, value: str | None, told: str
) -> None:
    write_study(tmp_path / "s", Scene(seed=58, sequences=("T1", "CE")))
    for path in (tmp_path / "s" / "01").iterdir():
        ds = pydicom.dcmread(path)
        x, y, z = ds.ImagePositionPatient
        setattr(ds, keyword, value or [x, y, z - 500])  # else far below: no overlap
        ds.save_as(path)
    read(tmp_path / "s", tiny_model, tmp_path / "out")
    reading = read_reading(tmp_path / "out" / "reading.json")
    assert (reading.verdicts["stations"], reading.operating_point["network"]) == (1, "T1")
    assert any(told in warning and "1.2.77.58.0.2" in warning for warning in reading.warnings)


def test_nifti_in_gives_nifti_masks(tmp_path: Path, tiny_model: MetastasisModel) -> None:
    from osteon.dicom.series import load_volume
    from osteon.formats.nifti import write_nifti

    write_study(tmp_path / "s", Scene(seed=57, lesions=4, sequences=("T1",)))
    volume = load_volume(scan(tmp_path / "s").series[0])
    (tmp_path / "n").mkdir()
    write_nifti(tmp_path / "n" / "sub-1_T1w.nii.gz", volume.array, volume.grid)
    summary = read(tmp_path / "n", tiny_model, tmp_path / "out")
    assert summary["files"] == ["findings.nii.gz", "reading.json", "report.html"]
    labels = read_nifti(tmp_path / "out" / "findings.nii.gz", modality="MR")
    assert labels.grid.shape == volume.grid.shape
    assert len(np.unique(labels.array)) - 1 == summary["findings"]


def test_real_cervical_scans_go_through(tmp_path: Path, real_data: Path, tiny_model: MetastasisModel) -> None:
    summary = read(real_data / "mr_cervical_sct", tiny_model, tmp_path / "out")
    assert "(T1)" in str(summary["summary"])
    assert any("no CE there" in str(warning) for warning in summary["warnings"])  # type: ignore[attr-defined]


def test_a_real_t2_alone_is_no_input_and_says_what_it_is(real_data: Path) -> None:
    found = scan(real_data / "vertebra_tptbox", modality="MR")
    study = next(study for study in found.studies)
    assert "T2" in system.unreadable(study, options=ReadOptions())
