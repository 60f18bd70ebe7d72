from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from osteon.errors import GeometryError, UsageError
from osteon.evaluation.surface import border, hausdorff_mm, mean_surface_mm, surface_dice, surface_distances


def _blobs(seed, shape):
    rng = np.random.default_rng(seed)
    places = np.indices(shape)
    pair = []
    for _ in range(2):
        mask = np.zeros(shape, dtype=bool)
        for _ in range(3):
            centre, radius = [rng.integers(2, n - 2) for n in shape], rng.integers(2, 4)
            mask |= sum((p - c) ** 2 for p, c in zip(places, centre, strict=True)) <= radius**2
        pair.append(mask)
    return pair


def _border_by_hand(mask):
    points = []
    for place in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                other = place.copy()
                other[axis] += step
                outside = not 0 <= other[axis] < mask.shape[axis]
                if outside or not mask[tuple(other)]:
                    points.append(tuple(place))
    return np.array(sorted(set(points)))


@pytest.mark.parametrize("shape", [(20, 24), (8, 14, 15)])
@pytest.mark.parametrize("seed", range(4))
def test_distances_equal_all_pairs(seed, shape):
    true, predicted = _blobs(seed, shape)
    spacing = (0.7, 1.3, 4.0)[: len(shape)]
    a, b = (_border_by_hand(mask) * np.array(spacing[::-1]) for mask in (true, predicted))
    assert np.argwhere(border(true)).tolist() == _border_by_hand(true).tolist()
    table = cdist(a, b)
    found = surface_distances(true, predicted, spacing_mm=spacing)
    np.testing.assert_allclose(np.sort(found.from_true), np.sort(table.min(axis=1)))
    np.testing.assert_allclose(np.sort(found.from_predicted), np.sort(table.min(axis=0)))
    both = np.r_[table.min(axis=1), table.min(axis=0)]
    assert mean_surface_mm(found) == pytest.approx(both.mean())
    assert surface_dice(found, tolerance_mm=1.5) == pytest.approx((both <= 1.5).mean())
    assert hausdorff_mm(found, percentile=100) == pytest.approx(both.max())


@pytest.mark.parametrize("seed", range(3))
def test_figures_equal_monai(seed):
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    true, predicted = _blobs(seed, (10, 16, 18))
    spacing = (0.8, 1.1, 3.0)
    masks = [torch.as_tensor(mask[None, None].astype(np.float32)) for mask in (predicted, true)]
    found = surface_distances(true, predicted, spacing_mm=spacing)
    for percentile in (95, 100):
        reference = metrics.compute_hausdorff_distance(
            *masks, include_background=True, percentile=percentile, spacing=spacing[::-1]
        )
        assert hausdorff_mm(found, percentile=percentile) == pytest.approx(float(reference), rel=1e-5)
    reference = metrics.compute_surface_dice(
        *masks, class_thresholds=[2.0], include_background=True, spacing=spacing[::-1]
    )
    assert surface_dice(found, tolerance_mm=2.0) == pytest.approx(float(reference), rel=1e-5)
    reference = metrics.compute_average_surface_distance(
        *masks, include_background=True, symmetric=True, spacing=spacing[::-1]
    )
    assert mean_surface_mm(found) == pytest.approx(float(reference), rel=1e-5)


def test_spacing_is_x_y_z():
    true, predicted = np.zeros((3, 4, 5)), np.zeros((3, 4, 5))
    true[0, 0, 0] = predicted[2, 0, 0] = 1  # two slices apart
    assert hausdorff_mm(surface_distances(true, predicted, spacing_mm=(0.5, 0.5, 3.0))) == 6.0


def test_empty_masks():
    empty, some = np.zeros((4, 4)), np.eye(4)
    nothing = surface_distances(empty, empty, spacing_mm=(1, 1))
    assert np.isnan([hausdorff_mm(nothing), surface_dice(nothing, tolerance_mm=1), mean_surface_mm(nothing)]).all()
    for pair in ((empty, some), (some, empty)):
        half = surface_distances(*pair, spacing_mm=(1, 1))
        assert hausdorff_mm(half) == mean_surface_mm(half) == np.inf
        assert surface_dice(half, tolerance_mm=1) == 0.0
    same = surface_distances(some, some, spacing_mm=(1, 1))
    assert (hausdorff_mm(same), surface_dice(same, tolerance_mm=0)) == (0.0, 1.0)


def test_bad_input_is_named():
    mask = np.ones((3, 3))
    with pytest.raises(GeometryError, match="same grid"):
        surface_distances(mask, np.ones((3, 4)), spacing_mm=(1, 1))
    for spacing in ((1,), (1, 0), (1, np.nan), (1, 1, 1)):
        with pytest.raises(GeometryError, match="spacing"):
            surface_distances(mask, mask, spacing_mm=spacing)
    found = surface_distances(mask, mask, spacing_mm=(1, 1))
    with pytest.raises(UsageError, match="101"):
        hausdorff_mm(found, percentile=101)
    with pytest.raises(UsageError, match="tolerance"):
        surface_dice(found, tolerance_mm=-1)
