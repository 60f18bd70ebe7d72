from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.cohort.manifest import Case
from osteon.errors import CohortError
from osteon.systems.lytic.config import SITES
from osteon.systems.lytic.published.config import DataPart
from osteon.systems.lytic.published.slices import (
    SEGMENTS,
    grey,
    keep_slices,
    non_consecutive,
    open_slices,
    segments_of,
    to_square,
)
from tests.systems.lytic.published.small_cohort import SHAPE, make_cohort

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("first", "last", "count"), [(0, 40, 10), (5, 25, 10), (0, 10, 10), (0, 3, 5), (0, 0, 4)])
def test_slices_are_apart_as_long_as_there_is_room(first: int, last: int, count: int) -> None:
    chosen = non_consecutive(np.arange(first, last), count, np.random.default_rng(1))
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, last - first)
    assert set(chosen) <= set(range(first, last))
    if count <= (last - first) // 3:
        assert min(np.diff(chosen)) > 1


def test_every_slice_has_its_turn() -> None:
    seen = {k for seed in range(60) for k in non_consecutive(np.arange(12), 3, np.random.default_rng(seed))}
    assert seen == set(range(12))


def test_segments_follow_the_vertebrae() -> None:
    vertebrae, sites = np.zeros((12, 2, 4), np.uint8), np.zeros((12, 2, 4), np.uint8)
    vertebrae[4, 0, 0], vertebrae[5, 0, 0] = 24, 20  # L5, L1
    vertebrae[6, 0, 0], vertebrae[7, 0] = 19, (8, 8, 8, 7)  # T12; mostly T1, one of C7
    vertebrae[8, 0], vertebrae[9, 0, 0] = (8, 7, 7, 7), 1
    vertebrae[3, 0, 0] = 26  # the sacrum is no lumbar vertebra
    sites[0:2, 0, 0] = SITES.index("femur") + 1
    sites[1:4, 1, 0] = SITES.index("pelvis") + 1
    named = [SEGMENTS[k] for k in segments_of(vertebrae, sites, 12)]
    assert named == [
        "femurs", "pelvis", "pelvis", "pelvis", "lumbar", "lumbar", "thoracic", "thoracic", "cervical", "cervical",
        "skull base", "skull base",
    ]  # fmt: skip


def test_without_vertebrae_the_scan_is_cut_in_six() -> None:
    assert segments_of(None, None, 12).tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    nothing = np.zeros((6, 1, 1), np.uint8)
    assert segments_of(nothing, nothing, 6).tolist() == [5, 4, 3, 2, 1, 0]


def test_slices_are_kept_as_they_are_in_the_scan(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "cohort", patients=3)
    part = DataPart(slices_per_patient=8, background_share=0.25, test_slices=5, slices_per_segment=1)
    for role in ("bone", "detection", "test"):
        keep_slices(cohort, cohort.cases[2], role=role, part=part, seed=4, folder=tmp_path / role)
    kept = open_slices(tmp_path / "detection", "s02")
    assert len(kept.rows("random")) == 5
    shown = [len(kept.boxes[k]) > 0 for k in kept.rows("annotated")]
    assert shown.count(False) == 2
    assert shown.count(True) >= 4
    from osteon.systems.lytic.cases import load_case_volume, read_mask

    volume = load_case_volume(cohort, cohort.cases[2])
    lesions = read_mask(cohort, cohort.cases[2], "lesions", volume=volume)
    for k, index in enumerate(kept.index):
        np.testing.assert_array_equal(kept.hu[k], volume.array[index])
        for x0, y0, x1, y1 in kept.boxes[k].astype(int):
            assert lesions[index, y0:y1, x0:x1].any()
    assert len(open_slices(tmp_path / "bone", "s02").index) == 6
    test = open_slices(tmp_path / "test", "s02")
    assert set(test.purpose) == {"random"}
    assert test.slices == SHAPE[0]


def test_a_missing_truth_is_named(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "cohort", patients=1)
    bare = Case(case="s00", patient="s00", study="s00/ct.nii.gz")
    for role, kind in (("bone", "bone"), ("detection", "lesions"), ("test", "lesions")):
        with pytest.raises(CohortError, match=rf"s00.*truth\.{kind}"):
            keep_slices(cohort, bare, role=role, part=DataPart(), seed=0, folder=tmp_path / "x")


def test_grey_levels_are_those_of_an_8_bit_picture() -> None:
    plane = np.array([[-2000, -450, 300, 1050, 3000]])
    assert grey(plane, (-450.0, 1050.0)).tolist() == [[0, 0, 128, 255, 255]]


def test_a_picture_that_is_not_square_keeps_its_proportions() -> None:
    plane = np.full((20, 40), 7, np.uint8)
    square = to_square(plane, 60)
    assert square.shape == (60, 60)
    assert (square[:30] == 7).all()
    assert (square[30:] == 0).all()
    mask = to_square(np.ones((40, 20), bool), 10)
    assert mask.dtype == bool
    assert mask[:, :5].all()
    assert not mask[:, 5:].any()
