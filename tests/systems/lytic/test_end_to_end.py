"""Train, read and evaluate on a few thin phantoms: that every stage runs and its files hold together, not how well."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from typer.testing import CliRunner

from osteon.cli.main import build_app
from osteon.cohort.manifest import read_cohort, write_cohort
from osteon.errors import BundleError, CohortError, UsageError
from osteon.formats.reading_json import read_reading
from osteon.phantom.cohort import PhantomOptions, make_cohort
from osteon.systems.lytic.bundle import load_model
from osteon.systems.lytic.config import LyticConfig
from osteon.systems.lytic.train import train
from osteon.systems.settings import configure

TINY = {
    "device": "cpu",
    "bone": {"epochs": 1, "samples": 4, "batch": 2, "crop": 96, "channels": [4, 8, 8, 8, 8], "validation_slices": 4},
    "detector": {"epochs": 1, "samples": 4, "batch": 2, "crop": 96, "pixel_mm": 1.0},
    "reduction": {"backbone": "tiny", "epochs": 1, "samples": 4, "batch": 2},
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort")
    return make_cohort(PhantomOptions(patients=3, seed=5, range_mm=(90.0, 115.0), mean_lesions=400), root)


@pytest.fixture(scope="module")
def model(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "model"
    train(cohort, out, config=configure(LyticConfig(), TINY))
    return out


def run(*arguments):
    return CliRunner().invoke(build_app(), [str(argument) for argument in arguments])


def test_bundle_holds_what_a_reading_needs(model):
    loaded = load_model(model, device="cpu")
    facts = loaded.bundle.facts
    assert facts.system == "lytic"
    assert 0 < facts.operating_point["threshold"] < 1
    assert facts.training_data["kind"] == "phantom"
    assert "phantoms only" in loaded.bundle.card
    assert sorted(path.name for path in model.iterdir()) == [
        "bone.safetensors", "card.md", "detector0.safetensors", "metrics.json", "model.toml",
        "reduction.safetensors",
    ]  # fmt: skip


def test_training_twice_gives_the_same_bundle(cohort, model, tmp_path):
    train(cohort, tmp_path / "again", config=configure(LyticConfig(), TINY))
    assert load_model(tmp_path / "again").bundle.hash == load_model(model).bundle.hash


def test_reading_a_dicom_study(cohort, model, tmp_path):
    answer = run(
        "read", model, cohort.study_path(cohort.cases[0]), "--out", tmp_path / "out", "--device", "cpu", "--json"
    )
    assert answer.exit_code == 0, answer.output
    summary = json.loads(answer.stdout)["readings"][0]
    reading = read_reading(tmp_path / "out" / "reading.json")
    assert len(reading.findings) == summary["findings"]
    assert reading.provenance.model_hash == load_model(model).bundle.hash
    assert any("phantoms only" in warning for warning in reading.warnings)
    assert (tmp_path / "out" / "report.html").stat().st_size > 5000
    report = pydicom.dcmread(tmp_path / "out" / "findings.sr.dcm")
    assert report.StudyInstanceUID == reading.study_uid


def test_nifti_in_masks_out_on_its_own_grid(cohort, model, tmp_path):
    source = tmp_path / "turned.nii.gz"
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(cohort.study_path(cohort.cases[1])))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    image = sitk.PermuteAxes(reader.Execute(), [2, 0, 1])
    sitk.WriteImage(image, str(source))
    answer = run("read", model, source, "--out", tmp_path / "out", "--device", "cpu")
    assert answer.exit_code == 0, answer.output
    mask = sitk.ReadImage(str(tmp_path / "out" / "bone.nii.gz"))
    assert mask.GetSize() == image.GetSize()
    assert np.allclose(mask.GetOrigin(), image.GetOrigin(), atol=1e-3)
    assert np.allclose(mask.GetDirection(), image.GetDirection(), atol=1e-4)
    warnings = read_reading(tmp_path / "out" / "reading.json").warnings
    assert any("NIfTI" in warning for warning in warnings)
    assert not list((tmp_path / "out").glob("*.dcm"))


def test_evaluation_files(cohort, model, tmp_path):
    answer = run("evaluate", model, cohort.root, "--out", tmp_path / "out", "--device", "cpu", "--json")
    assert answer.exit_code == 0, answer.output
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    figures = {f["name"]: f["estimate"] for s in document["sections"] for f in s["figures"] if not f["group"]}
    assert 0 <= figures["bone dice, mean over scans"]["value"] <= 1
    assert figures["bone dice, mean over scans"]["n"] == 3
    assert (tmp_path / "out" / "per_case.csv").read_text().count("\n") == 4
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()


def test_a_broken_case_costs_itself(cohort, model, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(cohort.root, root)
    shutil.rmtree(root / cohort.cases[0].study)
    answer = run("evaluate", model, root, "--out", tmp_path / "out", "--device", "cpu")
    assert answer.exit_code == 1
    assert "p0000" in answer.stderr
    assert (tmp_path / "out" / "evaluation.json").exists()


def test_a_cohort_without_any_lesion_is_data_like_any_other(cohort, model, tmp_path):
    root = tmp_path / "healthy"
    shutil.copytree(cohort.root, root)
    healthy = read_cohort(root)
    cases = tuple(replace(c, truth={"bone": c.truth["bone"]}) for c in healthy.cases)
    write_cohort(replace(healthy, cases=cases))
    answer = run("evaluate", model, root, "--out", tmp_path / "out", "--device", "cpu")
    assert answer.exit_code == 0, answer.output


def test_validation_patients_must_be_others(cohort, tmp_path):
    with pytest.raises(CohortError, match="p0000"):
        train(cohort, tmp_path / "m", config=configure(LyticConfig(), TINY), validation=cohort)


def test_a_second_training_in_the_same_place_is_refused(cohort, model):
    with pytest.raises(UsageError):
        train(cohort, model.with_name("model"), config=configure(LyticConfig(), {**TINY, "seed": 9}))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("read", "nothing-here", "study", "--out", "x"), "nothing-here"),
        (("train", "sarcoma", "cohort", "--out", "x"), "sarcoma"),
        (("read", "lytic", "study", "--out", "x", "--device", "tpu"), "tpu"),
    ],
)
def test_wrong_usage_is_named(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        CliRunner().invoke(build_app(), list(arguments), catch_exceptions=False)


def test_a_damaged_bundle_is_refused(model, tmp_path):
    shutil.copytree(model, tmp_path / "bad")
    weights = tmp_path / "bad" / "bone.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(BundleError, match=r"bone\.safetensors"):
        load_model(tmp_path / "bad")


def test_reading_what_is_no_ct_names_what_was_found(model, tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "notes.txt").write_text("no scan here")
    answer = run("read", model, tmp_path / "text", "--out", tmp_path / "out", "--device", "cpu")
    assert answer.exit_code == 1
    assert "no CT series" in answer.stderr
    assert not (tmp_path / "out").exists()
