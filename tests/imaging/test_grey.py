from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import UsageError
from osteon.imaging.grey import equalise, to_bytes


def test_minimum_and_maximum_become_0_and_255() -> None:
    found = to_bytes(np.array([-10, 0, 90], dtype=np.int16))
    assert found.tolist() == [0, round(255 * 0.1), 255]
    assert found.dtype == np.uint8


def test_percentiles_clip_what_lies_outside() -> None:
    values = np.concatenate([np.arange(1000), [1_000_000]])
    found = to_bytes(values, percentiles=(0.0, 99.0))
    low, high = np.percentile(values, (0, 99))
    assert found[-1] == 255
    assert found[500] == round(255 * (500 - low) / (high - low))


def test_one_value_and_wrong_percentiles() -> None:
    assert not to_bytes(np.full((2, 2), 7)).any()
    with pytest.raises(UsageError, match="percentiles"):
        to_bytes(np.arange(3), percentiles=(50.0, 50.0))


def clipped_equalisation(plane: np.ndarray, clip_limit: float) -> np.ndarray:
    """One neighbourhood by the definition: clip the histogram, share out the rest, map by the running sum."""
    counts = np.bincount(plane.ravel(), minlength=256)
    limit = max(1, int(clip_limit * plane.size / 256))
    rest = int(np.maximum(counts - limit, 0).sum())
    counts = np.minimum(counts, limit) + rest // 256
    left = rest % 256
    if left:
        step = max(256 // left, 1)
        counts[np.arange(0, 256, step)[:left]] += 1
    return np.rint(np.cumsum(counts) * (255 / plane.size)).astype(np.uint8)[plane]


def test_clahe_of_one_neighbourhood_is_clipped_equalisation() -> None:
    rng = np.random.default_rng(0)
    planes = np.clip(rng.normal(90, 20, (2, 64, 64)), 0, 255).astype(np.uint8)
    found = equalise(planes, clip_limit=2.0, tiles=1)
    for plane, ours in zip(planes, found, strict=True):
        np.testing.assert_allclose(ours.astype(int), clipped_equalisation(plane, 2.0).astype(int), atol=1)


def test_clahe_raises_local_contrast_of_both_a_dark_and_a_bright_half() -> None:
    ripple = np.tile(np.sin(np.arange(128)) * 6, (128, 1))
    plane = (np.where(np.arange(128)[:, None] < 64, 40, 200) + ripple).astype(np.uint8)
    found = equalise(plane[None])[0].astype(float)
    for half in (slice(0, 48), slice(80, 128)):
        assert found[half].std() > 1.5 * plane[half].std()
