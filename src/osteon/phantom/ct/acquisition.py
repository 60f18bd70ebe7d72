"""How a CT scanner would have shown it: kernel, dose, noise, streaks and table. The slice profile is ``scan``'s.

The two kernels are the study's, Br64 (sharp, which it reads) and Br44 (smooth). Their MTF, noise spectrum and noise
level are orders of magnitude as vendors quote them, varied by about 10 %: no measurement of one scanner. Not modelled:
beam hardening, metal, motion, tube current modulation along the patient, iterative reconstruction, a cut field of view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.phantom.anatomy.shapes import Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Scanner:
    """One protocol.

    Attributes:
        kernel: DICOM ConvolutionKernel.
        mtf50: spatial frequency of half contrast, line pairs per mm.
        noise_peak: frequency of the noise power's maximum, cycles per mm.
        noise_hu: SD where the mean path through the body is 260 mm of water, at this dose and thickness.
        edge_gain: overshoot at edges of sharp kernels; 0 for smooth ones.
        thickness_mm, spacing_mm: slice thickness, distance between slices.
        pixel_mm, matrix: width of a pixel; rows and columns.
        manufacturer, kvp, exposure_mas: DICOM Manufacturer, KVP and Exposure.
        modulation: how far the tube current follows the patient's width along z: 0 not at all, 1 so that the mean
            noise stays.
        table: "curved", "deep" or "flat".
        round_field: whether corners outside the inscribed circle are padding.
    """

    kernel: str
    mtf50: float
    noise_peak: float
    noise_hu: float
    edge_gain: float
    thickness_mm: float
    spacing_mm: float
    pixel_mm: float
    matrix: int
    manufacturer: str = "SIEMENS"
    kvp: float = 120.0
    exposure_mas: float = 50.0
    modulation: float = 0.44
    table: str = "curved"
    round_field: bool = False


SHARP = Scanner(
    kernel="Br64",
    mtf50=0.75,
    noise_peak=0.6,
    noise_hu=62.0,
    edge_gain=0.35,
    thickness_mm=2.0,
    spacing_mm=1.0,
    pixel_mm=0.98,
    matrix=512,
)
SMOOTH = replace(SHARP, kernel="Br44", mtf50=0.42, noise_peak=0.33, noise_hu=19.0, edge_gain=0.0)
KERNELS = (  # maker, share; sharp and smooth: name, MTF50, noise peak, overshoot
    ("SIEMENS", 0.5, ("Br64", 0.75, 0.60, 0.35), ("Br44", 0.42, 0.33, 0.0)),
    ("GE MEDICAL SYSTEMS", 0.2, ("BONE", 0.82, 0.68, 0.45), ("STANDARD", 0.40, 0.29, 0.0)),
    ("Philips", 0.2, ("YC", 0.72, 0.58, 0.30), ("B", 0.38, 0.27, 0.0)),
    ("TOSHIBA", 0.1, ("FC30", 0.78, 0.64, 0.25), ("FC08", 0.37, 0.26, 0.0)),
)
"""Orders of magnitude: vendors publish no tables of these."""
_BOX_SD_PIXELS = 0.29
_EMPTY_HU = -700
"""Below this there is room for the table."""
_WATER_PER_MM = 0.0055
"""Growth of the noise with the path within a slice: half of a water-like attenuation, less what filters take."""
_MU_HALF_PER_MM = 0.0098
"""Growth with the mean path of a slice at a constant tube current."""


def draw_scanner(rng: np.random.Generator, *, profile: str) -> Scanner:
    """Draw a protocol of one of four makers, sharp in 65 of 100, at half to 2.5 times the usual dose.

    Args:
        rng: randomness.
        profile: "full" for the study's 512 x 512 and 2 mm slices every 1 mm (doi 10.1007/s00256-022-04160-z); "small"
            for 384 x 384 with slices of 1.5 to 3 mm, some on a small field of view round the spine.
    """
    full = profile == "full"
    maker, _, *kernels = KERNELS[int(rng.choice(len(KERNELS), p=[one[1] for one in KERNELS]))]
    sharp = rng.random() < 0.65
    kernel, mtf50, peak, gain = kernels[0 if sharp else 1]
    jitter = rng.normal(1, 0.1, 3)
    dose = float(np.clip(rng.lognormal(np.log(1.0), 0.35), 0.45, 2.5))
    spacing = 1.0 if full else float(rng.choice([1.5, 2.0, 2.5, 3.0], p=[0.15, 0.2, 0.4, 0.25]))
    thickness = 2.0 if full else spacing * float(rng.choice([1.0, 1.0, 1.0, 1.5]))
    iterative = not sharp and rng.random() < 0.4  # its noise is less and coarser
    close_up = not full and rng.random() < 0.15
    noise = (SHARP if sharp else SMOOTH).noise_hu * jitter[2] / np.sqrt(dose * thickness / 2)
    return Scanner(
        kernel=kernel,
        mtf50=float(mtf50 * jitter[0]),
        noise_peak=float(peak * jitter[1] * (0.8 if iterative else 1.0)),
        noise_hu=float(noise * (0.55 if iterative else 1.0)),
        edge_gain=float(gain * rng.uniform(0.6, 1.4)),
        thickness_mm=thickness,
        spacing_mm=spacing,
        pixel_mm=_pixel_mm(rng, full=full, close_up=close_up),
        matrix=512 if full else 384,
        manufacturer=maker,
        exposure_mas=round(50 * dose, 1),
        modulation=float(rng.uniform(0.3, 1.0)),
        table=str(rng.choice(["curved", "deep", "flat"])),
        round_field=bool(rng.random() < 0.3),
    )


def _pixel_mm(rng: np.random.Generator, *, full: bool, close_up: bool) -> float:
    low, high = (0.9, 0.98) if full else (0.5, 0.7) if close_up else (0.95, 1.2)
    return round(float(rng.uniform(low, high)), 4)


def blur(slices: Array, scanner: Scanner) -> Array:
    """In-plane blur of (n, y, x) HU, Gaussian with the kernel's MTF50; sharp kernels overshoot at edges.

    What the voxel itself has blurred is left out. A kernel finer than the pixel grid can show blurs no further.
    """
    sigma = 0.187 / scanner.mtf50 / scanner.pixel_mm  # exp(-2 (pi sigma f)^2) = 1/2
    extra = np.sqrt(max(sigma**2 - _BOX_SD_PIXELS**2, 0.0))
    out = np.empty_like(slices)
    for k, image in enumerate(slices):
        soft = cv2.GaussianBlur(image, (0, 0), extra) if extra > 0.15 else image
        if scanner.edge_gain > 0:
            soft = soft + np.float32(scanner.edge_gain) * (
                soft - cv2.GaussianBlur(soft, (0, 0), 1.0 / scanner.pixel_mm)
            )
        out[k] = soft
    return out


@lru_cache(maxsize=2)
def noise_spectrum(scanner: Scanner) -> Array:
    """Amplitude of the noise at each frequency of ``rfft2``, (matrix, matrix // 2 + 1), scaled to unit variance.

    Kept from slice to slice, and read-only therefore.

    Power is a ramp that falls off like a Gaussian, not quite zero at zero frequency, as of filtered back-projection.
    Its maximum lies at ``noise_peak``, or at 0.42 cycles a pixel where the grid cannot show that.
    """
    fy = fft.fftfreq(scanner.matrix, scanner.pixel_mm)[:, None]
    fx = fft.rfftfreq(scanner.matrix, scanner.pixel_mm)[None, :]
    f = np.sqrt(fx**2 + fy**2)
    peak = min(scanner.noise_peak, 0.42 / scanner.pixel_mm)
    power = (f / peak + 0.02) * np.exp(0.5 * (1 - (f / peak) ** 2))
    amplitude = np.sqrt(np.maximum(power, 0))
    weight = np.full(f.shape[1], 2.0)
    weight[0] = 1.0
    amplitude /= np.sqrt((amplitude**2 * weight).sum() / scanner.matrix**2)
    result = np.asarray(amplitude, dtype=np.float32)
    result.setflags(write=False)
    return result


def add_noise(slices: Array, scanner: Scanner, *, rng: np.random.Generator) -> Array:
    """Add correlated noise that grows with the path through the body, and horizontal streaks where it is widest.

    Neighbouring slices of one call share noise as their thickness overlaps.

    Args:
        slices: HU before noise, (n, y, x); square, ``scanner.matrix`` wide.
        scanner: protocol.
        rng: randomness.
    """
    spectrum = noise_spectrum(scanner)
    overlap = max(0.0, 1 - scanner.spacing_mm / scanner.thickness_mm)
    previous = None
    out = np.empty_like(slices)
    for k, image in enumerate(slices):
        white = rng.standard_normal(image.shape, dtype=np.float32)
        if previous is not None and overlap > 0:
            white = np.float32(overlap) * previous + np.float32(np.sqrt(1 - overlap**2)) * white
        previous = white
        noise = fft.irfft2(fft.rfft2(white) * spectrum, s=image.shape).astype(np.float32)
        water = _dense(image)
        out[k] = image + noise * _noise_map(water, scanner) + _streaks(water, scanner, rng=rng)
    return out


def _dense(image: Array) -> Array:
    """Attenuation relative to water, 0 in air."""
    return np.clip(image / 1000 + 1, 0, 2.2)


def _noise_map(water: Array, scanner: Scanner) -> Array:
    """SD in HU at each pixel: exp(mu d / 2) for the mean path, highest in the middle of the body."""
    mm_x = water.sum(axis=1) * scanner.pixel_mm
    mm_y = water.sum(axis=0) * scanner.pixel_mm
    path = 0.5 * (mm_x[:, None] + mm_y[None, :])
    path = cv2.GaussianBlur(path.astype(np.float32), (0, 0), 25 / scanner.pixel_mm)
    path = np.minimum(path, 420.0)
    body = path[path > 60.0]
    mean = float(body.mean()) if body.size else 260.0
    follows = (_MU_HALF_PER_MM * (1 - scanner.modulation) - _WATER_PER_MM) * (mean - 260.0)
    level = np.exp(_WATER_PER_MM * (path - 260.0) + np.float32(follows))
    return np.asarray(scanner.noise_hu * np.clip(level, 0.35, 3.2), dtype=np.float32)


def _streaks(water: Array, scanner: Scanner, *, rng: np.random.Generator) -> Array:
    """Photon starvation: row-wise noise through shoulders and hips, as strong as the widest path asks."""
    mm_x = water.sum(axis=1) * scanner.pixel_mm
    excess = np.clip((mm_x - 330) / 150, 0, 1.5).astype(np.float32)
    if float(excess.max()) <= 0:
        return np.zeros_like(water)
    rows = rng.standard_normal((water.shape[0], 24), dtype=np.float32)
    along = cv2.resize(rows, (water.shape[1], water.shape[0]), interpolation=cv2.INTER_LINEAR)
    along = cv2.GaussianBlur(along, (0, 0), 0.7)
    return np.asarray(along * excess[:, None] * np.float32(0.6 * scanner.noise_hu), dtype=np.float32)


def add_table(
    slices: Array, *, origin_y_mm: float, pixel_mm: float, back_mm: float, origin_x_mm: float, table: str = "curved"
) -> Array:
    """Put a carbon shell over foam under the patient; changes ``slices`` in place where they hold air.

    Args:
        slices: (n, y, x) HU.
        origin_y_mm: LPS y of the first row.
        pixel_mm: width of a pixel.
        back_mm: LPS y of the table's surface in the middle.
        origin_x_mm: LPS x of the first column.
        table: "curved" and foam-filled, "deep" (two thin shells with air between and rails at the sides) or "flat".
    """
    _, rows, columns = slices.shape
    window, parts = _table_parts(
        (rows, columns),
        origin_y_mm=origin_y_mm,
        origin_x_mm=origin_x_mm,
        pixel_mm=pixel_mm,
        back_mm=back_mm,
        table=table,
    )
    for image in slices:
        near = image[window]
        empty = near < _EMPTY_HU
        for part, hu in parts:
            near[part & empty] = hu
    return slices


@lru_cache(maxsize=2)
def _table_parts(
    shape: tuple[int, int],
    *,
    origin_y_mm: float,
    origin_x_mm: float,
    pixel_mm: float,
    back_mm: float,
    table: str,
) -> tuple[tuple[slice, slice], tuple[tuple[NDArray[np.bool_], float], ...]]:
    """The part of a slice that a table touches, and there each thing's mask and HU, in painting order."""
    y = (origin_y_mm + pixel_mm * np.arange(shape[0], dtype=np.float32))[:, None]
    x = (origin_x_mm + pixel_mm * np.arange(shape[1], dtype=np.float32))[None, :]
    bow, high, wide, foam = {
        "curved": (0.0006, 42.0, 215.0, -925.0),
        "deep": (0.0011, 75.0, 200.0, -990.0),
        "flat": (0.0, 30.0, 240.0, -900.0),
    }[table]
    depth = y - (back_mm - np.float32(bow) * x**2)
    floor = np.float32(high) * (np.sqrt(np.clip(1 - (x / wide) ** 2, 0, 1)) if table == "deep" else 1.0)
    inside = (np.abs(x) < wide) & (depth > 0) & (depth < floor)
    shell = inside & ((depth < 2.2) | (depth > floor - 2.5))
    rail = (np.abs(np.abs(x) - wide) < 7) & (np.abs(depth) < 5) & (table == "deep")
    row, column = (np.flatnonzero((inside | rail).any(axis=axis)) for axis in (1, 0))
    if not len(row):
        return (slice(0), slice(0)), ()
    window = slice(int(row[0]), int(row[-1]) + 1), slice(int(column[0]), int(column[-1]) + 1)
    return window, ((inside[window], foam), (shell[window], -60.0), (rail[window], 120.0))


def pad_corners(image: Array) -> None:
    """Set what lies outside the circle inside a square slice (y, x) to padding, in place."""
    half = image.shape[0] / 2
    y, x = (np.arange(image.shape[0], dtype=np.float32) + 0.5 - half for _ in range(2))
    image[y[:, None] ** 2 + x[None, :] ** 2 > half**2] = -1024
