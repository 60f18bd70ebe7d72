"""The whole result section on nine tiny patients, whose networks hardly learn: the frame is tested, no figure."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from osteon.errors import UsageError
from osteon.evaluation.published import load_facts
from osteon.phantom.verdicts import TUMOR_DOCTORS
from osteon.systems.protocol import ReproduceOptions, no_case, no_step
from osteon.systems.tumor import system
from osteon.systems.tumor.config import SUBSETS
from osteon.systems.tumor.fusion import STRATEGIES
from osteon.systems.tumor.published import study as module
from osteon.systems.tumor.published.study import study_config
from osteon.systems.tumor.start import start_of
from tests.systems.tumor.make import write_tumor_cohort

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.systems.protocol import Reproduction

SETTINGS: dict[str, Any] = {
    "model": {
        "weights": "none",
        "detector": {
            "backbone": "tiny", "image_px": 64, "crop": 48, "width": 16, "head": 16, "epochs": 1, "batch": 4,
            "samples": 8, "threshold": 0.05,
        },
        "sequence": {"backbone": "tiny", "side": 32, "epochs": 1, "batch": 4, "samples": 8},
        "age": {"edges": [50.0]},
        "fusion": {"folds": 2, "step": 0.25},
    }
}  # fmt: skip
STAGES = ("data", "fold-1", "fold-2", "pair", "frames-4", "frames-8")


def run(out: Path, cohort: Cohort, **options: Any) -> Reproduction:
    chosen = ReproduceOptions(cohort=cohort, settings=SETTINGS, device="cpu", **options)
    return system.reproduce(out, options=chosen, on_step=no_step, on_case=no_case)


def document(out: Path) -> dict[str, Any]:
    """Everything in evaluation.json but the seconds."""
    found: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
    found["settings"].pop("seconds by stage")
    for section in found["sections"]:
        section["figures"] = [figure for figure in section["figures"] if figure["name"] != "seconds"]
    return found


def rows(out: Path) -> list[dict[str, str]]:
    """per_case.csv but the seconds."""
    with (out / "per_case.csv").open(encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Four patients to train on, four to test, and a metastasis of the test centre."""
    return write_tumor_cohort(
        tmp_path_factory.mktemp("tumor-study") / "cohort", patients=9, tested=5, metastases={0, 8}
    )


@pytest.fixture(scope="module")
def whole(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("whole") / "out"
    done = run(out, cohort)
    assert done.complete
    assert done.done == STAGES
    return out


@pytest.fixture(scope="module")
def section(whole: Path) -> dict[str, dict[str, Any]]:
    """Sections by the first words of their titles."""
    return {one["title"].split(":")[0]: one for one in json.loads((whole / "evaluation.json").read_text())["sections"]}


def test_sections_stand_in_the_order_of_the_study(section: dict[str, dict[str, Any]]) -> None:
    assert list(section) == [
        "Tables 1 and 2", "Figure 5", "Equation 1", "Table 3", "Table 4", "Figure 6", "Figure 7", "N = 4, 8, 16",
        "Do the study's findings hold on these data?", "The study's printed figures against its own counts",
    ]  # fmt: skip


def test_six_strategies_stand_beside_the_printed_figures(section: dict[str, dict[str, Any]]) -> None:
    printed = load_facts("tumor")["also_printed"]
    figures = section["Table 3"]["figures"]
    assert list(dict.fromkeys(one["group"] for one in figures)) == list(STRATEGIES)
    for name in STRATEGIES:
        own = {one["name"]: one for one in figures if one["group"] == name}
        assert list(own) == ["ACC", "AUC", "SE", "SP"]
        theirs = dict(zip(printed["columns"], printed["table3"][name], strict=True)) | {"AUC": printed["auc"][name]}
        for short, one in own.items():
            assert one["printed"].split(" ")[0] == str(theirs[short])
        assert own["ACC"]["estimate"]["n"] == 4
        assert (own["SE"]["estimate"]["n"], own["SP"]["estimate"]["n"]) == (2, 2)


def test_patients_and_ages_are_counted_on_the_right_side(whole: Path, section: dict[str, dict[str, Any]]) -> None:
    ours = {row[0]: row[2] for row in section["Tables 1 and 2"]["tables"][0]["rows"]}
    assert (ours["training, malignant: patients"], ours["test, malignant: patients"]) == (2, 2)
    assert ours["training, benign: images with a box"] == 2 * 2 * 3
    assert (ours["training: metastases"], ours["test: metastases"]) == (1, 0)
    # of four training patients alone: benign at 30, malignant at 60; a prior of 4 patients at one half
    table = section["Figure 5"]["tables"][0]["rows"]
    assert table == [["0 to below 50", 2, 0, round(2 / 6, 3)], ["50 and over", 2, 2, round(4 / 6, 3)]]
    assert any("1 cases are left out" in text for text in document(whole)["warnings"])
    assert [row["case"] for row in rows(whole)] == ["p4", "p5", "p6", "p7"]


def test_doctors_are_those_of_the_study_and_err_as_often_everywhere_as_by_place(
    section: dict[str, dict[str, Any]],
) -> None:
    figures = section["Table 4"]["figures"]
    doctors = [f"{one.name} {one.modality}" for one in TUMOR_DOCTORS]
    groups = list(dict.fromkeys(one["group"] for one in figures))
    assert groups == [*doctors[:3], "Det-Seq", *doctors[3:], "Det-Seq-Age"]
    times = {one["group"]: one for one in figures if one["name"] == "seconds"}
    assert times["D1 images"]["printed"] == "35.44"
    assert times["Det-Seq"]["estimate"]["value"] > 0
    places = section["Figure 6"]["tables"][0]
    assert [row[:2] for row in places["rows"]] == [["cervical", 0], ["thoracic", 0], ["lumbar", 2], ["sacral", 2]]
    assert [name.removesuffix(": wrong") for name in places["columns"][2:]] == ["Det-Seq", "Det-Seq-Age", *doctors]
    accuracy = {one["group"]: one["estimate"]["value"] for one in figures if one["name"] == "ACC"}
    for column, name in enumerate(places["columns"][2:], start=2):
        wrong = sum(int(str(row[column]).split(" ")[0]) for row in places["rows"])
        assert wrong == pytest.approx(4 * (1 - accuracy[name.removesuffix(": wrong")]))


def majority(values: list[list[float]]) -> bool:
    """Malignant by images, then by sequences; means where there are as many either way."""
    means = [sum(one) / len(one) for one in values]
    votes = []
    for one, mean in zip(values, means, strict=True):
        bad = sum(value >= 0.5 for value in one)
        votes.append(mean >= 0.5 if 2 * bad == len(one) else 2 * bad > len(one))
    return sum(means) / len(means) >= 0.5 if 2 * sum(votes) == len(votes) else 2 * sum(votes) > len(votes)


def test_sequences_apart_are_what_the_kept_answers_say(whole: Path, section: dict[str, dict[str, Any]]) -> None:
    facts = json.loads((whole.with_name("out.run") / "pair" / "stage.json").read_text())["facts"]["answers"]
    table = section["Figure 7"]["tables"][0]
    assert table["columns"] == ["strategy", *SUBSETS]
    assert [row[0] for row in table["rows"]] == list(STRATEGIES)
    for column, kinds in enumerate(SUBSETS.values(), start=1):
        right = 0
        for one in facts:
            own = [s for s in one["sequences"] if s["kind"] in kinds and s["detections"]]
            detector = [[detection[3] for detection in s["detections"]] for s in own]
            right += (majority(detector) if own else True) == one["malignant"]  # else half of the training patients
        assert table["rows"][0][column].endswith(f", {right}/4")


def test_n_of_4_8_and_16_are_answered_with_the_same_detections(whole: Path, section: dict[str, dict[str, Any]]) -> None:
    table = section["N = 4, 8, 16"]["tables"][0]["rows"]
    assert [(row[0], row[1]) for row in table] == [
        (n, name) for n in (4, 8, 16) for name in ("Seq", "Det-Seq", "Det-Seq-Age")
    ]
    runs = whole.with_name("out.run")
    kept = {
        name: json.loads((runs / name / "stage.json").read_text())["facts"]["answers"]
        for name in ("pair", "frames-4", "frames-8")
    }
    boxes = {name: [[s["detections"] for s in one["sequences"]] for one in found] for name, found in kept.items()}
    assert boxes["pair"] == boxes["frames-4"] == boxes["frames-8"]
    m = {name: [s["m"] for one in found for s in one["sequences"]] for name, found in kept.items()}
    assert len({tuple(values) for values in m.values()}) == 3


def test_a_killed_run_goes_on_to_the_same_figures_and_another_seed_is_refused(
    whole: Path, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(module, "answer_cases", killed)  # the pair is trained, its answers are not yet there
        with pytest.raises(KeyboardInterrupt):
            run(out, cohort)
    assert not out.exists()
    with pytest.raises(UsageError, match="--resume"):
        run(out, cohort)
    with pytest.raises(UsageError, match="seed was 0, is 1"):
        run(out, cohort, seed=1, resume=True)
    assert run(out, cohort, resume=True).done == STAGES[3:]
    assert document(out) == document(whole)
    assert rows(out) == rows(whole)
    assert {path.name for path in out.iterdir()} == {"evaluation.json", "per_case.csv", "report.html"}


def test_the_small_profile_can_go_on_from_the_shipped_model() -> None:
    start = start_of(study_config(ReproduceOptions(profile="small")).model)
    assert start is not None
    assert "shipped model" in start.said
