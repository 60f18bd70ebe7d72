from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from osteon.phantom.anatomy.levels import LEVELS, VARIANTS, column, place_in_table
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.anatomy.skeleton import build_skeleton
from osteon.phantom.anatomy.spine import build_spine

USUAL = [f"C{n}" for n in range(2, 8)] + [f"T{n}" for n in range(1, 13)] + [f"L{n}" for n in range(1, 6)]


@pytest.mark.parametrize(
    ("variant", "more", "fewer"),
    [("", {}, ()), ("L6", {"L6": 25}, ()), ("T13", {"T13": 28}, ()), ("L4", {}, ("L5",)), ("T11", {}, ("T12",))],
)
def test_columns_with_their_verse_numbers_and_ribs(variant: str, more: dict[str, int], fewer: tuple[str, ...]) -> None:
    person = replace(draw_person(np.random.default_rng(2)), variant=variant, cobb_deg=0.0, slip_mm=0.0)
    spine = build_spine(person, np.random.default_rng(3))
    labels = {bone.name: bone.label for bone in spine.bones}
    usual = {level.name: level.label for level in LEVELS} | {"C1": 1}
    assert labels == {name: label for name, label in (usual | more).items() if name not in fewer}
    heights = [bone.centre[2] for bone in spine.bones]
    assert (np.diff(heights) > 8).all()
    assert set(USUAL) <= set(spine.centres_mm)
    ribs = {b.name.split()[1] for b in build_skeleton(spine, person, rng=np.random.default_rng(0)) if b.site == "rib"}
    assert ribs == {name[1:] for name in labels if name[0] == "T"}


def test_a_longer_region_has_the_same_curve() -> None:
    for variant in VARIANTS:
        levels = column(variant)
        places = [place_in_table(levels, k) for k in range(len(levels))]
        assert (np.diff(places) > 0).all()
        assert places[-1] == len(LEVELS) - 1
        first_thoracic = next(k for k, level in enumerate(levels) if level.name[0] == "T")
        assert places[first_thoracic] == 5


def test_variants_occur_at_population_rates_and_only_when_asked_for() -> None:
    drawn = Counter(draw_person(np.random.default_rng(k), variants=True).variant for k in range(1500))
    assert drawn["L6"] / 1500 == pytest.approx(0.043, abs=0.02)
    assert (drawn["L4"] + drawn["T11"]) / 1500 == pytest.approx(0.047, abs=0.02)
    assert {draw_person(np.random.default_rng(k)).variant for k in range(100)} == {""}


@pytest.mark.parametrize("cobb_deg", [-35.0, 20.0])
def test_the_column_has_the_cobb_angle_asked_for(cobb_deg: float) -> None:
    person = replace(
        draw_person(np.random.default_rng(2)),
        scoliosis_mm=0.0, cobb_deg=cobb_deg, apex=5.0, curve_levels=3.0, slip_mm=0.0, variant="",
    )  # fmt: skip
    spine = build_spine(person, np.random.default_rng(3))
    up = np.array([bone.frame[:, 2] for bone in spine.bones[:-1]])
    lean = np.rad2deg(np.arctan2(up[:, 0], up[:, 2]))
    assert lean.max() - lean.min() == pytest.approx(abs(cobb_deg), abs=3)
    x = np.array([bone.centre[0] for bone in spine.bones])
    assert np.sign(x[5]) == np.sign(cobb_deg)
    assert abs(x[5]) > 3 * abs(x[-1])  # the head is above the pelvis
