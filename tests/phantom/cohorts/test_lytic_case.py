from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from osteon.phantom.cohort import make_cohort
from osteon.phantom.cohorts.lytic import pattern_of, slice_boxes, write_patient
from osteon.phantom.ct.acquisition import KERNELS
from osteon.phantom.lesions.myeloma import all_marrow
from osteon.phantom.lesions.tissues import MYELOMA
from osteon.phantom.options import PhantomOptions
from osteon.phantom.workers import using_threads
from tests.dicom.validators import complaints, needs_dciodvfy

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.phantom.ct.scan import CtScan


@pytest.fixture
def short(scan: CtScan) -> CtScan:
    """Four slices with lesions."""
    middle = int(np.argmax((scan.lesions > 0).sum(axis=(1, 2))))
    part = slice(middle - 2, middle + 2)
    array = scan.volume.array[part]
    return replace(
        scan,
        volume=replace(scan.volume, array=array, grid=replace(scan.volume.grid, shape=array.shape)),
        sites=scan.sites[part],
        lesions=scan.lesions[part],
        vertebrae=scan.vertebrae[part],
    )


def test_files_do_not_depend_on_the_threads(short: CtScan, tmp_path: Path) -> None:
    write_patient(short, tmp_path / "one", case="p", seed="s")
    with using_threads(3):
        write_patient(short, tmp_path / "three", case="p", seed="s")
    one, three = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "three")
    )
    assert one == three
    assert len(one) == 4 + 3 + 4 + 1  # slices, masks, boxes, table of lesions


@needs_dciodvfy
@pytest.mark.parametrize("maker", KERNELS, ids=lambda maker: maker[0])
def test_series_of_every_maker_are_valid(maker: tuple[str, float, tuple, tuple], short: CtScan, tmp_path: Path) -> None:
    scanner = replace(short.scanner, manufacturer=maker[0], kernel=maker[2][0])
    case = write_patient(replace(short, scanner=scanner), tmp_path / "p", case="p", seed="s")
    assert case.study == "cases/p/ct"
    files = sorted((tmp_path / "p" / "ct").iterdir())
    first = pydicom.dcmread(files[0])
    assert (first.Manufacturer, first.ConvolutionKernel) == (maker[0], maker[2][0])
    assert [complaints(files[k]) for k in (0, -1)] == [[], []]


def test_boxes_of_slices_without_lesions_are_empty() -> None:
    lesions = np.zeros((3, 8, 9), np.uint16)
    lesions[1, 2:4, 5:9] = 7
    lesions[1, 0, 0] = 2
    annotations = slice_boxes(lesions)
    assert [len(annotation.rectangles) for annotation in annotations] == [0, 2, 0]
    assert [(a.height, a.width, a.slice_index) for a in annotations] == [(8, 9, 0), (8, 9, 1), (8, 9, 2)]
    boxes = {box.label: (box.x0, box.y0, box.x1, box.y1) for box in annotations[1].rectangles}
    assert boxes == {"lesion 2": (0, 0, 1, 1), "lesion 7": (5, 2, 9, 4)}


def test_the_pattern_of_infiltrated_marrow_is_said_beside_the_lesions(short: CtScan, tmp_path: Path) -> None:
    (bone, *_) = (one for one in short.patient.bones if one.label == 20)
    marrow = (all_marrow(bone, MYELOMA, kind="diffuse myeloma", strength=0.5),)
    changed = replace(short, patient=replace(short.patient, marrow=marrow))
    pepper = replace(short.patient, marrow=(replace(marrow[0], parts=marrow),))
    healthy = replace(short.patient, lesions=())
    named = [pattern_of(one) for one in (short.patient, changed.patient, pepper, healthy)]
    assert named == ["focal", "diffuse", "pepper", ""]
    write_patient(changed, tmp_path / "p", case="p", seed="s")
    table = json.loads((tmp_path / "p" / "lesions.json").read_text())
    assert table["infiltrated"] == [{"kind": "diffuse myeloma", "bone": bone.name, "site": "vertebra", "share": 0.5}]
    assert len(table["lesions"]) == len(short.truth)


def test_cases_say_pattern_or_healthy_where_shares_are_asked_for(tmp_path: Path) -> None:
    plain = {"patients": 6, "seed": 4, "range_mm": (15.0, 35.0)}
    cases = make_cohort(PhantomOptions(**plain, healthy=0.3, diffuse=0.7), tmp_path / "c", jobs=1).cases
    labels = [case.labels for case in cases]
    patterns = {one.get("pattern") for one in labels}
    assert patterns <= {"diffuse", "pepper", None}
    assert "diffuse" in patterns
    assert all(("pattern" in one) != ("healthy" in one) for one in labels)
    assert all(one["lesions"] == 0 for one in labels if "healthy" in one)
