from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sklearn import metrics

from osteon.errors import CohortError
from osteon.report.result import to_document
from osteon.systems.differential.bundle import load_model
from osteon.systems.differential.evaluate import evaluate

if TYPE_CHECKING:
    from pathlib import Path

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


def test_healthy_patients_are_counted_and_enter_no_figure(
    made: tuple[Cohort, ModelBundle], others: Cohort, tmp_path: Path
) -> None:
    model = load_model(made[1].folder, device="cpu")
    plain = evaluate(model, others)
    shutil.copytree(others.root, tmp_path / "c")
    known = {"patient": "h", "labels": {"healthy": True}}
    empty = replace(others.cases[0], case="h0", truth={}, **known)
    wrong = replace(others.cases[0], case="h1", **known)
    both = evaluate(model, replace(others, root=tmp_path / "c", cases=(*others.cases, empty, wrong)))
    documents = [json.dumps(to_document(one.result)["sections"]) for one in (both, plain)]
    assert documents[0].startswith(documents[1][:-1])
    assert both.result.sections[-1].tables[0].rows == (("no lesion given", 1),)
    assert [row["answer"] for row in both.rows][-1] == "no lesion given"
    assert {tuple(row) for row in both.rows} == {tuple(plain.rows[0])}
    assert "is said to be healthy, but its mask holds lesions" in both.failures["h1"]
    with pytest.raises(CohortError, match="its 1 cases that can be read are healthy"):
        evaluate(model, replace(others, cases=(empty,)))
