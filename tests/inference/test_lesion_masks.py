import numpy as np
import pytest

from osteon.inference.boxes import Track
from osteon.inference.lesion_masks import LesionShape, lesion_shape, measure


def ball(radius_mm, *, spacing_mm=(1.0, 1.0, 2.0), hu_inside=40.0, hu_bone=250.0):
    """A dark ball in a block of bone, its mask, and the boxes round it."""
    z, y, x = np.indices((21, 64, 64)).astype(float)
    r = np.sqrt(((x - 32) * spacing_mm[0]) ** 2 + ((y - 30) * spacing_mm[1]) ** 2 + ((z - 10) * spacing_mm[2]) ** 2)
    mask = r <= radius_mm
    hu = np.where(mask, hu_inside, hu_bone) + np.random.default_rng(0).normal(0, 15, mask.shape)
    track = Track()
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        ys, xs = np.nonzero(mask[k])
        track.add(int(k), np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], dtype=np.float32), 0.8)
    return hu, np.ones(mask.shape, dtype=bool), mask, track, spacing_mm


@pytest.mark.parametrize("radius_mm", [4.0, 7.0, 12.0])
def test_mask_follows_the_dark_ball(radius_mm):
    hu, bone, true, track, spacing = ball(radius_mm)
    shape = lesion_shape(track, hu, bone, spacing_mm=spacing)
    found = np.zeros(true.shape, dtype=bool)
    found[shape.window] = shape.mask
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.88


def test_mask_stays_inside_bone():
    hu, bone, _, track, spacing = ball(7.0)
    bone[:, :, 32:] = False
    shape = lesion_shape(track, hu, bone, spacing_mm=spacing)
    assert not (shape.mask & ~bone[shape.window]).any()
    assert shape.mask.any()


def test_skipped_slices_are_filled_in():
    hu, bone, _, track, spacing = ball(10.0)
    thinned = Track(slices=track.slices[::2], boxes=track.boxes[::2], scores=track.scores[::2])
    shape = lesion_shape(thinned, hu, bone, spacing_mm=spacing)
    assert shape.mask.any(axis=(1, 2)).all()


def test_measures_of_a_ball():
    hu, _, true, _, spacing = ball(8.0)
    m = measure(LesionShape(start=(0, 0, 0), mask=true), hu, spacing_mm=spacing)
    assert m.centroid_zyx == pytest.approx((10, 30, 32))
    assert m.key_slice == 10
    assert m.longest_mm == pytest.approx(17.0, abs=0.6)
    assert m.short_mm == pytest.approx(17.0, abs=0.9)
    assert m.volume_mm3 == pytest.approx(true.sum() * 2.0)
    assert m.mean_hu == pytest.approx(40, abs=2)


def test_short_diameter_of_a_bar():
    mask = np.zeros((1, 40, 40), dtype=bool)
    mask[0, 10:13, 5:25] = True
    m = measure(LesionShape(start=(0, 0, 0), mask=mask), np.zeros(mask.shape), spacing_mm=(0.5, 0.5, 1.0))
    assert m.longest_mm == pytest.approx(np.hypot(9.5, 1.0) + 0.5, abs=0.01)
    assert m.short_mm < 3.0


def test_one_pixel_is_as_wide_as_a_pixel():
    mask = np.zeros((1, 9, 9), dtype=bool)
    mask[0, 4, 4] = True
    m = measure(LesionShape(start=(3, 1, 2), mask=mask), np.zeros((8, 16, 16)), spacing_mm=(0.8, 0.8, 3.0))
    assert (m.longest_mm, m.short_mm) == (pytest.approx(0.8), pytest.approx(0.8))
    assert m.centroid_zyx == (3.0, 5.0, 6.0)
