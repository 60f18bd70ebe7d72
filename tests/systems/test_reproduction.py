"""The frame of ``osteon reproduce``: printed beside ours, slips marked, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from osteon.cohort.manifest import Case, Cohort, write_cohort
from osteon.errors import CohortError, InputError, UsageError
from osteon.evaluation.intervals import proportion
from osteon.evaluation.published import NAMES, study_claims
from osteon.report.pictures import Picture, Rectangle
from osteon.report.result import Section
from osteon.systems.protocol import ReproduceOptions
from osteon.systems.reproduction import (
    StudyReport,
    compose,
    conduct,
    find_claim,
    hardware,
    printed_figure,
    recipe_settings,
    run_phantoms,
    start_run,
    take_cohort,
    write_reproduction,
)
from osteon.systems.stages import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.report.result import StatsResult
    from osteon.systems.protocol import Reproduction

PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    cases = tuple(Case(case=f"p{k}", patient=f"p{k // 2}", study="ct") for k in range(4))
    made = Cohort(
        root=tmp_path / "cohort", name="phantom-x", modality="CT", system="lytic", cases=cases, kind="phantom"
    )
    write_cohort(made)
    return made


def result_of(cohort: Cohort, **options: object) -> StatsResult:
    picture = Picture(
        uri=PIXEL, width=8, height=8, alt="a missed lesion", caption="missed", rectangles=(
            Rectangle(number=1, x=1, y=2, width=3, height=4, main=True),
        ),
    )  # fmt: skip
    section = Section(
        title="Lesions",
        figures=(
            printed_figure("sensitivity", proportion(9, 10), printed="0.916", counts="9/10"),
            printed_figure("kappa", None, printed="0.84", rule="no second reader"),
        ),
        gallery=(picture,),
    )
    chosen = ReproduceOptions(**options)  # type: ignore[arg-type]
    return compose("lytic", chosen, cohort=cohort, sections=[section], settings={"epochs": 3})


def test_printed_and_ours_stand_in_one_row_of_page_and_json(cohort: Cohort, tmp_path: Path) -> None:
    write_reproduction(tmp_path / "out", result_of(cohort), rows=[{"case": "p0", "found": 3}])
    page = (tmp_path / "out" / "report.html").read_text()
    row = page[page.index("sensitivity") :]
    assert row.index("0.916") < row.index("0.900") < row.index("9/10")
    assert "ours" in page
    assert "not measured" in page
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    figure = document["sections"][0]["figures"][0]
    assert (figure["printed"], figure["estimate"]["value"]) == ("0.916", 0.9)
    assert document["sections"][0]["figures"][1]["estimate"]["value"] is None
    assert document["sections"][0]["gallery"] == ["missed"]
    assert PIXEL in page
    assert (tmp_path / "out" / "per_case.csv").read_text() == "case,found\np0,3\n"


def test_the_data_is_named(cohort: Cohort) -> None:
    result = result_of(cohort)
    assert result.inputs == ("phantom-x (phantom, 2 patients, 4 scans)",)
    assert any("synthetic patients" in warning for warning in result.warnings)
    assert any("Profile small" in warning for warning in result.warnings)
    assert not any("Profile small" in warning for warning in result_of(cohort, profile="full").warnings)


def test_a_printed_figure_that_does_not_follow_is_marked() -> None:
    slips = [(name, claim) for name in NAMES for claim in study_claims(name) if claim.follows is False]
    assert slips
    for name, claim in slips:
        assert find_claim(name, claim.item, where=claim.where) is not None
        figure = printed_figure(claim.item, None, printed=claim.printed, claim=claim)
        assert figure.printed.startswith(claim.printed)
        assert claim.recomputed in figure.printed
        assert "slip" in figure.printed
    good = next(claim for claim in study_claims("lytic") if claim.follows)
    assert printed_figure(good.item, None, printed=good.printed, claim=good).printed == good.printed


def test_the_study_s_slips_come_last(cohort: Cohort) -> None:
    last = result_of(cohort).sections[-1]
    assert "own counts" in last.title
    assert "10.1007/s00256-022-04160-z" in last.notes[0]


def test_nothing_half_written(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(result: object, path: object) -> None:
        raise RuntimeError("disk")

    monkeypatch.setattr("osteon.report.stats_page.write_page", broken)
    with pytest.raises(RuntimeError):
        write_reproduction(tmp_path / "out", result_of(cohort))
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("kept")
    with pytest.raises(InputError, match="not empty"):
        write_reproduction(tmp_path / "full", result_of(cohort))


def test_a_run_is_of_its_cohort(cohort: Cohort, tmp_path: Path) -> None:
    options = ReproduceOptions(cohort=cohort)
    run = start_run(tmp_path / "out", "lytic", options, recipe={"epochs": 1})
    assert run == tmp_path / "out.run"
    with pytest.raises(UsageError, match="--resume"):
        start_run(tmp_path / "out", "lytic", options, recipe={"epochs": 1})
    start_run(tmp_path / "out", "lytic", ReproduceOptions(cohort=cohort, stages=("a",)), recipe={"epochs": 1})
    with pytest.raises(UsageError, match="data was"):
        start_run(tmp_path / "out", "lytic", ReproduceOptions(resume=True), recipe={"epochs": 1})
    with pytest.raises(UsageError, match="recipe was"):
        start_run(tmp_path / "out", "lytic", ReproduceOptions(cohort=cohort, resume=True), recipe={"epochs": 2})


def test_a_cohort_is_taken_or_made(cohort: Cohort) -> None:
    made: list[str] = []

    def make() -> Cohort:
        made.append("once")
        return cohort

    assert take_cohort(ReproduceOptions(cohort=cohort), make, modality="CT") is cohort
    assert not made
    take_cohort(ReproduceOptions(), make, modality="CT")
    assert made == ["once"]
    with pytest.raises(CohortError, match="MR"):
        take_cohort(ReproduceOptions(cohort=cohort), make, modality="MR")


def test_phantoms_of_a_run_are_made_once(tmp_path: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    from osteon.phantom import cohort as module
    from osteon.phantom.options import PhantomOptions

    calls = []

    def make(options: PhantomOptions, out: Path, **_: object) -> Cohort:
        calls.append(options.patients)
        made = replace(cohort, root=out)
        write_cohort(made)
        return made

    monkeypatch.setattr(module, "make_cohort", make)
    first, second = (run_phantoms(PhantomOptions(patients=4), tmp_path / "phantoms") for _ in range(2))
    assert calls == [4]
    assert first == second


def test_settings_of_a_recipe_are_those_in_its_tables() -> None:
    recipe = {"seed": 1, "bone": {"epochs": 3, "crop": [96, 96]}, "grid": {"rates": 2}}
    assert recipe_settings(recipe) == {"bone.epochs": 3, "bone.crop": [96, 96], "grid.rates": 2}


def test_hardware_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert hardware("cpu").startswith("CPU, ")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    assert hardware("auto").startswith("a GPU, ")
    assert hardware("cpu").startswith("CPU, ")


@dataclass
class TwoStages:
    """A study of two stages that counts what it does."""

    data: Cohort
    done: list[str] = field(default_factory=list)

    def stages(self) -> list[Stage]:
        return [
            Stage(name="one", work=lambda folder: self._work("one", 1)),
            Stage(name="two", work=lambda folder: self._work("two", 2), needs=("one",)),
        ]

    def _work(self, name: str, found: int) -> dict[str, Any]:
        self.done.append(name)
        return {"found": found}

    def cohort(self) -> Cohort:
        return self.data

    def report(self, facts: dict[str, dict[str, Any]]) -> StudyReport:
        total = sum(one["found"] for one in facts.values())
        return StudyReport(
            sections=[Section(title="Lesions")],
            rows=[{"case": "p0", "found": total}],
            settings={"own": total},
            warnings=["three were found"],
        )


def test_a_study_is_conducted_in_parts_and_its_result_written_once_all_are_done(cohort: Cohort, tmp_path: Path) -> None:
    study = TwoStages(cohort)

    def again(**options: Any) -> Reproduction:
        chosen = ReproduceOptions(device="cpu", **options)
        run = start_run(tmp_path / "out", "lytic", chosen, recipe={"bone": {"epochs": 3}})
        return conduct(
            tmp_path / "out",
            "lytic",
            study,
            options=chosen,
            run=run,
            recipe={"bone": {"epochs": 3}},
            on_case=lambda done, total, name: None,
        )

    part = again(stages=("one",))
    assert (part.done, part.complete, part.result) == (("one",), False, None)
    assert not (tmp_path / "out").exists()
    whole = again(resume=True)
    assert (whole.done, whole.complete) == (("two",), True)
    assert study.done == ["one", "two"]
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    settings = document["settings"]
    assert (settings["bone.epochs"], settings["own"]) == (3, 3)
    assert set(settings["seconds by stage"]) == {"one", "two"}
    assert "CPU" in settings["hardware"]
    assert "three were found" in document["warnings"]
    assert (tmp_path / "out" / "per_case.csv").read_text().splitlines() == ["case,found", "p0,3"]
