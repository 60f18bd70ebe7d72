from dataclasses import replace
from pathlib import Path

import pytest
import torch

from osteon.cohort.manifest import Case, Cohort
from osteon.errors import CohortError
from osteon.systems.lytic import bone_planes
from osteon.systems.lytic import train as under_test
from osteon.systems.lytic.config import LyticConfig
from osteon.systems.lytic.fold import is_complete, sites_known
from osteon.systems.lytic.train import _bone_figures, _described, train, train_bone
from osteon.systems.settings import configure
from tests.systems.lytic.scenes import case, fold

SMALL = {"bone": {"channels": [4, 8], "epochs": 1, "samples": 1, "batch": 1}, "device": "cpu"}


def cohort(name="clinic", kind="unknown"):
    return Cohort(root=Path(), name=name, modality="CT", system="lytic", cases=(), kind=kind)


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
    train_bone(part, config=config, out=tmp_path, resume=False, on_progress=lambda _: None)
    assert seen == {"bone": ["a", "c"], "check": ["a", "c"]}

    class StoppedError(Exception):
        pass

    def masks(cases, *_, **__):
        seen["detector"] = [c.case for c in cases]
        raise StoppedError

    monkeypatch.setattr(under_test, "prepare_fold", lambda *_, **__: part)
    monkeypatch.setattr(under_test, "train_bone", lambda *_, **__: (bone_planes.build_bone_network(config.bone), {}))
    monkeypatch.setattr(under_test, "with_predicted_bone", masks)
    with pytest.raises(StoppedError):
        train(cohort(), tmp_path / "model", config=config)
    assert seen["detector"] == [c.case for c in known if is_complete(c)] == ["a"]


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
    network = bone_planes.build_bone_network(configure(LyticConfig(), SMALL).bone)
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 11, 32, 32)
