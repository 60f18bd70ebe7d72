"""Perceptual hash of a slice: alike for the same picture stored, cut, windowed or resized another way.

Zauner, "Implementation and benchmarking of perceptual image hash functions" (Hagenberg 2010) compares the family; this
is its DCT hash, with more coefficients, on the picture framed by its own mass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BITS = 256
"""In a hash."""
ALIKE_BITS = 28
"""Two pictures are near-duplicates if at most so many of the 256 bits differ.

Measured on 624 slices of four CT phantoms and 320 slices of two real CT scans, soft-tissue window: the same slice as
JPEG of quality 60, or with noise of 8 of 255 grey levels, differs in 2 to 8 bits (95th percentile 16); at 45 % of its
size in 8 to 18 (95th percentile 35; 39 where slices are only 186 pixels wide); the neighbouring slice, 1 to 3 mm away,
in 22 to 26 (median). The most alike slices of two different people differ in 34 bits or more, of two real scans in 92.
Another window (40 to 80 bits) and 10 % cut off one side (10 to 48) are not reliably recognised.
"""
_SIDE = 64
_KEPT = 16
_SMALLEST = 16
_FOREGROUND = 0.08
_FRAME = 1.9
"""Half the frame in standard deviations; 1.73 would just hold a square of even brightness."""
_BLOCK = 4096


def perceptual_hash(image: NDArray[Any]) -> NDArray[np.uint8] | None:
    """256 bits of one picture (y, x), packed into 32 bytes; None for one without structure, which resembles any other.

    The picture is scaled between its 1st and 99th percentile, seen through a frame round what is brighter than
    background, made 64 x 64 and transformed (DCT); each bit says whether one of the 256 lowest frequencies is above
    their median.
    """
    values = image.astype(np.float32)
    if min(image.shape) < _SMALLEST:
        return None
    low, high = np.percentile(values, (1, 99))
    if not high > low:
        return None
    scaled = np.clip((values - low) / (high - low), 0, 1)
    waves = cv2.dct(_framed(scaled))[:_KEPT, :_KEPT].ravel()
    return np.packbits(waves > np.median(waves[1:]))


def _framed(scaled: NDArray[np.float32]) -> NDArray[np.float32]:
    """Seen through a frame that follows the picture's own mass, so that background cut off or added hardly matters."""
    blurred = cv2.resize(scaled, (_SIDE * 2, _SIDE * 2), interpolation=cv2.INTER_AREA)
    mass = (blurred > _FOREGROUND).astype(np.float32)
    frame = []
    for axis, length in ((0, scaled.shape[1]), (1, scaled.shape[0])):
        line = mass.sum(axis=axis)
        place = np.arange(len(line)) + 0.5
        middle = float((line * place).sum() / line.sum())
        spread = float(np.sqrt((line * (place - middle) ** 2).sum() / line.sum()))
        frame.append((middle * length / len(line), _FRAME * max(spread, 1.0) * length / len(line)))
    (x, half_x), (y, half_y) = frame
    to = np.array([[2 * half_x / _SIDE, 0, x - half_x], [0, 2 * half_y / _SIDE, y - half_y]], dtype=np.float64)
    step = max(half_x, half_y) * 2 / _SIDE
    smooth = cv2.GaussianBlur(scaled, (0, 0), max(step / 2, 0.5))  # as an area average would, before pixels are picked
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(smooth, to, (_SIDE, _SIDE), flags=flags, borderValue=0), dtype=np.float32)


def nearest(hashes: NDArray[np.uint8], among: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """For each hash the most alike one of another set, and in how many of the 256 bits they differ.

    Args:
        hashes: (n, 32) packed.
        among: (m, 32) packed, m at least 1.

    Returns:
        (n,) indices into ``among`` (the first of equals), and (n,) bits that differ.
    """
    signs = _signs(among)
    index, bits = np.zeros(len(hashes), dtype=np.intp), np.zeros(len(hashes), dtype=np.int64)
    for start in range(0, len(hashes), _BLOCK):
        block = slice(start, start + _BLOCK)
        alike = _signs(hashes[block]) @ signs.T
        index[block] = alike.argmax(axis=1)
        bits[block] = np.rint((BITS - alike.max(axis=1)) / 2).astype(np.int64)
    return index, bits


def _signs(hashes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bits as -1 and 1, so that a matrix product counts how many agree."""
    return np.asarray(np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1)
