"""Tumor and differential cases as written: read back with pydicom and nibabel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pydicom
import pytest

from osteon.formats.labelme import read_labelme
from osteon.phantom.cohort import PhantomOptions, make_cohort

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort


@pytest.fixture(scope="module")
def differential(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    options = PhantomOptions(system="differential", patients=1, seed=2, range_mm=(30.0, 80.0))
    return make_cohort(options, tmp_path_factory.mktemp("differential") / "cohort")


@pytest.fixture(scope="module")
def tumor(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(PhantomOptions(system="tumor", patients=1, seed=2), tmp_path_factory.mktemp("tumor") / "cohort")


@pytest.fixture(scope="module")
def healthy_differential(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    options = PhantomOptions(system="differential", patients=1, seed=2, range_mm=(30.0, 60.0), healthy=0.5)
    return make_cohort(options, tmp_path_factory.mktemp("healthy-differential") / "cohort")


@pytest.fixture(scope="module")
def healthy_tumor(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    options = PhantomOptions(system="tumor", patients=1, seed=2, healthy=0.5)
    return make_cohort(options, tmp_path_factory.mktemp("healthy-tumor") / "cohort")


def mask(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(nibabel.load(path).dataobj).astype(np.int64)  # type: ignore[attr-defined]


def test_a_differential_case_is_a_ct_of_the_spine_with_its_lesions(differential: Cohort) -> None:
    (case,) = differential.cases
    assert case.labels["diagnosis"] in ("myeloma", "metastasis")
    assert (case.labels["primary"] == "none") == (case.labels["diagnosis"] == "myeloma")
    slices = [pydicom.dcmread(path) for path in sorted((differential.root / case.study).glob("*.dcm"))]
    assert {one.Modality for one in slices} == {"CT"}
    assert slices[0].Manufacturer in ("SIEMENS", "Philips")
    lesions = mask(differential.root / case.truth["lesions"])
    assert lesions.shape == (256, 256, len(slices))
    assert lesions.max() > 0
    assert (mask(differential.root / case.truth["bone"])[lesions > 0] > 0).all()


def test_a_tumor_case_has_boxes_round_its_mask_on_every_series(tumor: Cohort) -> None:
    (case,) = tumor.cases
    assert set(case.labels) == {"malignant", "histology", "metastasis", "location"}
    verdict = "malignant" if case.labels["malignant"] else "benign"
    annotations = read_labelme(tumor.root / case.truth["boxes"])
    study = tumor.root / case.study
    assert {one.series for one in annotations} == {folder.name for folder in study.iterdir()}
    for one in annotations:
        image = pydicom.dcmread(study / one.series / one.image_name)
        assert (image.Rows, image.Columns) == (one.height, one.width)
        assert {box.label for box in one.rectangles} == {verdict}
    first = sorted(folder.name for folder in study.iterdir())[0]
    lesions = mask(tumor.root / case.truth["lesions"])
    boxed = {one.slice_index: one.rectangles for one in annotations if one.series == first}
    for index, rectangles in boxed.items():
        x, y = np.nonzero(lesions[:, :, index])
        assert min(box.x0 for box in rectangles) >= x.min()
        assert max(box.y1 for box in rectangles) <= y.max() + 1


def test_a_healthy_differential_case_has_an_empty_mask_and_no_diagnosis(healthy_differential: Cohort) -> None:
    (case,) = healthy_differential.cases
    assert case.labels == {"healthy": True}
    assert case.age_years is not None
    assert case.sex in ("M", "F")
    root = healthy_differential.root
    assert mask(root / case.truth["lesions"]).max() == 0
    assert mask(root / case.truth["vertebrae"]).max() > 0
    table = json.loads((root / case.truth["lesion_table"]).read_text())
    assert table["lesions"] == table["unseen"] == []
    assert table["mimics"]


def test_a_healthy_tumor_case_has_no_boxes_and_no_verdict(healthy_tumor: Cohort) -> None:
    (case,) = healthy_tumor.cases
    assert case.labels == {"healthy": True}
    assert case.age_years is not None
    assert "boxes" not in case.truth
    root = healthy_tumor.root
    assert not (root / "cases" / case.case / "boxes").exists()
    assert mask(root / case.truth["lesions"]).max() == 0
    assert mask(root / case.truth["vertebrae"]).max() > 0
    table = json.loads((root / case.truth["lesion_table"]).read_text())
    assert table["lesions"] == []
    assert table["mimics"]
