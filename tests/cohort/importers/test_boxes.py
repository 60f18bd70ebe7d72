from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from osteon.cohort.importers.boxes import import_coco, import_labelme
from osteon.cohort.importers.gathering import ImportOptions
from osteon.cohort.manifest import read_cohort
from osteon.errors import CohortError
from osteon.formats.labelme import read_labelme
from tests.cohort.make import texture, write_case

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = ImportOptions(name="boxes", system="tumor", modality="CT")


def write_source(root: Path) -> Path:
    """Two cases with DICOM slices in ``CASE/ct``; LabelMe files of PNG exports beside them."""
    for seed, case in enumerate(("one", "two")):
        write_case(root / "tmp", case, texture(seed), lesion=False)
        (root / "source" / case).mkdir(parents=True)
        (root / "tmp/cases" / case / "ct").rename(root / "source" / case / "ct")
    for case, stem in (("one", "00002"), ("one", "00003"), ("two", "00001")):
        shapes = [
            {"label": "lesion", "shape_type": "rectangle", "points": [[4, 5], [12, 15]]},
            {"label": "doubtful", "shape_type": "rectangle", "points": [[1, 1], [3, 3]]},
        ]
        document = {"shapes": shapes, "imagePath": f"{stem}.png", "imageHeight": 48, "imageWidth": 48}
        (root / "source" / case / f"{stem}.json").write_text(json.dumps(document))
    return root / "source"


def test_a_labelme_folder_becomes_a_cohort(tmp_path: Path) -> None:
    import_labelme(write_source(tmp_path), tmp_path / "out", options=OPTIONS)
    cohort = read_cohort(tmp_path / "out")
    assert [(case.case, case.labels) for case in cohort.cases] == [("one", {"boxes": 4}), ("two", {"boxes": 2})]
    first = cohort.cases[0]
    boxes = cohort.truth_path(first, "boxes")
    annotations = read_labelme(boxes)
    assert [len(one.rectangles) for one in annotations] == [2, 2]
    paths = [json.loads(path.read_text())["imagePath"] for path in sorted(boxes.iterdir())]
    assert paths == ["ct/00002.dcm", "ct/00003.dcm"]
    assert all((cohort.study_path(first) / path).is_file() for path in paths)
    assert len(list(cohort.study_path(first).rglob("*.dcm"))) == 6


def test_only_the_named_labels_are_kept(tmp_path: Path) -> None:
    options = ImportOptions(name="boxes", system="tumor", modality="CT", lesion_labels=("lesion",))
    import_labelme(write_source(tmp_path), tmp_path / "out", options=options)
    assert [case.labels for case in read_cohort(tmp_path / "out").cases] == [{"boxes": 2}, {"boxes": 1}]


def test_a_coco_file_gives_the_same_cohort_as_labelme(tmp_path: Path) -> None:
    source = write_source(tmp_path)
    images, boxes = [], []
    for number, (case, stem) in enumerate((("one", "00002"), ("one", "00003"), ("two", "00001")), start=1):
        images.append({"id": number, "file_name": f"{case}/{stem}.dcm", "width": 48, "height": 48})
        for x, y, w, h, category in ((4, 5, 8, 10, 1), (1, 1, 2, 2, 2)):
            boxes.append({"id": len(boxes) + 1, "image_id": number, "category_id": category, "bbox": [x, y, w, h]})
    categories = [{"id": 1, "name": "lesion"}, {"id": 2, "name": "doubtful"}]
    document = {"images": images, "annotations": boxes, "categories": categories}
    (source / "coco.json").write_text(json.dumps(document))
    import_coco(source / "coco.json", tmp_path / "coco", options=OPTIONS)
    (source / "coco.json").unlink()
    import_labelme(source, tmp_path / "labelme", options=OPTIONS)
    assert read_cohort(tmp_path / "coco").cases == read_cohort(tmp_path / "labelme").cases
    for case in ("one", "two"):
        pair = [read_labelme(tmp_path / kind / "cases" / case / "boxes") for kind in ("coco", "labelme")]
        assert pair[0] == pair[1]


def test_an_annotation_without_its_slice_is_an_error(tmp_path: Path) -> None:
    source = write_source(tmp_path)
    (source / "two/ct/00001.dcm").unlink()
    with pytest.raises(CohortError, match=r"case two: annotation of 00001.png: 0 DICOM slices of that name"):
        import_labelme(source, tmp_path / "out", options=OPTIONS)
    assert not (tmp_path / "out").exists()


def test_coco_images_must_say_their_case_and_stay_inside(tmp_path: Path) -> None:
    for name in ("00001.dcm", "../other/00001.dcm", "/one/00001.dcm"):
        document = {"images": [{"id": 1, "file_name": name, "width": 4, "height": 4}], "annotations": []}
        (tmp_path / "c.json").write_text(json.dumps(document | {"categories": []}))
        with pytest.raises(CohortError, match="expected CASE/slice"):
            import_coco(tmp_path / "c.json", tmp_path / "out", options=OPTIONS)
