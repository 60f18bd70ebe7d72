from dataclasses import replace

import pytest

from osteon.errors import CohortError
from osteon.systems.lytic.fold import _check_truth, split_cases
from tests.systems.lytic.scenes import case, fold


def split(train, validation=()):
    return split_cases(train, validation, share=0.3, seed=0)


def test_one_name_is_one_patient_even_in_cohorts_of_other_names():
    with pytest.raises(CohortError, match="'a'"):
        split([case("a")], [case("b", patient="a", cohort="elsewhere")])


def test_phantoms_of_other_seeds_share_names_but_not_patients():
    a, b = case("a", cohort="phantom-lytic-1", phantom=True), case("a", cohort="phantom-lytic-2", phantom=True)
    assert split([a], [b]) == ((a,), (b,))
    for other in (replace(b, cohort=a.cohort), replace(b, phantom=False)):
        with pytest.raises(CohortError, match="patients"):
            split([a], [other])


def test_one_scan_under_two_names_is_refused_with_and_without_a_validation_cohort():
    a, b = case("a", voxels="same"), case("b", voxels="same", cohort="elsewhere")
    with pytest.raises(CohortError, match="voxel by voxel"):
        split([a], [b])
    with pytest.raises(CohortError, match="voxel by voxel"):
        split([a, b])


def test_patients_stay_whole_when_a_share_is_kept():
    cases = [case(f"{p}{k}", patient=p) for p in "abcde" for k in "12"]
    train, validation = split(cases)
    assert len(train) + len(validation) == 10
    assert {c.patient for c in train}.isdisjoint({c.patient for c in validation})
    assert len(split_cases(cases, [], share=0.99, seed=0)[0]) == 2


@pytest.mark.parametrize(
    ("train", "validation", "words"),
    [
        ({"has_bone": False}, {}, "training cases has a bone"),
        ({"has_lesions": False}, {}, "both a bone and a lesion"),
        ({}, {"has_bone": False}, "validation cases has a bone"),
        ({}, {"has_lesions": False}, "validation cases has a lesion"),
    ],
)
def test_missing_truth_is_named_before_any_training(train, validation, words):
    with pytest.raises(CohortError, match=words):
        _check_truth(fold([case("a", **train)], [case("b", **validation)]))
    _check_truth(fold([case("a", **train), case("c")], [case("b", **validation), case("d")]))
