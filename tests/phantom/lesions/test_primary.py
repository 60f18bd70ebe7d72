from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.lesions import places
from osteon.phantom.lesions.forms import volume_mm3
from osteon.phantom.lesions.histology import SPINE_SHARE, share_malignant
from osteon.phantom.lesions.inside import levels
from osteon.phantom.lesions.primary import HISTOLOGIES, draw_histology, draw_place, draw_tumours

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone

DRAWS = 6000


@pytest.fixture(scope="module")
def drawn() -> list[tuple[str, bool, float]]:
    rng = np.random.default_rng(0)
    pairs = (draw_histology(rng) for _ in range(DRAWS))
    return [(one.name, one.malignant, age) for one, age in pairs]


def test_more_than_twenty_types_as_in_the_study(drawn: list[tuple[str, bool, float]]) -> None:
    assert len({one.name for one in HISTOLOGIES}) == len(HISTOLOGIES) > 20
    assert set(Counter(name for name, *_ in drawn)) == {one.name for one in HISTOLOGIES}
    for malignant in (False, True):
        assert sum(one.share for one in HISTOLOGIES if one.malignant is malignant) == pytest.approx(1.0, abs=0.02)


def test_ages_are_the_studys(drawn: list[tuple[str, bool, float]]) -> None:
    ages = np.array([age for *_, age in drawn])
    assert ages.mean() == pytest.approx(48, abs=1.5)  # printed to a year
    assert ages.std() == pytest.approx(18, abs=1.0)
    assert ages.min() >= 4
    assert ages.max() <= 82


def test_the_share_of_malignant_tumours_follows_the_age_curve(drawn: list[tuple[str, bool, float]]) -> None:
    ages, malignant = np.array([age for *_, age in drawn]), np.array([bad for _, bad, _ in drawn])
    for low in range(5, 80, 10):
        inside = (ages >= low) & (ages < low + 10)
        wanted = np.mean([share_malignant(age) for age in ages[inside]])
        assert malignant[inside].mean() == pytest.approx(wanted, abs=4 * np.sqrt(0.25 / inside.sum()))
    assert share_malignant(40.0) == pytest.approx(0.5)
    assert share_malignant(82.0) > 0.95
    assert malignant.mean() == pytest.approx(0.6, abs=0.05)  # 265 of 445 in training


def test_without_metastases_a_third_is_malignant() -> None:
    rng = np.random.default_rng(1)
    drawn = [draw_histology(rng, primary_only=True)[0] for _ in range(2500)]
    assert "metastasis" not in {one.name for one in drawn}
    share = np.mean([one.malignant for one in drawn])
    assert share == pytest.approx(50 / 140, abs=4 * np.sqrt(0.23 / 2500))


def test_types_have_their_ages(drawn: list[tuple[str, bool, float]]) -> None:
    mean = {
        name: np.mean([age for other, _, age in drawn if other == name]) for name in ("Ewing sarcoma", "metastasis")
    }
    assert mean["Ewing sarcoma"] < 30
    assert mean["metastasis"] > 50


def test_places_in_the_spine_are_the_studys(column: tuple[Bone, ...]) -> None:
    named = {bone.name: bone for bone in column}
    rng, found = np.random.default_rng(2), Counter[str]()
    for _ in range(60):
        histology, _ = draw_histology(rng)
        spot = draw_tumours(column, rng=rng, histology=histology, difficulty=0.3)[0]
        found[str(places.region(named[spot.bone]))] += 1
    for name, share in zip(places.REGIONS, SPINE_SHARE, strict=True):
        error = 4 * np.sqrt(share * (1 - share) / 60)
        assert found[name] / 60 == pytest.approx(share, abs=error + 0.03)  # types shift it a little


def test_the_healthy_are_scanned_where_tumours_are(skeleton: tuple[Bone, ...]) -> None:
    rng = np.random.default_rng(1)
    found = [places.region(draw_place(skeleton, rng)) for _ in range(1500)]
    for name, share in zip(places.REGIONS, SPINE_SHARE, strict=True):
        assert found.count(name) / 1500 == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 1500))


def test_a_schwannoma_is_a_dumb_bell_in_soft_tissue(column: tuple[Bone, ...]) -> None:
    schwannoma = next(one for one in HISTOLOGIES if one.name == "schwannoma")
    for seed in range(6):
        spot = draw_tumours(column, rng=np.random.default_rng(seed), histology=schwannoma, difficulty=0.0)[0]
        if spot.site == "sacrum":
            continue
        bone = next(bone for bone in column if bone.name == spot.bone)
        assert spot.grows_out
        assert volume_mm3(spot.solid, within=bone) < 0.6 * volume_mm3(spot.solid)


def test_difficulty_mixes_the_looks(column: tuple[Bone, ...]) -> None:
    schwannoma = next(one for one in HISTOLOGIES if one.name == "schwannoma")

    def names(difficulty: float) -> set[str]:
        spots = (
            draw_tumours(column, rng=np.random.default_rng(k), histology=schwannoma, difficulty=difficulty)[0]
            for k in range(14)
        )
        return {spot.tissue.name for spot in spots if spot.tissue is not None}

    assert names(0.0) == {"nerve sheath tumour"}
    assert len(names(1.0)) > 3


def test_settled_blood_lies_behind_the_level(column: tuple[Bone, ...]) -> None:
    cyst_type = next(one for one in HISTOLOGIES if one.name == "aneurysmal bone cyst")
    spot = draw_tumours(column, rng=np.random.default_rng(3), histology=cyst_type, difficulty=0.0)[0]
    cyst, blood = levels(spot, np.random.default_rng(0))
    assert cyst.tissue is not None
    assert blood.tissue is not None
    assert (cyst.tissue.name, blood.tissue.name) == ("fluid", "old blood")
    assert 0 < volume_mm3(blood.solid) < volume_mm3(cyst.solid) < volume_mm3(spot.solid)
    points = np.random.default_rng(1).uniform(*cyst.solid.bounds(), (4000, 3)).astype(np.float32)
    in_cyst, in_blood = (solid.distance(*points.T) < 0 for solid in (cyst.solid, blood.solid))
    assert not (in_blood & ~in_cyst).any()
    assert points[in_blood, 1].min() > points[in_cyst & ~in_blood, 1].max() - 0.2  # a level lies flat


def test_no_spine_no_tumour(skeleton: tuple[Bone, ...]) -> None:
    ribs = tuple(bone for bone in skeleton if bone.site == "rib")
    assert draw_tumours(ribs, rng=np.random.default_rng(0), histology=HISTOLOGIES[0], difficulty=0.0) == []
