from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from osteon.cohort.fingerprints import fingerprint_cohort, fingerprint_sides
from osteon.cohort.leakage import LeakageReport, check_cohort, check_sides
from osteon.cohort.splits import Fold, image_name, image_split
from osteon.errors import CohortError
from tests.cohort.make import texture, write, write_case

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Three patients; the first has two examinations."""
    cases = [
        write_case(tmp_path, "a1", texture(1), patient="a"),
        write_case(tmp_path, "a2", texture(2), patient="a"),
        write_case(tmp_path, "b1", texture(3), patient="b"),
        write_case(tmp_path, "c1", texture(4), patient="c"),
    ]
    return write(tmp_path, cases)


def kinds(report: LeakageReport) -> dict[str, int]:
    return {leak.kind: leak.count for leak in report.leaks}


def test_a_proper_cohort_and_a_proper_split_are_clean(cohort: Cohort) -> None:
    prints = fingerprint_cohort(cohort)
    proper = Fold(train=("a1", "a2"), val=("b1", "c1"))
    for report in (check_cohort(cohort, prints), check_cohort(cohort, prints, folds=[proper])):
        assert report.clean, [str(leak) for leak in report.leaks]
        assert (report.cases, report.slices) == (4, 24)


def test_a_patient_on_both_sides_is_named_with_the_fold(cohort: Cohort) -> None:
    folds = [Fold(train=("a1", "a2"), val=("b1", "c1")), Fold(train=("a1", "b1"), val=("a2", "c1"))]
    report = check_cohort(cohort, fingerprint_cohort(cohort), folds=folds)
    assert [(leak.kind, leak.fold, leak.sides, leak.examples) for leak in report.leaks] == [
        ("patient", 1, ("train", "val"), ("a",))
    ]
    assert "fold 1, train and val: the same patient, 1: a" in str(report.leaks[0])


def test_one_scan_under_two_names_is_found_in_every_way(tmp_path: Path) -> None:
    first = write_case(tmp_path, "x", texture(1), patient="x", identity="same")
    other = write_case(tmp_path, "z", texture(9), patient="z", identity="other")
    third = write_case(tmp_path, "w", texture(8), patient="w", identity="third")
    copy = write_case(tmp_path, "y", texture(1), patient="y", identity="same", seed_uid="another study")
    report = check_cohort(made := write(tmp_path, [first, copy, other, third]), fingerprint_cohort(made))
    assert kinds(report) == {"identity": 1, "voxels": 1, "picture": 6}
    assert {leak.sides for leak in report.leaks} == {("x", "y")}


def test_one_study_copied_shares_its_uids(tmp_path: Path) -> None:
    import shutil

    first = write_case(tmp_path, "x", texture(1))
    shutil.copytree(tmp_path / "cases/x/ct", tmp_path / "cases/y/ct")
    second = type(first)(case="y", patient="y", study="cases/y/ct")
    report = check_cohort(made := write(tmp_path, [first, second]), fingerprint_cohort(made))
    assert kinds(report) == {"identity": 1, "study": 1, "series": 1, "voxels": 1, "picture": 6}


def test_an_identity_that_all_share_tells_nobody_apart(tmp_path: Path) -> None:
    cases = [write_case(tmp_path, f"c{k}", texture(k), identity="ANON") for k in range(3)]
    report = check_cohort(made := write(tmp_path, cases), fingerprint_cohort(made))
    assert report.clean
    assert "one and the same PatientID" in report.notes[0]


def test_no_identity_leaves_in_any_form(cohort: Cohort) -> None:
    prints = fingerprint_cohort(cohort)
    assert all(len(one.identities) == 1 for one in prints)
    everything = str(check_cohort(cohort, prints).as_document("c"))
    assert not any(next(iter(one.identities)) in everything for one in prints)


def test_a_split_by_image_leaks_patients_and_pictures(cohort: Cohort) -> None:
    fold = image_split([image_name(case.case, k) for case in cohort.cases for k in range(6)], sizes=(14, 4, 6))
    report = check_cohort(cohort, fingerprint_cohort(cohort), folds=[fold])
    found = {leak.kind for leak in report.leaks if leak.sides == ("train", "test")}
    assert {"patient", "picture"} <= found


def test_slices_are_compared_only_if_wanted(tmp_path: Path) -> None:
    hu = texture(1)
    cases = [write_case(tmp_path, "x", hu), write_case(tmp_path, "y", hu + np.int16(3), identity="y")]
    made = write(tmp_path, cases)
    prints = fingerprint_cohort(made)
    assert kinds(check_cohort(made, prints)) == {"picture": 6}
    assert check_cohort(made, prints, near_duplicates=False).clean


def test_a_case_that_cannot_be_read_is_named_and_the_rest_compared(cohort: Cohort) -> None:
    for file in (cohort.root / "cases/b1/ct").iterdir():
        file.write_bytes(b"broken")
    report = check_cohort(cohort, fingerprint_cohort(cohort))
    assert not report.clean
    assert list(report.failures) == ["b1"]
    assert report.slices == 18


def grey(seed: int, index: int) -> np.ndarray:
    return np.clip((texture(seed, side=96)[index] + 160) / 400 * 255, 0, 255).astype(np.uint8)


def test_folders_of_pictures_are_compared_across_formats_and_sizes(tmp_path: Path) -> None:
    for side, seed in (("train", 1), ("test", 2), ("train", 3)):
        (tmp_path / side / "myeloma").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / side / "myeloma" / f"{seed}.png"), grey(seed, 0))
    leaked = cv2.resize(grey(1, 0), (150, 150), interpolation=cv2.INTER_LINEAR)
    cv2.imwrite(str(tmp_path / "test" / "leaked.jpg"), leaked, [cv2.IMWRITE_JPEG_QUALITY, 80])
    (tmp_path / "test" / "notes.txt").write_text("no picture")
    report = check_sides(fingerprint_sides({side: tmp_path / side for side in ("train", "test")}))
    assert kinds(report) == {"picture": 1}
    assert report.cases == 4
    assert "test/leaked.jpg" in report.leaks[0].examples[0]
    assert "train/myeloma/1.png" in report.leaks[0].examples[0]
    assert "no PatientID" in report.notes[-1]


def test_dicom_slices_in_folders_tell_patient_and_series(tmp_path: Path) -> None:
    write_case(tmp_path, "x", texture(1))
    for side, names in (("train", ("00001", "00002")), ("val", ("00005", "00006"))):
        (tmp_path / side).mkdir()
        for name in names:
            (tmp_path / "cases/x/ct" / f"{name}.dcm").rename(tmp_path / side / f"{name}.dcm")
    report = check_sides(fingerprint_sides({side: tmp_path / side for side in ("train", "val")}))
    assert {"identity", "study", "series"} <= kinds(report).keys()


def test_an_empty_side_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(CohortError, match="train: no picture below this folder"):
        fingerprint_sides({"train": tmp_path / "train"})
