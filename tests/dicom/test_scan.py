from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from osteon.dicom.limits import Limits
from osteon.dicom.scan import scan
from osteon.dicom.series import load_headers, load_volume
from osteon.dicom.source import open_source
from osteon.errors import InputError, LimitError, OsteonError, UsageError
from tests.dicom.make import Scheme, new_dataset, stored_values, write_enhanced, write_series

if TYPE_CHECKING:
    from collections.abc import Callable


def test_studies_series_and_files_are_sorted_out(tmp_path: Path) -> None:
    one, two = Scheme(), Scheme(modality="MR")
    write_series(tmp_path / "a", stored_values(), one)
    write_series(tmp_path / "deep" / "er", stored_values(), two)
    write_series(tmp_path / "deep", stored_values(seed=1), Scheme(study_uid=one.study_uid))
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4 not a scan")
    (tmp_path / "empty").write_bytes(b"")
    result = scan(tmp_path)
    assert {study.uid: len(study.series) for study in result.studies} == {one.study_uid: 2, two.study_uid: 1}
    assert {series.modality for series in result.series} == {"CT", "MR"}
    assert all(series.grid and not series.problems for series in result.series)
    assert (result.failures, result.ignored) == ({}, 2)


def test_threads_find_the_same(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values())
    assert scan(tmp_path, jobs=3) == scan(tmp_path)


def test_patient_is_age_and_sex_only(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values())
    result = scan(tmp_path)
    assert result.studies[0].patient.age_years == 70.0  # 1950-01-02 to 2020-01-02
    assert result.studies[0].patient.sex == "F"
    assert "ecret" not in repr(result)
    assert "19500102" not in repr(result)


@pytest.mark.filterwarnings("ignore:Invalid value for VR AS")
@pytest.mark.parametrize(
    ("text", "years"), [("060Y", 60.0), ("018M", 1.5), ("026W", 0.5), ("", 70.0), ("old", 70.0), ("Y", 70.0)]
)
def test_age(tmp_path: Path, text: str, years: float) -> None:
    write_series(tmp_path, stored_values(), change=lambda _, ds: ds.add_new("PatientAge", "AS", text))
    assert scan(tmp_path).studies[0].patient.age_years == pytest.approx(years, abs=0.01)


def test_unknown_age_and_sex_stay_unknown(tmp_path: Path) -> None:
    def anonymous(_: int, ds: pydicom.FileDataset) -> None:
        ds.PatientBirthDate, ds.PatientSex = "", ""

    write_series(tmp_path, stored_values(), change=anonymous)
    patient = scan(tmp_path).studies[0].patient
    assert (patient.age_years, patient.sex) == (None, None)


def test_objects_that_are_no_images_are_listed_without_error(tmp_path: Path) -> None:
    scheme = Scheme()
    write_series(tmp_path, stored_values(), scheme)
    for name, sop_class, modality in (
        ("seg", "1.2.840.10008.5.1.4.1.1.66.4", "SEG"),
        ("sr", "1.2.840.10008.5.1.4.1.1.88.34", "SR"),
        ("rt", "1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT"),
    ):
        ds = new_dataset(Scheme(study_uid=scheme.study_uid, modality=modality), sop_class=sop_class)
        ds.save_as(tmp_path / name, enforce_file_format=True)
    result = scan(tmp_path)
    others = [series for series in result.series if series.modality != "CT"]
    assert sorted(series.modality for series in others) == ["RTSTRUCT", "SEG", "SR"]
    assert all(not series.problems and series.grid is None and series.warnings for series in others)
    assert not result.failures


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_an_object_without_identity_costs_that_file_only(tmp_path: Path, keyword: str) -> None:
    paths = write_series(tmp_path, stored_values())
    ds = pydicom.dcmread(paths[4])
    delattr(ds, keyword)
    ds.save_as(paths[4])
    result = scan(tmp_path)
    assert list(result.failures) == [paths[4].name]
    assert f"{keyword} missing" in result.failures[paths[4].name]
    assert result.series[0].grid
    assert result.series[0].grid.shape[0] == 4


def test_a_truncated_file_costs_that_file_and_leaves_a_gap(tmp_path: Path) -> None:
    paths = write_series(tmp_path, stored_values())
    paths[2].write_bytes(paths[2].read_bytes()[:-50])
    result = scan(tmp_path)
    assert "truncated" in result.failures[paths[2].name]
    (series,) = result.series
    assert series.grid is None
    assert series.uid in series.problems[0]
    assert "1 slice(s) are missing, the first after slice 2" in series.problems[0]


def test_a_truncated_last_slice_is_said_with_the_volume(tmp_path: Path) -> None:
    paths = write_series(tmp_path, stored_values())
    paths[-1].write_bytes(paths[-1].read_bytes()[:-50])
    (series,) = scan(tmp_path).series
    assert series.grid
    assert any("1 file(s) of this series are damaged" in warning for warning in series.warnings)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_truncated_compressed_files_are_noticed_without_decoding(tmp_path: Path, syntax: str) -> None:
    paths = write_series(tmp_path, stored_values((2, 40, 40)), change=lambda _, ds: ds.compress(syntax))
    paths[0].write_bytes(paths[0].read_bytes()[:-40])
    assert "truncated" in scan(tmp_path).failures[paths[0].name]


def test_wrong_pixel_length(tmp_path: Path) -> None:
    def shorten(index: int, ds: pydicom.FileDataset) -> None:
        if index == 0:
            ds.PixelData = ds.PixelData[:-20]
        if index == 1:
            ds.PixelData = ds.PixelData + b"\0" * 20

    paths = write_series(tmp_path, stored_values(), change=shorten)
    result = scan(tmp_path)
    assert "PixelData has 220 bytes: expected 240" in result.failures[paths[0].name]
    assert paths[1].name not in result.failures  # bytes behind the pixels do no harm


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(max_frame_bytes=100), "one frame of 12 x 10 asks for 240 bytes"),
        (Limits(max_header_bytes=200), "header longer than 200 bytes"),
    ],
)
def test_what_asks_for_too_much_is_refused_before_decoding(tmp_path: Path, limits: Limits, words: str) -> None:
    write_series(tmp_path, stored_values())
    result = scan(tmp_path, limits=limits)
    assert len(result.failures) == 5
    assert all(words in why for why in result.failures.values())


def test_claimed_frames_beyond_the_limit(tmp_path: Path) -> None:
    def inflate(ds: pydicom.FileDataset) -> None:
        ds.Rows = ds.Columns = 60000

    write_enhanced(tmp_path / "bomb.dcm", stored_values(), change=inflate)
    (why,) = scan(tmp_path).failures.values()
    assert "max_frame_bytes" in why


def test_too_many_files(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values())
    with pytest.raises(LimitError, match="more than 3 files"):
        scan(tmp_path, limits=Limits(max_files=3))


def test_missing_path_and_archive_by_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        scan(tmp_path / "nothing")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"x")
    with pytest.raises(UsageError, match="open_source"):
        scan(tmp_path / "a.zip")


def test_nifti_files_of_a_folder_make_one_study(tmp_path: Path) -> None:
    from osteon.formats.nifti import write_nifti
    from osteon.geometry import Grid

    grid = Grid(shape=(3, 4, 5))
    for name in ("sub-1_ct.nii.gz", "sub-1_T2w.nii", "other.nii"):
        write_nifti(tmp_path / name, np.full((3, 4, 5), len(name), dtype=np.int16), grid)
    (tmp_path / "broken.nii.gz").write_bytes(b"\x1f\x8bnot gzip")
    result = scan(tmp_path)
    (study,) = result.studies
    assert all(series.description is None for series in study.series)  # a file's name may be a patient's
    assert {series.files[0].name: series.modality for series in study.series} == {
        "sub-1_ct.nii.gz": "CT",
        "sub-1_T2w.nii": "MR",
        "other.nii": "OT",
    }
    assert list(result.failures) == ["broken.nii.gz"]
    assert len({series.uid for series in study.series}) == 3
    assert all(load_volume(series).array.shape == (3, 4, 5) for series in study.series)
    assert {series.modality for series in scan(tmp_path, modality="CT").series} == {"CT"}


def _outcome(path: Path) -> str:
    """Read everything in one file; only osteon's own errors may come out."""
    try:
        with open_source(path) as source:
            result = scan(source)
            for series in result.series:
                if series.grid is None:
                    assert series.problems or series.warnings, "no volume and no reason"
                    continue
                volume = load_volume(series)
                assert volume.array.shape == series.grid.shape
                assert len(load_headers(series)) == len(series.files)
                return "volume"
            return "listed" if result.series else "failed" if result.failures else "ignored"
    except OsteonError:
        return "refused"


def test_every_file_of_pydicom_gives_a_volume_or_a_reason() -> None:
    root = Path(pydicom.data.__file__).parent / "test_files"  # those in the wheel; get_testdata_files would download
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    assert len(files) >= 150
    outcomes = Counter(_outcome(path) for path in files)
    assert outcomes["volume"] >= 25
    assert outcomes["listed"] >= 40
    assert outcomes["refused"] == 0  # a bad file is a failure in the result, not an exception


def _sample(folder: Path, kind: str) -> Path:
    folder.mkdir()
    values = stored_values((1, 9, 8))
    if kind == "enhanced":
        fixed = Scheme(study_uid="1.2.1", series_uid="1.2.2", frame_of_reference="1.2.3")
        return write_enhanced(folder / "f.dcm", stored_values((3, 9, 8)), fixed)
    packed: dict[str, Callable[[int, pydicom.FileDataset], object]] = {
        "plain": lambda _, ds: None,
        "rle": lambda _, ds: ds.compress(RLELossless),
        "jpegls": lambda _, ds: ds.compress(JPEGLSLossless),
    }
    syntax = "1.2.840.10008.1.2.1.99" if kind == "deflated" else "1.2.840.10008.1.2.1"
    scheme = Scheme(study_uid="1.2.1", series_uid="1.2.2", frame_of_reference="1.2.3", syntax=syntax)
    return write_series(folder, values, scheme, change=packed.get(kind, packed["plain"]))[0]


@pytest.mark.parametrize("kind", ["plain", "rle", "jpegls", "deflated", "enhanced"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_raise_nothing_but_our_errors(tmp_path: Path, kind: str) -> None:
    whole = _sample(tmp_path / "whole", kind).read_bytes()
    rng = np.random.default_rng(5)
    target = tmp_path / "damaged.dcm"
    outcomes: Counter[str] = Counter()
    for trial in range(150):
        data = bytearray(whole)
        if trial % 2:
            for place in rng.integers(0, len(data), rng.integers(1, 12)):
                data[place] = rng.integers(0, 256)
        else:
            del data[rng.integers(0, len(data)) :]
        target.write_bytes(bytes(data))
        outcomes[_outcome(target)] += 1
    assert outcomes["failed"] >= 50  # nearly every truncation, at least


def test_a_truncated_object_that_is_no_image_is_a_failure_too(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, stored_values((1, 12, 10)), change=_as_segmentation)
    assert scan(tmp_path).series[0].modality == "SEG"
    path.write_bytes(path.read_bytes()[:-9])
    result = scan(tmp_path)
    assert "truncated" in result.failures[path.name]
    assert not result.series


def _as_segmentation(_: int, ds: pydicom.FileDataset) -> None:
    ds.SOPClassUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.66.4", "SEG"
