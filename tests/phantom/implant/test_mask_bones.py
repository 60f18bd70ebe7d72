from __future__ import annotations

import numpy as np
import pytest

from osteon.geometry import Grid
from osteon.phantom.anatomy.shapes import rotation
from osteon.phantom.implant.mask_bones import bone_of, pieces_of, solid_of_mask

TURN = rotation(12, -20, 35)
OBLIQUE = Grid(
    shape=(30, 50, 40),
    spacing_mm=(1.0, 0.8, 1.6),
    origin_mm=(5, -7, 30),
    direction=tuple(tuple(float(v) for v in row) for row in TURN),  # type: ignore[arg-type]
)


def ball(grid: Grid, centre: np.ndarray, radius: float) -> np.ndarray:
    z, y, x = np.indices(grid.shape)
    points = grid.to_mm(np.stack([x, y, z], axis=-1).reshape(-1, 3))
    return (np.linalg.norm(points - centre, axis=1) < radius).reshape(grid.shape)


def f32(points: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(axis.astype(np.float32) for axis in points.T)


def test_distances_on_an_oblique_grid_are_those_of_the_ball() -> None:
    centre = OBLIQUE.to_mm((20, 25, 15))
    mask = ball(OBLIQUE, centre, 11.0)
    solid = solid_of_mask(mask.astype(np.int32) * 4, OBLIQUE, number=4, box=tuple(slice(0, n) for n in mask.shape))
    rng = np.random.default_rng(0)
    points = centre + rng.uniform(-13, 13, (400, 3))
    truth = np.linalg.norm(points - centre, axis=1) - 11.0
    near = truth < 4
    assert np.abs(solid.distance(*f32(points))[near] - truth[near]).max() < 1.3
    assert np.abs((solid.distance(*f32(points))[near] - truth[near]).mean()) < 0.4
    low, high = solid.bounds()
    assert (low <= centre - 10).all()
    assert (high >= centre + 10).all()


def test_a_moved_solid_is_the_same_elsewhere() -> None:
    centre = OBLIQUE.to_mm((20, 25, 15))
    mask = ball(OBLIQUE, centre, 11.0)
    solid = solid_of_mask(mask.astype(np.int32), OBLIQUE, number=1, box=tuple(slice(0, n) for n in mask.shape))
    turn, shift = rotation(40, 5, -70), np.array([3.0, -20, 8])
    points = centre + np.random.default_rng(1).uniform(-12, 12, (50, 3))
    moved = solid.moved(turn, shift).moved(turn, shift)
    twice = (points @ turn.T + shift) @ turn.T + shift
    np.testing.assert_allclose(moved.distance(*f32(twice)), solid.distance(*f32(points)), atol=2e-3)


def test_broadcast_axes_give_the_values_of_the_points() -> None:
    grid = Grid(shape=(20, 24, 28), spacing_mm=(1, 1, 2))
    mask = ball(grid, np.array([14.0, 12, 20]), 8.0)
    solid = solid_of_mask(mask.astype(int), grid, number=1, box=tuple(slice(0, n) for n in mask.shape))
    xs, ys, zs = (np.linspace(a, a + 6, 4).astype(np.float32) for a in (10, 9, 15))
    block = solid.distance(xs[None, None, :], ys[None, :, None], zs[:, None, None])
    assert block.shape == (4, 4, 4)
    one = solid.distance(xs[1:2], ys[2:3], zs[3:4])
    assert block[3, 2, 1] == pytest.approx(float(one[0]), abs=1e-5)


def test_vertebrae_sites_and_pieces() -> None:
    grid = Grid(shape=(40, 60, 60))
    sites, vertebrae = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    sites[2:18, 10:30, 10:30] = 1
    sites[22:38, 10:30, 10:30] = 1
    vertebrae[2:18, 10:30, 10:30], vertebrae[22:38, 10:30, 10:30] = 21, 20
    sites[4:36, 50:58, 4:20] = 2
    sites[4:36, 50:58, 40:56] = 2
    sites[0, 0, 0] = 2  # a speck
    parts, pieces = pieces_of(sites, grid, vertebrae=vertebrae)
    assert [(one.name, one.site, one.label) for one in pieces[:2]] == [("L1", "vertebra", 20), ("L2", "vertebra", 21)]
    assert {(one.name, one.site) for one in pieces[2:]} == {("rib 1", "rib"), ("rib 2", "rib")}
    for piece in pieces:
        assert (parts == piece.number).sum() == piece.volume_mm3
    assert parts[0, 0, 0] == 0
    bone = bone_of(pieces[0], parts, grid, box=tuple(slice(0, n) for n in grid.shape))
    assert (bone.site, bone.label) == ("vertebra", 20)
    assert float(bone.distance(*f32(np.array([[20.0, 20, 30]])))[0]) < -6


def test_a_patch_that_a_network_names_wrongly_joins_its_bone_and_a_rib_stays() -> None:
    grid = Grid(shape=(40, 80, 80))
    sites = np.zeros(grid.shape, np.uint8)
    sites[4:36, 10:50, 10:50] = 7
    sites[10:20, 10:22, 10:30] = 10  # "skull" in the pelvis
    sites[15:20, 50:78, 28:32] = 2  # touches it with its end
    parts, pieces = pieces_of(sites, grid)
    assert {one.site for one in pieces} == {"pelvis", "rib"}
    pelvis = next(one for one in pieces if one.site == "pelvis")
    assert (parts[sites == 10] == pelvis.number).all()
    assert pelvis.volume_mm3 == (sites == 7).sum() + (sites == 10).sum()


def test_a_plain_mask_is_bone() -> None:
    grid = Grid(shape=(20, 30, 30))
    mask = np.zeros(grid.shape, np.uint8)
    mask[2:18, 4:26, 4:26] = 1
    _, pieces = pieces_of(mask, grid, named=False)
    assert [(one.name, one.site) for one in pieces] == [("bone 1", "bone")]
    assert pieces_of(np.zeros_like(mask), grid)[1] == ()
