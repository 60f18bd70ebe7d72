"""How a CT scanner would have shown it: kernel, dose, noise, streaks and table. The slice profile is ``scan``'s.

The two kernels are the study's, Br64 (sharp, which it reads) and Br44 (smooth). Their MTF, noise spectrum and noise
level are orders of magnitude as vendors quote them, varied by about 10 %: no measurement of one scanner. Not modelled:
beam hardening, metal, motion, tube current modulation along the patient, iterative reconstruction, a cut field of view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import fft

if TYPE_CHECKING:
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
_BOX_SD_PIXELS = 0.29
_WATER_PER_MM = 0.0055
"""Growth of the noise with the path: half of a water-like attenuation, less since the tube current follows the size."""


def draw_scanner(rng: np.random.Generator, *, profile: str) -> Scanner:
    """Draw a protocol, sharp in 65 of 100, at half to 2.5 times the usual dose.

    Args:
        rng: randomness.
        profile: "full" for the study's 512 x 512 and 2 mm slices every 1 mm (doi 10.1007/s00256-022-04160-z); "small"
            for 384 x 384 and 2.5 mm slices.
    """
    base = SHARP if rng.random() < 0.65 else SMOOTH
    jitter = rng.normal(1, 0.1, 3)
    dose = float(np.clip(rng.lognormal(np.log(1.0), 0.35), 0.45, 2.5))
    full = profile == "full"
    thickness = 2.0 if full else 2.5
    return Scanner(
        kernel=base.kernel,
        mtf50=float(base.mtf50 * jitter[0]),
        noise_peak=float(base.noise_peak * jitter[1]),
        noise_hu=float(base.noise_hu * jitter[2] / np.sqrt(dose * thickness / 2)),
        edge_gain=float(base.edge_gain * rng.uniform(0.6, 1.4)),
        thickness_mm=thickness,
        spacing_mm=1.0 if full else 2.5,
        pixel_mm=float(rng.uniform(0.9, 0.98)) if full else 1.05,
        matrix=512 if full else 384,
        exposure_mas=round(50 * dose, 1),
    )


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


def noise_spectrum(scanner: Scanner) -> Array:
    """Amplitude of the noise at each frequency of ``rfft2``, (matrix, matrix // 2 + 1), scaled to unit variance.

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
    return np.asarray(amplitude, dtype=np.float32)


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
        out[k] = image + noise * _noise_map(image, scanner) + _streaks(image, scanner, rng=rng)
    return out


def _dense(image: Array) -> Array:
    """Attenuation relative to water, 0 in air."""
    return np.clip(image / 1000 + 1, 0, 2.2)


def _noise_map(image: Array, scanner: Scanner) -> Array:
    """SD in HU at each pixel: exp(mu d / 2) for the mean path, highest in the middle of the body."""
    water = _dense(image)
    mm_x = water.sum(axis=1) * scanner.pixel_mm
    mm_y = water.sum(axis=0) * scanner.pixel_mm
    path = 0.5 * (mm_x[:, None] + mm_y[None, :])
    path = cv2.GaussianBlur(path.astype(np.float32), (0, 0), 25 / scanner.pixel_mm)
    level = np.exp(_WATER_PER_MM * (np.minimum(path, 420.0) - 260.0))
    return np.asarray(scanner.noise_hu * np.clip(level, 0.35, 3.2), dtype=np.float32)


def _streaks(image: Array, scanner: Scanner, *, rng: np.random.Generator) -> Array:
    """Photon starvation: row-wise noise through shoulders and hips, as strong as the widest path asks."""
    mm_x = _dense(image).sum(axis=1) * scanner.pixel_mm
    excess = np.clip((mm_x - 330) / 150, 0, 1.5).astype(np.float32)
    if float(excess.max()) <= 0:
        return np.zeros_like(image)
    rows = rng.standard_normal((image.shape[0], 24), dtype=np.float32)
    along = cv2.resize(rows, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    along = cv2.GaussianBlur(along, (0, 0), 0.7)
    return np.asarray(along * excess[:, None] * np.float32(0.6 * scanner.noise_hu), dtype=np.float32)


def add_table(slices: Array, *, origin_y_mm: float, pixel_mm: float, back_mm: float, origin_x_mm: float) -> Array:
    """Put a curved carbon shell over foam under the patient; changes ``slices`` in place where they hold air.

    Args:
        slices: (n, y, x) HU.
        origin_y_mm: LPS y of the first row.
        pixel_mm: width of a pixel.
        back_mm: LPS y of the table's surface in the middle.
        origin_x_mm: LPS x of the first column.
    """
    _, rows, columns = slices.shape
    y = (origin_y_mm + pixel_mm * np.arange(rows, dtype=np.float32))[:, None]
    x = (origin_x_mm + pixel_mm * np.arange(columns, dtype=np.float32))[None, :]
    surface = back_mm - 0.0006 * x**2
    depth = y - surface
    inside = (np.abs(x) < 215) & (depth > 0) & (depth < 42)
    shell = inside & ((depth < 2.2) | (depth > 39.5))
    for image in slices:
        empty = image < -700
        image[inside & empty] = -925
        image[shell & empty] = -60
    return slices
