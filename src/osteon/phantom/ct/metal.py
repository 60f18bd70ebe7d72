"""Streaks of metal: its sinogram at low resolution, wrong where rays pass much of it, put back into the picture.

Rays through metal are measured too weak (beam hardening: an error that grows with the square of the path) and noisy
(hardly a photon arrives). What filtered back-projection makes of those errors are the dark bands between metal parts
and the bright and dark rays around them: computed here from the metal alone, on a coarse grid. How strong the errors
are, is a guess: streaks of some hundred HU beside a screw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from osteon.phantom.anatomy.shapes import Array

METAL_HU = 3000.0
_SIDE = 160
_ANGLES = 120
_HARDENING_PER_MM = 12.0  # HU mm of error for every mm squared of metal on a ray
_NOISE_HU = 350.0


def has_metal(image: Array) -> bool:
    """Whether a slice (y, x) in HU shows more metal than a speck."""
    return bool((image > METAL_HU).sum() > 6)


def metal_streaks(image: Array, *, pixel_mm: float, rng: np.random.Generator) -> Array:
    """What to add to a square slice (y, x) because of the metal in it, HU of the same shape."""
    size = image.shape[0]
    metal = cv2.resize((image > METAL_HU).astype(np.float32), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    step = size * pixel_mm / _SIDE
    turns = [
        cv2.getRotationMatrix2D(((_SIDE - 1) / 2, (_SIDE - 1) / 2), 180.0 * k / _ANGLES, 1.0) for k in range(_ANGLES)
    ]
    path = np.array([cv2.warpAffine(metal, turn, (_SIDE, _SIDE)).sum(axis=0) for turn in turns]) * step
    error = -_HARDENING_PER_MM * path**2 + rng.standard_normal(path.shape) * _NOISE_HU * np.sqrt(path)
    ramp = np.abs(fft.rfftfreq(2 * _SIDE, step))
    rows = fft.irfft(fft.rfft(error, 2 * _SIDE, axis=1) * ramp, axis=1)[:, :_SIDE].astype(np.float32)
    total = np.zeros((_SIDE, _SIDE), dtype=np.float32)
    for row, turn in zip(rows, turns, strict=True):
        spread = np.broadcast_to(row, (_SIDE, _SIDE))
        total += cv2.warpAffine(np.ascontiguousarray(spread), turn, (_SIDE, _SIDE), flags=cv2.WARP_INVERSE_MAP)
    total *= np.float32(np.pi / _ANGLES)
    return np.asarray(cv2.resize(total, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
