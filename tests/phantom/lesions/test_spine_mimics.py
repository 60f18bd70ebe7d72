"""Incidental findings, wear and pitfalls: how often, by age, and where."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.lesions import places
from osteon.phantom.lesions.forms import depth_mm, volume_mm3
from osteon.phantom.lesions.incidental import BONE_ISLAND_SHARE, FAT_ISLAND_SHARE, HAEMANGIOMA_SHARE, draw_incidental
from osteon.phantom.lesions.mimics import draw_spine_mimics
from osteon.phantom.lesions.pitfalls import GOITRE_SHARE, draw_goitre, draw_piriformis, draw_radiation
from osteon.phantom.lesions.wear import draw_wear, facet_share, modic_chance, schmorl_chance

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person

PEOPLE = 120


def test_people_carry_them_as_often_as_counted(column: tuple[Bone, ...], somebody: Person) -> None:
    middle_aged = replace(somebody, age_years=54.0)
    found = [
        {spot.kind for spot in draw_incidental(column, middle_aged, rng=np.random.default_rng(k))}
        for k in range(PEOPLE)
    ]
    printed = {"haemangioma": HAEMANGIOMA_SHARE, "fat island": FAT_ISLAND_SHARE, "bone island": BONE_ISLAND_SHARE}
    for kind, share in printed.items():
        error = 4 * np.sqrt(share * (1 - share) / PEOPLE)
        assert np.mean([kind in kinds for kinds in found]) == pytest.approx(share, abs=error)


def test_haemangiomas_have_struts_and_bone_islands_are_compact(column: tuple[Bone, ...], somebody: Person) -> None:
    spots = [spot for k in range(40) for spot in draw_incidental(column, somebody, rng=np.random.default_rng(k))]
    for spot in spots:
        assert spot.tissue is not None
        if spot.kind == "haemangioma":
            assert spot.pattern == "struts"
        if spot.kind == "bone island":
            assert 600 <= spot.hu <= 1800
        if spot.kind == "fat island":
            assert spot.tissue.fat_fraction > 0.6
    assert {spot.kind for spot in spots} == {"haemangioma", "fat island", "bone island", "red marrow"}
    named = {bone.name: bone for bone in column}
    for spot in spots[:25]:
        assert volume_mm3(spot.solid, within=named[spot.bone]) > 0.9 * volume_mm3(spot.solid)


def test_wear_is_an_old_spines(column: tuple[Bone, ...], somebody: Person) -> None:
    def count(degeneration: float, age: float) -> int:
        person = replace(somebody, degeneration=degeneration, age_years=age)
        return sum(len(draw_wear(column, person, rng=np.random.default_rng(k))) for k in range(15))

    assert count(0.9, 80.0) > 2 * count(0.15, 30.0)


def test_modic_changes_come_in_pairs_of_one_type_at_low_discs(column: tuple[Bone, ...], somebody: Person) -> None:
    worn = replace(somebody, degeneration=0.9)
    found = [
        [spot for spot in draw_wear(column, worn, rng=np.random.default_rng(k)) if spot.kind.startswith("Modic")]
        for k in range(60)
    ]
    spots = [spot for one in found for spot in one]
    low = sum(spot.label in (23, 24, 26) for spot in spots)
    assert low > 0.4 * len(spots)
    kinds = Counter(spot.kind for spot in spots)
    assert kinds["Modic 2"] > kinds["Modic 1"] > kinds["Modic 3"]
    assert modic_chance(24, worn) > modic_chance(21, worn) > modic_chance(12, worn)


def test_schmorl_nodes_by_sex_and_facets_by_age(somebody: Person) -> None:
    man, woman = replace(somebody, sex="M"), replace(somebody, sex="F")
    none = np.prod([1 - schmorl_chance(label, man) for label in range(20, 25)])
    assert 1 - none == pytest.approx(0.288, abs=0.03)  # degeneration of one half leaves the published share
    assert schmorl_chance(21, man) > schmorl_chance(21, woman) > schmorl_chance(5, woman)
    assert [facet_share(age) for age in (20, 30, 40, 50)] == pytest.approx([0.04, 0.09, 0.18, 0.32])


def test_goitre_and_piriformis_lie_beside_the_spine(column: tuple[Bone, ...], somebody: Person) -> None:
    goitres = [draw_goitre(column, somebody, rng=np.random.default_rng(k)) for k in range(300)]
    share = np.mean([bool(spots) for spots in goitres])
    assert share == pytest.approx(GOITRE_SHARE, abs=4 * np.sqrt(GOITRE_SHARE / 300))
    muscles = draw_piriformis(column, somebody, rng=np.random.default_rng(0))
    assert len(muscles) == 2
    sacrum = next(bone for bone in column if bone.site == "sacrum")
    for spot in [*muscles, *(spot for spots in goitres for spot in spots)]:
        assert spot.grows_out
        bone = next(bone for bone in column if bone.name == spot.bone)
        assert volume_mm3(spot.solid, within=bone) < 0.4 * volume_mm3(spot.solid)
    assert np.sign(np.mean(muscles[0].solid.bounds(), axis=0)[0]) != np.sign(
        np.mean(muscles[1].solid.bounds(), axis=0)[0]
    )
    assert (
        draw_piriformis(tuple(bone for bone in column if bone is not sacrum), somebody, rng=np.random.default_rng(0))
        == []
    )
    assert draw_goitre((sacrum,), somebody, rng=np.random.default_rng(0)) == []


def test_irradiated_vertebrae_are_neighbours_and_fatty(column: tuple[Bone, ...]) -> None:
    spots = draw_radiation(column, rng=np.random.default_rng(1))
    labels = sorted(26 if spot.site == "sacrum" else spot.label for spot in spots)
    assert 3 <= len(labels) <= 8
    assert all(b - a in (1, 2) for a, b in pairwise(labels))  # 25 is L6
    for spot in spots:
        assert spot.tissue is not None
        assert spot.tissue.fat_fraction > 0.6
        bone = next(bone for bone in column if bone.name == spot.bone)
        body = places.body_of(bone)
        if body is not None:
            assert depth_mm(spot.solid, body.centre) > 0
    assert draw_radiation(column[:2], rng=np.random.default_rng(1)) == []


def test_everything_together_is_the_seeds(column: tuple[Bone, ...], somebody: Person) -> None:
    one, two = (draw_spine_mimics(column, somebody, rng=np.random.default_rng(7)) for _ in range(2))
    assert [(spot.kind, spot.bone, spot.diameter_mm) for spot in one] == [
        (spot.kind, spot.bone, spot.diameter_mm) for spot in two
    ]
    assert all(spot.tissue is not None and spot.diameter_mm > 0 for spot in one)
    assert Counter(spot.kind for spot in one).most_common(1)[0][0] == "basivertebral vein"
