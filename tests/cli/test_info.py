from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from osteon.cli.main import build_app
from tests.dicom.make import Scheme, new_dataset, stored_values, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result
    from pydicom import Dataset


def run(*arguments: object) -> Result:
    return CliRunner().invoke(build_app(), ["info", *map(str, arguments)])


def test_json_tells_geometry_and_no_identity(tmp_path: Path) -> None:
    scheme = Scheme()
    write_series(tmp_path, stored_values(), scheme, change=lambda _, ds: setattr(ds, "ConvolutionKernel", "B70s"))
    result = run(tmp_path, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["schema"] == "osteon-info/1"
    (study,) = document["studies"]
    (series,) = study["series"]
    assert (study["uid"], study["age_years"], study["sex"]) == (scheme.study_uid, 70.0, "F")
    assert series["uid"] == scheme.series_uid
    assert (series["shape_zyx"], series["spacing_xyz_mm"]) == ([5, 12, 10], [0.6, 0.8, 2.5])
    assert (series["role"], series["files"], series["slice_gap_mm"]) == ("CT bone kernel", 5, 0.0)
    assert series["readable_as_volume"] is True
    assert "ecret" not in result.stdout
    assert "SECRET" not in result.stdout
    assert "1950" not in result.stdout


def test_the_table_has_sentences_under_it(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", stored_values())
    paths[2].write_bytes(paths[2].read_bytes()[:-9])
    new_dataset(Scheme(modality="SR"), sop_class="1.2.840.10008.5.1.4.1.1.88.34").save_as(
        tmp_path / "b", enforce_file_format=True
    )
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "problem: slice gaps from 2.50 to 5.00 mm" in result.stdout
    assert "is not a CT or MR image" in result.stdout
    assert f"cannot be read: a/{paths[2].name}" in result.stdout
    assert "ecret" not in result.stdout


def test_objects_and_other_files_are_no_failure(tmp_path: Path) -> None:
    new_dataset(Scheme(modality="SR"), sop_class="1.2.840.10008.5.1.4.1.1.88.34").save_as(
        tmp_path / "b", enforce_file_format=True
    )
    (tmp_path / "notes.txt").write_text("none")
    result = run(tmp_path)
    assert result.exit_code == 0
    assert "1 other file(s) ignored" in result.stdout


def test_zip_archives_and_empty_folders(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path / "scan", stored_values((1, 4, 4)))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "deep/one.dcm")
        archive.writestr("deep/two.dcm", b"rubbish")
    document = json.loads(run(tmp_path / "a.zip", "--json").stdout)
    assert len(document["studies"]) == 1
    assert list(document["failures"]) == ["deep/two.dcm"]
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty")
    assert (result.exit_code, result.stdout) == (0, "No DICOM or NIfTI images found.\n")


def test_markup_in_received_text_is_not_interpreted(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values(), change=lambda _, ds: setattr(ds, "SeriesDescription", "[red]x[/]"))
    assert "[red]x[/]" in run(tmp_path).stdout


@pytest.mark.parametrize("uid", ["[/x]", "Secret^Patient", "1." * 33])
def test_what_is_no_uid_is_never_shown(tmp_path: Path, uid: str) -> None:
    def change(number: int, ds: Dataset) -> None:
        ds.StudyInstanceUID = ds.SeriesInstanceUID = ds.FrameOfReferenceUID = uid
        ds.ImagePositionPatient = [0, 0, (0, 1, 2, 9, 10)[number]]  # a gap: a problem, which names the series

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of the UID
        write_series(tmp_path, stored_values(), change=change)
    label = f"malformed-uid-{hashlib.sha256(uid.encode()).hexdigest()[:12]}"
    plain, document = run(tmp_path), run(tmp_path, "--json")
    for result in (plain, document):
        assert result.exit_code == 1
        assert uid not in result.stdout
    assert f"Study {label}" in plain.stdout
    assert f"1 series {label}" in plain.stdout
    (study,) = json.loads(document.stdout)["studies"]
    (series,) = study["series"]
    assert (study["uid"], series["uid"], series["frame_of_reference_uid"]) == (label, label, label)
    assert study["warnings"] == [
        f"StudyInstanceUID is no UID: expected digits and dots, 64 at most; shown as {label}; correct the files"
    ]
    odd = [text.split()[0] for text in series["warnings"] if "is no UID" in text]
    assert odd == ["SeriesInstanceUID", "FrameOfReferenceUID"]
    assert series["problems"][0].startswith(f"Series {label}: slice gaps")


def test_the_patient_is_taken_out_of_descriptions(tmp_path: Path) -> None:
    def change(_: int, ds: Dataset) -> None:
        ds.SeriesDescription = "T1 sag SecretID secret-id 02.01.1950 LWS"
        ds.ProtocolName = ds.StudyDescription = "Patient_Secret spine"

    write_series(tmp_path, stored_values(), change=change)
    plain, document = run(tmp_path), run(tmp_path, "--json")
    assert "T1 sag LWS" in plain.stdout
    for result in (plain, document):
        assert "ecret" not in result.stdout
        assert "1950" not in result.stdout
    series = json.loads(document.stdout)["studies"][0]["series"][0]
    assert series["description"] == "T1 sag LWS"
    assert series["attributes"]["ProtocolName"] == "spine"
    assert series["attributes"]["StudyDescription"] == "spine"


def test_files_that_fail_for_one_reason_are_one_line(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.dcm").write_bytes(b"rubbish")
    (path,) = write_series(tmp_path / "a", stored_values((1, 4, 4)))
    path.write_bytes(path.read_bytes()[:-9])
    result = run(tmp_path)
    lines = [line for line in result.stdout.splitlines() if line.startswith("cannot be read")]
    assert len(lines) == 2
    assert any(line.startswith("cannot be read: 5 files (0.dcm, 1.dcm, 2.dcm, ...): ") for line in lines)
    assert any(line.startswith(f"cannot be read: a/{path.name}: ") for line in lines)
    assert len(json.loads(run(tmp_path, "--json").stdout)["failures"]) == 6


def test_help_has_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "osteon info scans/ --json" in result.stdout


@pytest.mark.parametrize("path", ["nothing", "bad.zip"])
def test_what_cannot_be_opened_is_one_line_and_exit_1(tmp_path: Path, path: str) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 broken")
    command = [sys.executable, "-m", "osteon.cli.main", "info", str(tmp_path / path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert path in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_slow_imports() -> None:
    code = (
        "import sys; from osteon.cli.main import build_app; build_app(); "
        "import osteon.dicom.scan, osteon.dicom.series; "
        "print(sorted({'torch', 'monai', 'highdicom', 'SimpleITK', 'pydicom', 'nibabel'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
