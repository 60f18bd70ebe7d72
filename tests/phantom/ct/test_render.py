from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.anatomy.soft import FAT, LUNG
from osteon.phantom.ct.render import FATTY_MARROW_HU, SITES, render
from osteon.phantom.workers import using_threads
from tests.phantom.conftest import coarse_grid, whole

if TYPE_CHECKING:
    from osteon.geometry import Grid
    from osteon.phantom.ct.render import Slab
    from osteon.phantom.patient import CtPatient

RANGE_MM = (-40.0, 280.0)


@pytest.fixture(scope="module")
def grid() -> Grid:
    return coarse_grid(*RANGE_MM)


@pytest.fixture(scope="module")
def slab(patient: CtPatient, grid: Grid) -> Slab:
    return whole(patient, grid)


def points(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Broadcastable LPS x, y, z of a grid's voxels."""
    x, y, z = (np.float32(grid.origin_mm[k] + grid.spacing_mm[k] * np.arange(grid.shape[2 - k])) for k in range(3))
    return x[None, None, :], y[None, :, None], z[:, None, None]


def inside_organ(patient: CtPatient, grid: Grid, name: str, depth_mm: float) -> np.ndarray:
    solids = [organ.solid for organ in patient.organs if organ.name == name]
    return np.min([np.broadcast_to(s.distance(*points(grid)), grid.shape) for s in solids], axis=0) < -depth_mm


def test_a_slice_does_not_depend_on_the_slabs(patient: CtPatient) -> None:
    grid = coarse_grid(60.0, 110.0, pixel_mm=5.0)
    one = whole(patient, grid)
    starts, slabs = zip(*render(patient, grid, slab_slices=4), strict=True)
    assert starts == (0, 4, 8)
    for name in ("hu", "bone", "lesions", "labels", "sites"):
        joined = np.concatenate([getattr(slab, name) for slab in slabs])
        np.testing.assert_array_equal(joined, getattr(one, name), err_msg=name)


def test_a_slice_does_not_depend_on_the_threads(patient: CtPatient) -> None:
    grid = coarse_grid(60.0, 110.0, pixel_mm=5.0)
    one = list(render(patient, grid, slab_slices=3))
    with using_threads(3):
        three = list(render(patient, grid, slab_slices=3))
    assert [start for start, _ in three] == [start for start, _ in one] == [0, 3, 6, 9]
    for (_, a), (_, b) in zip(one, three, strict=True):
        for name in ("hu", "bone", "lesions", "labels", "sites"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_masks_agree_with_each_other(slab: Slab, grid: Grid) -> None:
    assert slab.hu.shape == slab.bone.shape == slab.lesions.shape == slab.labels.shape == slab.sites.shape == grid.shape
    np.testing.assert_array_equal(slab.bone > 0, slab.sites > 0)
    assert (slab.sites[slab.lesions > 0] > 0).all()
    numbered = np.isin(slab.sites, [SITES.index("vertebra"), SITES.index("sacrum")])
    np.testing.assert_array_equal(slab.labels > 0, numbered)
    assert (slab.labels[slab.sites == SITES.index("sacrum")] == 26).all()
    assert slab.hu.dtype == np.float32


def test_the_bones_in_range_are_in_the_masks(patient: CtPatient, slab: Slab, grid: Grid) -> None:
    levels = {bone.label for bone in patient.bones if bone.label and RANGE_MM[0] < bone.centre[2] < RANGE_MM[1]}
    assert levels <= set(np.unique(slab.labels))
    assert {SITES[k] for k in np.unique(slab.sites)} >= {"vertebra", "rib", "sacrum", "pelvis"}
    for bone in patient.bones:
        if bone.site == "vertebra" and RANGE_MM[0] + 20 < bone.centre[2] < RANGE_MM[1] - 20:
            index = np.rint(grid.to_index(bone.centre)).astype(int)
            assert slab.labels[tuple(index[::-1])] == bone.label


def test_soft_tissue_has_textbook_attenuation(patient: CtPatient, slab: Slab, grid: Grid) -> None:
    soft = slab.sites == 0
    liver = slab.hu[inside_organ(patient, grid, "liver", 12) & soft & ~inside_organ(patient, grid, "lung", -8)]
    assert 45 < np.median(liver) < 65
    muscle = slab.hu[inside_organ(patient, grid, "muscle", 8) & soft]
    assert 40 < np.percentile(muscle, 60) < 66
    skin, wall = patient.outline.distances(*points(grid)[:2], points(grid)[2].ravel())
    fat = slab.hu[(skin < -6) & (wall > 5) & soft]
    assert -115 < np.median(fat) < -85
    lung = slab.hu[inside_organ(patient, grid, "lung", 15) & soft]
    assert np.percentile(lung, 20) == pytest.approx(LUNG, abs=60)
    assert np.median(slab.hu[skin > 5]) == -1000


def core(patient: CtPatient, slab: Slab, grid: Grid, name: str) -> np.ndarray:
    """HU deep in a vertebral body, lesions and mimics aside."""
    bone = next(bone for bone in patient.bones if bone.name == name)
    deep = np.broadcast_to(bone.solids[0].distance(*points(grid)), grid.shape) < -5
    for spot in (*patient.lesions, *patient.mimics):
        if spot.bone == name:
            deep = deep & (np.broadcast_to(spot.solid.distance(*points(grid)), grid.shape) > 3)
    return slab.hu[deep]


def test_trabecular_bone_is_as_dense_as_the_patients(patient: CtPatient, slab: Slab, grid: Grid) -> None:
    for name in ("L1", "L2", "T12"):
        bone = next(bone for bone in patient.bones if bone.name == name)
        expected = patient.person.trabecular_hu * bone.marrow
        assert np.median(core(patient, slab, grid, name)) == pytest.approx(expected, rel=0.25)


def test_trabecular_bone_follows_age(patient: CtPatient) -> None:
    grid = coarse_grid(80.0, 130.0)
    medians = []
    for trabecular_hu in (60.0, 120.0, 200.0):
        aged = replace(patient, person=replace(patient.person, trabecular_hu=trabecular_hu))
        medians.append(np.median(core(aged, whole(aged, grid), grid, "L2")))
    marrow = next(bone.marrow for bone in patient.bones if bone.name == "L2")
    steps = np.diff(medians)
    np.testing.assert_allclose(steps, np.array([60, 80]) * marrow * 0.95, rtol=0.25)


def test_cortex_is_the_brightest_and_marrow_of_shafts_is_fat(patient: CtPatient) -> None:
    drawn = replace(patient, lesions=(), mimics=())
    grid = replace(coarse_grid(-60.0, -40.0), spacing_mm=(1.0, 1.0, 2.0), shape=(10, 420, 420))
    assert whole(drawn, grid).hu.max() > 900
    assert FATTY_MARROW_HU < 0
    assert FAT < FATTY_MARROW_HU


def test_lesions_are_darker_than_the_marrow_was(patient: CtPatient, slab: Slab, grid: Grid) -> None:
    clean = whole(replace(patient, lesions=()), grid)
    for number, spot in enumerate(patient.lesions, start=1):
        mask = slab.lesions == number
        if mask.sum() < 8:
            continue
        assert slab.hu[mask].mean() < clean.hu[mask].mean() - 20, spot
        assert {SITES[k] for k in np.unique(slab.sites[mask])} >= {spot.site}
    assert (clean.lesions == 0).all()
    far = slab.lesions == 0
    for spot in patient.lesions:
        far &= np.broadcast_to(spot.solid.distance(*points(grid)), grid.shape) > 6
    np.testing.assert_array_equal(slab.hu[far], clean.hu[far])


def test_mimics_change_the_image_but_not_the_masks(patient: CtPatient) -> None:
    grid = coarse_grid(60.0, 160.0)
    only = replace(patient, lesions=())
    plain = replace(patient, lesions=(), mimics=())
    with_mimics, without = whole(only, grid), whole(plain, grid)
    for name in ("bone", "lesions", "labels", "sites"):
        np.testing.assert_array_equal(getattr(with_mimics, name), getattr(without, name))
    changed = with_mimics.hu - without.hu
    assert (changed < -40).sum() > 5  # veins, osteopenia
    assert with_mimics.lesions.max() == 0


def test_partial_volume_is_computed(patient: CtPatient) -> None:
    """The mean over fine voxels is what a coarse voxel shows, but for its edge being a ramp."""
    coarse = replace(coarse_grid(90.0, 102.0), spacing_mm=(3.0, 3.0, 3.0), shape=(4, 140, 140))
    fine = replace(
        coarse,
        spacing_mm=(1.0, 1.0, 1.0),
        shape=(12, 420, 420),
        origin_mm=tuple(o - 1.0 for o in coarse.origin_mm),  # type: ignore[arg-type]
    )
    clean = replace(patient, lesions=(), mimics=())
    blocks = whole(clean, fine).hu.reshape(4, 3, 140, 3, 140, 3).mean(axis=(1, 3, 5))
    shown = whole(clean, coarse).hu
    assert np.abs(blocks - shown).mean() < 20
    assert np.corrcoef(blocks.ravel(), shown.ravel())[0, 1] > 0.995
