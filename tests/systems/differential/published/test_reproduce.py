from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from osteon.errors import UsageError
from osteon.evaluation.published import load_facts
from osteon.systems.differential import system
from osteon.systems.differential.published.honest import accuracy_gap, leak_of
from osteon.systems.differential.published.reproduce import study_config
from osteon.systems.protocol import ReproduceOptions
from osteon.systems.scored import Answers
from tests.systems.differential.make import TINY, write_cohort_of
from tests.systems.differential.test_network import pictures

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS: dict[str, Any] = {
    "backbones": ["tiny", "mobilenet_v2"],
    "data": {"folds": 2, "watch_share": 0.34, "images": [4, 1, 1]},
    "network": {
        "input_px": 32,
        "field_mm": 24.0,
        "min_lesion_mm2": 10.0,
        "epochs": 2,
        "batch": 8,
        "head": [8],
        "learning_rate": TINY.learning_rate,
    },
}


def quiet(*_: object) -> None:
    pass


def run(out: Path, options: ReproduceOptions) -> Any:
    return system.reproduce(out, options=options, on_step=quiet, on_case=quiet)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> ReproduceOptions:
    cohort = write_cohort_of(tmp_path_factory.mktemp("study"), patients=12)
    return ReproduceOptions(cohort=cohort, settings=SETTINGS, device="cpu")


@pytest.fixture(scope="module")
def done(options: ReproduceOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    assert run(out, options).complete
    return out


def test_the_page_has_the_studys_tables_and_figures_in_its_order(done: Path) -> None:
    document = json.loads((done / "evaluation.json").read_text())
    titles = [section["title"] for section in document["sections"]]
    assert [title.split(":")[0] for title in titles[:6]] == [
        "Table 1",
        "Table 2",
        "What the split does to the figures",
        "Figure 2",
        "Figure 3",
        "Figure 4",
    ]
    table = document["sections"][1]["figures"]
    groups = [figure["group"] for figure in table]
    assert list(dict.fromkeys(groups)) == [
        "tiny, by image",
        "tiny, by patient",
        "mobilenet_v2, by image",
        "mobilenet_v2, by patient",
    ]
    own = [figure for figure in table if figure["group"] == "mobilenet_v2, by image"]
    printed = load_facts("differential")["also_printed"]["table2"]["mobilenet_v2"]
    assert [figure["printed"].split(" ")[0] for figure in own] == [*printed, "not"]
    assert "slip" in own[0]["printed"]  # the study's sensitivity is its PPV
    by_patient = next(f for f in table if (f["group"], f["name"]) == ("tiny, by patient", "accuracy"))
    assert by_patient["estimate"]["n"] == 36  # every slice once
    assert document["inputs"] == ["textures (phantom, 12 patients, 12 scans)"]


def test_the_difference_is_said_in_words_with_this_runs_figures(done: Path) -> None:
    document = json.loads((done / "evaluation.json").read_text())
    words = document["sections"][2]["notes"][0]
    assert "Of the 5 patients" in words or "Of the 6 patients" in words or "Of the 4 patients" in words
    assert "The median accuracy of 2 networks" in words
    assert len(words.split()) > 120
    assert "report.html" in {path.name for path in done.iterdir()}
    rows = (done / "per_case.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * (6 + 36)


def test_stages_one_by_one_end_as_the_whole_run(done: Path, options: ReproduceOptions, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for stage in ("pictures", "tiny-fold2", "tiny-image"):
        part = run(out, replace(options, stages=(stage,)))
        assert part.done == (stage,)
        assert not part.complete
    assert not out.exists()
    with pytest.raises(
        UsageError, match="stage 'tiny-fold3': expected one of pictures, tiny-image, mobilenet-v2-image"
    ):
        run(out, replace(options, stages=("tiny-fold3",)))
    assert run(out, replace(options, resume=True)).complete
    first, second = (json.loads((folder / "evaluation.json").read_text()) for folder in (done, out))
    for document in (first, second):
        document["settings"].pop("seconds by stage")
    assert first == second
    assert (done / "per_case.csv").read_bytes() == (out / "per_case.csv").read_bytes()


def test_the_recipes_hold_what_is_printed() -> None:
    facts = load_facts("differential")
    full = study_config(ReproduceOptions(profile="full"))
    assert list(full.backbones) == list(facts["also_printed"]["table2"])
    assert full.data.images == tuple(facts["images"][part] for part in ("train", "validation", "test"))
    assert full.data.patients == facts["also_printed"]["patients"]
    assert [*full.network.head, 2] == facts["network"]["head"]
    assert (full.network.epochs, full.network.batch) == (100, 16)
    assert (full.network.input_px, full.network.weights) == (224, "imagenet")
    small = study_config(ReproduceOptions(profile="small", seed=4))
    assert small.backbones == full.backbones
    assert (small.network.weights, small.network.seed) == ("none", 4)
    with pytest.raises(UsageError, match=r"'network.epoch' is unknown"):
        study_config(ReproduceOptions(settings={"network": {"epoch": 1}}))


def answers(right: list[bool], patients: list[str]) -> Answers:
    label = np.arange(len(right)) % 2
    score = np.where(right, label, 1 - label).astype(float)
    return Answers(label=label, score=score, patient=np.array(patients), unit="slices", threshold=0.5)


def test_the_gap_resamples_patients_of_both_sides_together() -> None:
    patients = [f"p{k // 4}" for k in range(40)]
    first = answers([True] * 40, patients)
    second = answers([k % 2 == 0 for k in range(40)], patients)
    gap = accuracy_gap(first, second)
    assert gap.value == pytest.approx(0.5)
    assert "10 patients" in gap.method
    uneven = accuracy_gap(first, answers([k < 20 for k in range(40)], patients))
    assert uneven.low < 0.5 < uneven.high
    assert accuracy_gap(first, first).value == 0


def test_near_duplicates_of_test_pictures_are_counted() -> None:
    from tests.cohort.make import texture

    some = pictures(4)
    same = np.stack([texture(1, side=32, slices=2)[0], texture(1, side=32, slices=2)[0]] * 2)
    grey = np.clip((same + 160) / 400 * 255, 0, 255).astype(np.uint8)
    grey[2:] = grey[2:, ::-1]
    found = leak_of(["p0#0", "p2#0"], replace(some, pixels=grey))
    assert (found["patients"], found["known"], found["slices"]) == (2, 0, 2)
    assert found["alike"] == 1.0
