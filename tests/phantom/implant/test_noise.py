from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from osteon.errors import InputError
from osteon.phantom.implant.noise import local_noise, more_noise, soft_blocks
from tests.phantom.implant.scans import GRID, NOISE_HU, grained, scan


def lag(array: np.ndarray, axis: int, step: int = 1) -> float:
    """Correlation of neighbours, by its definition."""
    a = np.moveaxis(array, axis, 0)
    return float(np.corrcoef(a[step:].ravel(), a[:-step].ravel())[0, 1])


def test_spread_and_grain_are_found_beside_edges_and_bone() -> None:
    volume, bone = scan()
    noise = local_noise(soft_blocks(volume.array, bone=bone, grid=GRID, ct=True), np.array([60.0, 60, 24]))
    assert noise.sd == pytest.approx(NOISE_HU, rel=0.1)
    truth = grained((20, 200, 200), np.random.default_rng(5))
    ry, rx = (n // 2 for n in noise.in_plane.shape)
    assert noise.in_plane[ry, rx] == 1
    assert noise.in_plane[ry, rx + 1] == pytest.approx(lag(truth, 2), abs=0.06)
    assert noise.in_plane[ry + 1, rx] == pytest.approx(lag(truth, 1), abs=0.06)
    assert len(noise.along_z) == 1


def test_noise_that_slices_share_is_seen() -> None:
    volume, bone = scan(noise=0.0)
    rng = np.random.default_rng(3)
    shared = ndimage.gaussian_filter1d(grained(GRID.shape, rng), 1.0, axis=0, mode="wrap")
    array = volume.array + shared / shared.std() * 20
    noise = local_noise(soft_blocks(array, bone=bone, grid=GRID, ct=True), np.array([60.0, 60, 24]))
    assert noise.along_z[1] == pytest.approx(lag(shared, 0), abs=0.08)
    assert noise.along_z[2] == pytest.approx(lag(shared, 0, 2), abs=0.1)


def test_noise_that_grows_across_the_body_is_local() -> None:
    volume, bone = scan(noise=0.0)
    ramp = np.where(np.arange(GRID.shape[0]) < 12, 10.0, 25.0)[:, None, None]
    array = volume.array + grained(GRID.shape, np.random.default_rng(1), sd=1.0) * ramp
    blocks = soft_blocks(array, bone=bone, grid=GRID, ct=True)
    low, high = (local_noise(blocks, np.array([60.0, 60, z]), near_mm=6.0).sd for z in (2.0, 44.0))
    assert low == pytest.approx(10, rel=0.2)
    assert high == pytest.approx(25, rel=0.2)


def test_made_noise_has_the_measured_spread_and_grain() -> None:
    volume, bone = scan()
    noise = local_noise(soft_blocks(volume.array, bone=bone, grid=GRID, ct=True), np.array([60.0, 60, 24]))
    made = more_noise(noise, (30, 41, 37), rng=np.random.default_rng(0))
    assert made.shape == (30, 41, 37)
    assert made.std() == pytest.approx(1.0, abs=0.05)
    ry, rx = (n // 2 for n in noise.in_plane.shape)
    assert lag(made, 2) == pytest.approx(noise.in_plane[ry, rx + 1], abs=0.05)
    assert lag(made, 1, 2) == pytest.approx(noise.in_plane[ry + 2, rx], abs=0.06)
    assert abs(lag(made, 0)) < 0.06


def test_what_cannot_be_measured_is_told() -> None:
    volume, bone = scan()
    with pytest.raises(InputError, match=r"only 0 blocks of 11 mm of soft tissue"):
        soft_blocks(np.full(GRID.shape, -1000, np.int16), bone=bone, grid=GRID, ct=True)
    with pytest.raises(InputError, match="too small to measure its noise"):
        soft_blocks(volume.array[:, :8, :8], bone=bone[:, :8, :8], grid=GRID, ct=True)
