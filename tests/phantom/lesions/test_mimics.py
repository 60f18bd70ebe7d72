from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.skeleton import build_skeleton
from osteon.phantom.anatomy.spine import build_spine
from osteon.phantom.lesions.mimics import ROOMY, draw_mimics

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.lesions.spot import Spot


@pytest.fixture(scope="module")
def person() -> Person:
    return replace(draw_person(np.random.default_rng(2)), age_years=75.0, degeneration=0.6)


@pytest.fixture(scope="module")
def bones(person: Person) -> tuple[Bone, ...]:
    spine = build_spine(person, np.random.default_rng(3))
    return build_skeleton(spine, person, rng=np.random.default_rng(4))


@pytest.fixture(scope="module")
def mimics(person: Person, bones: tuple[Bone, ...]) -> list[Spot]:
    return [spot for seed in range(8) for spot in draw_mimics(bones, person, rng=np.random.default_rng(seed))]


def test_the_studys_two_mimics_and_two_more(mimics: list[Spot]) -> None:
    counts = Counter(spot.kind for spot in mimics)
    assert set(counts) == {"basivertebral vein", "focal osteopenia", "schmorl node", "haemangioma"}
    assert counts["basivertebral vein"] > counts["focal osteopenia"] > counts["haemangioma"]


def test_veins_enter_bodies_from_behind_at_mid_height(mimics: list[Spot], bones: tuple[Bone, ...]) -> None:
    named = {bone.name: bone for bone in bones}
    for spot in (spot for spot in mimics if spot.kind == "basivertebral vein"):
        bone = named[spot.bone]
        start = bone.frame.T @ (spot.solid.start - bone.centre)  # type: ignore[attr-defined]
        end = bone.frame.T @ (spot.solid.end - bone.centre)  # type: ignore[attr-defined]
        body = bone.solids[0]
        assert start[1] > end[1]
        assert start[1] > 0.25 * body.depth_mm
        assert max(abs(start[2]), abs(end[2])) < 4
        assert 2 < spot.diameter_mm < 5
        assert bone.label >= 8  # none drawn in the neck


def test_osteopenia_is_fat_with_a_soft_margin_inside_roomy_bones(mimics: list[Spot], bones: tuple[Bone, ...]) -> None:
    named = {bone.name: bone for bone in bones}
    found = [spot for spot in mimics if spot.kind == "focal osteopenia"]
    assert {spot.site for spot in found} <= set(ROOMY)
    assert len({spot.site for spot in found}) > 2
    for spot in found:
        assert spot.hu <= 5
        assert spot.edge_mm >= 2
        assert not spot.destroys_cortex
        assert spot.diameter_mm > 0
        middle = np.mean(spot.solid.bounds(), axis=0).astype(np.float32)
        assert named[spot.bone].distance(*middle[:, None])[0] < 0
        assert "shaft" not in spot.bone


def test_schmorl_nodes_break_end_plates_and_have_a_rim(mimics: list[Spot], bones: tuple[Bone, ...]) -> None:
    named = {bone.name: bone for bone in bones}
    found = [spot for spot in mimics if spot.kind == "schmorl node"]
    for spot in found:
        bone = named[spot.bone]
        height = abs(float((bone.frame.T @ (np.mean(spot.solid.bounds(), axis=0) - bone.centre))[2]))
        body = bone.solids[0]
        assert height + 0.5 * spot.diameter_mm > min(body.front_mm, body.back_mm) / 2
        assert spot.destroys_cortex
        assert spot.rim_hu is not None
        assert spot.rim_hu > 300
    assert any(spot.bone for spot in found)


def test_osteopenia_is_an_old_persons(person: Person, bones: tuple[Bone, ...]) -> None:
    def count(age: float) -> int:
        drawn = (draw_mimics(bones, replace(person, age_years=age), rng=np.random.default_rng(k)) for k in range(8))
        return sum(spot.kind == "focal osteopenia" for spots in drawn for spot in spots)

    assert count(85.0) > 2 * count(45.0)
