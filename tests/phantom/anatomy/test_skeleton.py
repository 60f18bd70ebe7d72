from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.skeleton import build_skeleton, rib_path, thorax_centre
from osteon.phantom.anatomy.spine import Spine, build_spine
from osteon.phantom.ct.render import SITES

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone


@pytest.fixture(scope="module")
def person() -> Person:
    return replace(draw_person(np.random.default_rng(2)), scale=1.0, scoliosis_mm=0.0, arms_up=False, sex="M")


@pytest.fixture(scope="module")
def spine(person: Person) -> Spine:
    return build_spine(person, np.random.default_rng(3))


@pytest.fixture(scope="module")
def bones(person: Person, spine: Spine) -> dict[str, Bone]:
    built = build_skeleton(spine, person, rng=np.random.default_rng(4))
    named = {bone.name: bone for bone in built}
    assert len(named) == len(built)
    return named


def test_all_bones_are_there_with_sites_that_masks_can_hold(bones: dict[str, Bone]) -> None:
    counts = {site: sum(bone.site == site for bone in bones.values()) for site in SITES[1:]}
    assert counts == {
        "vertebra": 24,
        "rib": 24,
        "sternum": 1,
        "clavicle": 2,
        "scapula": 2,
        "humerus": 4,
        "pelvis": 2,
        "sacrum": 1,
        "femur": 4,
        "skull": 3,
    }
    assert {bone.site for bone in bones.values()} < set(SITES)
    assert [name for name, bone in bones.items() if bone.label and bone.site != "vertebra"] == ["sacrum"]


def test_left_is_left_in_lps(bones: dict[str, Bone]) -> None:
    for name, bone in bones.items():
        low, high = bone.bounds()
        if name.endswith("left"):
            assert (low + high)[0] > 0, name
        if name.endswith("right"):
            assert (low + high)[0] < 0, name


def test_heights_run_from_thigh_to_head(bones: dict[str, Bone]) -> None:
    def middle(name: str) -> float:
        low, high = bones[name].bounds()
        return float((low + high)[2] / 2)

    order = [
        "femur shaft left",
        "hip bone left",
        "sacrum",
        "rib 12 left",
        "rib 6 left",
        "rib 1 left",
        "mandible",
        "skull",
    ]
    heights = [middle(name) for name in order]
    assert heights[0] < -150
    assert heights[-1] > 550
    assert middle("femur proximal left") < middle("hip bone left")
    assert heights[0] < heights[1] < heights[3] < heights[4] < heights[5] < heights[6] < heights[7]


def test_ribs_touch_their_vertebra_and_go_round_the_chest(person: Person, spine: Spine, bones: dict[str, Bone]) -> None:
    for rib in range(1, 13):
        path = rib_path(spine, rib, side=1, scale=person.scale)
        vertebra = next(bone for bone in spine.bones if bone.name == f"T{rib}")
        start = np.float32(path[0])
        assert vertebra.distance(*start[:, None])[0] < 8
        assert path[0][0] < path[:, 0].max()
        assert path[-1][2] < path[0][2]  # it falls
        mirror = rib_path(spine, rib, side=-1, scale=person.scale)
        centre = thorax_centre(spine, rib)[0]
        np.testing.assert_allclose((mirror + path)[2:, 0] / 2, centre, atol=1e-6)
        assert bones[f"rib {rib} left"].distance(*np.float32(path[5])[:, None])[0] < 0
    true_ribs = rib_path(spine, 5, side=1, scale=person.scale)
    assert true_ribs[-1][1] < thorax_centre(spine, 5)[1]  # it ends in front


def test_long_bones_have_thick_cortex_and_fatty_marrow(bones: dict[str, Bone]) -> None:
    for name, bone in bones.items():
        shaft = "shaft" in name
        assert (bone.cortex_mm > 3) == shaft, name
        assert (bone.marrow < 0.1) == shaft, name


def test_femoral_heads_sit_in_their_sockets(bones: dict[str, Bone]) -> None:
    for side in ("left", "right"):
        head = bones[f"femur proximal {side}"].solids[0]
        low, high = head.bounds()
        centre, radius = (low + high) / 2, float((high - low)[0] / 2)
        assert 19 < radius < 27  # heads of 38 to 54 mm
        hip = bones[f"hip bone {side}"]
        beside = np.float32(centre + np.array([0.1, 0, 0]))
        assert 0 < hip.distance(*beside[:, None])[0] - radius < 6  # joint space


def test_pelvis_is_as_wide_as_measured(bones: dict[str, Bone]) -> None:
    width = bones["hip bone left"].bounds()[1][0] - bones["hip bone right"].bounds()[0][0]
    assert 250 < width < 310


def test_arms_hang_or_lie_beside_the_head(person: Person, spine: Spine) -> None:
    raised = build_skeleton(spine, replace(person, arms_up=True), rng=np.random.default_rng(4))
    up = {bone.name: bone for bone in raised}
    assert up["humerus shaft left"].bounds()[1][2] > spine.centres_mm["C1"][2]


def test_the_brain_case_is_hollow(spine: Spine, bones: dict[str, Bone]) -> None:
    middle = spine.centres_mm["C1"] + np.array([0, -22.0, 88.0])
    assert bones["skull"].distance(*np.float32(middle + 5)[:, None])[0] > 40
    assert bones["skull"].distance(*np.float32(middle + np.array([0, 0, 75]))[:, None])[0] < 0
