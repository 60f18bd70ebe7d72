"""What differs between patients and scanners beyond what the training scans show.

Marrow of any density and grain (osteoporosis, fat, sclerosis, sharp kernels), faint cortex, enhanced organs and
vessels, attenuation scale, blur as of thick slices, noise of any grain, a cut field of view. Values are windowed, 0 to
1; 0 is air and stays air. How often and how far are guesses, wide on purpose (domain randomisation, Tobin et al., IROS
2017, doi 10.1109/IROS.2017.8202133).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Planes = NDArray[np.float32]
    Labels = NDArray[np.uint8]

MUSCLE = np.float32(0.2)
"""Muscle in the default window of the bone network."""
_BOX = np.ones((3, 3), np.uint8)


def vary(image: Planes, labels: Labels, generator: np.random.Generator) -> tuple[Planes, Labels]:
    """Change a crop, each change with its own probability.

    Args:
        image: neighbouring planes (C, H, W), 0 to 1.
        labels: of the middle one, (H, W), 0 outside bone.
        generator: draws everything.
    """
    body = image > 0
    if generator.random() < 0.65:
        image = _other_marrow(image, labels, generator)
    if generator.random() < 0.4:
        image = _faded_bone(image, labels, generator)
    if generator.random() < 0.4:
        image = _enhanced_organs(image, labels, generator)
    gain, offset = generator.uniform(0.85, 1.25), generator.uniform(-0.04, 0.04)
    image = np.where(body, image * np.float32(gain) + np.float32(offset), image).astype(np.float32)
    if generator.random() < 0.4:
        across, along = generator.uniform(0.2, 1.3, 2)
        image = np.stack([cv2.GaussianBlur(plane, (0, 0), sigmaX=across, sigmaY=along) for plane in image])
    if generator.random() < 0.6:
        image = np.where(body, image + _noise(image.shape, generator), image)
    if generator.random() < 0.35:
        image, labels = _cut_field(image, labels, generator)
    return np.clip(image, 0, 1).astype(np.float32), labels


def _noise(shape: tuple[int, ...], generator: np.random.Generator) -> Planes:
    """White noise, or noise with a grain of its own along rows and columns."""
    noise = generator.standard_normal(shape, dtype=np.float32)
    if generator.random() < 0.6:
        across, along = generator.uniform(0.3, 1.1, 2)
        noise = np.stack([cv2.GaussianBlur(plane, (0, 0), sigmaX=across, sigmaY=along) for plane in noise])
        noise /= max(float(noise.std()), 1e-6)
    return np.asarray(noise * np.float32(generator.uniform(0.01, 0.09)), dtype=np.float32)


def _smooth_field(shape: tuple[int, ...], generator: np.random.Generator, *, cells: int) -> NDArray[np.float32]:
    """A smooth random field over (H, W), about zero mean and unit variance, with ``cells`` blobs a side."""
    small = generator.standard_normal((cells, cells), dtype=np.float32)
    return np.asarray(cv2.resize(small, (shape[-1], shape[-2]), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _other_marrow(image: Planes, labels: Labels, generator: np.random.Generator) -> Planes:
    """Shift what lies inside bone and is no cortex by one random amount, uneven, and give it a grain."""
    inner = cv2.erode((labels > 0).astype(np.uint8), _BOX).astype(np.float32)
    inner = np.asarray(cv2.GaussianBlur(inner, (0, 0), 0.8), dtype=np.float32)
    spongy = np.clip((np.float32(0.6) - image) / np.float32(0.2), 0, 1) * inner
    shift = generator.uniform(-0.16, 0.1) + 0.04 * _smooth_field(image.shape, generator, cells=10)
    if generator.random() < 0.6:
        grain = generator.standard_normal(image.shape, dtype=np.float32)
        across, along = generator.uniform(0.3, 1.2, 2)
        grain = np.stack([cv2.GaussianBlur(plane, (0, 0), sigmaX=across, sigmaY=along) for plane in grain])
        shift = shift + grain * np.float32(generator.uniform(0.02, 0.13) / max(float(grain.std()), 1e-6))
    return np.asarray(image + spongy * shift, dtype=np.float32)


def _faded_bone(image: Planes, labels: Labels, generator: np.random.Generator) -> Planes:
    """Bring all bone nearer to muscle, as thin cortex and lost trabeculae do in osteoporosis and thick slices."""
    inside = cv2.GaussianBlur(cv2.dilate((labels > 0).astype(np.float32), _BOX), (0, 0), 0.8)
    kept = 1 - generator.uniform(0.1, 0.65) * inside * (image > MUSCLE)
    return np.asarray(MUSCLE + (image - MUSCLE) * kept, dtype=np.float32)


def _enhanced_organs(image: Planes, labels: Labels, generator: np.random.Generator) -> Planes:
    """Raise blobs of soft tissue outside bone to the attenuation of contrast agent, sharp-edged, without a cortex."""
    field = _smooth_field(image.shape, generator, cells=int(generator.integers(5, 16)))
    blobs = np.clip((field - generator.uniform(0.7, 1.5)) * 6, 0, 1)
    away = cv2.dilate((labels > 0).astype(np.uint8), _BOX) == 0
    soft = (image > 0.12) & (image < 0.45)
    rise = generator.uniform(0.04, 0.28)
    return image + np.where(soft & away, blobs * np.float32(rise), np.float32(0)).astype(np.float32)


def _cut_field(image: Planes, labels: Labels, generator: np.random.Generator) -> tuple[Planes, Labels]:
    """Blank everything outside a random rectangle of at least 40 pixels a side (or all of a shorter side)."""
    outside = np.ones(image.shape[1:], dtype=bool)
    sides = []
    for length in image.shape[1:]:
        size = int(generator.integers(min(40, length), length + 1))
        start = int(generator.integers(0, length - size + 1))
        sides.append(slice(start, start + size))
    outside[sides[0], sides[1]] = False
    return np.where(outside, np.float32(0), image), np.where(outside, np.uint8(0), labels)
