from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sklearn import metrics

from osteon.errors import CohortError
from osteon.systems.differential.bundle import load_model
from osteon.systems.differential.evaluate import evaluate

if TYPE_CHECKING:
    from osteon.cohort.manifest import Cohort
    from osteon.training.bundle import ModelBundle


def test_new_patients_are_told_apart_and_the_figures_are_sklearns(
    made: tuple[Cohort, ModelBundle], others: Cohort
) -> None:
    model = load_model(made[1].folder, device="cpu")
    done = evaluate(model, others)
    assert not done.failures
    assert [row["diagnosis"] for row in done.rows] == ["myeloma", "metastasis"] * 2
    assert [row["slices"] for row in done.rows] == [3] * 4
    truth = [row["diagnosis"] == "myeloma" for row in done.rows]
    found = {figure.name: figure for figure in done.result.sections[0].figures}
    scores = [row["probability_myeloma"] for row in done.rows]
    called = [row["answer"] == "myeloma" for row in done.rows]
    assert found["AUROC"].estimate.value == pytest.approx(metrics.roc_auc_score(truth, scores))
    assert found["AUROC"].estimate.value == 1.0
    assert found["accuracy"].estimate.value == pytest.approx(metrics.accuracy_score(truth, called))
    assert found["accuracy"].estimate.n == 4
    slices = {figure.name: figure for figure in done.result.sections[1].figures}
    assert slices["accuracy"].estimate.n == 12
    assert "by patient (4 patients)" in slices["accuracy"].estimate.method
    assert "Phantoms" in done.result.warnings[0]
    assert not any("trained on" in warning for warning in done.result.warnings)


def test_known_scans_and_cases_that_fail_are_named(made: tuple[Cohort, ModelBundle]) -> None:
    cohort, bundle = made
    bad = replace(cohort.cases[1], labels={"diagnosis": "osteitis"})
    some = replace(cohort, cases=(cohort.cases[0], bad, cohort.cases[2]))
    done = evaluate(load_model(bundle.folder, device="cpu"), some)
    assert list(done.failures) == ["p1"]
    assert any("2 scans are among those that the model was trained on: p0, p2" in w for w in done.result.warnings)
    assert any("One class only" in w for w in done.result.warnings)
    with pytest.raises(CohortError, match="no case could be evaluated; first reason: case p1"):
        evaluate(load_model(bundle.folder, device="cpu"), replace(cohort, cases=(bad,)))
