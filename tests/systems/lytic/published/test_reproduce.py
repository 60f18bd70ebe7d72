"""The whole study on blocks of bone: every stage runs, can be killed, and can be done apart; not how well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from osteon.cli.main import build_app
from osteon.errors import CohortError, UsageError
from osteon.systems.lytic.published import reproduce as module
from osteon.systems.lytic.published.reproduce import reproduce, study_config
from osteon.systems.protocol import ReproduceOptions, no_case, no_step
from osteon.systems.stages import is_done
from tests.systems.lytic.published.small_cohort import TINY, make_cohort

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.systems.protocol import Reproduction

STAGES = ["data", "bone", "products", "grid-1", "grid-2", "fold-1", "fold-2", "member-2", "test", "readers"]


def run(out: Path, cohort: Cohort, **options: Any) -> Reproduction:
    chosen = ReproduceOptions(**{"cohort": cohort, "settings": TINY, "device": "cpu", **options})
    return reproduce(out, options=chosen, on_step=no_step, on_case=no_case)


def figures(out: Path) -> dict[str, Any]:
    """Everything in evaluation.json but the seconds."""
    document: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
    document["settings"].pop("seconds by stage")
    return document


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("blocks") / "cohort")


@pytest.fixture(scope="module")
def whole(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    assert list(run(out, cohort).done) == STAGES
    return out


def test_sections_stand_in_the_order_of_the_study(whole: Path) -> None:
    titles = [section["title"] for section in figures(whole)["sections"]]
    assert titles == [
        "Patients and slices", "Interobserver agreement", "Hyperparameter grid", "Model performance",
        "Lesions found, end to end", "False positives (the study's figure 7)", "Missed lesions (the study's figure 8)",
        "The study's printed figures against its own counts",
    ]  # fmt: skip


def test_every_printed_figure_has_ours_beside_it(whole: Path) -> None:
    found = {
        (figure["name"], figure["printed"]): figure["estimate"]["n"]
        for section in figures(whole)["sections"]
        for figure in section["figures"]
    }
    assert set(found) == {
        ("kappa", "0.84 (0.66 to 1.00)"), ("bone Dice, mean", "0.93"), ("bone Dice, SD", "0.03"),
        ("mAP@0.5, mean of the folds", "0.47"), ("mAP@0.5, SD over the folds", "0.02"),
        ("sensitivity", "0.916"), ("specificity", "0.846"), ("AUROC", "0.904"),
    }  # fmt: skip
    assert found["mAP@0.5, mean of the folds", "0.47"] == 2
    assert found["kappa", "0.84 (0.66 to 1.00)"] == 18
    page = (whole / "report.html").read_text()
    assert page.count("data:image/jpeg") == sum(len(s["gallery"]) for s in figures(whole)["sections"]) > 0
    assert "osteon reproduce" in page
    assert (whole / "per_case.csv").read_text().startswith("case,slices,lesions,found")


def test_no_patient_has_two_roles(whole: Path, cohort: Cohort) -> None:
    facts = json.loads((whole.with_name("out.run") / "data" / "stage.json").read_text())["facts"]
    assert sorted(facts["roles"]) == sorted(case.case for case in cohort.cases)
    by_role = {role: [name for name, one in facts["roles"].items() if one == role] for role in
               ("test", "bone", "detection")}  # fmt: skip
    assert {role: len(names) for role, names in by_role.items()} == {"test": 2, "bone": 2, "detection": 5}
    assert sorted(name for fold in facts["folds"] for name in fold) == sorted(by_role["detection"])


def test_stages_apart_and_a_killed_run_give_the_same_figures(
    whole: Path, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    for name in ("data", "readers", "bone", "products", "grid-2", "grid-1", "fold-2"):
        done = run(out, cohort, stages=(name,))
        assert done.done == (name,)
        assert not done.complete
    assert not out.exists()
    original = module.predict

    def killed(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "predict", killed)  # after the training of fold 1, before its result
    with pytest.raises(KeyboardInterrupt):
        run(out, cohort, resume=True)
    assert not is_done(tmp_path / "out.run", "fold-1")
    monkeypatch.setattr(module, "predict", original)
    assert run(out, cohort, resume=True).done == ("fold-1", "member-2", "test")
    assert figures(out) == figures(whole)


def test_the_command_names_its_stages_and_goes_on(cohort: Cohort, tmp_path: Path) -> None:
    settings = [f"--set={part}.{key}={json.dumps(value)}" for part, keys in TINY.items() for key, value in keys.items()]
    arguments = ["reproduce", "lytic", "--cohort", str(cohort.root), "--out", str(tmp_path / "out"), *settings]
    answer = CliRunner().invoke(build_app(), [*arguments, "--stage", "data"])
    assert answer.exit_code == 0, answer.output
    assert "stages done: data" in answer.stdout
    wrong = CliRunner().invoke(build_app(), [*arguments, "--stage", "nonsense"])
    assert isinstance(wrong.exception, UsageError)
    assert ", ".join(STAGES) in str(wrong.exception)
    again = CliRunner().invoke(build_app(), arguments)
    assert isinstance(again.exception, UsageError)
    assert "--resume" in str(again.exception)


def test_a_cohort_without_any_lesion_gives_a_report(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "healthy", lesions=False)
    tiny = {**TINY, "grid": {"learning_rate": [0.01], "scale": [0.5], "epochs": 1}}
    done = run(tmp_path / "out", cohort, settings=tiny)
    assert done.result is not None
    document = figures(tmp_path / "out")
    estimates = {f["name"]: f["estimate"] for s in document["sections"] for f in s["figures"]}
    assert estimates["kappa"]["value"] is None
    assert estimates["sensitivity"]["value"] is None
    assert "Hyperparameter grid" not in [section["title"] for section in document["sections"]]


def test_too_few_patients_are_said_at_once(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "few", patients=4)
    with pytest.raises((CohortError, UsageError), match=r"patients|fold"):
        run(tmp_path / "out", cohort)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"detection": {"image": 100}}, r"detection\.image.*multiple of 32"),
        ({"bone": {"crop": 640}}, r"bone\.crop"),
        ({"data": {"folds": 1}}, r"data\.folds"),
        ({"detection": {"crop": 100}}, r"detection\.crop.*multiple of 32"),
        ({"detection": {"epoch": 3}}, r"detection\.epoch.*unknown.*epochs"),
        ({"train": {}}, "'train' is unknown"),
    ],
)
def test_impossible_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        study_config(ReproduceOptions(settings=settings))


@pytest.mark.parametrize("profile", ["small", "full"])
def test_both_recipes_are_whole(profile: str) -> None:
    config = study_config(ReproduceOptions(profile=profile))
    assert (config.data.folds >= 3, config.detection.members >= 2, len(config.tried()) >= 2) == (True, True, True)
    if profile == "full":
        assert (config.data.folds, config.data.stratified, config.precision) == (5, False, "32-true")
        assert (config.bone.schedule, config.bone.whole_batch) == ("constant", False)
        detection = config.detection
        assert (detection.image, detection.crop, detection.crops, detection.optimizer, detection.objectness) == (
            640, 0, 1, "sgd", 0.0,
        )  # fmt: skip
        assert (config.bone.epochs, config.bone.size, config.detection.size, config.detection.members) == (
            100, 512, "l", 3,
        )  # fmt: skip
        assert (config.data.patients, config.data.test_slices, config.data.slices_per_segment) == (40, 30, 10)
