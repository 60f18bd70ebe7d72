from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.anatomy.collapse import Collapse
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.anatomy.shapes import VertebralBody
from osteon.phantom.anatomy.spine import build_spine
from osteon.phantom.lesions import fracture_features as ff
from osteon.phantom.lesions.fracture import coexisting_lesions, fracture_spots

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.lesions.spot import Spot


@pytest.fixture(scope="module")
def bones() -> dict[str, Bone]:
    person = draw_person(np.random.default_rng(2), age_years=70.0)
    spine = build_spine(person, np.random.default_rng(3), collapses={"L1": Collapse(front=0.7, back=0.9, hollow=0.1)})
    return {bone.name: bone for bone in spine.bones}


def drawn(bones: dict[str, Bone], *features: str, malignant: bool, seed: int = 0) -> list[Spot]:
    return fracture_spots(bones["L1"], frozenset(features), rng=np.random.default_rng(seed), malignant=malignant)


def in_body(bone: Bone, count: int = 20000) -> np.ndarray:
    """Points (n, 3) inside the body."""
    body = bone.solids[0]
    low, high = body.bounds()
    points = np.random.default_rng(1).uniform(low, high, (count, 3)).astype(np.float32)
    return points[body.distance(*points.T) < 0]


def share(spot: Spot, points: np.ndarray) -> float:
    return float((spot.solid.distance(*points.T) < 0).mean())


@pytest.mark.parametrize("seed", range(4))
def test_diffuse_is_more_than_three_quarters_and_a_band_less_than_two_thirds(bones: dict[str, Bone], seed: int) -> None:
    points = in_body(bones["L1"])
    for malignant in (True, False):
        (diffuse,) = drawn(bones, ff.WEDGE, ff.DIFFUSE, malignant=malignant, seed=seed)
        assert share(diffuse, points) > 0.73
    (band,) = drawn(bones, ff.WEDGE, ff.BAND, malignant=False, seed=seed)
    assert 0.15 < share(band, points) < 0.6
    (patchy,) = drawn(bones, ff.WEDGE, malignant=False, seed=seed)
    assert share(patchy, points) < 0.6


def test_homogeneous_marrow_has_no_spots(bones: dict[str, Bone]) -> None:
    assert drawn(bones, ff.WEDGE, ff.HOMOGENEOUS, malignant=False) == []


def test_fat_of_oedema_and_tumour_is_as_measured(bones: dict[str, Bone]) -> None:
    """24 +- 12 % in benign oedema (cut at 36 %), 3.5 +- 3.3 % in tumour."""
    fat = {
        malignant: [
            spot.tissue.fat_fraction
            for seed in range(60)
            for spot in drawn(bones, ff.WEDGE, ff.DIFFUSE, malignant=malignant, seed=seed)
            if spot.tissue is not None
        ]
        for malignant in (True, False)
    }
    assert np.mean(fat[True]) == pytest.approx(0.035, abs=0.015)
    assert np.mean(fat[False]) == pytest.approx(0.22, abs=0.04)
    assert max(fat[False]) <= 0.36


def test_a_line_is_thin_and_wide_and_a_cleft_flat(bones: dict[str, Bone]) -> None:
    body = bones["L1"].solids[0]
    assert isinstance(body, VertebralBody)
    line = drawn(bones, ff.WEDGE, ff.BAND, ff.LINE, malignant=False)[-1]
    cleft = drawn(bones, ff.WEDGE, ff.BAND, ff.CLEFT, malignant=False)[-1]
    z = np.arange(-15, 15, 0.1)
    for spot, least, most in ((line, 1.5, 4.5), (cleft, 2.0, 6.0)):
        points = (body.centre + np.outer(z, body.frame[:, 2])).astype(np.float32)
        assert least < (spot.solid.distance(*points.T) < 0).sum() * 0.1 < most
        assert spot.tissue is not None
    assert line.tissue is not None
    assert cleft.tissue is not None
    assert line.tissue.proton_density < 0.3 < cleft.tissue.proton_density
    assert cleft.tissue.t2_ms[0] > 200


def test_mass_and_arch_lie_outside_the_body(bones: dict[str, Bone]) -> None:
    bone = bones["L1"]
    points = in_body(bone)
    for seed in range(4):
        spots = drawn(bones, ff.WEDGE, ff.DIFFUSE, ff.MASS, ff.ARCH, malignant=True, seed=seed)
        mass = next(spot for spot in spots if spot.grows_out)
        arch = next(spot for spot in spots if spot.kind == "tumour in the arch")
        assert share(mass, points) < 0.25
        assert share(arch, points) < 0.3
        low, high = arch.solid.bounds()
        tried = np.random.default_rng(2).uniform(low, high, (20000, 3)).astype(np.float32)
        inside = tried[arch.solid.distance(*tried.T) < 0]
        assert (bone.distance(*inside.T) < 1.0).all()
        assert (((inside - bone.centre) @ bone.frame)[:, 1] > 0).mean() > 0.9


@pytest.mark.parametrize("malignant", [True, False])
def test_coexisting_lesions_lie_in_other_bodies(bones: dict[str, Bone], malignant: bool) -> None:
    others = tuple(bones[name] for name in ("T10", "T11", "L3", "L4"))
    spots = coexisting_lesions(others, rng=np.random.default_rng(4), malignant=malignant)
    assert 1 <= len(spots) <= (4 if malignant else 1)
    assert len({spot.bone for spot in spots}) == len(spots)
    for spot in spots:
        assert share(spot, in_body(bones[spot.bone])) > 0.01
        assert spot.diameter_mm > 6
