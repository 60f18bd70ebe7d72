from __future__ import annotations

import numpy as np
import pytest

from osteon.phantom.anatomy.person import Person, draw_person, expected_trabecular_hu


@pytest.fixture(scope="module")
def people() -> list[Person]:
    rng = np.random.default_rng(0)
    return [draw_person(rng) for _ in range(1500)]


def test_ages_and_sexes_are_those_of_the_study(people: list[Person]) -> None:
    ages = np.array([person.age_years for person in people])
    assert ages.min() >= 35
    assert ages.max() <= 90
    assert np.median(ages) == pytest.approx(67, abs=1.5)
    assert np.mean([person.sex == "M" for person in people]) == pytest.approx(0.55, abs=0.05)
    assert {person.sex for person in people} == {"M", "F"}


def test_trabecular_bone_thins_with_age(people: list[Person]) -> None:
    ages = np.array([person.age_years for person in people])
    hu = np.array([person.trabecular_hu for person in people])
    slope = np.polyfit(ages, hu, 1)[0]
    assert -3.0 < slope < -1.5  # HU a year; doi 10.1148/radiol.2019181648 states -2.5
    residual = hu - [expected_trabecular_hu(person.age_years, person.sex) for person in people]
    assert residual.std() == pytest.approx(38, abs=3)


@pytest.mark.parametrize("sex", ["M", "F"])
def test_expected_attenuation_never_rises(sex: str) -> None:
    values = [expected_trabecular_hu(age, sex) for age in range(18, 101)]
    assert (np.diff(values) <= 0).all()


def test_expected_attenuation_is_anchored_at_published_means() -> None:
    young = np.mean([expected_trabecular_hu(age, sex) for age in range(18, 30) for sex in "MF"])
    assert young == pytest.approx(226, abs=10)
    assert [expected_trabecular_hu(90, sex) for sex in "MF"] == [89, 89]
    assert expected_trabecular_hu(45, "F") > expected_trabecular_hu(45, "M")


def test_worn_and_fatty_with_age(people: list[Person]) -> None:
    old = [person for person in people if person.age_years > 75]
    young = [person for person in people if person.age_years < 50]
    for habit in ("degeneration", "muscle_fat"):
        shares = [np.array([getattr(person, habit) for person in group]) for group in (young, old)]
        assert shares[0].mean() < shares[1].mean()
        assert all(((group >= 0) & (group <= 1)).all() for group in shares)


def test_supine_lordosis(people: list[Person]) -> None:
    lordosis = np.array([person.tilt_deg[0] - person.tilt_deg[2] for person in people])
    assert lordosis.mean() == pytest.approx(36.8, abs=13.2)  # mean and SD of PMC6680033
    assert 4 < lordosis.std() < 13.2


def test_a_wanted_age_is_kept_and_the_seed_decides_the_rest() -> None:
    one, two = (draw_person(np.random.default_rng(4), age_years=50.0) for _ in range(2))
    assert one == two
    assert one.age_years == 50.0
    assert draw_person(np.random.default_rng(5), age_years=50.0) != one
