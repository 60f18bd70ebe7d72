from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.errors import CohortError
from osteon.formats.nifti import write_nifti
from osteon.geometry import Grid
from osteon.systems.metastasis.cases import prepare_cases
from osteon.systems.metastasis.config import InputConfig
from tests.systems.metastasis.scenes import Scene, make_cohort, marrow_and_lesions, station_grid

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = InputConfig(scaled=64, size=32, slices=8, clahe=False, registration="none")


def test_each_station_has_its_own_lesions_with_volumes(tmp_path: Path) -> None:
    scene = Scene(seed=3, lesions=5, stations=2)
    cohort = make_cohort(tmp_path / "c", [scene])
    stations = prepare_cases(cohort, tmp_path / "cache", config=CONFIG)
    assert [one.index for one in stations] == [0, 1]
    for one in stations:
        grid = station_grid(one.index, scene)
        labels = marrow_and_lesions(grid, scene)[1]
        assert one.numbers == tuple(int(v) for v in np.unique(labels[labels > 0]))
        expected = [np.count_nonzero(labels == n) * grid.voxel_mm3 / 1000 for n in one.numbers]
        np.testing.assert_allclose(one.volumes_cm3, expected)
        assert one.images.shape == (3, 8, 32, 32)
        assert one.small.shape == (8, 32, 32)
        place = np.argwhere(np.asarray(one.lesions) == 1)[0]
        x, y, z = np.rint(grid.to_index(one.grid.to_mm(place[::-1]))).astype(int)
        assert labels[z, y, x] == one.numbers[0]
    assert prepare_cases(cohort, tmp_path / "cache", config=CONFIG)[0].voxels == stations[0].voxels  # from the cache


def test_a_sequence_that_is_not_there_is_empty(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "c", [Scene(sequences=("T1", "CE"))])
    (station,) = prepare_cases(cohort, tmp_path / "cache", config=CONFIG)
    assert station.names == ("T1", "CE")
    assert not station.images[1].any()
    assert station.channels(("CE", "T1")).shape == (2, 8, 32, 32)


def test_a_mask_on_another_grid_names_case_and_series(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "c", [Scene()])
    path = cohort.root / "p000" / "lesions" / "0.nii.gz"
    path.unlink()
    write_nifti(path, np.zeros((8, 64, 60), np.uint16), Grid(shape=(8, 64, 60)))
    with pytest.raises(
        CohortError, match=r"case p000.*no lesion mask on the grid of series 1\.2\.77\.0\.0\.1.*resample"
    ):
        prepare_cases(cohort, tmp_path / "cache", config=CONFIG)


def test_a_mask_with_other_values_than_numbers_is_refused(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "c", [Scene()])
    path = cohort.root / "p000" / "lesions" / "0.nii.gz"
    path.unlink()
    write_nifti(path, np.full((8, 64, 64), 0.5, np.float32), station_grid(0, Scene()))
    with pytest.raises(CohortError, match="whole numbers"):
        prepare_cases(cohort, tmp_path / "cache", config=CONFIG)


def test_unknown_lesions_are_unknown_not_none(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "c", [Scene()])
    cohort = replace(cohort, cases=(replace(cohort.cases[0], truth={}),))
    (station,) = prepare_cases(cohort, tmp_path / "cache", config=CONFIG)
    assert not station.has_lesions


def test_a_patient_who_moved_too_far_is_excluded_by_name(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "c", [Scene(lesions=3, moved_mm={"CE": 14.0})])
    (station,) = prepare_cases(cohort, tmp_path / "cache", config=CONFIG)
    assert "1.2.77.0.0.3 (CE)" in station.excluded
