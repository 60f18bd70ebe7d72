from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from osteon.phantom.anatomy.bones import Bone
from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.shapes import Ellipsoid, Limb, VertebralBody
from osteon.phantom.lesions.lytic import (
    LARGEST_MM,
    SMALLEST_MM,
    Spot,
    draw_lesion,
    draw_lesions,
    inner_point,
    is_visible,
    random_frame,
)
from osteon.phantom.options import LYTIC_HEALTHY


@pytest.fixture(scope="module")
def person() -> Person:
    return replace(draw_person(np.random.default_rng(0)), trabecular_hu=180.0, contrast_hu=0.0)


def vertebra(label: int = 20, *, x_mm: float = 0.0) -> Bone:
    centre = np.array([x_mm, 0.0, 0.0])
    body = VertebralBody(centre=centre, frame=np.eye(3), width_mm=46, depth_mm=34, front_mm=27, back_mm=27)
    return Bone(name=f"v{label}", site="vertebra", label=label, solids=(body,), centre=centre)


def rib() -> Bone:
    bar = Limb(np.array([0.0, 100, 0]), np.array([150.0, 100, 0]), 5, 5)
    return Bone(name="rib 5 left", site="rib", solids=(bar,), marrow=0.55)


BONES = (vertebra(20), vertebra(15, x_mm=80), rib())


def draws(person: Person, count: int, *, mean_count: float = 3.0) -> list[list[Spot]]:
    return [
        draw_lesions(BONES, person, rng=np.random.default_rng([7, seed]), mean_count=mean_count)
        for seed in range(count)
    ]


def test_a_quarter_of_patients_have_none(person: Person) -> None:
    empty = np.mean([not spots for spots in draws(person, 200)])
    assert empty == pytest.approx(LYTIC_HEALTHY, abs=0.09)  # three standard errors


def test_diameters_stay_within_bounds_and_every_lesion_counts(person: Person) -> None:
    bones = {bone.name: bone for bone in BONES}
    spots = [spot for drawn in draws(person, 60) for spot in drawn]
    assert len(spots) > 60
    for spot in spots:
        bone = bones[spot.bone]
        assert SMALLEST_MM <= spot.diameter_mm <= LARGEST_MM
        assert (spot.site, spot.label, spot.kind) == (bone.site, bone.label, "lytic lesion")
        assert is_visible(spot, bone, person=person)
        low, high = spot.solid.bounds()
        assert 0.7 * spot.diameter_mm < (high - low).max() <= spot.diameter_mm + 1e-6
        assert isinstance(spot.solid, Ellipsoid)
        assert 2 * spot.solid.radii.max() == pytest.approx(spot.diameter_mm)


def test_lesions_of_a_patient_do_not_touch(person: Person) -> None:
    for spots in draws(person, 30, mean_count=8):
        for a, b in combinations(spots, 2):
            gap = np.linalg.norm(np.mean(a.solid.bounds(), axis=0) - np.mean(b.solid.bounds(), axis=0))
            assert gap > (a.diameter_mm + b.diameter_mm) / 2


def test_counts_follow_the_mean(person: Person) -> None:
    roomy = tuple(vertebra(20, x_mm=60.0 * k) for k in range(30))
    counts = []
    for seed in range(60):
        counts.append(len(draw_lesions(roomy, person, rng=np.random.default_rng([1, seed]), mean_count=8.0)))
    some = [count for count in counts if count]
    assert np.mean(some) == pytest.approx(8.0, rel=0.3)
    assert np.median(some) < np.mean(some)  # skewed
    assert min(some) >= 1


def test_a_mean_of_zero_is_no_lesion_at_all(person: Person) -> None:
    assert not any(draws(person, 20, mean_count=0.0))


def test_no_bone_no_lesion(person: Person) -> None:
    for seed in range(5):
        assert draw_lesions((), person, rng=np.random.default_rng(seed), mean_count=9.0) == []


def test_sites_have_their_weights(person: Person) -> None:
    spots = [spot for drawn in draws(person, 250, mean_count=2.0) for spot in drawn]
    share = np.mean([spot.site == "rib" for spot in spots])
    assert 0.1 < share < 0.16 / (0.16 + 0.46) + 0.08  # ribs often have no room


def test_lumbar_lesions_are_larger_than_thoracic_and_cervical(person: Person) -> None:
    rng = np.random.default_rng(3)
    sizes = {}
    for label in (5, 15, 22):
        spots = [draw_lesion(vertebra(label), rng, contrast_hu=0.0) for _ in range(300)]
        sizes[label] = np.mean([spot.diameter_mm for spot in spots if spot is not None])
    assert sizes[5] < sizes[15] < sizes[22]
    assert sizes[22] == pytest.approx(12.0, abs=1.5)  # mean of doi 10.1007/s00256-015-2268-4


def test_contrast_agent_enhances_lesions() -> None:
    plain, enhanced = (
        [draw_lesion(vertebra(), np.random.default_rng(k), contrast_hu=c) for k in range(40)] for c in (0.0, 200.0)
    )
    for a, b in zip(plain, enhanced, strict=True):
        assert a is not None
        assert b is not None
        assert b.hu - a.hu == pytest.approx(30)
    assert np.mean([spot.hu for spot in plain if spot]) == pytest.approx(52, abs=5)


def test_thin_bones_hold_small_lesions_or_none() -> None:
    sheet = Bone(name="s", site="scapula", solids=(Limb(np.zeros(3), np.array([60.0, 0, 0]), 0.5, 0.5),))
    assert all(draw_lesion(sheet, np.random.default_rng(k), contrast_hu=0.0) is None for k in range(10))
    found = [draw_lesion(rib(), np.random.default_rng(k), contrast_hu=0.0) for k in range(60)]
    assert max(spot.diameter_mm for spot in found if spot is not None) <= LARGEST_MM


def spot_at(
    point: tuple[float, float, float], *, hu: float = 50.0, diameter_mm: float = 10.0, cortex: bool = False
) -> Spot:
    return Spot(
        kind="lytic lesion",
        bone="v20",
        site="vertebra",
        label=20,
        solid=Ellipsoid(np.array(point), np.full(3, diameter_mm / 2)),
        hu=hu,
        edge_mm=0.5,
        strength=1.0,
        destroys_cortex=cortex,
        wobble_mm=0.0,
        diameter_mm=diameter_mm,
    )


def test_the_rule_of_what_is_worth_drawing(person: Person) -> None:
    bone = vertebra()
    assert is_visible(spot_at((0, 0, 0)), bone, person=person)
    assert not is_visible(spot_at((0, 0, 0), hu=150.0), bone, person=person)  # 30 HU off the marrow
    assert not is_visible(spot_at((40, 0, 0), cortex=True), bone, person=person)  # outside
    edge = (0.0, -15.0, 0.0)  # 2 mm under the front wall
    assert not is_visible(spot_at(edge, hu=150.0), bone, person=person)
    assert is_visible(spot_at(edge, hu=150.0, cortex=True), bone, person=person)


def test_inner_points_are_as_deep_as_they_say(person: Person) -> None:
    bone = vertebra()
    for seed in range(20):
        point, depth = inner_point(bone, np.random.default_rng(seed), depth_mm=3.0)
        assert depth > 3.0
        assert -bone.distance(*np.float32(point)[:, None])[0] == pytest.approx(depth, abs=1e-4)
    _, deepest = inner_point(rib(), np.random.default_rng(0), depth_mm=40.0)
    assert 3 < deepest < 5  # as deep as there is


def test_random_frames_are_rotations() -> None:
    frame = random_frame(np.random.default_rng(0))
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1)
