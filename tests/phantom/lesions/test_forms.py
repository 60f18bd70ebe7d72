from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.phantom.anatomy.bones import Bone
from osteon.phantom.anatomy.shapes import Ellipsoid, VertebralBody
from osteon.phantom.lesions.forms import (
    depth_mm,
    draw_design,
    fit_volume,
    inner_part,
    longest_mm,
    volume_mm3,
    winding,
)
from osteon.phantom.lesions.shapes import Kept

BALL = Ellipsoid(np.array([3.0, -2.0, 5.0]), np.full(3, 8.0))
OVAL = Ellipsoid(np.zeros(3), np.array([4.0, 6.0, 10.0]))


def vertebra() -> Bone:
    body = VertebralBody(centre=np.zeros(3), frame=np.eye(3), width_mm=46, depth_mm=34, front_mm=27, back_mm=27)
    return Bone(name="L1", site="vertebra", label=20, solids=(body,))


@pytest.mark.parametrize("radii", [(8, 8, 8), (4, 6, 10), (3, 12, 5)])
def test_volumes_are_those_of_the_formula(radii: tuple[float, float, float]) -> None:
    solid = Ellipsoid(np.zeros(3), np.array(radii, dtype=float))
    assert volume_mm3(solid) == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.02)


def test_only_what_lies_within_counts() -> None:
    half = volume_mm3(Ellipsoid(np.array([8.0, 0, 0]), np.full(3, 8.0)), within=Ellipsoid(np.zeros(3), np.full(3, 8.0)))
    lens = np.pi / 12 * (4 * 8 + 8) * (2 * 8 - 8) ** 2  # two equal spheres a radius apart
    assert half == pytest.approx(lens, rel=0.03)
    far = Ellipsoid(np.array([99.0, 0, 0]), np.full(3, 2.0))
    assert volume_mm3(BALL, within=far) == 0
    assert volume_mm3(Kept(BALL, far)) == 0  # an empty box


def test_depths_and_lengths() -> None:
    assert depth_mm(BALL, np.array([3.0, -2.0, 9.0])) == pytest.approx(4.0, abs=1e-4)
    assert depth_mm(BALL, np.array([3.0, -2.0, 15.0])) == pytest.approx(-2.0, abs=1e-4)
    assert longest_mm(BALL) == pytest.approx(16.0, abs=0.8)  # a lattice step
    assert longest_mm(OVAL) == pytest.approx(20.0, abs=1.0)
    assert longest_mm(Kept(BALL, Ellipsoid(np.array([60.0, 0, 0]), np.ones(3)))) == 0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), lobes=st.integers(1, 5), wanted=st.floats(80, 20_000))
def test_a_free_shape_gets_the_volume_it_should_have(seed: int, lobes: int, wanted: float) -> None:
    design = draw_design(np.random.default_rng(seed), lobes=lobes, roughness=0.1)
    solid, found = fit_volume(lambda radius: design.at(np.zeros(3), radius), wanted)
    assert found == pytest.approx(wanted, rel=0.08)
    assert volume_mm3(solid, count=40) == pytest.approx(wanted, rel=0.1)


def test_a_bone_limits_what_is_kept_in_it() -> None:
    bone, design = vertebra(), draw_design(np.random.default_rng(1), lobes=2)
    room = volume_mm3(bone.solids[0], count=40)
    _, small = fit_volume(lambda radius: Kept(design.at(np.zeros(3), radius), bone), 2000.0)
    solid, large = fit_volume(lambda radius: Kept(design.at(np.zeros(3), radius), bone), 4 * room)
    assert small == pytest.approx(2000.0, rel=0.05)
    assert large < 1.02 * room
    assert volume_mm3(solid, within=bone) == pytest.approx(volume_mm3(solid), rel=0.01)


def test_designs_are_drawn_alike_and_scale() -> None:
    one, two = (draw_design(np.random.default_rng(3), lobes=4, roughness=0.15) for _ in range(2))
    x, y, z = np.float32(np.random.default_rng(0).uniform(-12, 12, (3, 400)))
    np.testing.assert_array_equal(
        one.at(np.zeros(3), 6.0).distance(x, y, z), two.at(np.zeros(3), 6.0).distance(x, y, z)
    )
    small, large = volume_mm3(one.at(np.zeros(3), 5.0)), volume_mm3(one.at(np.zeros(3), 10.0))
    assert large == pytest.approx(8 * small, rel=0.03)  # the noise scales with the shape


def test_more_lobes_are_less_round() -> None:
    def roundness(lobes: int, roughness: float) -> float:
        values = []
        for seed in range(12):
            design = draw_design(np.random.default_rng(seed), lobes=lobes, stretch=0.05, roughness=roughness)
            solid = design.at(np.zeros(3), 8.0)
            values.append(volume_mm3(solid) / (np.pi / 6 * longest_mm(solid) ** 3))
        return float(np.mean(values))

    assert roundness(1, 0.0) > 0.8
    assert roundness(1, 0.0) > roundness(1, 0.2) > roundness(5, 0.2)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_inner_parts_have_their_share(share: float) -> None:
    inner = inner_part(OVAL, share)
    assert volume_mm3(inner, count=40) / volume_mm3(OVAL, count=40) == pytest.approx(share, abs=0.02)
    assert depth_mm(inner, np.array([0.0, 0.0, 9.9])) < 0 < depth_mm(OVAL, np.array([0.0, 0.0, 9.9]))


def test_channels_wind_inside_the_bone() -> None:
    bone = vertebra()
    for seed in range(6):
        path = winding(np.random.default_rng(seed), bone, start=np.zeros(3), radius_mm=1.5, length_mm=40.0)
        ends = np.array([limb.end for limb in path.parts])  # type: ignore[attr-defined]
        assert min(depth_mm(bone, end) for end in ends) > 0
        steps = np.diff(ends, axis=0)
        straight = np.linalg.norm(ends[-1] - ends[0]) / np.linalg.norm(steps, axis=1).sum()
        assert straight < 0.95
