import numpy as np
import pytest

from osteon.imaging.orthogonal_views import sample_points, view_points

SPACING = (0.5, 0.8, 2.0)


def ramp(shape, weights):
    """A volume that is linear in mm (z, y, x), so that interpolation is exact."""
    axes = np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, SPACING[::-1], strict=True)), indexing="ij")
    return sum(w * a for w, a in zip(weights, axes, strict=True))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_plane_stands_across_its_axis(axis):
    points = view_points(side_px=5, pixel_mm=1.5, offsets_mm=(-2.5, 0.0, 2.5))
    assert points.shape == (3, 3, 5, 5, 3)
    plane = points[axis]
    assert pytest.approx(np.tile([-2.5, 0.0, 2.5], (25, 1))) == plane[..., axis].reshape(3, -1).T
    others = [k for k in range(3) if k != axis]
    assert plane[0, 0, 0, others] == pytest.approx([-3, -3])
    assert plane[0, 4, 0, others] == pytest.approx([3, -3])


def test_values_are_those_at_the_points():
    volume = ramp((12, 30, 40), (1.0, -2.0, 3.0))
    centre = (5.5, 14.25, 20.0)
    points = view_points(side_px=4, pixel_mm=1.0, offsets_mm=(0.0,))
    middle = np.asarray(centre) * SPACING[::-1] @ [1.0, -2.0, 3.0]
    expected = middle + points @ [1.0, -2.0, 3.0]
    assert sample_points(volume, points, centre=centre, spacing_mm=SPACING) == pytest.approx(expected, abs=1e-3)


def test_a_turn_moves_the_points_not_the_centre():
    quarter = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    plain = view_points(side_px=3, pixel_mm=1.0, offsets_mm=(0.0,))
    turned = view_points(side_px=3, pixel_mm=1.0, offsets_mm=(0.0,), linear=quarter)
    assert turned[:, :, 1, 1] == pytest.approx(0)
    assert turned[0, 0, 0, 2] == pytest.approx(quarter @ plain[0, 0, 0, 2])


@pytest.mark.parametrize("centre", [(0, 0, 0), (3, 2, 200), (-50, 0, 0)])
def test_beyond_the_volume_is_the_value_outside(centre):
    points = view_points(side_px=9, pixel_mm=2.0, offsets_mm=(0.0,))
    found = sample_points(np.ones((8, 8, 8)), points, centre=centre, spacing_mm=(1.0, 1.0, 1.0), outside=-7.0)
    where = points + np.asarray(centre)
    inside = ((where >= 0) & (where <= 7)).all(axis=-1)
    assert (found[inside] == 1).all()
    assert (found[((where < -1) | (where > 8)).any(axis=-1)] == -7).all()
