"""A cohort and a tiny model trained on it once, for the tests that read and evaluate with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.systems.fracture.scenes import TINY, make_cohort

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort


@pytest.fixture(scope="session")
def tiny_cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Eight patients, four of them malignant; nobody changes them."""
    return make_cohort(tmp_path_factory.mktemp("tiny-fracture") / "cohort", patients=8)


@pytest.fixture(scope="session")
def tiny_folder(tiny_cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundle of the tiny model."""
    from osteon.systems.fracture.train import train

    out: Path = tmp_path_factory.mktemp("tiny-fracture-model") / "model"
    train(tiny_cohort, out, config=TINY)
    return out
