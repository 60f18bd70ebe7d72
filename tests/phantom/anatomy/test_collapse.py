from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osteon.phantom.anatomy.collapse import (
    Collapse,
    collapsed,
    draw_collapse,
    genant_grade,
    kyphosis_deg,
    protrusions,
    share_of_kyphosis,
    with_protrusion,
)
from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.shapes import VertebralBody
from osteon.phantom.anatomy.spine import Spine, build_spine


def upright() -> VertebralBody:
    return VertebralBody(
        centre=np.zeros(3), frame=np.eye(3), width_mm=42, depth_mm=34, front_mm=25, back_mm=26, hollow_up_mm=1
    )


def thickness_mm(body: VertebralBody, back: float) -> float:
    """How high the body is on a line at ``back`` (-1 front, 1 back), counted in steps of 0.05 mm."""
    z = np.arange(-30, 30, 0.05, dtype=np.float32)
    y = np.float32(back * 0.7 * body.depth_mm / 2)
    inside = body.distance(np.full_like(z, 9.0 if back > 0 else 0.0), np.full_like(z, y), z) < 0
    return float(inside.sum() * 0.05)


def middle_mm(body: VertebralBody) -> float:
    z = np.arange(-30, 30, 0.05, dtype=np.float32)
    return float((body.distance(np.zeros_like(z), np.zeros_like(z), z) < 0).sum() * 0.05)


@pytest.fixture(scope="module")
def person() -> Person:
    return replace(draw_person(np.random.default_rng(2)), scale=1.0, degeneration=0.0, scoliosis_mm=0.0)


def spines(person: Person, collapse: Collapse) -> tuple[Spine, Spine]:
    """The same column whole, and with T12 fractured."""
    return (
        build_spine(person, np.random.default_rng(3)),
        build_spine(person, np.random.default_rng(3), collapses={"T12": collapse}),
    )


@pytest.mark.parametrize(("loss", "grade"), [(0.1, 0), (0.19, 0), (0.2, 1), (0.24, 1), (0.3, 2), (0.41, 3), (0.7, 3)])
def test_grades_are_genants(loss: float, grade: int) -> None:
    assert genant_grade(loss) == grade


@pytest.mark.parametrize("seed", range(12))
def test_each_shape_loses_height_where_it_should(seed: int) -> None:
    rng = np.random.default_rng(seed)
    body = upright()
    wedge = collapsed(body, draw_collapse(rng, wedge=True, whole=False, concave=False))
    whole = collapsed(body, draw_collapse(rng, wedge=False, whole=True, concave=False))
    concave = collapsed(body, draw_collapse(rng, wedge=False, whole=False, concave=True))
    plain = collapsed(body, draw_collapse(rng, wedge=False, whole=False, concave=False))
    front, back, middle = thickness_mm(body, -1), thickness_mm(body, 1), middle_mm(body)
    assert thickness_mm(wedge, -1) < 0.85 * front
    assert thickness_mm(wedge, 1) > 0.8 * back
    assert thickness_mm(wedge, -1) < 0.85 * thickness_mm(wedge, 1)
    assert max(thickness_mm(whole, -1) / front, thickness_mm(whole, 1) / back) < 0.87
    assert middle_mm(concave) < 0.72 * middle
    assert min(thickness_mm(concave, -1) / front, thickness_mm(concave, 1) / back) > 0.7
    for shape, sunken in ((concave, True), (wedge, False), (whole, False), (plain, False)):
        walls = (thickness_mm(shape, -1) + thickness_mm(shape, 1)) / 2
        assert (middle_mm(shape) < 0.82 * walls) is sunken
    assert middle_mm(plain) > 0.93 * middle


def test_walls_stand_out_by_what_was_drawn() -> None:
    body = upright()
    assert protrusions(body, Collapse()) == ()
    y = np.arange(-40, 40, 0.05, dtype=np.float32)
    for collapse in (Collapse(bulge_back_mm=3.0), Collapse(corner_mm=3.0, bulge_front_mm=4.0)):
        reach = []
        for solid in protrusions(body, collapse):
            low, high = solid.bounds()
            z = np.full_like(y, (low[2] + high[2]) / 2)
            inside = y[solid.distance(np.zeros_like(y), y, z) < 0]
            reach += [inside.min(), inside.max()]
        assert max(reach) == pytest.approx(17 + 3.0, abs=0.2)
        if collapse.bulge_front_mm:
            assert min(reach) == pytest.approx(-17 - 4.0, abs=0.2)


def test_cancer_bulges_and_benign_fractures_push_corners() -> None:
    rng = np.random.default_rng(0)
    malignant = [with_protrusion(Collapse(), rng, malignant=True) for _ in range(40)]
    benign = [with_protrusion(Collapse(), rng, malignant=False) for _ in range(40)]
    assert all(shape.bulge_back_mm and shape.corner_mm is None for shape in malignant)
    assert sum(shape.corner_mm is not None for shape in benign) > 20


def test_column_above_a_wedge_leans_forwards_and_below_stays(person: Person) -> None:
    wedge = Collapse(front=0.5)
    whole, broken = spines(person, wedge)
    names = [bone.name for bone in whole.bones]
    at = names.index("T12")
    for before, after in zip(whole.bones[:at], broken.bones[:at], strict=True):
        np.testing.assert_array_equal(before.centre, after.centre)
    tips = []
    for before, after in zip(whole.bones[:-1], broken.bones[:-1], strict=True):
        turn = after.frame @ before.frame.T
        tips.append(np.rad2deg(np.arctan2(turn[2, 1], turn[1, 1])))
    expected = kyphosis_deg(wedge, height_mm=23.5, wedge_deg=3.5, depth_mm=33.1)
    assert expected == pytest.approx(16, abs=3)
    assert np.abs(tips[:at]).max() < 0.01
    assert tips[at + 1] == pytest.approx(expected * share_of_kyphosis(1.0), abs=0.1)
    assert tips[-1] == pytest.approx(0.45 * expected, abs=1.0)
    assert broken.bones[at + 6].centre[1] < whole.bones[at + 6].centre[1] - 5  # forwards is lower y


def test_discs_keep_their_heights_and_fill_sunken_end_plates(person: Person) -> None:
    whole, broken = spines(person, Collapse(hollow=0.5))
    at = [bone.name for bone in whole.bones].index("T12")
    for k in (at, at + 1):  # the discs under and over T12
        assert broken.discs[k].front_mm == pytest.approx(whole.discs[k].front_mm)  # type: ignore[attr-defined]
    for before, after in zip(whole.bones[:-2], whole.bones[1:-1], strict=True):
        assert before.label == after.label + 1
    bone = broken.bones[at]
    body = bone.solids[0]
    assert isinstance(body, VertebralBody)
    for disc, rim in ((broken.discs[at], -1), (broken.discs[at + 1], 1)):
        hollow = body.hollow_up_mm if rim > 0 else body.hollow_low_mm
        assert hollow > 3
        inside = body.centre + body.frame @ np.array([0, 0, rim * ((body.front_mm + body.back_mm) / 4 - 0.7 * hollow)])
        x, y, z = inside.astype(np.float32)[:, None]
        assert float(disc.distance(x, y, z)[0]) < 0 < float(bone.distance(x, y, z)[0])


@pytest.mark.parametrize("collapse", [Collapse(bulge_back_mm=3.0), Collapse(front=0.6, corner_mm=3.0)])
def test_what_protrudes_lies_in_the_canal(person: Person, collapse: Collapse) -> None:
    whole, broken = spines(person, collapse)
    at = [bone.name for bone in whole.bones].index("T12")
    for spine, found in ((whole, False), (broken, True)):
        bone = spine.bones[at]
        body = bone.solids[0]
        assert isinstance(body, VertebralBody)
        z = np.linspace(-0.3, 0.45, 40) * body.back_mm
        offsets = np.stack([0 * z, np.full_like(z, body.depth_mm / 2 + 1.0), z], axis=1)
        points = (body.centre + offsets @ body.frame.T).astype(np.float32)
        assert bool((bone.distance(*points.T) < 0).any()) is found


def test_a_fracture_of_all_bones_still_hangs_together(person: Person) -> None:
    rng = np.random.default_rng(5)
    collapses = {name: draw_collapse(rng, wedge=False, whole=True, concave=True) for name in ("T7", "T12", "L3")}
    spine = build_spine(person, np.random.default_rng(3), collapses=collapses)
    heights = [bone.centre[2] for bone in spine.bones]
    assert (np.diff(heights) > 5).all()
    assert heights[-1] < build_spine(person, np.random.default_rng(3)).bones[-1].centre[2] - 10
