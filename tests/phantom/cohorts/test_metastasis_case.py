from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest

from osteon.cohort.manifest import Cohort, read_cohort
from osteon.dicom import roles
from osteon.dicom.scan import scan
from osteon.dicom.series import load_volume
from osteon.phantom.cohort import make_cohort
from osteon.phantom.options import PhantomOptions

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = PhantomOptions(system="metastasis", patients=1, seed=5, range_mm=(0.0, 190.0), centres="a")


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return total.hexdigest()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(OPTIONS, tmp_path_factory.mktemp("mr") / "cohort")


def test_a_study_of_three_series_on_the_masks_grid(cohort: Cohort) -> None:
    assert cohort.modality == "MR"
    case = read_cohort(cohort.root).cases[0]
    folders = sorted(path.name for path in cohort.study_path(case).iterdir())
    assert folders == ["01-t1", "02-fo", "03-ce"]
    study = scan(cohort.study_path(case)).studies[0]
    found = {roles.role(series): series for series in study.series}
    assert set(found) == {roles.T1, roles.DIXON["FAT"], roles.T1_CONTRAST_FAT_SUPPRESSED}
    volume = load_volume(found[roles.T1])
    for kind, dtype in (("lesions", np.uint16), ("vertebrae", np.uint8)):
        image = nibabel.load(cohort.truth_path(case, kind))
        mask = np.asarray(image.dataobj)
        assert mask.dtype == dtype
        assert mask.transpose(2, 1, 0).shape == volume.array.shape
        np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ image.affine, volume.grid.affine, atol=1e-3)
    assert {22, 23, 24} <= set(np.unique(mask))


def test_the_table_is_the_mask(cohort: Cohort) -> None:
    case = cohort.cases[0]
    table = json.loads(cohort.truth_path(case, "lesion_table").read_text())
    mask = np.asarray(nibabel.load(cohort.truth_path(case, "lesions")).dataobj)
    numbers = {row["number"] for row in table["lesions"]}
    assert numbers == set(np.unique(mask)) - {0}
    assert case.labels["lesions"] == len(numbers)
    assert "primary" in case.labels
    keys = {"number", "kind", "bone", "site", "label", "diameter_mm", "volume_mm3", "centre_mm"}
    assert all(set(row) == keys for row in table["lesions"])
    assert {row["kind"] for row in table["mimics"]}.isdisjoint(row["kind"] for row in table["lesions"])


def test_same_seed_same_bytes(cohort: Cohort, tmp_path: Path) -> None:
    make_cohort(OPTIONS, tmp_path / "again")
    assert digest(tmp_path / "again" / "cases") == digest(cohort.root / "cases")


def test_the_external_centre_has_no_dixon_and_patients_may_be_healthy(tmp_path: Path) -> None:
    options = replace(OPTIONS, centres="b", mean_lesions=0.0, range_mm=(60.0, 120.0))
    case = make_cohort(options, tmp_path / "b").cases[0]
    assert case.centre == "b"
    assert case.labels["lesions"] == 0
    assert sorted(p.name for p in (tmp_path / "b" / case.study).iterdir()) == ["01-t1", "02-ce"]
