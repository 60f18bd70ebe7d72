from __future__ import annotations

import numpy as np
import pytest

from osteon.phantom.ct.metal import has_metal, metal_streaks


def screws() -> np.ndarray:
    """Two long pieces of metal side by side in water."""
    image = np.zeros((192, 192), dtype=np.float32)
    image[92:100, 60:70] = 8000
    image[92:100, 122:132] = 8000
    return image


def test_bone_is_no_metal() -> None:
    assert not has_metal(np.full((64, 64), 1900.0, dtype=np.float32))
    assert has_metal(screws())


def test_between_two_screws_it_is_dark_and_noise_lies_around() -> None:
    image = screws()
    added = np.mean([metal_streaks(image, pixel_mm=1.0, rng=np.random.default_rng(k)) for k in range(8)], axis=0)
    assert added.shape == image.shape
    assert added[94:98, 80:112].mean() < -10  # the rays through both are the most wrong
    assert added[94:98, 80:112].mean() < added[60:70, 80:112].mean() - 10
    one = metal_streaks(image, pixel_mm=1.0, rng=np.random.default_rng(0))
    assert one[80:112, 40:150].std() > 2 * one[:20].std() > 0


def test_nothing_is_added_without_metal() -> None:
    added = metal_streaks(np.zeros((96, 96), np.float32), pixel_mm=1.0, rng=np.random.default_rng(0))
    assert added == pytest.approx(np.zeros((96, 96)))
