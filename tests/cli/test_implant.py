from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from osteon.cli import main as entry
from osteon.cohort.manifest import read_cohort
from osteon.dicom.ct import write_ct_series
from osteon.dicom.roles import T1_CONTRAST_FAT_SUPPRESSED, role
from osteon.dicom.scan import scan as scan_input
from osteon.dicom.series import load_volume
from osteon.formats.labelme import read_labelme
from osteon.formats.nifti import read_nifti, write_nifti
from tests.dicom.validators import complaints, needs_dciodvfy
from tests.phantom.implant.scans import GRID, T1, scan

if TYPE_CHECKING:
    from pathlib import Path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "argv", ["osteon", "implant", *arguments])
    try:
        entry.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, Path]:
    """A CT study of somebody, and its bone mask."""
    volume, bone = scan()
    write_ct_series(
        volume,
        tmp_path / "study",
        case="Known Person",
        seed_uid="s",
        kernel="Br44",
        slice_thickness_mm=2.0,
        kvp=120,
        exposure_mas=50,
        manufacturer="SIEMENS",
        description="spine of Known Person",
        age_years=93,
        sex="F",
    )
    return tmp_path / "study", write_nifti(tmp_path / "bone.nii.gz", bone, GRID)


def test_a_ct_becomes_a_semi_real_cohort(
    study: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, bone = study
    out = tmp_path / "out"
    assert run(monkeypatch, str(source), "--out", str(out), "--bone", str(bone), "--lesions", "3", "--seed", "3") == 0
    cohort = read_cohort(out)
    assert (cohort.kind, cohort.modality, len(cohort.cases)) == ("semi-real", "CT", 1)
    case = cohort.cases[0]
    count = case.labels["lesions"]
    assert f"lesions: {count}, too faint to count:" in capsys.readouterr().out
    lesions = read_nifti(cohort.truth_path(case, "lesions"))
    table = json.loads(cohort.truth_path(case, "lesion_table").read_text())
    assert {one["number"] for one in table["lesions"]} == set(np.unique(lesions.array)) - {0}
    assert len(table["lesions"]) == count > 0
    series = scan_input(cohort.study_path(case)).series[0]
    made, before = load_volume(series), scan()[0]
    np.testing.assert_allclose(made.grid.affine, before.grid.affine, atol=1e-6)
    np.testing.assert_allclose(lesions.grid.affine, made.grid.affine, atol=1e-4)
    assert (made.array != before.array).any()
    assert (made.array == before.array).mean() > 0.95
    boxes = read_labelme(cohort.truth_path(case, "boxes"))
    assert {box.image_name for box in boxes if box.rectangles} == {
        f"{k + 1:05d}.dcm" for k in np.flatnonzero((lesions.array > 0).any(axis=(1, 2)))
    }


def test_the_new_study_is_nobody_s(study: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, bone = study
    out = tmp_path / "out"
    assert run(monkeypatch, str(source), "--out", str(out), "--bone", str(bone), "--lesions", "1", "--seed", "3") == 0
    old = pydicom.dcmread(source / "00001.dcm")
    new = pydicom.dcmread(out / "cases" / "s0003" / "ct" / "00001.dcm")
    assert list(new.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
    assert "synthetic lesions implanted" in new.SeriesDescription
    assert (new.PatientID, new.PatientAge, new.PatientSex) == ("s0003", "090Y", "F")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        assert old[keyword].value != new[keyword].value
    for file in out.rglob("*"):
        assert "Known" not in file.name
        if file.is_file():
            content = file.read_bytes()
            assert b"Known" not in content
            assert old.StudyInstanceUID.encode() not in content


@needs_dciodvfy
def test_the_new_series_is_valid(study: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, bone = study
    out = tmp_path / "out"
    assert run(monkeypatch, str(source), "--out", str(out), "--bone", str(bone), "--lesions", "1", "--seed", "3") == 0
    assert complaints(out / "cases" / "s0003" / "ct" / "00012.dcm") == []


def test_an_mr_keeps_its_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume, bone = scan(values=T1, noise=8.0, modality="MR")
    study = write_nifti(tmp_path / "spine.nii.gz", volume.array, GRID)
    mask = write_nifti(tmp_path / "bone.nii.gz", bone, GRID)
    out = tmp_path / "out"
    options = ("--bone", str(mask), "--modality", "MR", "--role", "ce", "--kind", "metastasis", "--lesions", "2")
    assert run(monkeypatch, str(study), "--out", str(out), *options) == 0
    cohort = read_cohort(out)
    assert (cohort.modality, cohort.system) == ("MR", "metastasis")
    series = scan_input(cohort.study_path(cohort.cases[0])).series[0]
    assert role(series) == T1_CONTRAST_FAT_SUPPRESSED
    assert load_volume(series).grid.shape == read_nifti(cohort.truth_path(cohort.cases[0], "lesions")).grid.shape


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--modality", "MR", "--role", "t1"), 1, "an MR scan has no bone network: give a NIfTI mask of its bones"),
        (("--modality", "MR"), 1, "role unknown"),
        ((), 1, "does not say whether it is CT or MR; give --modality"),
        (("--kind", "wart"), 2, "lesion kind 'wart': expected one of lytic"),
        (("--lesions", "0"), 2, "0 lesions, seed 0: expected 1 to 200"),
        (("--modality", "CT", "--bone", "shifted"), 1, "lies on another grid than the scan"),
        (("--modality", "CT", "--bone", "empty"), 1, "is empty; expected a mask of the scan's bones"),
    ],
)
def test_bad_input_is_told_in_one_line_and_nothing_is_written(
    options: tuple[str, ...],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    volume, bone = scan()
    study = write_nifti(tmp_path / "in" / "spine.nii.gz", volume.array, GRID)
    masks = {
        "shifted": write_nifti(tmp_path / "shifted.nii.gz", bone[:-1], GRID.cropped((0, 0, 0), (23, 144, 144))),
        "empty": write_nifti(tmp_path / "empty.nii.gz", bone * 0, GRID),
    }
    given = [str(masks.get(option, option)) for option in options]
    assert run(monkeypatch, str(study), "--out", str(tmp_path / "out"), *given) == code
    error = capsys.readouterr().err
    assert says in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_full_folder_is_left_alone(
    study: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, bone = study
    assert run(monkeypatch, str(source), "--out", str(source), "--bone", str(bone)) == 2
    assert "already exists and is not empty" in capsys.readouterr().err
