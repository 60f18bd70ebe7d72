from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from osteon.geometry import Grid
from osteon.phantom.implant.sharpness import ASSUMED_PX, measure_sharpness
from tests.phantom.implant.scans import GRID, SIGMA_MM, T1, scan


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.3])
def test_a_known_blur_is_found(sigma: float) -> None:
    """A disc drawn 8 times as finely, blurred with a Gaussian, sampled, with noise."""
    fine, n = 8, 96
    axis = (np.arange(n * fine) + 0.5) / fine - 0.5 - n / 2
    disc = np.where(np.hypot(axis[None, :], axis[:, None]) < 36, 40.0, -1000.0)
    soft = ndimage.gaussian_filter(disc, sigma * fine)[fine // 2 :: fine, fine // 2 :: fine]
    rng = np.random.default_rng(0)
    array = soft[None] + rng.normal(0, 12, (6, n, n))
    found = measure_sharpness(array, Grid(shape=(6, n, n), spacing_mm=(0.7, 0.7, 3.0)), ct=True)
    assert found.edges > 60
    assert found.sigma_mm == pytest.approx(sigma * 0.7, rel=0.15)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_the_whole_scan_tells_its_blur(modality: str) -> None:
    volume, _ = scan() if modality == "CT" else scan(values=T1, noise=8.0, modality="MR")
    assert measure_sharpness(volume.array, GRID, ct=modality == "CT").sigma_mm == pytest.approx(SIGMA_MM, rel=0.15)


def test_without_air_a_usual_blur_is_assumed_and_said() -> None:
    rng = np.random.default_rng(0)
    found = measure_sharpness(rng.normal(40, 10, GRID.shape), GRID, ct=True)
    assert found.edges == 0
    assert found.sigma_mm == pytest.approx(ASSUMED_PX * 0.9)
