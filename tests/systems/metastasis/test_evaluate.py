from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.errors import CohortError
from osteon.evaluation.overlap import overlap_counts
from osteon.systems.metastasis.calibrate import compare, match_stations
from osteon.systems.metastasis.cases import prepare_cases
from osteon.systems.metastasis.evaluate import evaluate, read_mimics
from osteon.systems.metastasis.sections import (
    OTHER,
    Answers,
    Mimic,
    at_threshold,
    by_volume,
    false_causes,
    segmentation,
)
from tests.systems.metastasis.conftest import TINY
from tests.systems.metastasis.scenes import Scene, make_cohort

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.systems.metastasis.bundle import MetastasisModel
    from osteon.systems.metastasis.cases import StationCase


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> StationCase:
    folder = tmp_path_factory.mktemp("evaluate")
    cohort = make_cohort(folder / "c", [Scene(seed=8, lesions=4)])
    config = replace(TINY.input, size=64)
    return prepare_cases(cohort, folder / "cache", config=config)[0]


def answers_of(station: StationCase, probability: np.ndarray, **mimics: tuple[Mimic, ...]) -> Answers:
    result = compare(probability.astype(np.float32), station, mask_threshold=0.5)
    scores = (np.full(len(result.features), 0.9),)
    return Answers(results=(result,), scores=scores, threshold=0.5, mimics=mimics)


def test_the_truth_as_prediction_is_perfect(station: StationCase) -> None:
    answers = answers_of(station, np.asarray(station.small) > 0)
    assert segmentation(answers)["dice"].value == pytest.approx(1.0)
    point = at_threshold(answers)
    assert (point.found, point.lesions, point.false_positives) == (4, 4, 0)
    assert sum(share.lesions for share in by_volume(answers)) == 4


def test_pixels_and_false_positives_are_counted_by_hand(station: StationCase) -> None:
    probability = (np.asarray(station.small) == 1).astype(np.float32)
    probability[0:2, 0:6, 0:6] = 1.0
    answers = answers_of(station, probability)
    true, found = np.asarray(station.lesions) > 0, probability > 0.5
    counts = overlap_counts(true, found)
    expected = 2 * counts.both.sum() / (2 * counts.both + counts.missed + counts.extra).sum()
    assert segmentation(answers)["dice"].value == pytest.approx(expected)
    point = at_threshold(answers)
    assert (point.found, point.false_positives) == (1, 1)
    assert false_causes(answers) == {OTHER: 1}
    centre = station.grid.to_mm((3.0, 3.0, 1.0))
    near = Mimic(kind="schmorl node", centre_mm=tuple(centre), diameter_mm=8.0)  # type: ignore[arg-type]
    far = Mimic(kind="haemangioma", centre_mm=(0.0, 0.0, -900.0), diameter_mm=8.0)
    assert false_causes(answers_of(station, probability, **{station.case: (far, near)})) == {"schmorl node": 1}


def test_one_prediction_over_several_lesions_finds_them_all_as_in_the_study(station: StationCase) -> None:
    answers = answers_of(station, np.ones(station.small.shape))
    assert len(answers.results[0].features) == 1
    assert at_threshold(answers).found == 4
    assert match_stations(answers.results, answers.scores).rule.endswith("many-to-one")


def test_nothing_found_is_no_error(station: StationCase) -> None:
    answers = answers_of(station, np.zeros(station.small.shape))
    assert at_threshold(answers).found == 0
    assert segmentation(answers)["recall"].value == 0


def test_whole_evaluation_of_a_cohort(tiny_model: MetastasisModel, tmp_path: Path) -> None:
    cohort = make_cohort(
        tmp_path / "c", [Scene(seed=70, lesions=3), Scene(seed=71, lesions=0), Scene(seed=72, stations=2)]
    )
    table = {"lesions": [], "mimics": [{"kind": "vein", "centre_mm": [0, 0, 0], "diameter_mm": 5.0}]}
    (cohort.root / "p000" / "lesions.json").write_text(json.dumps(table))
    cases = (
        replace(cohort.cases[0], truth={**cohort.cases[0].truth, "lesion_table": "p000/lesions.json"}),
        *cohort.cases[1:],
    )
    done = evaluate(tiny_model, replace(cohort, cases=cases))
    assert not done.failures
    assert [row["network"] for row in done.rows] == ["T1+CE"] * 4
    names = [section.title for section in done.result.sections]
    assert names == [
        "Segmentation",
        "Detection at the model's operating point",
        "FROC",
        "False positives by cause",
        "Calibration",
    ]
    sensitivity = next(f for f in done.result.sections[1].figures if f.group == "all lesions")
    assert sensitivity.counts == f"{sum(row['found'] for row in done.rows)}/{sum(row['lesions'] for row in done.rows)}"
    assert any("Phantoms" in note for note in done.result.warnings)


def test_training_scans_are_recognised_and_a_bad_case_costs_itself(
    tiny_model: MetastasisModel, tiny_cohort: Cohort
) -> None:
    broken = replace(tiny_cohort.cases[0], case="gone", study="p000/nothing")
    unknown = replace(tiny_cohort.cases[2], truth={})
    done = evaluate(tiny_model, replace(tiny_cohort, cases=(broken, tiny_cohort.cases[1], unknown)))
    assert set(done.failures) == {"gone", unknown.case}
    assert any("trained on" in note for note in done.result.warnings)
    with pytest.raises(CohortError, match="no case could be evaluated"):
        evaluate(tiny_model, replace(tiny_cohort, cases=(broken,)))


@pytest.mark.parametrize("text", ['{"mimics": [{}]}', "[" * 100_000, "{", "[]"])
def test_a_table_of_mimics_that_is_none_names_the_case(tmp_path: Path, text: str) -> None:
    cohort = make_cohort(tmp_path / "c", [Scene()])
    (cohort.root / "p000" / "lesions.json").write_text(text)
    case = replace(cohort.cases[0], truth={"lesion_table": "p000/lesions.json"})
    with pytest.raises(CohortError, match=r"case p000: lesions\.json"):
        read_mimics(replace(cohort, cases=(case,)))
