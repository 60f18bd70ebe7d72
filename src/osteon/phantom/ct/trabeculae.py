"""Trabecular bone as CT shows it: grain at the scale of trabeculae, streaky density, struts that stand upright.

Trabeculae are 0.7 to 1.2 mm apart (Hildebrand 1999, doi 10.1359/jbmr.1999.14.7.1167), below what a clinical scanner
resolves, but sharp kernels show their clumps. The grain is one random lattice, repeated every ``PERIOD_MM``; each
patient starts at another place of it. Osteoporosis loses horizontal trabeculae first: the grain becomes coarser
relative to the mean and stands upright. How strong it is, is a guess made beside two real scans.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.shapes import Array

STEP_MM = 1.0
PERIOD_MM = 64 * STEP_MM
_UPRIGHT = 4.0  # how much longer than wide an upright clump is


@lru_cache(maxsize=1)
def _lattice() -> Array:
    """The grain, (64, 64, 64), periodic, zero mean and unit variance."""
    values = np.random.default_rng(1999).standard_normal((64, 64, 64)).astype(np.float32)
    return values


def uprightness(trabecular_hu: float) -> float:
    """Part of the grain that stands upright: 0.35 in dense bone, 0.75 where L1 measures 50 HU or less."""
    return float(np.interp(trabecular_hu, [50.0, 200.0], [0.75, 0.35]))


def grain(points: tuple[Array, Array, Array], person: Person) -> Array:
    """Trabecular grain at LPS points, about zero mean and unit variance.

    Args:
        points: x, y and z in mm, each (n,).
        person: gives strength of the upright part, and the place in the lattice.

    Returns:
        (n,) relative deviation.
    """
    x, y, z = (p + np.float32(shift) for p, shift in zip(points, person.grain_mm, strict=True))
    scale = np.float32(1 / STEP_MM)
    cubic = np.stack([z, y, x]) * scale
    upright = np.stack([z / np.float32(_UPRIGHT), x + np.float32(31.0), y]) * scale
    share = uprightness(person.trabecular_hu)
    total = np.sqrt(1 - share) * _sampled(cubic) + np.sqrt(share) * _sampled(upright)
    return np.asarray(total * np.float32(1.6), dtype=np.float32)  # interpolation takes variance away


def _sampled(places: Array) -> Array:
    return np.asarray(
        ndimage.map_coordinates(_lattice(), places, order=1, mode="grid-wrap", prefilter=False), dtype=np.float32
    )
