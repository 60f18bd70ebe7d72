from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from osteon.errors import BundleError, CohortError
from osteon.systems.metastasis.bundle import load_model, trained_on
from osteon.systems.metastasis.cases import prepare_cases
from osteon.systems.metastasis.network import batches, build_network, probabilities, validation_metrics
from osteon.systems.metastasis.splits import DRAWS, balanced_split, patient_of
from osteon.systems.metastasis.train import make_fold
from osteon.training.bundle import read_bundle
from tests.systems.metastasis.conftest import TINY

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.systems.metastasis.bundle import MetastasisModel
    from osteon.systems.metastasis.cases import StationCase


@pytest.fixture(scope="module")
def stations(tiny_cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> list[StationCase]:
    return prepare_cases(tiny_cohort, tmp_path_factory.mktemp("cache"), config=TINY.input)


def test_a_split_keeps_patients_apart_and_shares_lesions_out(stations: list[StationCase]) -> None:
    rest, kept = balanced_split(stations, share=0.34, seed=0)
    assert not {patient_of(one) for one in rest} & {patient_of(one) for one in kept}
    assert len(rest) + len(kept) == len(stations)
    lesions = sum(len(one.numbers) for one in stations)
    assert abs(sum(len(one.numbers) for one in kept) / lesions - 1 / 3) < 0.2
    assert balanced_split(stations, share=0.34, seed=0) == (rest, kept)
    assert DRAWS > 100
    with pytest.raises(CohortError, match="at least 2"):
        balanced_split(stations[:1], share=0.5, seed=0)


def test_folds_refuse_shared_patients_scans_and_unknown_lesions(stations: list[StationCase]) -> None:
    with pytest.raises(CohortError, match="in training and validation"):
        make_fold(stations, stations[:1], share=0.3, seed=0)
    other = replace(stations[0], patient="new", cohort="other")
    with pytest.raises(CohortError, match="voxel by voxel"):
        make_fold(stations, [other], share=0.3, seed=0)
    with pytest.raises(CohortError, match="no lesion truth"):
        make_fold([replace(one, has_lesions=False) for one in stations], [], share=0.3, seed=0)
    bare = make_fold([replace(one, names=("T1", "CE")) for one in stations], [], share=0.3, seed=0)
    with pytest.raises(CohortError, match=r"T1\+FO: 0 training"):
        bare.of("T1+FO")
    moved = [replace(stations[0], excluded="moved"), *stations[1:]]
    fold = make_fold(moved, [], share=0.3, seed=0)
    assert fold.excluded == (moved[0],)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_batches_have_the_sequences_as_channels(stations: list[StationCase], dimensions: int) -> None:
    config = replace(TINY.network, dimensions=dimensions, batch=2, samples=6, positive=1.0)
    made = list(batches(stations, "T1+CE", config=config)(0, np.random.default_rng(0)))
    assert len(made) == 3
    shape = (2, 2, 8, 64, 64) if dimensions == 3 else (2, 2, 64, 64)
    assert made[0]["image"].shape == shape
    assert made[0]["mask"].shape == (2, 1, *shape[2:])
    assert 0 <= float(made[0]["image"].min()) < float(made[0]["image"].max()) <= 1
    network = build_network("T1+CE", config).eval()
    answer = probabilities(network, stations[0].channels(("T1", "CE")), dimensions=dimensions)
    assert answer.shape == (8, 64, 64)
    assert 0 <= validation_metrics(network, stations[:1], "T1+CE", config=config)["dice"] <= 1


def test_the_tiny_model_has_learnt(tiny_model: MetastasisModel) -> None:
    """An untrained network reaches 0.02: far more than that shows that channels, masks and loss fit together."""
    metrics = tiny_model.bundle.metrics
    assert metrics["T1+CE validation dice of all pixels"] > 0.5
    assert metrics["T1+CE validation sensitivity at 1 false positives a series"] >= 0.75


def test_a_bundle_comes_back_as_it_was_and_chooses_by_sequences(tiny_model: MetastasisModel, tiny_folder: Path) -> None:
    assert tiny_model.choose(("T1", "FO", "CE")) == "T1+CE"
    assert tiny_model.choose(("T1", "FO")) == "T1"
    assert tiny_model.choose(("CE",)) is None
    assert tiny_model.config.network == TINY.network
    again = load_model(tiny_folder, device="cpu")
    x = torch.rand(1, 2, 32, 32)
    assert torch.equal(again.networks["T1+CE"](x), tiny_model.networks["T1+CE"](x))
    facts = tiny_model.bundle.facts
    assert trained_on(tiny_model.bundle, facts.training_data["fingerprints"][0])
    assert not trained_on(tiny_model.bundle, "0" * 16)
    assert "Not for clinical use" in tiny_model.bundle.card
    assert sum(path.stat().st_size for path in tiny_folder.iterdir()) < 1_000_000


def test_a_bundle_of_another_system_or_a_damaged_one_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    for name, old, new, message in (
        ("a", 'system = "metastasis"', 'system = "lytic"', "expected 'metastasis'"),
        ("b", "width = 4", "width = 5", "not for this network|cannot be used"),
    ):
        shutil.copytree(tiny_folder, tmp_path / name)
        text = (tmp_path / name / "model.toml").read_text()
        assert old in text
        (tmp_path / name / "model.toml").write_text(text.replace(old, new))
        with pytest.raises(BundleError, match=message):
            load_model(tmp_path / name, device="cpu")
    assert read_bundle(tiny_folder).facts.classes == ("metastasis",)
