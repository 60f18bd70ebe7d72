from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.geometry import Grid
from osteon.phantom.anatomy.fields import SmoothField
from osteon.phantom.canvas import canvases
from osteon.phantom.ct.render import CtPalette
from osteon.phantom.lesions.myeloma import all_marrow
from osteon.phantom.lesions.tissues import MYELOMA
from osteon.phantom.painter import paint
from osteon.phantom.scene import scene_of, turned
from tests.phantom.conftest import coarse_grid, whole

if TYPE_CHECKING:
    from osteon.phantom.patient import CtPatient

SAGITTAL = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))


def test_a_turned_scene_shows_the_same_patient(patient: CtPatient) -> None:
    """Axial and sagittal slices through one box, voxel by voxel the same places."""
    step, count = 4.0, 24
    low = np.array([-46.0, -60.0, 60.0])
    axial = Grid(shape=(count,) * 3, spacing_mm=(step,) * 3, origin_mm=tuple(low))
    far = low + np.array([1, 0, 1]) * step * (count - 1)
    sagittal = Grid(shape=(count,) * 3, spacing_mm=(step,) * 3, origin_mm=tuple(far), direction=SAGITTAL)
    scene = scene_of(patient)
    (_, flat), *_ = canvases(axial, slab_slices=count)
    (_, upright), *_ = canvases(sagittal, slab_slices=count)
    hu, truth = paint(scene, flat, CtPalette())
    hu_turned, truth_turned = paint(turned(scene, sagittal.axes), upright, CtPalette())
    # (slice to the right, row to the feet, column to the back) against (z, y, x)
    again = hu_turned[0].transpose(1, 2, 0)[::-1, :, ::-1]
    bone = truth_turned.bone.transpose(1, 2, 0)[::-1, :, ::-1]
    labels = truth_turned.labels.transpose(1, 2, 0)[::-1, :, ::-1]
    assert truth.bone.sum() > 300
    assert (bone == truth.bone).mean() > 0.99  # random fields are interpolated otherwise between slices
    assert (labels == truth.labels).mean() > 0.99
    assert np.corrcoef(again.ravel(), hu[0].ravel())[0, 1] > 0.97


def test_infiltrated_marrow_is_painted_before_lesions_and_is_in_no_mask(patient: CtPatient) -> None:
    largest = max((spot for spot in patient.lesions if spot.site == "vertebra"), key=lambda spot: spot.diameter_mm)
    bone = next(bone for bone in patient.bones if bone.name == largest.bone)
    marrow = (all_marrow(bone, MYELOMA, kind="diffuse myeloma", strength=0.8),)
    grid = coarse_grid(bone.centre[2] - 20, bone.centre[2] + 20)
    before, after = (whole(one, grid) for one in (patient, replace(patient, marrow=marrow)))
    assert scene_of(replace(patient, marrow=marrow)).spots[0][1].kind == "diffuse myeloma"
    assert before.lesions.any()
    assert (after.lesions == before.lesions).all()
    inside = (before.labels == bone.label) & (before.lesions == 0)
    spread = [np.percentile(slab.hu[inside], 90) - np.percentile(slab.hu[inside], 10) for slab in (before, after)]
    assert np.median(after.hu[inside]) != np.median(before.hu[inside])
    assert spread[1] < spread[0]
    far = before.labels == 0
    assert (after.hu[far] == before.hu[far]).mean() > 0.99


def test_a_turned_field_is_the_same_field() -> None:
    field = SmoothField.draw(
        np.random.default_rng(0),
        low_mm=np.array([-20.0, -10, 0]),
        high_mm=np.array([20.0, 30, 50]),
        step_mm=5.0,
        stretch=(1.0, 1.0, 3.0),
    )
    other = field.turned(np.asarray(SAGITTAL))
    index = np.array([2, 3, 1])  # at lattice points interpolation plays no part
    place = np.array(field.origin_mm) + index * 5.0 * np.array([1, 1, 3])
    here = field.sample(*(np.array([v]) for v in place))[0, 0, 0]
    there = other.sample(*(np.array([v]) for v in np.asarray(SAGITTAL).T @ place))[0, 0, 0]
    assert here == pytest.approx(field.lattice[1, 3, 2], abs=1e-5)
    assert there == pytest.approx(here, abs=1e-5)


def test_a_closer_back_cuts_skin_and_muscle_wall(patient: CtPatient) -> None:
    scene = scene_of(patient)
    ((_, canvas),) = canvases(coarse_grid(100.0, 110.0), slab_slices=99)
    skin, wall = scene.surfaces(canvas)
    back = np.array([[0.0, 0.0, 40.0], [300.0, 0.0, 40.0]])
    closer_skin, closer_wall = replace(scene, back_mm=back).surfaces(canvas)
    behind = canvas.ys > 75
    middle = np.abs(canvas.xs) < 10
    assert (closer_wall[:, behind][:, :, middle] > 0).all()
    assert (closer_skin >= skin).all()
    front = (canvas.ys < 0)[None, :, None] & (wall > -40)
    np.testing.assert_array_equal(closer_wall[front], wall[front])


@pytest.mark.parametrize("height_mm", [-280.0, 0.0, 250.0, 560.0])
def test_leaving_out_what_is_far_from_the_body_changes_nothing(patient: CtPatient, height_mm: float) -> None:
    class Thorough(CtPalette):
        reach_mm = np.inf

    ((_, canvas),) = canvases(coarse_grid(height_mm, height_mm + 10, pixel_mm=4.0), slab_slices=99)
    scene = scene_of(patient)
    quick, masks = paint(scene, canvas, CtPalette())
    slow, all_masks = paint(scene, canvas, Thorough())
    np.testing.assert_array_equal(quick, slow)
    np.testing.assert_array_equal(masks.sites, all_masks.sites)
    skin, wall = scene.surfaces(canvas)
    window = scene.body_window(canvas, 60.0)
    outside = np.ones(canvas.shape, bool)
    outside[window] = False
    assert outside.any()
    assert (skin[outside] >= 60.0).all()
    assert (wall[outside] >= 60.0).all()
    assert (skin < 0).any()
