from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pydicom
import pytest

from osteon.evaluation.published import load_facts
from osteon.phantom.cohort import make_cohort
from osteon.phantom.cohorts.fracture import draw_fracture_protocol
from osteon.phantom.lesions.fracture_features import combinations
from osteon.phantom.options import PhantomOptions

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.cohort.manifest import Cohort

FACTS = load_facts("fracture")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    out: Path = tmp_path_factory.mktemp("fracture") / "cohort"
    return make_cohort(PhantomOptions(system="fracture", patients=1, seed=3), out)


def test_a_case_has_what_the_cohort_promises(cohort: Cohort) -> None:
    (case,) = cohort.cases
    assert cohort.modality == "MR"
    assert set(case.truth) == {"boxes", "features", "vertebrae", "lesions"}
    assert sorted(p.name for p in (cohort.root / case.study).iterdir()) == ["01-t1", "02-t2"]
    assert isinstance(case.labels["malignant"], bool)
    with (cohort.root / case.truth["features"]).open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert list(row) == [name for name in FACTS["features"] if name != "columns"]
    state = frozenset(name for name, value in row.items() if value == "1")
    assert state in combinations(malignant=bool(case.labels["malignant"]))


def test_boxes_are_one_square_round_the_labelled_body_on_three_t2_slices(cohort: Cohort) -> None:
    (case,) = cohort.cases
    labels = np.asarray(nib.load(cohort.root / case.truth["vertebrae"]).dataobj)
    series = cohort.root / case.study / "02-t2"
    count = len(list(series.iterdir()))
    assert labels.shape[2] == count
    documents = [json.loads(p.read_text()) for p in sorted((cohort.root / case.truth["boxes"]).glob("*.json"))]
    assert len(documents) == 3
    indices = []
    for document in documents:
        path = cohort.root / case.study / document["imagePath"]
        found = pydicom.dcmread(path)
        indices.append(int(path.stem) - 1)
        (shape,) = document["shapes"]
        assert shape["label"] == "fracture"
        (x0, y0), (x1, y1) = shape["points"][0], shape["points"][-1]
        assert abs((x1 - x0) - (y1 - y0)) <= 1
        assert 20 < (x1 - x0) * float(found.PixelSpacing[0]) < 70
        middle = labels[int((x0 + x1) / 2), int((y0 + y1) / 2), indices[-1]]
        assert middle == case.labels["vertebra"]
    assert indices == list(range(indices[0], indices[0] + 3))


@pytest.mark.parametrize("profile", ["small", "full"])
def test_centre_a_scans_as_the_study_did(profile: str) -> None:
    protocol = draw_fracture_protocol(np.random.default_rng(0), centre="a", profile=profile)
    mri = FACTS["mri"]
    for one, name in zip(protocol.sequences, ("t1", "t2"), strict=True):
        assert (one.tr_ms, one.te_ms) == (mri[name]["TR_ms"], mri[name]["TE_ms"])
        if profile == "full":
            assert list(one.acquired) == mri[name]["matrix"]
            assert [one.matrix] * 2 == mri["reconstructed"]
    assert (protocol.fov_mm, protocol.thickness_mm) == (10 * mri["field_of_view_cm"], mri["slice_thickness_mm"])
    assert protocol.field_t == mri["field_strength_t"]
    other = draw_fracture_protocol(np.random.default_rng(0), centre="c", profile=profile)
    assert other.vendor != protocol.vendor
