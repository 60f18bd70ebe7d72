"""Signed distances of the lesions' solids against brute force: the nearest point of the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.spatial import cKDTree

from osteon.phantom.anatomy.shapes import Ellipsoid, Limb, rotation
from osteon.phantom.lesions.forms import ragged, speckle
from osteon.phantom.lesions.shapes import Block, Cut, Displaced, HalfSpace, Inset, Joined, Kept, frame_of

if TYPE_CHECKING:
    from osteon.phantom.anatomy.shapes import Solid, Vector


def ball(x: float = 0.0, radius: float = 6.0) -> Ellipsoid:
    return Ellipsoid(np.array([x, 0.0, 0.0]), np.full(3, radius))


TURN = rotation(20.0, -35.0, 50.0)
SHIFT = np.array([4.0, -7.0, 11.0])


def solids() -> dict[str, Solid]:
    rng = np.random.default_rng(5)
    return {
        "joined": Joined((ball(), ball(7.0, 5.0)), blend_mm=2.0),
        "ragged": ragged(ball(), rng, amplitude_mm=0.6, step_mm=4.0),
        "kept": Kept(ball(), ball(6.0), blend_mm=0.2),
        "cut": Cut(ball(), ball(6.0, 4.0)),
        "inset": Inset(ball(), 2.0),
        "grown": Inset(ball(), -1.5),
        "block": Block(np.array([1.0, 2.0, -1.0]), np.array([3.0, 5.0, 7.0]), TURN),
        "half": Kept(ball(), HalfSpace(np.zeros(3), np.array([0.0, -1.0, 0.0])), blend_mm=0.1),
        "foci": Kept(speckle(rng, share=0.3, step_mm=3.0), ball(), blend_mm=0.1),
    }


NAMES = tuple(solids())


def points(count: int, reach: float = 16.0) -> Vector:
    return np.random.default_rng(1).uniform(-reach, reach, (count, 3))


def at(solid: Solid, where: Vector) -> Vector:
    x, y, z = np.float32(where).T
    return np.asarray(solid.distance(x, y, z), dtype=np.float64)


@pytest.mark.parametrize("name", NAMES)
def test_all_of_a_solid_lies_in_its_box(name: str) -> None:
    solid = solids()[name]
    low, high = solid.bounds()
    where = points(20_000)
    inside = where[at(solid, where) < 0]
    assert len(inside) > 50
    assert (inside > low - 1e-4).all()
    assert (inside < high + 1e-4).all()


@pytest.mark.parametrize("name", NAMES)
def test_moved_solids_are_the_same_elsewhere(name: str) -> None:
    solid = solids()[name]
    where = points(500)
    moved = solid.moved(TURN, SHIFT)
    np.testing.assert_allclose(at(moved, where @ TURN.T + SHIFT), at(solid, where), atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_broadcast_axes_give_what_single_points_give(name: str) -> None:
    solid = solids()[name]
    axis = np.linspace(-7, 7, 5, dtype=np.float32)
    block = solid.distance(axis[None, None, :], axis[None, :, None], axis[:, None, None])
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    assert block.shape == (5, 5, 5)
    assert block.dtype == np.float32
    np.testing.assert_allclose(block, solid.distance(x, y, z), atol=1e-4)


@pytest.mark.parametrize("name", ["joined", "kept", "cut", "inset", "block"])
def test_distances_near_the_surface_are_those_to_the_nearest_point_of_the_other_side(name: str) -> None:
    solid, step = solids()[name], 0.4
    axis = np.arange(-13, 15, step)
    lattice = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    inside = at(solid, lattice) < 0
    trees = {True: cKDTree(lattice[inside]), False: cKDTree(lattice[~inside])}
    where = points(6000, 12.0)
    d = at(solid, where)
    near = np.abs(d) < 1.5
    assert near.sum() > 200
    nearest = np.array(
        [trees[not below].query(point)[0] for point, below in zip(where[near], d[near] < 0, strict=True)]
    )
    error = nearest - np.abs(d[near])
    low, middle, high = np.quantile(error, (0.02, 0.5, 0.9))
    assert low > -0.3  # fillets make it a little long
    assert abs(middle) < 0.3
    assert high < np.sqrt(3) * step  # the lattice's diagonal; a tenth lies beyond a crease, where it is short


def test_a_join_holds_both_and_fills_the_gap() -> None:
    left, right = ball(-5.0, 5.5), ball(5.0, 5.5)
    join = Joined((left, right), blend_mm=3.0)
    where = points(5000)
    assert (at(join, where) <= np.minimum(at(left, where), at(right, where)) + 1e-5).all()
    neck = np.array([[0.0, 3.0, 0.0]])
    assert at(left, neck) > 0
    assert at(join, neck) < 0
    assert Joined((left,), blend_mm=3.0).bounds()[0] == pytest.approx(left.bounds()[0])


def test_ragged_surfaces_keep_their_amplitude() -> None:
    smooth = ball()
    rough = ragged(smooth, np.random.default_rng(0), amplitude_mm=0.8, step_mm=3.0)
    shift = at(rough, points(4000)) - at(smooth, points(4000))
    assert np.std(shift) == pytest.approx(0.8, rel=0.15)
    assert np.abs(shift).max() <= 2.5 * 0.8 + 1e-5
    assert isinstance(rough, Displaced)
    assert len(rough.phases) == len(rough.waves) == 10


def test_ragged_bumps_are_as_wide_as_asked() -> None:
    line = np.zeros((4000, 3))
    line[:, 0] = np.linspace(0, 800, 4000)
    crossings = {}
    for step in (2.0, 8.0):
        rough = ragged(ball(), np.random.default_rng(2), amplitude_mm=1.0, step_mm=step)
        noise = at(rough, line) - at(ball(), line)
        crossings[step] = int((np.diff(np.sign(noise)) != 0).sum())
    assert crossings[2.0] == pytest.approx(4 * crossings[8.0], rel=0.3)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_foci_fill_their_share(share: float) -> None:
    shares = [
        (at(speckle(np.random.default_rng(k), share=share, step_mm=1.5), points(4000, 30.0)) < 0).mean()
        for k in range(8)
    ]
    assert np.mean(shares) == pytest.approx(share, abs=0.03)


def test_a_half_space_is_exact_and_a_box_too() -> None:
    plane = HalfSpace(np.array([0.0, 3.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    assert at(plane, np.array([[9.0, 5.0, 1.0], [0.0, 1.0, 0.0]])) == pytest.approx([2.0, -2.0])
    assert np.isinf(plane.bounds()[0]).all()
    box = Block(np.zeros(3), np.array([1.0, 2.0, 3.0]))
    where = np.array([[0.0, 0, 0], [4, 0, 0], [4, 6, 0], [0, 0, 2.5]])
    assert at(box, where) == pytest.approx([-1.0, 3.0, 5.0, -0.5])


def test_struts_stand_upright_in_the_bone_that_limits_a_lesion() -> None:
    bone = Ellipsoid(np.zeros(3), np.full(3, 20.0), TURN)
    assert frame_of(Kept(ball(), bone)) == pytest.approx(TURN)
    assert frame_of(Joined((bone, ball()))) == pytest.approx(TURN)
    assert frame_of(Inset(Kept(ball(), bone), 1.0)) == pytest.approx(TURN)
    assert frame_of(Cut(ragged(bone, np.random.default_rng(0), amplitude_mm=1, step_mm=2), ball())) == pytest.approx(
        TURN
    )
    assert frame_of(HalfSpace(np.zeros(3), np.ones(3))) == pytest.approx(np.eye(3))
    assert frame_of(Limb(np.zeros(3), np.ones(3), 1.0, 1.0, frame=TURN)) == pytest.approx(TURN)
