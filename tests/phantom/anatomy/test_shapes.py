from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from osteon.phantom.anatomy.shapes import (
    Ellipsoid,
    Limb,
    Plate,
    VertebralBody,
    chain,
    mirrored,
    rotation,
    smooth_maximum,
    smooth_minimum,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.phantom.anatomy.shapes import Solid

coordinate = st.floats(-60, 60)
points_mm = st.tuples(coordinate, coordinate, coordinate).map(np.array)
angle = st.floats(-180, 180)
frames = st.tuples(angle, angle, angle).map(lambda angles: rotation(*angles))
length = st.floats(3, 30)


@st.composite
def triangles(draw: st.DrawFn) -> NDArray[np.float64]:
    """Corners of a triangle that is no sliver, a row each."""
    corner, frame, turn = draw(points_mm), draw(frames), np.deg2rad(draw(st.floats(25, 155)))
    one, two = draw(st.floats(15, 80)), draw(st.floats(15, 80))
    return np.array([corner, corner + one * frame[:, 0], corner + two * frame @ [np.cos(turn), np.sin(turn), 0]])


@st.composite
def solids(draw: st.DrawFn) -> Solid:
    kind = draw(st.sampled_from(["ellipsoid", "shell", "limb", "plate", "body"]))
    centre, frame = draw(points_mm), draw(frames)
    if kind in ("ellipsoid", "shell"):
        radii = np.array([draw(length) for _ in range(3)])
        return Ellipsoid(centre, radii, frame, shell_mm=draw(st.floats(0.5, 2.5)) if kind == "shell" else None)
    if kind == "limb":
        squash = (1.0, draw(st.floats(0.5, 3)), draw(st.floats(0.5, 3)))
        along, radius = draw(points_mm), draw(length)
        taper = draw(st.floats(-0.5, 0.5)) * float(np.linalg.norm(along))  # no bone is blunter than that
        return Limb(centre, centre + along, radius, max(1.0, radius + taper), squash, frame)
    if kind == "plate":
        return Plate(draw(triangles()), (draw(length), draw(length), draw(length)))
    return VertebralBody(
        centre=centre,
        frame=frame,
        width_mm=draw(st.floats(20, 50)),
        depth_mm=draw(st.floats(15, 36)),
        front_mm=draw(st.floats(10, 30)),
        back_mm=draw(st.floats(10, 30)),
        hollow_up_mm=draw(st.floats(0, 2)),
        hollow_low_mm=draw(st.floats(0, 3)),
        waist=draw(st.floats(0, 0.16)),
    )


def distance(solid: Solid, points: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = np.asarray(points, dtype=np.float32).T
    return solid.distance(x, y, z).astype(np.float64)


def cloud(solid: Solid, *, count: int = 800, margin_mm: float = 10) -> NDArray[np.float64]:
    low, high = solid.bounds()
    return np.random.default_rng(3).uniform(low - margin_mm, high + margin_mm, (count, 3))


def sphere_directions(count: int = 6000) -> NDArray[np.float64]:
    """Evenly spread unit vectors (Fibonacci)."""
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    return np.stack([np.cos(turn) * np.sqrt(1 - z**2), np.sin(turn) * np.sqrt(1 - z**2), z], axis=1)


@given(solids())
@settings(max_examples=40)
def test_bounds_hold_the_solid(solid: Solid) -> None:
    points = cloud(solid)
    low, high = solid.bounds()
    inside = points[distance(solid, points) < -1e-3]
    assert (inside >= low).all()
    assert (inside <= high).all()


@given(solids(), frames, points_mm)
@settings(max_examples=40)
def test_a_moved_solid_is_as_far_from_moved_points(
    solid: Solid, turn: NDArray[np.float64], shift: NDArray[np.float64]
) -> None:
    points = cloud(solid, count=200)
    moved = distance(solid.moved(turn, shift), points @ turn.T + shift)
    np.testing.assert_allclose(moved, distance(solid, points), atol=0.02)


@given(solids())
@settings(max_examples=40)
def test_distances_do_not_jump(solid: Solid) -> None:
    """No voxel next to a surface may be far from it: steps of 0.1 mm change the distance by little."""
    points = cloud(solid, count=300, margin_mm=3)
    near = points[np.abs(distance(solid, points)) < 1.0]
    for axis in np.eye(3):
        steps = np.abs(distance(solid, near + 0.1 * axis) - distance(solid, near))
        assert not len(steps) or steps.max() < 1.0


@given(points_mm, points_mm, st.floats(1, 15))
@settings(max_examples=25)
def test_capsule_distance_is_that_to_its_nearest_surface_point(
    start: NDArray[np.float64], along: NDArray[np.float64], radius: float
) -> None:
    limb = Limb(start, start + along, radius, radius)
    directions = sphere_directions(3000)
    axis = start + np.linspace(0, 1, 150)[:, None] * along
    if np.linalg.norm(along) < 1e-6:
        ring = np.zeros((0, 3))
    else:
        unit = along / np.linalg.norm(along)
        side = np.cross(unit, np.eye(3)[np.argmin(np.abs(unit))])
        side /= np.linalg.norm(side)
        turns = np.linspace(0, 2 * np.pi, 90, endpoint=False)[:, None]
        ring = np.cos(turns) * side + np.sin(turns) * np.cross(unit, side)
    caps = np.vstack([end + radius * directions for end in (start, start + along)])
    outside_axis = np.linalg.norm(caps - _nearest_on_segment(caps, start, along), axis=1) > radius - 1e-6
    surface = np.vstack([caps[outside_axis], (axis[:, None] + radius * ring[None]).reshape(-1, 3)])
    points = cloud(limb, count=150)
    nearest = cKDTree(surface).query(points)[0]
    inside = np.linalg.norm(points - _nearest_on_segment(points, start, along), axis=1) < radius
    found = distance(limb, points)
    assert ((found < 0) == inside)[np.abs(found) > 1e-3].all()
    np.testing.assert_allclose(np.abs(found), nearest, atol=0.6)  # as fine as the surface is sampled


def _nearest_on_segment(
    points: NDArray[np.float64], start: NDArray[np.float64], along: NDArray[np.float64]
) -> NDArray[np.float64]:
    t = np.clip((points - start) @ along / max(float(along @ along), 1e-12), 0, 1)
    return start + t[:, None] * along


@given(points_mm, st.tuples(length, length, length), frames)
@settings(max_examples=25)
def test_ellipsoid_sign_and_distance_near_its_surface(
    centre: NDArray[np.float64], radii: tuple[float, float, float], frame: NDArray[np.float64]
) -> None:
    solid = Ellipsoid(centre, np.array(radii), frame)
    points = cloud(solid)
    scaled = np.linalg.norm((points - centre) @ frame / radii, axis=1)
    found = distance(solid, points)
    assert ((found < 0) == (scaled < 1))[np.abs(scaled - 1) > 1e-4].all()
    surface = sphere_directions() * radii
    normals = surface / np.array(radii) ** 2
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    tree = cKDTree(surface)
    for offset in (-0.5, 0.5):
        local = (surface + offset * normals)[::37]
        true = np.sign(offset) * tree.query(local)[0]
        assert np.abs(distance(solid, local @ frame.T + centre) - true).max() < 0.35


def test_ellipsoid_is_deep_next_to_its_centre() -> None:
    points = np.array([[1e-3, 0, 0], [0, 1e-3, 0], [0, 0, -1e-3]])
    np.testing.assert_allclose(distance(Ellipsoid(np.zeros(3), np.array([4.0, 5, 6])), points), [-4, -5, -6], rtol=0.01)


def test_shell_is_hollow() -> None:
    shell = Ellipsoid(np.zeros(3), np.full(3, 20.0), shell_mm=2.0)
    depth = distance(shell, np.array([[0, 0, 0.5], [0, 0, 17.0], [0, 0, 19.0], [0, 0, 21.0]]))
    np.testing.assert_allclose(depth, [17.5, 1, -1, 1], atol=1e-4)


def test_limb_squash_stretches_its_section() -> None:
    limb = Limb(np.array([-10.0, 0, 0]), np.array([10.0, 0, 0]), 4, 4, (1, 1, 2))
    assert distance(limb, np.array([[0, 0, 7.9], [0, 3.9, 0]])).max() < 0
    assert distance(limb, np.array([[0, 0, 8.1], [0, 4.1, 0]])).min() > 0


@given(triangles(), st.floats(2, 12))
@settings(max_examples=40)
def test_plate_is_no_thicker_than_its_triangle(corners: NDArray[np.float64], thickness: float) -> None:
    a, b, c = corners
    plate = Plate(corners, (thickness, thickness, thickness))
    s, t = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, 120), np.linspace(0, 1, 120)))
    keep = s + t <= 1 + 1e-9
    triangle = a + s[keep, None] * (b - a) + t[keep, None] * (c - a)
    points = cloud(plate, count=300, margin_mm=4)
    true = cKDTree(triangle).query(points)[0] - thickness / 2
    found = distance(plate, points)
    assert (found > true - 0.8).all()  # its nearest point is on the triangle, if not always the nearest of all
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal)
    middle = (a + b + c) / 3 + np.outer([-0.8, 0, 0.8], normal * thickness / 2)
    np.testing.assert_allclose(distance(plate, middle), [-0.1 * thickness, -thickness / 2, -0.1 * thickness], atol=0.02)


def body(**changes: float) -> VertebralBody:
    sizes = {"width_mm": 46.0, "depth_mm": 34.0, "front_mm": 27.0, "back_mm": 25.0} | changes
    return VertebralBody(centre=np.zeros(3), frame=np.eye(3), **sizes)


def test_vertebral_body_has_the_sizes_asked_for() -> None:
    solid = body(waist=0.0, hollow_up_mm=0.0, hollow_low_mm=0.0)

    def extent(direction: tuple[float, float, float]) -> float:
        steps = np.linspace(0, 40, 4001)
        return float(steps[distance(solid, np.outer(steps, direction)) < 0].max())

    assert extent((1, 0, 0)) == pytest.approx(23, abs=0.2)
    assert extent((0, -1, 0)) == pytest.approx(17, abs=0.2)
    assert extent((0, 1, 0)) == pytest.approx(17 - 0.12 * 34, abs=0.3)  # the canal's dent
    assert extent((0, 0, 1)) == pytest.approx(13, abs=0.2)
    rows = np.array([[0, -14, 12.9], [0, 9, 12.9]])  # the front is higher than the back
    assert distance(solid, rows)[0] < distance(solid, rows)[1]


def test_end_plates_are_hollow_and_the_waist_is_narrow() -> None:
    hollow = body(hollow_up_mm=2.0, waist=0.0)
    flat = body(hollow_up_mm=0.0, waist=0.0)
    top = np.array([[0, 0, 12.0]])
    assert distance(flat, top)[0] < 0 < distance(hollow, top)[0]
    side = np.array([[21.5, 0, 0.0]])
    assert distance(body(waist=0.0), side)[0] < 0 < distance(body(waist=0.15), side)[0]


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(0.1, 8))
def test_smooth_minimum_is_a_fillet(a: float, b: float, blend: float) -> None:
    one, two = np.float32([a]), np.float32([b])
    low = smooth_minimum(one, two, blend_mm=blend)[0]
    assert min(one[0], two[0]) - blend / 4 - 1e-4 <= low <= min(one[0], two[0])
    if abs(a - b) > blend + 1e-3:
        assert low == min(one[0], two[0])
    assert smooth_maximum(one, two, blend_mm=blend)[0] == -smooth_minimum(-one, -two, blend_mm=blend)[0]


def test_chain_joins_its_limbs() -> None:
    points, radii = np.array([[0, 0, 0], [10, 0, 0], [10, 10, 0.0]]), np.array([3.0, 2, 1])
    limbs = chain(points, radii, squash=(1, 1, 2))
    assert [(limb.radius_start, limb.radius_end) for limb in limbs] == [(3, 2), (2, 1)]
    assert (limbs[0].end == limbs[1].start).all()
    assert {limb.squash for limb in limbs} == {(1, 1, 2)}


def test_mirrored_changes_sides() -> None:
    np.testing.assert_array_equal(mirrored(np.array([[1.0, 2, 3]]), -1), [[-1, 2, 3]])
    np.testing.assert_array_equal(mirrored(np.array([1.0, 2, 3]), 1), [1, 2, 3])


@given(angle, angle, angle)
def test_rotation_is_that_of_scipy(x: float, y: float, z: float) -> None:
    expected = Rotation.from_euler("xyz", [x, y, z], degrees=True).as_matrix()
    np.testing.assert_allclose(rotation(x, y, z), expected, atol=1e-9)
