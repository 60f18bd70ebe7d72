from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.soft import GAS, LUNG, Organ, soft_tissue
from osteon.phantom.anatomy.spine import Spine, build_spine


@pytest.fixture(scope="module")
def person() -> Person:
    return replace(draw_person(np.random.default_rng(2)), contrast_hu=0.0, age_years=60.0)


@pytest.fixture(scope="module")
def spine(person: Person) -> Spine:
    return build_spine(person, np.random.default_rng(3))


def organs(spine: Spine, person: Person, seed: int = 0) -> tuple[Organ, ...]:
    return soft_tissue(spine, person, rng=np.random.default_rng(seed))


def mean_hu(found: tuple[Organ, ...], name: str) -> float:
    return float(np.mean([organ.hu for organ in found if organ.name == name]))


def test_unenhanced_organs_have_textbook_attenuation(spine: Spine, person: Person) -> None:
    found = organs(spine, person)
    limits = {"liver": (45, 65), "spleen": (35, 55), "kidney": (20, 40), "aorta": (30, 65), "muscle": (40, 65)}
    limits |= {"disc": (60, 100), "brain": (25, 45), "bladder": (0, 15), "canal": (0, 15), "cord": (30, 40)}
    for name, (low, high) in limits.items():
        assert low <= mean_hu(found, name) <= high, name
    assert mean_hu(found, "lung") == LUNG
    assert min(organ.hu for organ in found) == GAS


def test_contrast_agent_enhances_vessels_most(spine: Spine, person: Person) -> None:
    plain, enhanced = (organs(spine, replace(person, contrast_hu=k)) for k in (0.0, 130.0))
    gain = {
        name: mean_hu(enhanced, name) - mean_hu(plain, name) for name in ("aorta", "kidney", "liver", "muscle", "disc")
    }
    assert gain["aorta"] == pytest.approx(130)
    assert gain["aorta"] > gain["kidney"] > gain["liver"] > gain["muscle"] > 0
    assert gain["disc"] == 0


def test_later_organs_lie_on_earlier_ones(spine: Spine, person: Person) -> None:
    names = [organ.name for organ in organs(spine, person)]
    for first, second in (
        ("muscle", "lung"),
        ("lung", "heart"),
        ("heart", "chamber"),
        ("disc", "canal"),
        ("canal", "cord"),
    ):
        assert names.index(first) < names.index(second)


def test_paired_organs_are_on_both_sides(spine: Spine, person: Person) -> None:
    for name in ("kidney", "lung", "muscle"):
        x = [np.mean(organ.solid.bounds(), axis=0)[0] for organ in organs(spine, person) if organ.name == name]
        assert min(x) < -20
        assert max(x) > 20
    liver = next(organ for organ in organs(spine, person) if organ.name == "liver")
    assert np.mean(liver.solid.bounds(), axis=0)[0] < 0  # on the right


def test_old_vessels_and_cartilage_calcify(spine: Spine, person: Person) -> None:
    def count(age: float, name: str) -> int:
        aged = replace(person, age_years=age)
        return sum(organ.name == name for seed in range(8) for organ in organs(spine, aged, seed))

    for name in ("plaque", "calcified cartilage"):
        assert count(85.0, name) > count(55.0, name) > 0
        assert count(40.0, name) == 0


def test_the_aorta_runs_left_in_front_of_the_spine(spine: Spine, person: Person) -> None:
    at_l3 = [
        o.solid
        for o in organs(spine, person)
        if o.name == "aorta" and o.solid.bounds()[0][2] < spine.centres_mm["L3"][2]
    ]
    middle = np.mean([np.mean(solid.bounds(), axis=0) for solid in at_l3], axis=0)
    assert middle[0] > 0
    assert middle[1] < spine.centres_mm["L3"][1] - 15


def test_the_cord_lies_in_the_canal(spine: Spine, person: Person) -> None:
    found = organs(spine, person)
    for limb in (organ.solid for organ in found if organ.name == "cord"):
        middle = np.float32(np.mean(limb.bounds(), axis=0))[:, None]
        assert min(organ.solid.distance(*middle)[0] for organ in found if organ.name == "canal") < -2
