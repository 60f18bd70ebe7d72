from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import f1_score, precision_score
from typer.testing import CliRunner

from osteon.cli.main import build_app
from osteon.errors import GeometryError, InputError, UsageError
from osteon.evaluation.surface import hausdorff_mm, surface_dice, surface_distances
from osteon.formats.nifti import write_nifti
from osteon.geometry import Grid

GRID = Grid(shape=(5, 16, 18), spacing_mm=(1.0, 1.5, 4.0))


def run(*arguments: object) -> dict[str, Any]:
    """The verb's JSON; an error of osteon comes out as itself."""
    words = ["stats", "segmentation", *(str(word) for word in arguments), "--json", "--resamples", "100"]
    result = CliRunner().invoke(build_app(), words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def figure(document: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    (part,) = [part for part in document["sections"] if part["title"] == section]
    (found,) = [one["estimate"] for one in part["figures"] if one["name"] == name]
    return found


def smooth(rng: np.random.Generator, share: float) -> Any:
    field = ndimage.gaussian_filter(rng.normal(size=GRID.shape), (0.7, 2, 2))
    return field > np.quantile(field, 1 - share)


@pytest.fixture
def cohort(tmp_path):
    """Cases 0 to 3 with lesions, 4 empty in both, 5 missed, 6 invented; probabilities of 0.9 and 0.2."""
    rng = np.random.default_rng(3)
    true = [smooth(rng, 0.08) for _ in range(4)]
    found = [mask ^ (smooth(rng, 0.04) & (rng.random(GRID.shape) < 0.7)) for mask in true]
    empty = np.zeros(GRID.shape, bool)
    true += [empty, true[0], empty]
    found += [empty, empty, found[0]]
    for folder in ("truth", "predicted"):
        (tmp_path / folder).mkdir()
    for number, (a, b) in enumerate(zip(true, found, strict=True)):
        write_nifti(tmp_path / "truth" / f"c{number}.nii.gz", a.astype(np.uint8), GRID)
        write_nifti(tmp_path / "predicted" / f"c{number}.nii.gz", np.where(b, 0.9, 0.2).astype(np.float32), GRID)
    return tmp_path / "truth", tmp_path / "predicted", true, found


def test_overlap_equals_sklearn(cohort):
    truth, predicted, true, found = cohort
    document = run(truth, predicted)
    dice = [f1_score(a.ravel(), b.ravel()) for a, b in zip(true[:4], found[:4], strict=True)]
    per_case = figure(document, "Per case", "Dice per case")
    assert per_case["value"] == pytest.approx(np.mean([*dice, 0, 0]))
    assert per_case["n"] == 6  # the case that is empty in both is left out
    pooled = figure(document, "Pooled", "Dice, pooled")
    assert pooled["value"] == pytest.approx(f1_score(np.ravel(true), np.ravel(found)))
    assert pooled["n"] == 7
    precision = [precision_score(a.ravel(), b.ravel()) for a, b in zip(true, found, strict=True) if b.any()]
    assert figure(document, "Per case", "precision per case")["value"] == pytest.approx(np.mean(precision))
    slices = [
        f1_score(a.ravel(), b.ravel(), zero_division=0.0)
        for case in zip(true, found, strict=True)
        for a, b in zip(*case, strict=True)
        if a.any() or b.any()
    ]
    per_slice = figure(document, "Per slice", "Dice per slice")
    assert (per_slice["value"], per_slice["n"]) == (pytest.approx(np.mean(slices)), len(slices))


def test_two_empty_masks_can_count_as_one(cohort):
    truth, predicted, _, _ = cohort
    left_out = figure(run(truth, predicted), "Per case", "Dice per case")
    counted = figure(run(truth, predicted, "--both-empty", "1"), "Per case", "Dice per case")
    assert counted["n"] == 7
    assert counted["value"] == pytest.approx((6 * left_out["value"] + 1) / 7)


def test_surfaces_are_in_millimetres(cohort):
    truth, predicted, true, found = cohort
    document = run(truth, predicted, "--tolerance", "1,3")
    sides = [
        surface_distances(a, b, spacing_mm=GRID.spacing_mm)
        for a, b in zip(true, found, strict=True)
        if a.any() | b.any()
    ]
    distances = [hausdorff_mm(one) for one in sides[:4]]
    assert figure(document, "Surfaces", "mean HD95 (mm)")["value"] == pytest.approx(np.mean(distances))
    assert figure(document, "Surfaces", "mean HD95 (mm)")["n"] == 4
    for tolerance in (1, 3):
        expected = np.mean([surface_dice(one, tolerance_mm=tolerance) for one in sides])
        assert figure(document, "Surfaces", f"mean NSD at {tolerance} mm")["value"] == pytest.approx(expected)
    part = next(part for part in document["sections"] if part["title"] == "Surfaces")
    assert "2 cases with an infinite distance" in part["notes"][1]


def test_lesions_are_counted(tmp_path):
    true, found = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
    true[1, 0:4, 0:4], true[1, 10:14, 10:14] = 1, 1
    found[1, 0:4, 0:2], found[3, 0:2, 0:2] = 1, 1
    write_nifti(tmp_path / "t.nii", true, GRID)
    write_nifti(tmp_path / "p.nii", found, GRID)
    document = run(tmp_path / "t.nii", tmp_path / "p.nii")
    dice = 2 * 8 / (16 + 8)
    section = "Lesion-wise overlap"
    assert figure(document, section, "lesion-wise Dice, pooled")["value"] == pytest.approx(dice / 3)
    assert figure(document, section, "recognition quality (RQ, F1), pooled")["value"] == pytest.approx(1 / 2)
    assert figure(document, section, "panoptic quality (PQ), pooled")["value"] == pytest.approx(dice / 2)
    strict = run(tmp_path / "t.nii", tmp_path / "p.nii", "--lesion-iou", "0.6")
    assert figure(strict, section, "lesion-wise Dice, pooled")["value"] == 0


def test_label_cut_and_slice_axis(tmp_path):
    grid = Grid(shape=(6, 6, 4), spacing_mm=(5.0, 1.0, 1.0))  # sagittal: slices along x
    true = np.zeros(grid.shape, np.uint8)
    true[0:2, 0:2, 1], true[3:5, 0:2, 1] = 1, 2
    found = true.copy()
    found[0:2, 0:2, 2] = 2
    write_nifti(tmp_path / "t.nii", true, grid)
    write_nifti(tmp_path / "p.nii", found, grid)
    both = run(tmp_path / "t.nii", tmp_path / "p.nii")
    assert figure(both, "Pooled", "precision, pooled")["value"] == pytest.approx(8 / 12)
    assert figure(both, "Per slice", "Dice per slice")["n"] == 2
    assert (
        figure(run(tmp_path / "t.nii", tmp_path / "p.nii", "--slice-axis", "z"), "Per slice", "Dice per slice")["n"]
        == 4
    )
    assert figure(run(tmp_path / "t.nii", tmp_path / "p.nii", "--label", "1"), "Pooled", "Dice, pooled")["value"] == 1
    second = run(tmp_path / "t.nii", tmp_path / "p.nii", "--label", "2")
    assert figure(second, "Pooled", "precision, pooled")["value"] == pytest.approx(0.5)
    write_nifti(tmp_path / "q.nii", np.where(found > 0, 0.4, 0.1).astype(np.float32), grid)
    assert figure(run(tmp_path / "t.nii", tmp_path / "q.nii"), "Pooled", "recall, pooled")["value"] == 0
    low = run(tmp_path / "t.nii", tmp_path / "q.nii", "--cut", "0.3")
    assert figure(low, "Pooled", "recall, pooled")["value"] == 1
    with pytest.raises(InputError, match=r"q\.nii.*--cut"):
        run(tmp_path / "t.nii", tmp_path / "q.nii", "--label", "1")


def test_patients_are_drawn_whole(cohort, tmp_path):
    truth, predicted, _, _ = cohort
    assert "--cases" in run(truth, predicted)["warnings"][0]
    table = tmp_path / "cases.csv"
    table.write_text("case,patient\n" + "".join(f"c{n},p{n // 4}\n" for n in range(7)), encoding="utf-8")
    document = run(truth, predicted, "--cases", table)
    assert document["warnings"] == []
    assert "(2 patients)" in figure(document, "Pooled", "Dice, pooled")["method"]


def test_page(cohort, tmp_path):
    truth, predicted, _, _ = cohort
    page = tmp_path / "out.html"
    words = ["stats", "segmentation", str(truth), str(predicted), "--html", str(page), "--resamples", "100"]
    result = CliRunner().invoke(build_app(), words)
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 3
    assert "Empty masks: both empty" in text
    assert "Lesion-wise overlap" in result.stdout


def test_bad_input_is_named(cohort, tmp_path):
    truth, predicted, _, _ = cohort
    for options, word in (
        (["--slice-axis", "t"], "slice-axis"),
        (["--label", "0"], "label 0"),
        (["--tolerance", "-1"], "tolerance"),
        (["--tolerance", "x"], "tolerance"),
        (["--lesion-iou", "2"], "iou"),
        (["--both-empty", "x"], "both-empty"),
        (["--connectivity", "corner"], "corner"),
    ):
        with pytest.raises(UsageError, match=word):
            run(truth, predicted, *options)
    with pytest.raises(InputError, match="no such file"):
        run(truth, tmp_path / "nothing")
    with pytest.raises(InputError, match="two files or two folders"):
        run(truth, predicted / "c0.nii.gz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no NIfTI file"):
        run(truth, tmp_path / "empty")
    other = Grid(shape=GRID.shape, spacing_mm=(1.0, 1.5, 4.5))
    write_nifti(predicted / "c2.nii.gz", np.zeros(GRID.shape, np.uint8), other)
    with pytest.raises(GeometryError, match=r"case c2: .*2\.0 mm apart"):
        run(truth, predicted)
    write_nifti(truth / "c1.nii.gz", np.full(GRID.shape, -1, np.int16), GRID)
    with pytest.raises(InputError, match=r"c1\.nii\.gz: values down to -1"):
        run(truth, predicted)
