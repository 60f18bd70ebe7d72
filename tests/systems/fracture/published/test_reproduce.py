"""The whole result section on eight tiny patients, whose networks hardly learn: the frame is tested, no figure."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from osteon.systems.fracture import system
from osteon.systems.fracture.published.reproduce import study_config
from osteon.systems.protocol import ReproduceOptions, no_case, no_step

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort

SETTINGS = {
    "data": {"folds": 2, "watch_share": 0.5},
    "network": {
        "backbone": "tiny",
        "side_px": 16,
        "registration": "none",
        "benign_copies": 1,
        "malignant_copies": 2,
        "epochs": 2,
    },
}


def test_the_published_recipe_has_the_printed_settings() -> None:
    config = study_config(ReproduceOptions(profile="full"))
    network = config.network
    assert (network.backbone, network.weights, network.side_px) == ("resnet50", "imagenet", 64)
    assert (network.learning_rate, network.beta1, network.batch, network.epochs) == (1e-4, 0.5, 32, 100)
    assert (network.benign_copies, network.malignant_copies, config.data.folds) == (20, 40, 10)


@pytest.fixture(scope="module")
def made(tiny_cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("fracture-published") / "out"
    options = ReproduceOptions(cohort=tiny_cohort, settings=SETTINGS, device="cpu")
    done = system.reproduce(out, options=options, on_step=no_step, on_case=no_case)
    assert done.complete
    assert done.done == ("patches", "fold-1", "fold-2")
    return out


def test_every_section_of_the_study_is_there_with_printed_figures(made: Path) -> None:
    document = json.loads((made / "evaluation.json").read_text())
    titles = [section["title"] for section in document["sections"]]
    assert [title.split(":")[0] for title in titles[:7]] == [
        "Patients",
        "Table 1",
        "Table 2",
        "Differences between readers and network",
        "Slices, fold by fold",
        "Logistic regression on the 15 features",
        "What the first-year resident's false positives share",
    ]
    two = document["sections"][2]["figures"]
    assert [figure["printed"] for figure in two[-3:]] == ["94%", "91%", "92%"]
    assert len(two) == 12
    assert len(document["sections"][3]["tests"]) == 8
    assert any("slip" in test["detail"] for test in document["sections"][3]["tests"])
    rows = document["sections"][1]["tables"][0]["rows"]
    assert len(rows) == 15
    assert any("slip" in str(cell) for row in rows for cell in row)


def test_every_patient_is_answered_once(made: Path, tiny_cohort: Cohort) -> None:
    with (made / "per_case.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["patient"] for row in rows] == sorted(case.patient for case in tiny_cohort.cases)
    for row in rows:
        highest = max(float(part.split(":")[1]) for part in row["slices"].split())
        assert float(row["probability_malignant"]) == pytest.approx(highest, abs=1e-4)
        assert row["network"] == ("malignant" if highest >= 0.5 else "benign")
    assert {row["fold"] for row in rows} == {"1", "2"}
