from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from osteon.cohort.manifest import Case, Cohort
from osteon.errors import CohortError
from osteon.systems.lytic import bone_planes
from osteon.systems.lytic import train as under_test
from osteon.systems.lytic.bone_planes import build_bone_network
from osteon.systems.lytic.cases import TrainingCase
from osteon.systems.lytic.config import LyticConfig
from osteon.systems.lytic.infer import Candidates
from osteon.systems.lytic.train import (
    Fold,
    _bone_figures,
    _check_truth,
    _described,
    _how_chosen,
    _train_detectors,
    calibrate_model,
    sites_known,
    split_cases,
    train_bone,
)
from osteon.systems.settings import configure

SMALL = {"bone": {"channels": [4, 8], "epochs": 1, "samples": 1, "batch": 1}, "device": "cpu"}


def case(name, *, patient=None, cohort="clinic", voxels=None, **known):
    zeros = np.zeros((2, 8, 8), dtype=np.uint8)
    facts = {"phantom": False, "has_bone": True, "has_sites": True, "has_lesions": True, "sites": zeros + 1, **known}
    return TrainingCase(
        case=name, patient=patient or name, cohort=cohort, fingerprint=f"f{name}", voxels=voxels or f"v{name}{cohort}",
        spacing_mm=(1.0, 1.0, 1.0), hu=zeros.astype(np.int16), lesions=zeros.astype(np.uint16), **facts,
    )  # fmt: skip


def split(train, validation=()):
    return split_cases(train, validation, share=0.3, seed=0)


def fold(train, validation):
    return Fold(train=tuple(train), validation=tuple(validation), fingerprint="0")


def cohort(name="clinic", kind="unknown"):
    return Cohort(root=Path(), name=name, modality="CT", system="lytic", cases=(), kind=kind)


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


def test_stages_are_taught_by_the_cases_that_know(monkeypatch, tmp_path):
    seen = {}
    known = [case("a"), case("b", has_bone=False), case("c", has_lesions=False)]
    part = fold(known, [replace(c, patient="v") for c in known])
    config = configure(LyticConfig(), SMALL)

    class Done:
        best_epoch, history = 1, ({"val": {}},)

    def fit(network, **options):
        if options.get("validate"):
            options["validate"](network, 0)
        return Done

    monkeypatch.setattr(under_test, "fit", fit)
    monkeypatch.setattr(bone_planes, "batches", lambda cases, config: seen.update(bone=[c.case for c in cases]))
    monkeypatch.setattr(
        bone_planes,
        "validation_metrics",
        lambda net, cases, config: seen.update(check=[c.case for c in cases]) or {},
    )
    monkeypatch.setattr(
        under_test.detector_stage, "batches", lambda cases, config: seen.update(detector=[c.case for c in cases])
    )
    masks = []
    monkeypatch.setattr(
        under_test, "with_predicted_bone", lambda cases, *_, **__: masks.append([c.case for c in cases]) or cases
    )
    quiet = {"on_step": lambda *_: None, "on_case": lambda *_: None}
    bone, _ = train_bone(part, config=config, out=tmp_path, resume=False, on_progress=lambda _: None)
    detectors = _train_detectors(part, bone, config=config, run=tmp_path, resume=False, **quiet)
    assert len(detectors) == config.detector.members
    assert masks == [["a"]]
    assert seen == {"bone": ["a", "c"], "check": ["a", "c"], "detector": ["a"]}


def test_nothing_to_choose_by_is_said(monkeypatch):
    empty = Candidates.__new__(Candidates)
    object.__setattr__(empty, "found", ())
    monkeypatch.setattr(under_test, "find_candidates", lambda *a, **k: empty)
    config = configure(LyticConfig(), SMALL)
    part = fold([], [case("a"), case("b", has_lesions=False)])
    _, point, metrics = calibrate_model(
        part, config=config, bone=torch.nn.Identity(), detectors=(), on_case=lambda *_: None
    )
    assert "no lesion and no candidate on 1 validation scans" in point["chosen"]
    assert metrics["validation lesions"] == 0


def test_threshold_is_rounded_down(monkeypatch):
    empty = Candidates.__new__(Candidates)
    object.__setattr__(empty, "found", ())
    monkeypatch.setattr(under_test, "find_candidates", lambda *a, **k: empty)
    monkeypatch.setattr(under_test, "choose_threshold", lambda *a, **k: 0.42199)
    _, point, _ = calibrate_model(
        fold([], [case("a")]), config=LyticConfig(), bone=torch.nn.Identity(), detectors=(), on_case=lambda *_: None
    )
    assert point["threshold"] == 0.4219


def test_how_the_threshold_was_chosen():
    assert "no candidate on 3" in _how_chosen(LyticConfig(), scans=3, lesions=4, candidates=0)
    assert "highest sensitivity" in _how_chosen(LyticConfig(), scans=3, lesions=4, candidates=9)


@pytest.mark.parametrize(("train", "validation"), [(True, True), (True, False), (False, True)])
def test_site_figures_only_where_sites_are_known(train, validation):
    part = fold([case("a", has_sites=train)], [case("b", has_sites=validation)])
    figures = _bone_figures({"dice": 0.5, "site_accuracy": 1.0}, sites=all(sites_known(part)))
    assert ("bone site accuracy (validation)" in figures) == (train and validation)
    assert _described(cohort(), None, part)["sites_known"] is train


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("mine", "phantom", "phantom"),
        ("phantom-lytic-1", "unknown", "phantom"),
        ("phantom-lytic-1", "real", "real"),
        ("mine", "semi-real", "semi-real"),
        ("mine", "unknown", "unknown"),
    ],
)
def test_kind_comes_from_the_cohort(name, kind, expected):
    facts = _described(cohort(name, kind), None, fold([case("a", voxels="v1")], [case("b", voxels="v0")]))
    assert facts["kind"] == expected
    assert facts["fingerprints"] == ["v0", "v1"]


def test_kinds_of_cohorts_are_checked():
    with pytest.raises(CohortError, match="kind 'fake'"):
        cohort(kind="fake")
    assert Case(case="a", patient="a", study="ct").truth == {}


def test_small_network_is_what_the_config_says():
    network = build_bone_network(configure(LyticConfig(), SMALL).bone)
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 11, 32, 32)
