"""Cohort to bundle to reading: what the command line does, on eight tiny patients."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from osteon.cli.read import read_path
from osteon.errors import BundleError, CohortError, InputError
from osteon.systems.fracture import system
from osteon.systems.fracture.bundle import load_model
from osteon.systems.fracture.samples import case_samples, cohort_samples
from osteon.systems.protocol import ReadOptions
from tests.systems.fracture.scenes import BOX, GRID, TINY, make_cohort

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort

BOX_OPTION = (2.0, *BOX)


def test_samples_are_the_boxed_slices_of_every_case(tiny_cohort: Cohort, tmp_path: Path) -> None:
    samples = cohort_samples(tiny_cohort, tmp_path, config=TINY)
    assert samples.patches.shape == (24, 6, 24, 24)  # three slices a patient; 16 pixels and a quarter on each side
    assert samples.index.tolist() == [1, 2, 3] * 8
    assert samples.label.reshape(8, 3)[:, 0].tolist() == [0, 1] * 4
    assert len(list(tmp_path.iterdir())) == 8
    again = cohort_samples(tiny_cohort, tmp_path, config=TINY)
    assert again.fingerprint == samples.fingerprint


def test_a_case_without_a_label_or_with_two_boxes_on_a_slice_is_named(tiny_cohort: Cohort, tmp_path: Path) -> None:
    case = tiny_cohort.cases[0]
    with pytest.raises(CohortError, match=r"p000.*malignant"):
        case_samples(tiny_cohort, replace(case, labels={}), None, config=TINY)
    two = make_cohort(tmp_path / "two", patients=1)
    path = sorted((two.root / "p000" / "boxes").iterdir())[0]
    document = json.loads(path.read_text())
    document["shapes"].append(document["shapes"][0])
    path.write_text(json.dumps(document))
    with pytest.raises(CohortError, match="several boxes"):
        case_samples(two, two.cases[0], None, config=TINY)


def test_a_box_makes_a_verdict_with_its_parts(tiny_cohort: Cohort, tiny_folder: Path, tmp_path: Path) -> None:
    model = load_model(tiny_folder, device="cpu")
    out = tmp_path / "out"
    study = tiny_cohort.study_path(tiny_cohort.cases[1])
    outcome = read_path(study, system, model, out=out, options=ReadOptions(box=BOX_OPTION))
    assert not outcome.failures
    names = sorted(path.name for path in out.iterdir())
    assert names == ["findings.seg.dcm", "findings.sr.dcm", "reading.json", "report.html"]
    verdicts = json.loads((out / "reading.json").read_text())["verdicts"]
    slices = verdicts["slice_scores"]
    assert [one["slice"] for one in slices] == [1, 2, 3]
    assert verdicts["probability_malignant"] == max(one["malignant"] for one in slices)
    assert (
        verdicts["diagnosis"] == ("malignant" if verdicts["probability_malignant"] >= 0.5 else "benign") + " fracture"
    )
    (finding,) = json.loads((out / "reading.json").read_text())["findings"]
    assert (finding["box"]["x0"], finding["box"]["y1"]) == (BOX[0], BOX[3])
    text = str(pydicom.dcmread(out / "findings.sr.dcm"))
    assert "Probability of cancer" in text
    assert verdicts["diagnosis"].split()[0].capitalize() + " vertebral fracture" in text
    assert "not an outline" in (out / "report.html").read_text()


def test_reading_gives_the_slices_that_evaluation_gives(tiny_cohort: Cohort, tiny_folder: Path, tmp_path: Path) -> None:
    model = load_model(tiny_folder, device="cpu")
    found = system.evaluate(model, tiny_cohort, on_case=lambda done, total, case: None)
    assert not found.failures
    assert len(found.rows) == 8
    assert any("trained on" in warning for warning in found.result.warnings)
    study = tiny_cohort.study_path(tiny_cohort.cases[2])
    summary = read_path(study, system, model, out=tmp_path / "out", options=ReadOptions(box=BOX_OPTION)).summaries[0]
    row = found.rows[2]
    assert summary["verdicts"]["probability_malignant"] == pytest.approx(row["probability_malignant"], abs=1e-3)
    assert row["answer"] in summary["verdicts"]["diagnosis"]


def test_a_point_is_read_as_a_square_round_it(tiny_cohort: Cohort, tiny_folder: Path, tmp_path: Path) -> None:
    model = load_model(tiny_folder, device="cpu")
    model = replace(model, config=replace(model.config, point_side_mm=32.0))
    x, y, z = (float(one) for one in GRID.to_mm((23.5, 25.5, 2.0)))  # the middle of BOX, whose sides are 32 mm
    study = tiny_cohort.study_path(tiny_cohort.cases[0])
    outcome = read_path(study, system, model, out=tmp_path / "out", options=ReadOptions(point_mm=(x, y, z)))
    verdicts = outcome.summaries[0]["verdicts"]
    assert verdicts["box"] == {"slice": 2, "x0": BOX[0], "y0": BOX[1], "x1": BOX[2], "y1": BOX[3]}
    assert verdicts["place"] == "square round the point given"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (ReadOptions(), "--box SLICE"),
        (ReadOptions(box=(9.0, *BOX)), "slices 0 to 4"),
        (ReadOptions(point_mm=(900.0, 0.0, 0.0)), "no T2 series"),
    ],
)
def test_a_missing_or_impossible_place_is_said(
    tiny_cohort: Cohort, tiny_folder: Path, tmp_path: Path, options: ReadOptions, why: str
) -> None:
    model = load_model(tiny_folder, device="cpu")
    with pytest.raises(InputError, match=why):
        read_path(tiny_cohort.study_path(tiny_cohort.cases[0]), system, model, out=tmp_path / "out", options=options)
    assert not (tmp_path / "out").exists()


def test_a_bundle_of_another_system_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny_folder, tmp_path / "other")
    text = (tmp_path / "other" / "model.toml").read_text()
    (tmp_path / "other" / "model.toml").write_text(text.replace('"fracture"', '"lytic"', 1))
    with pytest.raises(BundleError):
        load_model(tmp_path / "other", device="cpu")


def test_training_learns_what_the_tiny_patients_differ_in(tiny_folder: Path, tmp_path: Path) -> None:
    """Malignant ones are dark on T1 without a band; patients that the model has not seen."""
    others = make_cohort(tmp_path / "others", patients=6, first=50)
    found = system.evaluate(load_model(tiny_folder, device="cpu"), others, on_case=lambda done, total, case: None)
    right = np.mean([row["truth"] == row["answer"] for row in found.rows])
    assert right >= 5 / 6
