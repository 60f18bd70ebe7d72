from __future__ import annotations

import os
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pydicom.data
import pytest

from osteon.dicom.limits import Limits
from osteon.dicom.scan import scan
from osteon.dicom.series import load_volume
from osteon.dicom.source import open_source
from osteon.errors import InputError, LimitError
from tests.dicom.make import Scheme, stored_values, write_series

FIXED = Scheme(study_uid="1.2.1", series_uid="1.2.2", frame_of_reference="1.2.3")
DISC = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests"


def pack(archive: Path, folder: Path, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(archive, "w", method) as target:
        for path in sorted(folder.rglob("*")):
            target.write(path, path.relative_to(folder))
    return archive


def test_folder_with_links_and_other_things(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "scan", stored_values())
    (tmp_path / "scan" / "round").symlink_to(tmp_path / "scan", target_is_directory=True)
    (tmp_path / "scan" / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "scan" / "pipe")
    with open_source(tmp_path / "scan") as source:
        assert set(source.files) == set(paths)
        assert source.name_of(paths[0]) == paths[0].name


def test_a_zip_archive_gives_the_same_volume_and_cleans_up(tmp_path: Path) -> None:
    values = stored_values()
    write_series(tmp_path / "scan" / "deep", values)
    with open_source(pack(tmp_path / "scan.zip", tmp_path / "scan")) as source:
        (series,) = scan(source).series
        volume = load_volume(series)
        root = source.root
        assert root.stat().st_mode & 0o077 == 0  # private to the user
    assert np.array_equal(volume.array, values - 1024)
    assert not root.exists()


def test_names_in_an_archive_are_never_paths(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "scan", stored_values((1, 4, 4)))
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for name in ("../../outside.dcm", "/etc/outside.dcm", "a\x1b[31m\nb.dcm", "x" * 3000 + ".dcm", "bad.dcm"):
            target.writestr(name, b"not DICOM" if name == "bad.dcm" else path.read_bytes())
    with open_source(archive) as source:
        assert all(file.parent == source.root and file.name[:6].isdigit() for file in source.files)
        result = scan(source)
        assert list(result.failures) == ["bad.dcm"]
        assert all(name.isprintable() and len(name) <= 200 for name in source.names.values())
    assert not (tmp_path.parent / "outside.dcm").exists()


def test_an_archive_that_states_too_much_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(1_000_000))
    with (
        pytest.raises(LimitError, match="max_unpacked_bytes"),
        open_source(tmp_path / "a.zip", Limits(max_unpacked_bytes=999_999)),
    ):
        pass
    with (
        pytest.raises(LimitError, match="no scan compresses so well"),
        open_source(tmp_path / "a.zip", Limits(min_ratio_bytes=1000)),
    ):
        pass
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for number in range(4):
            archive.writestr(str(number), b"")
    with (
        pytest.raises(LimitError, match="4 files, allowed are 3"),
        open_source(tmp_path / "b.zip", Limits(max_files=3)),
    ):
        pass


def test_a_member_that_inflates_to_more_than_it_states_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(5_000_000))
    data = path.read_bytes()
    lie = data.replace(struct.pack("<I", 5_000_000), struct.pack("<I", 10))
    assert lie != data
    path.write_bytes(lie)
    with open_source(path) as source:  # zipfile itself stops at the stated length and then misses the checksum
        assert not source.files
        assert "pack the archive again" in source.failures["a"]
        assert not list(source.root.iterdir())


@pytest.mark.parametrize("seed", range(8))
def test_damaged_archives_raise_nothing_but_our_errors(tmp_path: Path, seed: int) -> None:
    write_series(tmp_path / "scan", stored_values((3, 4, 4)), FIXED)
    data = bytearray(pack(tmp_path / "a.zip", tmp_path / "scan").read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(4, len(data), 40):
        data[place] = rng.integers(0, 256)
    if seed % 2:
        del data[rng.integers(100, len(data)) :]
    (tmp_path / "a.zip").write_bytes(bytes(data))
    try:
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            members = sum(not member.is_dir() for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        members = 0
    accounted = 0
    try:
        with open_source(tmp_path / "a.zip") as source:
            result = scan(source)
            accounted = len(result.failures) + result.ignored + sum(len(series.files) for series in result.series)
    except (InputError, LimitError):
        members = 0  # the archive was refused as a whole
    assert accounted == members


def test_encrypted_members_are_failures(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"data")
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    path.write_bytes(bytes(data))
    with open_source(path) as source:
        assert "encrypted" in source.failures["a"]


@pytest.mark.parametrize("name", ["DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit", "DICOMDIR-reordered"])
def test_dicomdir_lists_the_files_that_pydicom_finds(name: str) -> None:
    ds = pydicom.dcmread(DISC / name)
    listed = {
        str(DISC.joinpath(*record.ReferencedFileID))
        for record in ds.DirectoryRecordSequence
        if "ReferencedFileID" in record
    }
    with open_source(DISC / name) as source:
        assert {str(path) for path in source.files} == listed
        assert not source.failures
        modalities = {series.modality for series in scan(source).series}
    assert modalities == {"CT", "CR", "MR"}


def test_a_folder_with_a_dicomdir_says_what_is_missing_from_the_disc(tmp_path: Path) -> None:
    shutil.copytree(DISC, tmp_path / "disc")
    (tmp_path / "disc" / "77654033" / "CT2" / "17106").unlink()
    result = scan(tmp_path / "disc")
    assert result.failures["77654033/CT2/17106"] == "listed in DICOMDIR but not there; copy the whole disc"
    assert "77654033/CT2/17106" in scan(tmp_path / "disc" / "DICOMDIR").failures


def test_a_damaged_dicomdir_gives_what_it_can(tmp_path: Path) -> None:
    with open_source(DISC / "DICOMDIR-nooffset") as source:
        assert len(source.files) > 20
        assert "damaged DICOMDIR" in source.failures["DICOMDIR-nooffset"]


def test_dicomdir_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    write_series(tmp_path / "outside", stored_values((1, 4, 4)))
    disc = tmp_path / "disc"
    disc.mkdir()
    ds = pydicom.dcmread(DISC / "DICOMDIR")
    records = [record for record in ds.DirectoryRecordSequence if "ReferencedFileID" in record]
    for record, parts in zip(
        records, (["..", "outside", "image000.dcm"], ["..\x00"], ["/etc", "passwd"], ["", ""]), strict=False
    ):
        record["ReferencedFileID"]._value = parts
    (disc / "DICOMDIR").unlink(missing_ok=True)
    ds.save_as(disc / "DICOMDIR")
    with open_source(disc / "DICOMDIR") as source:
        assert source.files == ()
        assert "../outside/image000.dcm" in source.failures


def test_single_files_and_missing_paths(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, stored_values((1, 4, 4)))
    with open_source(path) as source:
        assert source.files == (path,)
    with pytest.raises(InputError, match="no such file or folder"), open_source(tmp_path / "nothing"):
        pass


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens and cannot be read")
def test_a_file_that_cannot_be_read_is_named() -> None:
    with (
        pytest.raises(InputError, match=r"^mem: cannot be read \(Input/output error\); check the path"),
        open_source("/proc/self/mem"),
    ):
        pass
