from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from osteon.systems.differential.train import train
from tests.systems.differential.make import TINY, write_cohort_of

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.training.bundle import ModelBundle


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cohort, ModelBundle]:
    """A cohort of eight patients, and a tiny model trained on it; nobody changes them."""
    root = tmp_path_factory.mktemp("differential")
    cohort = write_cohort_of(root / "cohort")
    return cohort, train(cohort, root / "model", config=TINY)


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Four patients that the model has not seen."""
    root: Path = tmp_path_factory.mktemp("others")
    return write_cohort_of(root, patients=4, first=50)
