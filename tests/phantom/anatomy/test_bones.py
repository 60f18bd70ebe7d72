from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.phantom.anatomy.bones import Bone
from osteon.phantom.anatomy.shapes import Ellipsoid, Limb, rotation


def dumbbell(blend_mm: float = 2.0) -> Bone:
    """Two balls of 10 mm, 30 mm apart, joined by a thin bar, with a hole through the first."""
    ends = np.array([-15.0, 0, 0]), np.array([15.0, 0, 0])
    solids = (Ellipsoid(ends[0], np.full(3, 10.0)), Ellipsoid(ends[1], np.full(3, 10.0)), Limb(*ends, 3.0, 3.0))
    hole = Limb(ends[0] - [0, 0, 20], ends[0] + [0, 0, 20], 4.0, 4.0)
    return Bone(name="test", site="femur", solids=solids, holes=(hole,), blend_mm=blend_mm)


def distance(bone: Bone, *points: tuple[float, float, float]) -> list[float]:
    x, y, z = np.float32(points).T
    return [float(d) for d in bone.distance(x, y, z)]


def test_a_bone_is_the_union_of_its_solids_less_its_holes() -> None:
    inside, shaft, in_hole, outside = distance(dumbbell(), (15, 0, 0), (0, 0, 2), (-15, 0, 0), (0, 0, 8))
    assert inside < 0
    assert shaft < 0
    assert in_hole > 0
    assert outside > 0


def test_fillets_add_at_most_a_quarter_of_the_blend() -> None:
    points = [tuple(p) for p in np.random.default_rng(0).uniform(-30, 30, (2000, 3))]
    sharp = np.array(distance(dumbbell(blend_mm=0.001), *points))
    round_ = np.array(distance(dumbbell(blend_mm=6.0), *points))
    assert (round_ <= sharp + 1e-4).all()
    assert (sharp - round_).max() > 0.5  # there are fillets
    # each of the two joints adds a quarter of the blend at most
    assert (sharp - round_).max() <= 2 * 6.0 / 4 + 1e-3


@given(st.floats(-180, 180), st.floats(-180, 180), st.floats(-50, 50))
@settings(max_examples=20)
def test_moved_takes_holes_and_frame_with_it(x_deg: float, z_deg: float, shift: float) -> None:
    bone, turn, by = dumbbell(), rotation(x_deg, 0, z_deg), np.array([shift, -shift, 2 * shift])
    points = np.random.default_rng(1).uniform(-30, 30, (200, 3))
    moved = bone.moved(turn, by)
    after = distance(moved, *(tuple(p) for p in points @ turn.T + by))
    np.testing.assert_allclose(after, distance(bone, *(tuple(p) for p in points)), atol=0.01)
    np.testing.assert_allclose(moved.frame, turn @ bone.frame)
    np.testing.assert_allclose(moved.centre, turn @ bone.centre + by)
    assert (moved.name, moved.marrow) == (bone.name, bone.marrow)


def test_bounds_hold_every_solid() -> None:
    low, high = dumbbell().bounds()
    np.testing.assert_allclose(low, [-25, -10, -10])
    np.testing.assert_allclose(high, [25, 10, 10])
