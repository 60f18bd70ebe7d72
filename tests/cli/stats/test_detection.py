from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

from osteon.cli.main import build_app
from osteon.errors import GeometryError, InputError, UsageError
from osteon.formats.nifti import write_nifti
from osteon.formats.reading_json import write_reading
from osteon.geometry import Grid
from tests.readings import make_example

if TYPE_CHECKING:
    from pathlib import Path

FAST = ["--resamples", "100", "--ap-resamples", "20"]


def run(*arguments: object, fast: bool = True) -> dict[str, Any]:
    """The verb's JSON; an error of osteon comes out as itself."""
    words = ["stats", "detection", *(str(word) for word in arguments), "--json", *(FAST if fast else [])]
    result = CliRunner().invoke(build_app(), words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def figures(document: dict[str, Any], section: str) -> dict[tuple[str, str], dict[str, Any]]:
    (found,) = [part for part in document["sections"] if part["title"] == section]
    return {(figure["group"], figure["name"]): figure for figure in found["figures"]}


def value(document: dict[str, Any], section: str, name: str, group: str = "") -> Any:
    return figures(document, section)[group, name]["estimate"]["value"]


def counts(document: dict[str, Any], section: str, name: str, group: str = "") -> str:
    return figures(document, section)[group, name]["counts"]


def coco(tmp_path: Path, **changes: Any) -> tuple[Path, Path]:
    """Four images of two patients: two lesions, one lesion, none, none."""
    truth = {
        "images": [
            {"id": n, "file_name": f"slices/s{n}.png", "patient": "a" if n < 3 else "b", "series": f"r{n % 2}{n < 3}"}
            for n in (1, 2, 3, 4)
        ],
        "categories": [{"id": 1, "name": "lytic"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "site": "rib", "volume_mm3": 400},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [50, 50, 10, 10], "site": "skull", "volume_mm3": 900},
            {"id": 3, "image_id": 3, "category_id": 1, "bbox": [20, 20, 10, 10], "site": "rib", "volume_mm3": 2500},
        ],
    }
    predicted = [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [1, 0, 10, 10], "score": 0.8},  # the same lesion again
        {"image_id": 3, "category_id": 1, "bbox": [20, 22, 10, 10], "score": 0.7},
        {"image_id": 4, "category_id": 1, "bbox": [70, 70, 10, 10], "score": 0.6},
    ]
    document = {"truth": truth, "predicted": predicted}
    for name, change in changes.items():
        document[name] = change(document[name])
    paths = tmp_path / "truth.json", tmp_path / "predicted.json"
    for path, part in zip(paths, document.values(), strict=True):
        path.write_text(json.dumps(part), encoding="utf-8")
    return paths


def test_coco_worked_example(tmp_path):
    found = run(*coco(tmp_path))
    point = "At the operating point"
    assert counts(found, point, "sensitivity per lesion") == "2/3"
    assert counts(found, point, "PPV of predictions") == "2/4"
    assert counts(found, point, "false positives per image") == "2/4"
    assert value(found, "FROC", "sensitivity at 0.125 false positives per image") == pytest.approx(1 / 3)
    assert value(found, "FROC", "sensitivity at 0.25 false positives per image") == pytest.approx(2 / 3)
    assert counts(found, "Sensitivity by lesion volume", "sensitivity per lesion", "≤ 0.5 cm³") == "1/1"
    assert counts(found, "Sensitivity by lesion volume", "sensitivity per lesion", "> 0.5 to ≤ 1.0 cm³") == "0/1"
    assert counts(found, "Sensitivity by site", "sensitivity per lesion", "rib") == "2/2"
    # Ranked: hit, false, hit, false; three lesions. Precision 1 up to recall 1/3, then 2/3 up to recall 2/3.
    assert value(found, "Average precision", "mAP@0.5") == pytest.approx((34 + 33 * 2 / 3) / 101)
    # Lesions 0.9, 0.7 and never; lesion-free images 2 (quiet) and 4 (0.6).
    assert value(found, "Per-lesion ROC", "AUROC per lesion") == pytest.approx((2 + 2 + 0.5) / 6)
    assert found["settings"]["rule"] == "iou>=0.5"
    assert found["warnings"] == []


def test_pairing_duplicates_and_threshold(tmp_path):
    paths = coco(tmp_path)
    point = "At the operating point"
    many = run(*paths, "--pairing", "many-to-one", "--rule", "any-overlap")
    assert counts(many, point, "PPV of predictions") == "3/4"
    assert counts(many, point, "PPV, one share a lesion") == "2/3"
    ignored = run(*paths, "--duplicates", "ignore")
    assert counts(ignored, point, "false positives per image") == "1/4"
    high = run(*paths, "--threshold", "0.75")
    assert counts(high, point, "sensitivity per lesion") == "1/3"
    assert counts(high, point, "false positives per image") == "1/4"
    strict = run(*paths, "--rule", "iou>=0.99")
    assert counts(strict, point, "sensitivity per lesion") == "1/3"


@pytest.mark.parametrize(("unit", "expected"), [("image", "2/4"), ("series", "2/4"), ("patient", "2/2")])
def test_false_positives_per_unit(tmp_path, unit, expected):
    paths = coco(tmp_path)
    assert counts(run(*paths, "--per", unit), "At the operating point", f"false positives per {unit}") == expected


def test_cases_table_names_patients_and_subgroups(tmp_path):
    paths = coco(tmp_path)
    table = tmp_path / "cases.csv"
    table.write_text("case,patient,centre\ns1.png,p1,A\ns2.png,p1,A\ns3.png,p2,B\ns4.png,p3,B\n", encoding="utf-8")
    found = run(*paths, "--cases", table, "--by", "centre")
    assert counts(found, "By centre", "sensitivity per lesion", "centre = A") == "1/2"
    assert counts(found, "By centre", "false positives per image", "centre = B") == "1/2"
    assert "(3 patients)" in figures(found, "FROC")["", "CPM"]["estimate"]["method"]
    with pytest.raises(UsageError, match="scanner"):
        run(*paths, "--cases", table, "--by", "scanner")
    table.write_text("case,patient\ns1.png,p1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"cases\.csv: no row for case 's2\.png'"):
        run(*paths, "--cases", table)


def test_unknown_patients_are_warned_about(tmp_path):
    def anonymous(truth):
        return truth | {"images": [{"id": image["id"]} for image in truth["images"]]}

    found = run(*coco(tmp_path, truth=anonymous))
    assert "--cases" in found["warnings"][0]


def test_classes_and_crowds(tmp_path):
    def two_classes(truth):
        truth["categories"].append({"id": 7, "name": "cyst"})
        truth["annotations"][2]["category_id"] = 7
        truth["annotations"].append({"id": 4, "image_id": 4, "category_id": 1, "bbox": [60, 60, 30, 30], "iscrowd": 1})
        return truth

    paths = coco(tmp_path, truth=two_classes)
    found = run(*paths)
    assert counts(found, "At the operating point", "sensitivity per lesion") == "1/3"
    assert "crowd" in found["warnings"][0]
    table = next(part for part in found["sections"] if part["title"] == "Average precision")["tables"][0]
    by_class = {row[0]: row[1:] for row in table["rows"]}
    assert by_class["cyst"] == [1, 0.0, 0.0]
    assert by_class["lytic"][0] == 2
    assert counts(run(*paths, "--any-class"), "At the operating point", "sensitivity per lesion") == "2/3"


def test_no_prediction_and_no_lesion(tmp_path):
    quiet = run(*coco(tmp_path, predicted=lambda _: []))
    assert counts(quiet, "At the operating point", "sensitivity per lesion") == "0/3"
    assert value(quiet, "FROC", "CPM") == 0.0
    healthy = run(*coco(tmp_path, truth=lambda truth: truth | {"annotations": []}))
    assert value(healthy, "At the operating point", "sensitivity per lesion") is None
    assert counts(healthy, "At the operating point", "false positives per image") == "4/4"
    assert value(healthy, "Average precision", "mAP@0.5") is None


def test_page_and_table(tmp_path):
    page = tmp_path / "out.html"
    words = ["stats", "detection", *map(str, coco(tmp_path)), "--html", str(page), *FAST]
    result = CliRunner().invoke(build_app(), words)
    assert result.exit_code == 0, result.output
    assert "sensitivity per lesion" in result.stdout.replace("\n", " ")
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") >= 5
    assert "iou&gt;=0.5, one-to-one" in text
    assert "<script" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def _entry(index, **change):
    def apply(rows):
        rows[index] |= change
        return rows

    return {"predicted": apply}


def _annotation(index, **change):
    def apply(truth):
        truth["annotations"][index] |= change
        return truth

    return {"truth": apply}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (_entry(2, score=float("nan")), ["predicted.json", "prediction 2", "nan", "finite"]),
        (_entry(2, score="high"), ["prediction 2", "'high'"]),
        (_entry(1, image_id=99), ["prediction 1", "image_id 99", "truth"]),
        (_entry(0, category_id=5), ["prediction 0", "category_id 5", "[1]"]),
        (_entry(3, bbox=[1, 2, 3]), ["prediction 3", "[1, 2, 3]", "four"]),
        (_entry(3, bbox=[1, 2, -3, 4]), ["prediction 3", "width"]),
        (_annotation(1, bbox=[1, 2, 0, 4]), ["truth.json", "annotation 2", "above 0"]),
        (_annotation(1, image_id=9), ["annotation 2", "image_id 9"]),
        ({"truth": lambda truth: truth | {"images": []}}, ["truth.json", "no image"]),
        ({"truth": lambda truth: truth | {"images": truth["images"] * 2}}, ["two entries of image", "id 1"]),
        ({"truth": lambda truth: truth | {"categories": []}}, ["no category"]),
        ({"truth": lambda truth: [truth]}, ["truth.json", "not COCO"]),
        ({"predicted": lambda rows: {"boxes": rows}}, ["predicted.json", "not COCO"]),
        ({"predicted": lambda rows: [row | {"score": None} for row in rows]}, ["prediction 0", "None"]),
    ],
)
def test_bad_coco_is_named(tmp_path, changes, words):
    with pytest.raises(InputError) as caught:
        run(*coco(tmp_path, **changes))
    for word in words:
        assert word in str(caught.value)


def test_bad_options_are_named(tmp_path):
    paths = coco(tmp_path)
    for options, word in (
        (["--rule", "dice>=0.5"], "dice"),
        (["--pairing", "many"], "many"),
        (["--per", "lesion"], "lesion"),
        (["--rates", "1,x"], "--rates"),
        (["--volume-edges", "2,1"], "edges"),
        (["--negatives", "air"], "air"),
        (["--ap", "11-point"], "11-point"),
    ):
        with pytest.raises(UsageError, match=word):
            run(*paths, *options)
    with pytest.raises(InputError, match="nothing"):
        run(tmp_path / "nothing.json", paths[1])
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InputError, match="two COCO files"):
        run(paths[0], folder)


GRID = Grid(shape=(6, 20, 20), spacing_mm=(1.0, 1.0, 5.0))


def masks(tmp_path: Path) -> tuple[Path, Path]:
    """Case c1: a lesion of 40 voxels hit with 10, one of 12 hit with 9; c2: none, a false alarm; c3: none at all."""
    truth, predicted = tmp_path / "truth", tmp_path / "predicted"
    for folder in (truth, predicted):
        folder.mkdir()
    true = {name: np.zeros(GRID.shape, np.uint8) for name in ("c1", "c2", "c3")}
    found = {name: np.zeros(GRID.shape, np.float32) for name in true}
    true["c1"][1, 0:4, 0:10] = true["c1"][4, 10, 0:12] = 1
    found["c1"][1, 0, 0:10] = 0.8
    found["c1"][4, 10, 3:15] = 0.6
    found["c2"][2, 2:6, 2:6] = 0.7
    found["c2"][5, 2:6, 2:6] = 0.3  # below the cut
    for name in true:
        write_nifti(truth / f"{name}.nii.gz", true[name], GRID)
        write_nifti(predicted / f"{name}.nii.gz", found[name], GRID)
    return truth, predicted


def test_masks_worked_example(tmp_path):
    found = run(*masks(tmp_path))
    point = "At the operating point"
    assert found["settings"]["rule"] == "overlap>=10"
    assert counts(found, point, "sensitivity per lesion") == "1/2"
    assert counts(found, point, "false positives per series") == "2/3"
    assert counts(found, "Sensitivity by lesion volume", "sensitivity per lesion", "≤ 0.5 cm³") == "1/2"
    loose = run(tmp_path / "truth", tmp_path / "predicted", "--rule", "overlap>=9", "--volume-edges", "0.1")
    assert counts(loose, point, "sensitivity per lesion") == "2/2"
    assert counts(loose, "Sensitivity by lesion volume", "sensitivity per lesion", "> 0.1 cm³") == "1/1"
    low = run(tmp_path / "truth", tmp_path / "predicted", "--cut", "0.2")
    assert counts(low, point, "false positives per series") == "3/3"
    # Scores 0.8 (a hit), 0.7 and 0.6 (false): two series without a lesion, one of them quiet.
    assert value(found, "Per-lesion ROC", "AUROC per lesion") == pytest.approx((2 + 0.5 + 0) / 4)


def test_scores_of_label_maps_and_sites(tmp_path):
    truth, predicted = masks(tmp_path)
    labels, scores = tmp_path / "labels", tmp_path / "scores"
    for folder in (labels, scores):
        folder.mkdir()
    numbered = np.zeros(GRID.shape, np.int16)
    numbered[1, 0:4, 0:10], numbered[1, 4, 0:12] = 3, 9  # they touch: components would merge them
    certain = np.zeros(GRID.shape, np.float32)
    certain[numbered == 3], certain[numbered == 9] = 0.25, 0.5
    for name in ("c1", "c2", "c3"):
        content = numbered if name == "c1" else np.zeros_like(numbered)
        write_nifti(labels / f"{name}.nii", content, GRID)
        write_nifti(scores / f"{name}.nii", certain, GRID)
    table = tmp_path / "lesions.csv"
    table.write_text("case,label,site\nc1,3,rib\nc1,9,skull\n", encoding="utf-8")
    found = run(labels, labels, "--numbered", "--scores", scores, "--lesions", table, "--threshold", "0.4")
    assert counts(found, "At the operating point", "sensitivity per lesion") == "1/2"
    assert counts(found, "Sensitivity by site", "sensitivity per lesion", "skull") == "1/1"
    assert counts(found, "Sensitivity by site", "sensitivity per lesion", "rib") == "0/1"
    merged = run(labels, labels, "--scores", scores)
    assert counts(merged, "At the operating point", "sensitivity per lesion") == "1/1"
    with pytest.raises(UsageError, match="--numbered"):
        run(labels, labels, "--lesions", table)
    with pytest.raises(InputError, match="probabilities"):
        run(truth, predicted, "--numbered")


def test_bad_masks_are_named(tmp_path):
    truth, predicted = masks(tmp_path)
    (predicted / "c2.nii.gz").rename(tmp_path / "kept.nii.gz")
    with pytest.raises(InputError, match=r"no prediction for case 'c2' \(1 of 3"):
        run(truth, predicted)
    shifted = Grid(shape=GRID.shape, spacing_mm=GRID.spacing_mm, origin_mm=(3.0, 0.0, 0.0))
    write_nifti(predicted / "c2.nii.gz", np.zeros(GRID.shape, np.float32), shifted)
    with pytest.raises(GeometryError, match=r"case c2: .* 3\.0 mm apart"):
        run(truth, predicted)
    other = Grid(shape=(6, 20, 21), spacing_mm=GRID.spacing_mm)
    write_nifti(predicted / "c2.nii.gz", np.zeros(other.shape, np.float32), other)
    with pytest.raises(GeometryError, match=r"case c2: truth of \(6, 20, 20\) .* \(6, 20, 21\)"):
        run(truth, predicted)
    broken = np.full(GRID.shape, 0.25, np.float32)
    broken[0, 1, 2] = np.nan
    write_nifti(predicted / "c2.nii.gz", broken, GRID)
    with pytest.raises(InputError, match=r"c2\.nii\.gz: voxel \(z, y, x\) \(0, 1, 2\) is nan"):
        run(truth, predicted)
    write_nifti(predicted / "c2.nii.gz", np.full(GRID.shape, 2.5, np.float32), GRID)
    with pytest.raises(InputError, match="no probabilities"):
        run(truth, predicted)
    (tmp_path / "kept.nii.gz").replace(predicted / "c2.nii.gz")
    write_nifti(predicted / "c9.nii.gz", np.zeros(GRID.shape, np.float32), GRID)
    with pytest.raises(InputError, match="a prediction for 'c9'"):
        run(truth, predicted)
    write_nifti(truth / "c9.nii.gz", np.full(GRID.shape, 0.5, np.float32), GRID)
    with pytest.raises(InputError, match=r"c9\.nii\.gz: .* whole numbers"):
        run(truth, predicted)


def readings(tmp_path: Path) -> tuple[Path, Path]:
    """Two series: three lesions of which two are found (one box moved a little), and none with one false alarm."""
    truth, predicted = tmp_path / "truth", tmp_path / "predicted"
    full, alarm = make_example(3).reading, make_example(1).reading
    moved = full.findings[1].box
    near = replace(full.findings[1], number=2, box=replace(moved, x0=moved.x0 + 1, x1=moved.x1 + 1))
    found = replace(full, findings=(full.findings[0], near))
    empty = replace(full, findings=(), series_uid="1.2.3.5")
    for folder, case, reading in (
        (truth, "one", full),
        (predicted, "one", found),
        (truth, "deep/two", empty),
        (predicted, "deep/two", replace(alarm, series_uid="1.2.3.5")),
    ):
        (folder / case).mkdir(parents=True)
        write_reading(folder / case / "reading.json", reading)
    return truth, predicted


def test_readings_worked_example(tmp_path):
    found = run(*readings(tmp_path))
    point = "At the operating point"
    assert found["settings"]["rule"] == "centre-inside"
    assert counts(found, point, "sensitivity per lesion") == "2/3"
    assert counts(found, point, "false positives per series") == "1/2"
    exact = run(tmp_path / "truth", tmp_path / "predicted", "--rule", "iou>=0.99")
    assert counts(exact, point, "sensitivity per lesion") == "1/3"
    sites = figures(found, "Sensitivity by site")
    assert {group: figure["counts"] for (group, _), figure in sites.items()} == {
        "left rib": "1/1",
        "pelvis": "0/1",
        "unknown": "1/1",
    }
    one = run(tmp_path / "truth/one/reading.json", tmp_path / "predicted/one/reading.json")
    assert counts(one, point, "sensitivity per lesion") == "2/3"


def test_bad_readings_are_named(tmp_path):
    truth, predicted = readings(tmp_path)
    path = predicted / "one" / "reading.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(document | {"series_uid": "9.9"}), encoding="utf-8")
    with pytest.raises(GeometryError, match=r"case one: truth of series 1\.2\.3\.4, prediction of series 9\.9"):
        run(truth, predicted)
    path.write_text(json.dumps(document | {"findings": 3}), encoding="utf-8")
    with pytest.raises(InputError, match=r"case one \(prediction\): reading\.json: findings"):
        run(truth, predicted)
    path.unlink()
    with pytest.raises(InputError, match=r"predicted: no reading\.json for case 'one'"):
        run(truth, predicted)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"none: no reading\.json"):
        run(truth, tmp_path / "none")


def test_a_kind_that_the_truth_does_not_have_is_warned_about(tmp_path):
    truth, predicted = readings(tmp_path)
    path = predicted / "one" / "reading.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["findings"][0]["kind"] = "haemangioma"
    path.write_text(json.dumps(document), encoding="utf-8")
    found = run(truth, predicted)
    assert "haemangioma" in found["warnings"][0]
    assert counts(found, "At the operating point", "sensitivity per lesion") == "1/3"
    assert counts(run(truth, predicted, "--any-class"), "At the operating point", "sensitivity per lesion") == "2/3"
