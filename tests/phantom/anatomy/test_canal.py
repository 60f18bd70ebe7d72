from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.anatomy.canal import draw_grades, foramina, mr_discs, spinal_canal
from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.skeleton import build_skeleton
from osteon.phantom.anatomy.spine import Spine, build_spine

if TYPE_CHECKING:
    from osteon.phantom.anatomy.soft import Organ


@pytest.fixture(scope="module")
def person() -> Person:
    return replace(draw_person(np.random.default_rng(1), age_years=55.0), scoliosis_mm=0.0)


@pytest.fixture(scope="module")
def spine(person: Person) -> Spine:
    return build_spine(person, np.random.default_rng(2))


@pytest.fixture(scope="module")
def canal(spine: Spine, person: Person) -> tuple[Organ, ...]:
    rng = np.random.default_rng(3)
    sacrum = next(bone for bone in build_skeleton(spine, person, rng=rng) if bone.site == "sacrum")
    return spinal_canal(spine, sacrum, person, rng=rng)


def nearest(organs: tuple[Organ, ...], name: str, point: np.ndarray) -> float:
    x, y, z = (np.array([value], dtype=np.float32) for value in point)
    return min(float(organ.solid.distance(x, y, z)[0]) for organ in organs if organ.name == name)


def cord_ends_at(canal: tuple[Organ, ...]) -> float:
    return min(float(organ.solid.bounds()[0][2]) for organ in canal if organ.name == "cord")


def test_the_cord_ends_between_t12_and_l2(spine: Spine, canal: tuple[Organ, ...]) -> None:
    assert spine.centres_mm["L3"][2] < cord_ends_at(canal) < spine.centres_mm["T11"][2]


def test_the_cord_lies_in_fluid_in_the_canal(spine: Spine, canal: tuple[Organ, ...]) -> None:
    vertebrae = {bone.name: bone for bone in spine.bones}
    for name in ("C4", "C6", "T2", "T6", "T10"):
        index = [bone.name for bone in spine.bones].index(name)
        middle = spine.canal_mm[index]
        assert nearest(canal, "cord", middle) < 2.0
        assert nearest(canal, "csf", middle) < 0
        x, y, z = (np.array([value], dtype=np.float32) for value in middle)
        assert float(vertebrae[name].distance(x, y, z)[0]) > 0  # not in bone


def test_roots_fill_the_lumbar_sac(spine: Spine, canal: tuple[Organ, ...]) -> None:
    low = min(float(organ.solid.bounds()[0][2]) for organ in canal if organ.name == "root")
    assert low < spine.centres_mm["L4"][2]
    assert sum(organ.name == "root" for organ in canal) > 50


def test_every_foramen_has_fat_and_a_root_on_both_sides(spine: Spine) -> None:
    organs = foramina(spine)
    assert sum(organ.name == "root" for organ in organs) == 2 * len(spine.discs)
    sides = [float(np.mean(organ.solid.bounds(), axis=0)[0]) for organ in organs]
    assert sum(side > 0 for side in sides) == sum(side < 0 for side in sides)


def test_discs_wear_with_age(person: Person, spine: Spine) -> None:
    def mean(age: float, degeneration: float) -> float:
        patient = replace(person, age_years=age, degeneration=degeneration)
        grades = [draw_grades(spine, patient, rng=np.random.default_rng(k)) for k in range(20)]
        assert {g for one in grades for g in one} <= {1, 2, 3, 4, 5}
        return float(np.mean(grades))

    assert mean(25, 0.1) + 0.8 < mean(75, 0.1) < mean(75, 0.8)


def test_a_disc_has_a_nucleus_of_its_grade(spine: Spine) -> None:
    grades = tuple(1 + k % 5 for k in range(len(spine.discs)))
    organs = mr_discs(spine, grades, rng=np.random.default_rng(0))
    nuclei = [organ for organ in organs if organ.name.startswith("nucleus")]
    assert [int(organ.name.split()[1]) for organ in nuclei] == list(grades)
    for organ, disc in zip(nuclei, spine.discs, strict=True):
        x, y, z = (np.array([value], dtype=np.float32) for value in np.mean(organ.solid.bounds(), axis=0))
        assert float(disc.distance(x, y, z)[0]) < 0
