from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from osteon.cohort.manifest import SCHEMA, TRUTH_KINDS, Case, Cohort, read_cohort, write_cohort
from osteon.errors import CohortError

if TYPE_CHECKING:
    from pathlib import Path

CASE = Case(
    case="a1",
    patient="p1",
    study="cases/a1/ct",
    age_years=61.5,
    sex="F",
    labels={"lesions": 2},
    truth={"bone": "cases/a1/bone.nii.gz", "boxes": "cases/a1/boxes"},
)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    root = tmp_path / "cohort"
    (root / "cases/a1/ct").mkdir(parents=True)
    (root / "cases/a1/bone.nii.gz").write_bytes(b"x")
    return Cohort(root=root, name="test", modality="CT", system="lytic", cases=(CASE,), description="three words here")


def test_what_is_written_is_read_back(cohort: Cohort) -> None:
    path = write_cohort(cohort)
    assert path == cohort.root / "cohort.json"
    assert read_cohort(cohort.root) == cohort
    document = json.loads(path.read_text())
    assert document["schema"] == SCHEMA
    assert document["cases"] == [asdict(CASE)]
    assert [entry.name for entry in cohort.root.glob("*.json*")] == ["cohort.json"]


def test_a_healthy_case_needs_no_truth_and_no_labels(tmp_path: Path) -> None:
    bare = Case(case="b", patient="b", study="b.nii.gz")
    write_cohort(Cohort(root=tmp_path, name="n", modality="MR", system="tumor", cases=(bare,)))
    assert read_cohort(tmp_path).cases == (bare,)


def test_paths_lead_into_the_cohort(cohort: Cohort) -> None:
    assert cohort.study_path(CASE) == cohort.root / "cases/a1/ct"
    assert cohort.truth_path(CASE, "bone") == cohort.root / "cases/a1/bone.nii.gz"


def test_what_is_missing_is_named(cohort: Cohort) -> None:
    with pytest.raises(CohortError, match=r"case a1: boxes cases/a1/boxes is missing from the cohort folder"):
        cohort.truth_path(CASE, "boxes")
    with pytest.raises(CohortError, match=r"case a1: no 'lesions' truth in cohort.json; it has \['bone', 'boxes'\]"):
        cohort.truth_path(CASE, "lesions")
    (cohort.root / "cases/a1/ct").rmdir()
    with pytest.raises(CohortError, match=r"case a1: study cases/a1/ct is missing"):
        cohort.study_path(CASE)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../other/ct",
        "cases/../../ct",
        "",
        "C:\\scans\\ct",
        "C:ct",
        "\\\\server\\ct",
        "..\\ct",
        "a\0b",
    ],
)
@pytest.mark.parametrize("where", ["study", "truth"])
def test_paths_may_not_leave_the_folder(path: Any, where: str) -> None:
    fields: dict[str, Any] = {"case": "a", "patient": "a", "study": "ct"}
    fields |= {"study": path} if where == "study" else {"truth": {"bone": path}}
    with pytest.raises(CohortError, match=r"case a: path .* leaves the cohort folder; make it relative to it"):
        Case(**fields)


@pytest.mark.parametrize("path", ["ct", "cases/a..b/ct", "a/./ct", "name with spaces/ct"])
def test_plain_relative_paths_are_fine(path: str) -> None:
    assert Case(case="a", patient="a", study=path).study == path


def test_links_may_not_leave_the_folder(cohort: Cohort, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "bone.nii.gz").write_bytes(b"x")
    (cohort.root / "linked").symlink_to(outside)
    case = Case(case="l", patient="l", study="linked", truth={"bone": "linked/bone.nii.gz"})
    with pytest.raises(CohortError, match=r"case l: study linked is a link out of the cohort folder; copy it there"):
        cohort.study_path(case)
    with pytest.raises(CohortError, match=r"case l: bone linked/bone.nii.gz is a link out"):
        cohort.truth_path(case, "bone")


def test_links_within_the_folder_and_to_it_are_fine(cohort: Cohort, tmp_path: Path) -> None:
    (cohort.root / "again").symlink_to(cohort.root / "cases/a1/ct")
    case = Case(case="l", patient="l", study="again")
    assert cohort.study_path(case) == cohort.root / "again"
    write_cohort(cohort)
    (tmp_path / "door").symlink_to(cohort.root)
    through = read_cohort(tmp_path / "door")
    assert through.study_path(CASE).is_dir()


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a\\b", ".hidden", "..", "c:d", "a\nb", "x" * 101, 7, None])
def test_names_must_be_fit_for_files(name: Any) -> None:
    with pytest.raises(CohortError, match="expected a name"):
        Case(case=name, patient="p", study="ct")
    with pytest.raises(CohortError, match="expected a name"):
        Case(case="c", patient=name, study="ct")


@pytest.mark.parametrize("age", [-1, 131, float("nan"), "61", True])
def test_impossible_ages_are_refused(age: Any) -> None:
    with pytest.raises(CohortError, match=r"case a: age .* expected years from 0 to 130, or null"):
        Case(case="a", patient="a", study="ct", age_years=age)


def test_unknown_truth_is_named() -> None:
    with pytest.raises(CohortError, match=r"unknown truth \['bones'\]; expected some of") as caught:
        Case(case="a", patient="a", study="ct", truth={"bones": "x.nii.gz"})
    assert all(kind in str(caught.value) for kind in TRUTH_KINDS)
    with pytest.raises(CohortError, match="labels and truth must be objects"):
        Case(case="a", patient="a", study="ct", truth=["bone"])  # type: ignore[arg-type]


def test_a_name_stands_for_one_case(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"cohort n: case names used twice: \['a1'\]"):
        Cohort(root=tmp_path, name="n", modality="CT", system="lytic", cases=(CASE, CASE))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not a valid cohort file"),
        ("[]", "not a valid cohort file"),
        ('{"schema": "other/9"}', r"schema 'other/9', expected 'osteon-cohort/1'"),
        (
            json.dumps({"schema": SCHEMA, "name": "n", "modality": "CT", "system": "s"}),
            "not a valid cohort file.*cases",
        ),
        (json.dumps({"schema": SCHEMA, "name": "n", "modality": "CT", "system": "s", "cases": [{"cake": 1}]}), "cake"),
        (json.dumps({"schema": SCHEMA, "cases": []}), "not a valid cohort file.*name"),
        (json.dumps({"schema": SCHEMA, "name": [1], "modality": "CT", "system": "s", "cases": []}), r"name \[1\]"),
        (json.dumps({"schema": SCHEMA, "name": "n", "modality": {}, "system": "s", "cases": []}), r"modality \{\}"),
        (json.dumps({"schema": SCHEMA, "name": "n", "cases": "abc"}), "cases abc; expected a list of objects"),
        (json.dumps({"schema": SCHEMA, "name": "n", "cases": [3]}), r"cases \[3\]; expected a list of objects"),
        ('{"schema": "osteon-cohort/1", "name": "n"}', r"no 'cases'\); docs/file-formats\.md"),
        ("9" * 5000, r"number of thousands of digits\).*docs/file-formats\.md"),
        ("[" * 100_000, r"not a valid cohort file.*nested too deeply"),
    ],
)
def test_damaged_files_are_cohort_errors(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "cohort.json").write_text(text)
    with pytest.raises(CohortError, match=f"cohort.json: .*{says}"):
        read_cohort(tmp_path)


@pytest.mark.parametrize("what", ["sex", "centre"])
def test_sex_and_centre_are_texts(what: str) -> None:
    with pytest.raises(CohortError, match=f"case a: {what} .*expected a text"):
        Case(case="a", patient="a", study="ct", **{what: ["F"]})  # type: ignore[arg-type]


def test_a_path_too_long_for_the_file_system_is_missing(tmp_path: Path) -> None:
    case = Case(case="a", patient="a", study="x" * 5000)
    with pytest.raises(CohortError, match=r"case a: study .*missing"):
        Cohort(root=tmp_path, name="n", modality="CT", system="s", cases=(case,)).study_path(case)


def test_bytes_that_are_no_text_are_a_cohort_error(tmp_path: Path) -> None:
    (tmp_path / "cohort.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CohortError, match="not a valid cohort file"):
        read_cohort(tmp_path)


def test_a_folder_without_a_cohort_is_named(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"no cohort\.json in this folder"):
        read_cohort(tmp_path)


@pytest.mark.parametrize("path", [5, None])
@pytest.mark.parametrize("where", ["study", "truth"])
def test_a_path_that_is_no_text_is_said_to_be_none(path: Any, where: str) -> None:
    fields: dict[str, Any] = {"study": path} if where == "study" else {"study": "ct", "truth": {"bone": path}}
    with pytest.raises(CohortError, match=f"case a: path {path}; expected a text"):
        Case(case="a", patient="a", **fields)


def test_a_received_value_fills_no_page(tmp_path: Path) -> None:
    case = Case(case="a", patient="a", study="x" * 5000)
    cohort = Cohort(root=tmp_path, name="n", modality="CT", system="s", cases=(case,))
    with pytest.raises(CohortError, match=r"case a: study x{97}\.\.\. is missing"):
        cohort.study_path(case)
    with pytest.raises(CohortError, match="expected a name of 1 to 100") as caught:
        Case(case="y" * 5000, patient="a", study="ct")
    assert len(str(caught.value)) < 250
