from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
import SimpleITK

from osteon.dicom.ct import decimal_string, patient_age, write_ct_series
from osteon.errors import InputError
from osteon.geometry import Grid
from osteon.records import Volume

if TYPE_CHECKING:
    from pathlib import Path


def _rotation(seed: int) -> np.ndarray:
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return matrix if np.linalg.det(matrix) > 0 else matrix @ np.diag([1, 1, -1])


def _volume(*, oblique: bool = False, low: int = -1024) -> Volume:
    array = np.random.default_rng(1).integers(low, 3000, (5, 12, 10), dtype=np.int16)
    array[0, 0, 0] = low
    axes = _rotation(3) if oblique else np.eye(3)
    direction = tuple(tuple(float(v) for v in row) for row in axes)
    grid = Grid(shape=(5, 12, 10), spacing_mm=(0.7, 0.9, 2.5), origin_mm=(-31.25, 12.1, -400.0), direction=direction)  # type: ignore[arg-type]
    return Volume(array=array, grid=grid, modality="CT")


def _write(volume: Volume, folder: Path, **changes: Any) -> tuple[Path, ...]:
    values: dict[str, Any] = {
        "case": "case-07",
        "seed_uid": "seed",
        "kernel": "Br64",
        "slice_thickness_mm": 3.0,
        "kvp": 120.0,
        "exposure_mas": 50.0,
        "manufacturer": "osteon phantom",
        "description": "Low dose",
        "age_years": 61.4,
        "sex": "F",
        "body_part": "WHOLEBODY",
    }
    return write_ct_series(volume, folder, **(values | changes))


@pytest.mark.parametrize("oblique", [False, True])
def test_simpleitk_reads_the_same_voxels_in_the_same_place(tmp_path: Path, oblique: bool) -> None:
    volume = _volume(oblique=oblique)
    files = _write(volume, tmp_path / "ct")
    assert [path.name for path in files] == [f"{k:05d}.dcm" for k in range(1, 6)]
    image = SimpleITK.ReadImage([str(path) for path in files])
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume.array)
    for index in ((0, 0, 0), (9, 0, 0), (0, 11, 0), (0, 0, 4), (9, 11, 4)):
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), volume.grid.to_mm(index), atol=1e-3)


def test_padding_below_minus_1024_survives(tmp_path: Path) -> None:
    volume = _volume(low=-3024)
    files = _write(volume, tmp_path / "ct")
    assert SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(files[0])))[0, 0, 0] == -3024
    np.testing.assert_array_equal(
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage([str(f) for f in files])), volume.array
    )


def test_header_says_what_was_asked_for(tmp_path: Path) -> None:
    header = pydicom.dcmread(_write(_volume(), tmp_path / "ct")[2])
    assert header.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert (header.PatientID, header.PatientAge, header.PatientSex) == ("case-07", "061Y", "F")
    assert (str(header.ConvolutionKernel), header.SliceThickness, header.SpacingBetweenSlices) == ("Br64", 3.0, 2.5)
    assert (header.KVP, header.Exposure, header.InstanceNumber, header.BodyPartExamined) == (120, 50, 3, "WHOLEBODY")
    assert header.PixelSpacing == [0.9, 0.7]
    assert header.PatientBirthDate == ""


def test_age_and_sex_that_are_unknown_are_not_invented(tmp_path: Path) -> None:
    header = pydicom.dcmread(_write(_volume(), tmp_path / "ct", age_years=None, sex=None)[0])
    assert "PatientAge" not in header
    assert header.PatientSex == ""


def test_same_input_same_bytes_and_other_input_other_uids(tmp_path: Path) -> None:
    first, again = _write(_volume(), tmp_path / "a"), _write(_volume(), tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    soft = pydicom.dcmread(_write(_volume(), tmp_path / "c", kernel="Br44")[0])
    sharp = pydicom.dcmread(first[0])
    assert soft.StudyInstanceUID == sharp.StudyInstanceUID
    assert soft.FrameOfReferenceUID == sharp.FrameOfReferenceUID
    assert soft.SeriesInstanceUID != sharp.SeriesInstanceUID
    assert soft.SOPInstanceUID != sharp.SOPInstanceUID
    other = Volume(array=_volume().array + np.int16(1), grid=_volume().grid, modality="CT")
    assert pydicom.dcmread(_write(other, tmp_path / "d")[0]).SOPInstanceUID != sharp.SOPInstanceUID
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in first}) == 5


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("changes", [{}, {"age_years": None, "sex": None}])
def test_dciodvfy_finds_nothing(tmp_path: Path, changes: dict[str, Any]) -> None:
    for path in _write(_volume(oblique=True), tmp_path / "ct", **changes):
        done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "CTImage\n")


def test_bad_values_leave_nothing_behind(tmp_path: Path) -> None:
    array = np.zeros((2, 3, 3), np.float32)
    array[1, 1, 1] = np.nan
    broken = Volume(array=array, grid=Grid(shape=(2, 3, 3)), modality="CT")
    with pytest.raises(InputError, match="not finite"):
        _write(broken, tmp_path / "ct")
    with pytest.raises(InputError, match="16 bits"):
        _write(Volume(array=np.full((2, 3, 3), 1e6), grid=broken.grid, modality="CT"), tmp_path / "ct")
    with pytest.raises(InputError, match="case name"):
        _write(_volume(), tmp_path / "ct", case="a^b")
    with pytest.raises(InputError, match="finite"):
        _write(_volume(), tmp_path / "ct", kvp=float("nan"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        _write(_volume(), tmp_path / "ct")
    assert [path.name for path in tmp_path.rglob("*")] == ["ct", "note.txt"]
    (tmp_path / "ct" / "note.txt").unlink()
    assert len(_write(_volume(), tmp_path / "ct")) == 5


@pytest.mark.parametrize("value", [-0.0, 1 / 3, -1e-17 / 3, 123456789.123456789, -1234567.123456789, 1e200 / 3])
def test_decimal_string_is_as_exact_as_16_characters_allow(value: float) -> None:
    text = decimal_string(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, rel=1e-8)


def test_patient_age() -> None:
    assert (patient_age(0), patient_age(7.9), patient_age(101)) == ("000Y", "007Y", "101Y")
    with pytest.raises(InputError):
        patient_age(-1)
