from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from osteon.evaluation.published import load_facts
from osteon.phantom.fracture_patient import (
    LEVEL_NAMES,
    LEVEL_WEIGHTS,
    draw_age,
    draw_fracture_patient,
    draw_primary,
)
from osteon.phantom.lesions import fracture_features as ff
from tests.phantom.fracture_measures import scores

FACTS = load_facts("fracture")


def test_ages_have_the_studys_means_and_range() -> None:
    rng = np.random.default_rng(0)
    low, high = FACTS["age_years"]["range"]
    for malignant, key in ((True, "malignant_mean"), (False, "benign_mean")):
        ages = [draw_age(rng, malignant=malignant) for _ in range(1500)]
        assert np.mean(ages) == pytest.approx(FACTS["age_years"][key], abs=1.1)
        assert low <= min(ages) < max(ages) <= high


def test_primaries_are_ranked_as_in_the_study() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_primary(rng, sex=sex) for sex in ("M", "F") for _ in range(800)]
    counts = [drawn.count(name) for name in FACTS["primary_order"]]
    assert counts == sorted(counts, reverse=True)
    assert not {"breast"} & set(drawn[:800])
    assert not {"prostate"} & set(drawn[800:])


def test_levels_are_drawn_by_their_weights_or_given() -> None:
    assert all(len(weights) == len(LEVEL_NAMES) for weights in LEVEL_WEIGHTS.values())
    lumbar = [sum(LEVEL_WEIGHTS[m][-5:]) / sum(LEVEL_WEIGHTS[m]) for m in (True, False)]
    thoracolumbar = [sum(LEVEL_WEIGHTS[m][8:11]) / sum(LEVEL_WEIGHTS[m]) for m in (True, False)]
    assert lumbar[0] > 0.4
    assert thoracolumbar[0] < thoracolumbar[1]
    fracture = draw_fracture_patient(np.random.default_rng(0), malignant=False, level="T7")
    assert (fracture.bone.name, fracture.bone.label) == ("T7", 14)


def test_the_same_seed_draws_the_same_person_whatever_the_features() -> None:
    one, two, other = (
        draw_fracture_patient(np.random.default_rng(5), malignant=True, features=features)
        for features in (None, None, frozenset({ff.WHOLE, ff.DIFFUSE, ff.MASS, ff.OTHERS}))
    )
    assert one.features == two.features
    assert [spot.kind for spot in one.patient.lesions] == [spot.kind for spot in two.patient.lesions]
    np.testing.assert_array_equal(one.bone.centre, two.bone.centre)
    assert one.patient.person == other.patient.person
    assert one.bone.name == other.bone.name
    assert one.primary == other.primary


@pytest.mark.parametrize("malignant", [True, False])
def test_lesions_are_where_they_belong(malignant: bool) -> None:
    present = {ff.DIFFUSE, ff.WHOLE, ff.OTHERS, *((ff.MASS, ff.ARCH) if malignant else (ff.LINE,))}
    fracture = draw_fracture_patient(np.random.default_rng(8), malignant=malignant, features=frozenset(present))
    own = [spot for spot in fracture.patient.lesions if spot.bone == fracture.bone.name]
    others = [spot for spot in fracture.patient.lesions if spot.bone != fracture.bone.name]
    assert own
    assert others
    assert not {spot.bone for spot in others} & set(fracture.old)
    assert not [spot for spot in fracture.patient.mimics if spot.bone == fracture.bone.name]
    assert (fracture.primary is not None) is malignant
    assert any(spot.grows_out for spot in own) is malignant


def test_old_fractures_are_not_next_to_the_new_one() -> None:
    found = 0
    for seed in range(6):
        fracture = draw_fracture_patient(np.random.default_rng(seed), malignant=False)
        here = LEVEL_NAMES.index(fracture.bone.name)
        found += len(fracture.old)
        assert all(abs(LEVEL_NAMES.index(name) - here) >= 2 for name in fracture.old)
    assert found > 0


def _drawn() -> list[tuple[bool, int, ff.State]]:
    """Class, seed and features of a few patients, so that each feature is there at least twice."""
    rng = np.random.default_rng(21)
    chosen: list[tuple[bool, int, ff.State]] = []
    for feature in reversed(ff.FEATURES):  # the rare ones first
        while sum(feature in state for _, _, state in chosen) < 2:
            malignant = ff.COUNTS[feature][1] == 0 or (ff.COUNTS[feature][0] > 0 and bool(rng.random() < 0.5))
            found = {state: p for state, p in ff.combinations(malignant=malignant).items() if feature in state}
            weights = np.array(list(found.values()))
            state = list(found)[int(rng.choice(len(found), p=weights / weights.sum()))]
            chosen.append((malignant, 100 + len(chosen), state))
    return chosen


@cache
def _measured() -> list[tuple[bool, ff.State, dict[str, float]]]:
    rows = []
    for malignant, seed, state in _drawn():
        fracture, upright = (
            draw_fracture_patient(np.random.default_rng(seed), malignant=malignant, features=features)
            for features in (state, frozenset({ff.NO_COLLAPSE}))
        )
        rows.append((malignant, state, scores(fracture, upright)))
    return rows


@pytest.mark.parametrize("feature", ff.FEATURES)
def test_the_picture_shows_each_drawn_feature(feature: str) -> None:
    """A measurement on noiseless T1 and T2 ranks patients with the feature above those without."""
    rows = _measured()
    if feature == ff.NODULE:  # told from other malignant ones; a band sticks out of the marrow as a nodule does
        rows = [row for row in rows if row[0] and ff.BAND not in row[1]]
    present = np.array([row[2][feature] for row in rows if feature in row[1]])
    absent = np.array([row[2][feature] for row in rows if feature not in row[1]])
    assert min(len(present), len(absent)) >= 2
    area = (present[:, None] > absent).mean() + 0.5 * (present[:, None] == absent).mean()
    assert area > 0.95
