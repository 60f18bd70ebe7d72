"""A made-up scan of known blur and noise: a round body with a vertebra-like bone in it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from osteon.geometry import Grid
from osteon.records import Volume

GRID = Grid(shape=(24, 144, 144), spacing_mm=(0.9, 0.9, 2.0), origin_mm=(-65.0, -60.0, 10.0))
BONE_RADIUS_MM = 24.0
SIGMA_MM = 0.8
NOISE_HU = 14.0
GRAIN_PX = 0.8
CLEAN = {"air": -1000.0, "soft": 50.0, "cortex": 700.0, "marrow": 190.0}
T1 = {"air": 0.0, "soft": 210.0, "cortex": 40.0, "marrow": 420.0}


def grained(shape: tuple[int, ...], rng: np.random.Generator, *, sd: float = NOISE_HU) -> np.ndarray:
    """Noise with grain in the plane and none across slices."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), (0, GRAIN_PX, GRAIN_PX), mode="wrap")
    return noise / noise.std() * sd


def scan(
    *, values: dict[str, float] = CLEAN, noise: float = NOISE_HU, modality: str = "CT", seed: int = 0
) -> tuple[Volume, np.ndarray]:
    """Body of 56 mm radius, bone of 24 mm with a cortex of 1.5 mm; the bone's mask, both (z, y, x).

    Edges are sampled four times as finely and blurred by ``SIGMA_MM`` in the plane, pixels included.
    """
    fine = 4
    x, y = ((np.arange(144 * fine) + 0.5) / fine * 0.9 - 0.45 + o for o in (GRID.origin_mm[0], GRID.origin_mm[1]))
    radius = np.hypot(x[None, :], (y - 4)[:, None])
    plane = np.where(radius < 56, values["soft"], values["air"])
    plane = np.where(radius < BONE_RADIUS_MM, values["cortex"], plane)
    plane = np.where(radius < BONE_RADIUS_MM - 1.5, values["marrow"], plane)
    soft = ndimage.gaussian_filter(plane, SIGMA_MM / 0.9 * fine)
    soft = soft.reshape(144, fine, 144, fine)[:, 1:3, :, 1:3].mean(axis=(1, 3))
    array = np.repeat(soft[None], GRID.shape[0], 0) + grained(GRID.shape, np.random.default_rng(seed), sd=noise)
    inside = radius.reshape(144, fine, 144, fine)[:, 2, :, 2] < BONE_RADIUS_MM
    mask = np.repeat(inside[None], GRID.shape[0], 0).astype(np.uint8)
    mask[:2], mask[-2:] = 0, 0
    stored = np.rint(np.maximum(array, 0) if modality == "MR" else array).astype(np.int16)
    return Volume(array=stored, grid=GRID, modality=modality), mask
