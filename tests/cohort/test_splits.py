from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osteon.cohort.leakage import patients_on_both_sides, require_by_patient
from osteon.cohort.manifest import Case, Cohort
from osteon.cohort.splits import (
    Fold,
    case_of,
    image_name,
    image_split,
    patient_folds,
    patient_split,
    read_splits,
    write_splits,
)
from osteon.errors import CohortError, InputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def cohort_of(patients: list[tuple[str, int, str]], root: Path | None = None) -> Cohort:
    """Patients with their number of cases and their diagnosis."""
    from pathlib import Path as RealPath

    cases = tuple(
        Case(case=f"{name}-{k}", patient=name, study="s", labels={"diagnosis": label, "lesions": k})
        for name, count, label in patients
        for k in range(count)
    )
    return Cohort(root=root or RealPath(), name="c", modality="CT", system="differential", cases=cases)


MANY = cohort_of([(f"p{k}", 1 + k % 3, "myeloma" if k % 5 < 2 else "metastasis") for k in range(30)])


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["a", "b", "c"])), min_size=3, max_size=25),
    st.integers(2, 6),
    st.integers(0, 5),
)
def test_every_case_is_validated_once_and_no_patient_stands_on_both_sides(
    patients: list[tuple[int, str]], folds: int, seed: int
) -> None:
    cohort = cohort_of([(f"p{k}", count, label) for k, (count, label) in enumerate(patients)])
    folds = min(folds, len(patients))
    made = patient_folds(cohort, folds=folds, seed=seed, stratify=["diagnosis"])
    everything = sorted(case.case for case in cohort.cases)
    assert sorted(name for fold in made for name in fold.val) == everything
    sizes = []
    for fold in made:
        assert sorted((*fold.train, *fold.val)) == everything
        assert not patients_on_both_sides(cohort, fold)
        sizes.append(len({name.split("-")[0] for name in fold.val}))
    assert max(sizes) - min(sizes) <= 2


def test_folds_are_alike_in_what_they_are_stratified_by() -> None:
    label = {case.case: case.labels["diagnosis"] for case in MANY.cases}
    counts = [
        Counter(label[name] for name in {n.split("-")[0]: n for n in fold.val}.values())
        for fold in patient_folds(MANY, folds=3, stratify=["diagnosis"])
    ]
    assert {count["myeloma"] for count in counts} == {4}  # 12 of 30 patients
    assert {count["metastasis"] for count in counts} == {6}


def test_a_seed_gives_the_same_folds_and_another_seed_others() -> None:
    assert patient_folds(MANY, folds=5, seed=1) == patient_folds(MANY, folds=5, seed=1)
    assert patient_folds(MANY, folds=5, seed=1) != patient_folds(MANY, folds=5, seed=2)


def test_shares_are_kept_in_every_stratum() -> None:
    fold = patient_split(MANY, shares=(60, 20, 20), stratify=["diagnosis"])
    label = {case.patient: case.labels["diagnosis"] for case in MANY.cases}
    parts = {part: {name.split("-")[0] for name in names} for part, names in fold.parts.items()}
    myeloma = {part: sum(label[one] == "myeloma" for one in names) for part, names in parts.items()}
    assert {part: len(names) for part, names in parts.items()} == {"train": 18, "val": 6, "test": 6}
    assert myeloma["train"] in (7, 8)
    assert {myeloma["val"], myeloma["test"]} <= {2, 3}
    require_by_patient(MANY, fold)


def test_a_patient_of_two_kinds_is_a_kind_of_their_own() -> None:
    cases = cohort_of([("a", 1, "x"), ("b", 1, "y"), ("c", 1, "x"), ("d", 1, "y")]).cases
    both = Case(case="e", patient="a", study="s", labels={"diagnosis": "y", "lesions": 0})
    cohort = Cohort(root=MANY.root, name="c", modality="CT", system="s", cases=(*cases, both))
    assert not any(
        patients_on_both_sides(cohort, one) for one in patient_folds(cohort, folds=2, stratify=["diagnosis"])
    )


def test_what_cannot_be_split_is_refused() -> None:
    few = cohort_of([("a", 4, "x"), ("b", 1, "y")])
    with pytest.raises(UsageError, match="3 folds of 2 patients"):
        patient_folds(few, folds=3)
    with pytest.raises(CohortError, match="2 patients leave none for test"):
        patient_split(few, shares=(1, 1, 1))
    with pytest.raises(CohortError, match="no label 'histology'"):
        patient_folds(few, folds=2, stratify=["histology"])
    with pytest.raises(UsageError, match="expected three numbers"):
        patient_split(few, shares=(1, 0, 1))


def test_the_published_image_split_has_the_published_sizes_and_says_that_it_leaks() -> None:
    images = [image_name(f"p{k % 91}", k) for k in range(3707)]
    fold = image_split(images, sizes=(2667, 740, 300))
    assert [len(names) for names in fold.parts.values()] == [2667, 740, 300]
    assert sorted((*fold.train, *fold.val, *fold.test)) == sorted(images)
    assert "split by image" in fold.leaks
    assert fold == image_split(images, sizes=(2667, 740, 300))
    assert case_of("p3#17") == "p3"
    small = image_split(images[:100], sizes=(2667, 740, 300))
    assert [len(names) for names in small.parts.values()] == [72, 20, 8]
    with pytest.raises(CohortError, match="3 images leave none"):
        image_split(images[:3], sizes=(2667, 740, 300))


def test_splits_are_read_back_and_are_nnunets(tmp_path: Path) -> None:
    made = patient_folds(MANY, folds=4)
    write_splits(tmp_path / "splits.json", made)
    assert read_splits(tmp_path / "splits.json", MANY) == made
    document = json.loads((tmp_path / "splits.json").read_text())
    assert [sorted(entry) for entry in document] == [["train", "val"]] * 4


def test_a_split_by_image_is_read_only_by_name(tmp_path: Path) -> None:
    fold = image_split([image_name("p0-0", k) for k in range(20)], sizes=(10, 5, 5))
    write_splits(tmp_path / "s.json", [fold])
    assert json.loads((tmp_path / "s.json").read_text())[0]["unit"] == "image"
    assert read_splits(tmp_path / "s.json", MANY, by_image=True) == (fold,)
    with pytest.raises(CohortError, match="split by image, which leaks"):
        read_splits(tmp_path / "s.json", MANY)


def test_broken_split_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    for content, error, message in (
        ("{}", InputError, "expected a list of folds"),
        ('[{"train": ["p0-0"]}]', InputError, "fold 0: 'val' is None"),
        ('[{"train": ["p0-0"], "val": ["p0-0"]}]', CohortError, "stand in more than one place"),
        ('[{"train": [], "val": ["p0-0"]}]', CohortError, "no case to train on"),
        ('[{"train": ["p0-0"], "val": ["zz"]}]', CohortError, r"\['zz'\] are no cases of cohort c"),
    ):
        path.write_text(content)
        with pytest.raises(error, match=message):
            read_splits(path, MANY)


def test_a_patient_on_both_sides_is_refused() -> None:
    fold = Fold(train=("p1-0", "p2-0"), val=("p1-1",))
    assert patients_on_both_sides(MANY, fold) == {("train", "val"): ["p1"]}
    with pytest.raises(CohortError, match=r"patients \['p1'\] are in train and val"):
        require_by_patient(MANY, fold)


def test_healthy_patients_are_a_stratum_of_their_own() -> None:
    healthy = tuple(Case(case=f"h{k}", patient=f"h{k}", study="s", labels={"healthy": True}) for k in range(10))
    both = replace(MANY, cases=MANY.cases + healthy)
    for key in ("diagnosis", "healthy"):
        for fold in patient_folds(both, folds=5, stratify=[key]):
            assert sum(name.startswith("h") for name in fold.val) == 2
    unknown = replace(MANY, cases=(*MANY.cases, replace(healthy[0], labels={"healthy": False})))
    with pytest.raises(CohortError, match="case h0: no label 'diagnosis' to stratify by"):
        patient_folds(unknown, folds=5, stratify=["diagnosis"])
