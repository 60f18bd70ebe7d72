from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.cohort.splits import image_split
from osteon.errors import CohortError
from osteon.systems.differential.images import cohort_pictures
from osteon.systems.differential.published.config import StudyConfig
from osteon.systems.differential.published.reproduce import Study
from osteon.systems.differential.train import of_fold, split_pictures, train
from osteon.systems.protocol import ReproduceOptions
from tests.systems.differential.make import TINY, write_cohort_of

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.training.bundle import ModelBundle


def quiet(*_: object) -> None:
    pass


def test_the_bundle_says_what_it_was_made_of(made: tuple[Cohort, ModelBundle]) -> None:
    bundle = made[1]
    assert (bundle.facts.system, bundle.facts.classes) == ("differential", ("metastasis", "myeloma"))
    assert bundle.facts.training_data["kind"] == "phantom"
    assert bundle.facts.training_data["description"].startswith(
        "18 slices of 6 patients of cohort textures to train, 6 "
    )
    assert bundle.facts.config["learn"] == "all"
    assert bundle.metrics["AUROC of slices"] == 1.0
    assert len(bundle.facts.training_data["fingerprints"]) == 8
    assert "Trained on phantoms only" in bundle.card
    assert not (set(bundle.card) & {"{", "}"})


def test_patients_are_on_one_side_with_both_diagnoses(made: tuple[Cohort, ModelBundle], tmp_path: Path) -> None:
    for seed in range(3):
        learn, watch = split_pictures(made[0], None, cache=tmp_path, config=replace(TINY, seed=seed), on_case=quiet)
        assert not set(learn.patient) & set(watch.patient)
        assert set(watch.label) == {0, 1}
        assert len(learn) + len(watch) == 24


def test_a_patient_or_a_scan_in_both_cohorts_is_refused(tmp_path: Path) -> None:
    first = write_cohort_of(tmp_path / "a", patients=4)
    real = replace(first, kind="real")
    with pytest.raises(CohortError, match=r"patients \['p0', 'p1', 'p2', 'p3'\] are in training and validation"):
        split_pictures(real, real, cache=tmp_path / "cache", config=TINY, on_case=quiet)
    second = write_cohort_of(tmp_path / "b", patients=2, first=10)
    shutil.rmtree(second.root / "cases/p10/ct")
    shutil.copytree(first.root / "cases/p0/ct", second.root / "cases/p10/ct")
    with pytest.raises(CohortError, match=r"\['p0 = p10'\] show the same slices"):
        split_pictures(first, second, cache=tmp_path / "cache", config=TINY, on_case=quiet)


def test_folds_by_image_and_by_case_pick_their_pictures(made: tuple[Cohort, ModelBundle], tmp_path: Path) -> None:
    pictures = cohort_pictures(made[0], tmp_path, config=TINY, side=32)
    fold = image_split(pictures.names, sizes=(16, 4, 4))
    parts = [of_fold(pictures, fold, part) for part in ("train", "val", "test")]
    assert [len(part) for part in parts] == [16, 4, 4]
    assert sorted(name for part in parts for name in part.names) == sorted(pictures.names)
    assert set(np.concatenate([part.index for part in parts])) == {1, 2, 3}


def test_training_leaves_healthy_patients_out_and_counts_them(made: tuple[Cohort, ModelBundle], tmp_path: Path) -> None:
    cohort = made[0]
    healthy = replace(cohort.cases[0], case="h", patient="h", labels={"healthy": True}, truth={})
    bundle = train(replace(cohort, cases=(*cohort.cases, healthy)), tmp_path / "model", config=replace(TINY, epochs=1))
    assert bundle.metrics["healthy cases left out"] == 1
    assert "healthy cases left out" not in made[1].metrics
    assert bundle.facts.training_data["fingerprints"] == made[1].facts.training_data["fingerprints"]


def test_the_study_is_made_again_without_healthy_patients(made: tuple[Cohort, ModelBundle], tmp_path: Path) -> None:
    cohort = made[0]
    healthy = replace(cohort.cases[0], case="h", patient="h", labels={"healthy": True}, truth={})
    options = ReproduceOptions(cohort=replace(cohort, cases=(healthy, *cohort.cases)))
    study = Study(run=tmp_path, config=StudyConfig(), options=options, on_step=quiet, on_case=quiet)
    assert study.cohort().cases == cohort.cases
