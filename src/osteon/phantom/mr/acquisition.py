"""What the scanner makes of noiseless fat and water: coil shading, chemical shift, ghosts, sampling and noise.

Slices are sampled as k-space: cut to what is acquired (so edges ring), fat displaced along the readout by its
frequency, filled up with zeros to the matrix. Noise is Rician. Coil shading, end of coil, failed fat suppression,
saturation band and ghosts are smooth maps whose sizes are orders of magnitude (no measurement of one scanner). Not
modelled: distortion, parallel imaging, wrap-around.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import fft

from osteon.phantom.mr.signal import fat_left, fat_shift_hz, fat_signal, water_left

if TYPE_CHECKING:
    from osteon.phantom.anatomy.shapes import Array, Vector
    from osteon.phantom.mr.sequence import Sequence

    NDComplex = np.ndarray[tuple[int, ...], np.dtype[np.complex64]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What stays the same for all sequences of one station; maps are (row, column) as rendered.

    Attributes:
        receive: sensitivity of the coil, 1 at the back.
        evenness: how far the vendor's correction undoes it, 0 to 1.
        excitation: what B1 does, about 1.
        spared: what the saturation band leaves, 0 to 1.
        fat_failure: share of the fat that frequency-selective saturation misses, 0 to 1.
    """

    receive: Array
    evenness: float
    excitation: Array
    spared: Array
    fat_failure: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """How the patient lay during one sequence.

    Attributes:
        shift_px: (row, column) in rendered pixels.
        ghost: share of what moves that appears elsewhere.
        ghost_turns: how many times along the phase direction it repeats.
        weights: of the sub-slices of a slice; uneven where the patient moved across the slices.
    """

    shift_px: tuple[float, float]
    ghost: float
    ghost_turns: float
    weights: tuple[float, ...]


def draw_surroundings(
    rng: np.random.Generator, *, size: int, fov_mm: float, back_px: float, band: Vector | None, field_t: float
) -> Surroundings:
    """Draw the maps of one station.

    Args:
        rng: randomness.
        size: rows and columns as rendered.
        fov_mm: side of the field of view.
        back_px: column of the skin of the back.
        band: (size,) column before which the saturation band lies, for each row; None without one.
        field_t: 1.5 or 3.
    """
    pixel = fov_mm / size
    column = np.arange(size, dtype=np.float32)[None, :]
    row = (np.arange(size, dtype=np.float32)[:, None] + 0.5) * np.float32(pixel)
    depth = np.clip((back_px - column) * pixel, -20, None)
    receive: Array = 0.12 + 0.88 / (1 + (np.maximum(depth, 0) / rng.uniform(85, 130)) ** 2)
    receive = receive * (1 + 0.05 * np.sin(2 * np.pi * row / rng.uniform(90, 130) + rng.uniform(0, 6)))
    reach, drop = rng.uniform(22, 50), rng.uniform(0.3, 0.75)
    end = np.minimum(row, fov_mm - row) / reach
    excitation: Array = (1 - drop * np.exp(-2.2 * np.maximum(end, 0))) * np.ones((size, size), np.float32)
    if field_t > 2:
        excitation *= 1 + np.float32(rng.uniform(0.05, 0.18)) * smooth_map(rng, size, blobs=3)
    spared: Array = np.ones((size, size), np.float32)
    if band is not None:
        left = rng.uniform(0.06, 0.25)
        spared *= left + (1 - left) / (
            1 + np.exp(-(column - band.astype(np.float32)[:, None]) * np.float32(pixel / 4.0))
        )
    return Surroundings(
        receive=np.asarray(receive, dtype=np.float32),
        evenness=float(rng.uniform(0.75, 1.0)),
        excitation=np.asarray(excitation, dtype=np.float32),
        spared=np.asarray(spared, dtype=np.float32),
        fat_failure=_fat_failure(rng, size, end=end),
    )


def smooth_map(rng: np.random.Generator, size: int, *, blobs: int) -> Array:
    """A random map, about unit variance, with ``blobs`` blobs across: (size, size)."""
    coarse = rng.standard_normal((blobs + 2, blobs + 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _fat_failure(rng: np.random.Generator, size: int, *, end: Array) -> Array:
    """Little everywhere; in a third of stations a patch, mostly towards an end, where the field is uneven."""
    base = rng.uniform(0.02, 0.08)
    if rng.random() > 0.35:
        return np.full((size, size), base, dtype=np.float32)
    field = smooth_map(rng, size, blobs=3) + 1.2 * np.exp(-np.maximum(end, 0))
    patch = 1 / (1 + np.exp(-(field - rng.uniform(1.2, 1.9)) / 0.25))
    return np.asarray(base + (rng.uniform(0.4, 0.9) - base) * patch, dtype=np.float32)


def draw_motion(rng: np.random.Generator, *, pixel_mm: float, first: bool, subs: int) -> Motion:
    """Draw how the patient moved; none has moved yet at the ``first`` sequence."""
    shift = rng.normal(0, 0.35, 2) if rng.random() < 0.85 else rng.normal(0, 1.5, 2)
    across = rng.normal(0, 0.12)
    shift, across = (shift * 0, 0.0) if first else (shift, across)
    place = np.linspace(-1, 1, subs)
    weights = np.clip(1 + 3 * across * place, 0.05, None)
    weights /= weights.sum()
    return Motion(
        shift_px=(float(shift[0] / pixel_mm), float(shift[1] / pixel_mm)),
        ghost=float(rng.uniform(0.0, 0.02) if rng.random() < 0.8 else rng.uniform(0.02, 0.06)),
        ghost_turns=float(rng.uniform(3, 12)),
        weights=tuple(float(w) for w in weights),
    )


def acquire(
    fat: Array,
    water: Array,
    *,
    sequence: Sequence,
    around: Surroundings,
    motion: Motion,
    noise: float,
    rng: np.random.Generator,
) -> Array:
    """Scan the slices of a station with one sequence.

    Args:
        fat: density of fat protons, (slice, row, column), square.
        water: signal of water in this sequence, the same shape; signed.
        sequence: its settings.
        around: maps of the station.
        motion: how the patient lay.
        noise: SD of the noise in one acquired pixel, before correction of the coil's sensitivity.
        rng: noise.

    Returns:
        Magnitudes, (slice, matrix, matrix) float32.
    """
    size = fat.shape[-1]
    place = around.receive * around.excitation * around.spared
    left = fat_left(sequence) * fat_signal(sequence)
    fat_map = place * np.float32(left)
    if sequence.fat == "saturated":
        missed = (fat_signal(sequence) - left) * around.fat_failure
        fat_map = fat_map + place * missed
    water_map = place * np.float32(water_left(sequence))
    sampler = _Sampler(size, sequence, motion)
    even = cv2.resize(around.receive, (sequence.matrix, sequence.matrix)) ** np.float32(-around.evenness)
    out = np.empty((len(fat), sequence.matrix, sequence.matrix), dtype=np.float32)
    for k in range(len(fat)):
        out[k] = sampler.slice(fat[k] * fat_map, water[k] * water_map, noise=noise, rng=rng) * even
    return out


class _Sampler:
    """k-space of one sequence: which points are kept, and the phases that shift water and fat."""

    def __init__(self, size: int, sequence: Sequence, motion: Motion) -> None:
        readout, phase = (min(points, size, sequence.matrix) for points in sequence.acquired)
        self.along_rows = sequence.readout == "HF"  # readout along the rows' axis (up and down)
        self.rows, self.columns = (readout, phase) if self.along_rows else (phase, readout)
        self.size, self.matrix, self.motion = size, sequence.matrix, motion
        ky, kx = fft.fftfreq(size)[:, None], fft.rfftfreq(size)[None, :]
        centre = 0.5 * (size / sequence.matrix - 1)  # pixels of another width have their first centre elsewhere
        dy, dx = motion.shift_px[0] - centre, motion.shift_px[1] - centre
        still = np.exp(-2j * np.pi * (ky * dy + kx * dx))
        shift = fat_shift_hz(sequence.field_t) / sequence.bandwidth_hz * size / readout
        moved = np.exp(-2j * np.pi * (ky if self.along_rows else kx) * shift)
        self.still, self.fat = still.astype(np.complex64), (still * moved).astype(np.complex64)
        line = kx if self.along_rows else ky  # breathing modulates line after line of the phase direction
        wave = np.cos(2 * np.pi * line * size / motion.ghost_turns)
        self.ghost = (motion.ghost * wave).astype(np.float32)

    def slice(self, fat: Array, water: Array, *, noise: float, rng: np.random.Generator) -> Array:
        """Magnitude of one slice, (matrix, matrix)."""
        k = fft.rfft2(water) * self.still + fft.rfft2(fat) * self.fat
        k = self._cut(k * (1 + self.ghost))
        scale = self.rows * self.columns / (self.size * self.size)
        real = self._show(k * np.float32(scale) + self._noise(noise, rng))
        imaginary = self._show(self._noise(noise, rng))
        return np.asarray(np.sqrt(real**2 + imaginary**2), dtype=np.float32)

    def _cut(self, k: NDComplex) -> NDComplex:
        """The acquired middle of k-space, as ``rfft2`` of a picture of (rows, columns) orders it."""
        half = self.rows // 2
        rows = np.concatenate([k[: self.rows - half], k[-half:]]) if self.rows < self.size else k
        return rows[:, : self.columns // 2 + 1]

    def _noise(self, sd: float, rng: np.random.Generator) -> NDComplex:
        white = rng.standard_normal((self.rows, self.columns), dtype=np.float32) * np.float32(sd)
        return np.asarray(fft.rfft2(white))

    def _show(self, k: NDComplex) -> Array:
        """Zeros around, and back to a picture of the matrix's size."""
        half = self.rows // 2
        full = np.zeros((self.matrix, self.matrix // 2 + 1), dtype=np.complex64)
        full[: self.rows - half, : k.shape[1]] = k[: self.rows - half]
        full[-half:, : k.shape[1]] = k[-half:]
        picture = fft.irfft2(full, s=(self.matrix, self.matrix))
        return np.asarray(picture * np.float32(self.matrix**2 / (self.rows * self.columns)), dtype=np.float32)
