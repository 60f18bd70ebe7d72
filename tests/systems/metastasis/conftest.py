"""A tiny model trained once, for the tests that read and evaluate with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from osteon.systems.metastasis.bundle import MetastasisModel, load_model
from osteon.systems.metastasis.config import InputConfig, MetastasisConfig, NetworkConfig
from osteon.systems.metastasis.train import train
from tests.systems.metastasis.scenes import Scene, make_cohort

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort

TINY = MetastasisConfig(
    models=("T1+CE", "T1"),
    input=InputConfig(scaled=64, size=64, slices=8, clahe=False, registration="none"),
    network=NetworkConfig(width=4, levels=3, epochs=8, samples=96, batch=8, learning_rate=1e-2, rotation_deg=5.0),
    validation_share=0.34,
)


@pytest.fixture(scope="session")
def tiny_cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Six patients of one or two stations."""
    scenes = [Scene(seed=k, lesions=k % 3 + 1, stations=1 + k % 2) for k in range(6)]
    return make_cohort(tmp_path_factory.mktemp("tiny-metastasis") / "cohort", scenes)


@pytest.fixture(scope="session")
def tiny_folder(tiny_cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundle of the tiny model."""
    out = tmp_path_factory.mktemp("tiny-metastasis-model") / "model"
    train(tiny_cohort, out, config=TINY)
    return out


@pytest.fixture(scope="session")
def tiny_model(tiny_folder: Path) -> MetastasisModel:
    return load_model(tiny_folder, device="cpu")
