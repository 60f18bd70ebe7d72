"""Four tiny patients all the way: train with folds, read, evaluate; and nobody in two parts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from osteon.cohort.manifest import Case, Cohort
from osteon.dicom.scan import scan
from osteon.errors import BundleError, CohortError
from osteon.report.result import to_document
from osteon.systems.protocol import ReadOptions, ReproduceOptions, no_case, no_step
from osteon.systems.tumor import system
from osteon.systems.tumor.cases import prepare_cases
from osteon.systems.tumor.fusion import STRATEGIES
from osteon.systems.tumor.published.config import StudyConfig
from osteon.systems.tumor.published.study import Study, division
from osteon.systems.tumor.train import age_table, fusion_folds, of_names, train
from tests.systems.tumor.make import TINY, write_tumor_cohort

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.systems.tumor.bundle import TumorModel


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cohort, Path]:
    root = tmp_path_factory.mktemp("tumor")
    cohort = write_tumor_cohort(root / "cohort")
    train(cohort, root / "model", config=TINY)
    return cohort, root / "model"


@pytest.fixture(scope="module")
def model(made: tuple[Cohort, Path]) -> TumorModel:
    return system.load_model(made[1], device="cpu")


def test_cases_have_their_boxes(made: tuple[Cohort, Path], tmp_path: Path) -> None:
    cases = prepare_cases(made[0], tmp_path)
    for case in cases:
        assert [one.kind for one in case.series] == ["T1", "T2"]
        for one in case.series:
            assert one.labelled.tolist() == [1, 2, 3]
            x0, y0, x1, y1 = one.boxes[2][0].astype(int)
            inside = one.frames[2][y0:y1, x0:x1]
            assert (inside.min() > 200) if case.malignant else (inside.max() < 30)
            assert one.labels[2].tolist() == [int(case.malignant)]


def test_the_model_says_what_it_is(model: TumorModel, made: tuple[Cohort, Path]) -> None:
    assert sum(model.weights) == pytest.approx(1.0)
    assert model.table.patients == (2, 2)
    assert model.table.share(30.0) == pytest.approx((0 + 4 * 0.5) / 6)
    assert "phantoms only" in (made[1] / "card.md").read_text()


def test_a_study_is_read(made: tuple[Cohort, Path], model: TumorModel, tmp_path: Path) -> None:
    cohort, _ = made
    found = scan(cohort.study_path(cohort.cases[0]))
    summary = system.read_study(found.studies[0], model, tmp_path / "out", options=ReadOptions(), found=found)
    document = json.loads((tmp_path / "out" / "reading.json").read_text())
    verdicts = document["verdicts"]
    assert verdicts["diagnosis"] in ("benign tumour", "malignant tumour")
    assert set(verdicts["strategies"]) == set(STRATEGIES)
    assert verdicts["age_share_malignant"] == pytest.approx(model.table.share(60.0), abs=1e-4)
    assert verdicts["sequences_read"] == 2
    assert len(document["findings"]) == verdicts["sequences_with_detection"] == summary["findings"]
    if verdicts["rests_on"] == "detections":
        report = pydicom.dcmread(tmp_path / "out" / "findings.sr.dcm")
        assert "tumour" in report.to_json() or "malignan" in report.to_json()
        assert report.Modality == "SR"


def test_nothing_detected_is_said(made: tuple[Cohort, Path], model: TumorModel, tmp_path: Path) -> None:
    cohort, _ = made
    blind = replace(model, config=replace(model.config, detector=replace(model.config.detector, threshold=1.0)))
    found = scan(cohort.study_path(cohort.cases[0]))
    system.read_study(found.studies[0], blind, tmp_path / "out", options=ReadOptions(), found=found)
    document = json.loads((tmp_path / "out" / "reading.json").read_text())
    assert document["verdicts"]["rests_on"] == "age"
    assert document["verdicts"]["probability_malignant"] == pytest.approx(model.table.share(60.0), abs=1e-4)
    assert any("NOTHING was detected" in text for text in document["warnings"])
    assert not document["findings"]


def test_a_cohort_is_evaluated(made: tuple[Cohort, Path], model: TumorModel) -> None:
    evaluation = system.evaluate(model, made[0], on_case=lambda *_: None)
    assert not evaluation.failures
    assert len(evaluation.rows) == 4
    figures = evaluation.result.sections[0].figures
    assert {figure.group for figure in figures} == set(STRATEGIES)
    assert any("trained on" in warning for warning in evaluation.result.warnings)


def test_a_bundle_of_another_system_is_refused(made: tuple[Cohort, Path], tmp_path: Path) -> None:
    text = (made[1] / "model.toml").read_text().replace('system = "tumor"', 'system = "lytic"')
    for path in made[1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.toml").write_text(text)
    with pytest.raises(BundleError, match="expected 'tumor'"):
        system.load_model(tmp_path, device="cpu")


def test_a_case_without_its_label_is_named(made: tuple[Cohort, Path], tmp_path: Path) -> None:
    cohort, _ = made
    bare = replace(cohort, cases=(replace(cohort.cases[0], labels={}),))
    with pytest.raises(CohortError, match=r"p0.*malignant"):
        prepare_cases(bare, tmp_path)


people = st.lists(
    st.tuples(st.integers(0, 12), st.booleans(), st.sampled_from("abc"), st.booleans()), min_size=8, max_size=40
)


def _cohort(rows: list[tuple[int, bool, str, bool]], root: Path) -> Cohort:
    """Several cases a patient; all of one patient's are alike."""
    first = {patient: (bad, centre, metastasis) for patient, bad, centre, metastasis in reversed(rows)}
    cases = tuple(
        Case(
            case=f"c{k}",
            patient=f"p{row[0]}",
            study="s",
            centre=first[row[0]][1],
            labels={"malignant": first[row[0]][0], "metastasis": first[row[0]][2] and first[row[0]][0]},
        )
        for k, row in enumerate(rows)
    )
    return Cohort(root=root, name="c", modality="MR", system="tumor", cases=cases)


@settings(max_examples=60, deadline=None)
@given(rows=people, seed=st.integers(0, 9))
def test_folds_and_division_never_share_a_patient(
    rows: list[tuple[int, bool, str, bool]], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cohort = _cohort(rows, tmp_path_factory.getbasetemp())
    of = {case.case: case.patient for case in cohort.cases}
    config = replace(TINY, seed=seed, fusion=replace(TINY.fusion, folds=4))
    if len(set(of.values())) >= 4:
        folds = fusion_folds(cohort, config=config)
        for fold in folds:
            assert not {of[one] for one in fold.train} & {of[one] for one in fold.val}
        assert sorted(one for fold in folds for one in fold.val) == sorted(of)
    try:
        part = division(cohort, StudyConfig(), seed=seed)
    except CohortError:
        return
    assert not {of[one] for one in part.train} & {of[one] for one in part.test}
    metastatic = {case.case for case in cohort.cases if case.labels["metastasis"]}
    assert not metastatic & set(part.test)


def test_the_age_table_counts_training_patients_once(made: tuple[Cohort, Path], tmp_path: Path) -> None:
    cases = prepare_cases(made[0], tmp_path)
    table = age_table([*of_names(cases, ["p0", "p1"]), *of_names(cases, ["p0"])], TINY.age)
    assert table.patients == (1, 1)
    assert table.malignant == (0, 1)


def with_healthy(cohort: Cohort, *names: str) -> Cohort:
    """The cohort with scans of some cases again, as those of healthy patients without boxes."""
    known = {case.case: case for case in cohort.cases}
    more = (
        replace(known[name], case=f"h-{name}", patient=f"h-{name}", labels={"healthy": True}, truth={})
        for name in names
    )
    return replace(cohort, cases=(*cohort.cases, *more))


def test_healthy_patients_enter_a_figure_of_their_own(made: tuple[Cohort, Path], model: TumorModel) -> None:
    plain = system.evaluate(model, made[0], on_case=lambda *_: None)
    both = system.evaluate(model, with_healthy(made[0], "p0", "p1"), on_case=lambda *_: None)
    assert not both.failures
    documents = [json.dumps(to_document(one.result)["sections"]) for one in (both, plain)]
    assert documents[0].startswith(documents[1][:-1])
    assert [row["truth"] for row in both.rows] == ["malignant", "benign", "malignant", "benign", "healthy", "healthy"]
    marked = [row["images with a detection"] > 0 for row in both.rows if row["truth"] == "healthy"]
    figures = {figure.group: figure for figure in both.result.sections[-1].figures}
    assert set(figures) == {"any sequence", "T1", "T2"}
    whole = figures["any sequence"].estimate
    low, high = proportion_confint(sum(marked), 2, method="wilson")
    assert (whole.value, whole.n, whole.unit) == (sum(marked) / 2, 2, "patients")
    assert (whole.low, whole.high) == pytest.approx((low, high))
    for kind in ("T1", "T2"):
        assert figures[kind].estimate.value <= whole.value


def test_a_cohort_of_healthy_patients_alone_has_no_accuracy(made: tuple[Cohort, Path], model: TumorModel) -> None:
    some = with_healthy(made[0], "p0")
    alone = system.evaluate(model, replace(some, cases=some.cases[-1:]), on_case=lambda *_: None)
    assert [section.title for section in alone.result.sections] == ["Healthy patients"]
    assert not any("One class" in warning for warning in alone.result.warnings)


def test_training_leaves_healthy_patients_out_and_counts_them(made: tuple[Cohort, Path], tmp_path: Path) -> None:
    short = replace(
        TINY,
        detector=replace(TINY.detector, epochs=1, samples=4),
        sequence=replace(TINY.sequence, epochs=1, samples=4),
        fusion=replace(TINY.fusion, folds=0),
    )
    bundle = train(with_healthy(made[0], "p0", "p1"), tmp_path / "model", config=short)
    assert bundle.metrics["patients"] == 4
    assert bundle.metrics["healthy cases left out"] == 2


def test_the_study_is_made_again_without_healthy_patients(made: tuple[Cohort, Path], tmp_path: Path) -> None:
    options = ReproduceOptions(cohort=with_healthy(made[0], "p0"))
    study = Study(run=tmp_path, config=StudyConfig(), options=options, on_step=no_step, on_case=no_case)
    assert study.cohort().cases == made[0].cases
