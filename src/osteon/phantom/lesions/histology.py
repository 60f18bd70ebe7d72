"""What a type of spinal tumour is: how often, at what age, where, and what it looks like.

Shares follow series of primary spinal tumours (n 1209, doi 10.1186/s12957-017-1136-1: haemangioma, giant cell tumour,
osteoblastoma; chordoma, plasma cell tumours) and the tumour study's own words: more than 20 types, nerve sheath tumours
that reach the spine among them, intradural ones not (doi 10.1186/s13244-022-01227-2). Ages and appearance: WHO
Classification of Soft Tissue and Bone Tumours, 5th edition, and textbooks of radiology; volumes are guesses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.lesions import tissues

if TYPE_CHECKING:
    from osteon.phantom.tissue import Tissue

SPINE_SHARE = (297 / 677, 182 / 677, 174 / 677, 24 / 677)
"""Cervical, thoracic, lumbar and sacral cases of the tumour study."""
AGE_CURVE = ((4.0, 0.20), (20.0, 0.34), (40.0, 0.50), (60.0, 0.68), (70.0, 0.82), (80.0, 0.96), (90.0, 0.99))
"""Share of malignant tumours by age, straight between: about 0.5 at 40 years and nearly 1 at 80
(doi 10.1186/s13244-022-01227-2, figure 5); the other points are chosen so that six in ten of all are malignant."""
AGE_MEAN, AGE_SD, AGE_RANGE = 49.0, 22.0, (4.0, 82.0)
"""Before ages outside the range are drawn again; then 48 +- 18 years as in the study."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Histology:
    """One type of tumour.

    Attributes:
        name: as in ``labels.histology``.
        malignant: whether it counts as such.
        share: among benign or among malignant tumours.
        age: mean and SD, years.
        male: share of men.
        spine: weights of cervical, thoracic, lumbar and sacral spine against the study's overall ones.
        place: "body", "arch", or "foramen" for dumb-bells from a nerve root.
        volume_cm3: median; log-SD 0.7.
        tissue: what it is made of.
        lobes: most blobs.
        ragged: share with an infiltrating margin.
        out: share that grows out of bone.
        rim: share with a sclerotic rim.
        inner: what may lie inside: "levels" of settled blood, a "core", foci ("pepper"), "struts", or a "halo" of
            oedema or fat round it; None for nothing.
        inner_share: how often it does.
        inner_tissue: what that is.
    """

    name: str
    malignant: bool
    share: float
    age: tuple[float, float]
    male: float
    tissue: Tissue
    spine: tuple[float, float, float, float] = (1, 1, 1, 1)
    place: str = "body"
    volume_cm3: float = 10.0
    lobes: int = 3
    ragged: float = 0.3
    out: float = 0.4
    rim: float = 0.1
    inner: str | None = None
    inner_share: float = 0.5
    inner_tissue: Tissue = field(default_factory=lambda: tissues.NECROSIS)


def like(tissue: Tissue, name: str, *, t2: float, uptake: float, fat: float | None = None, hu: float = 55) -> Tissue:
    """A tissue with its own T2 (1.5 T), uptake and fat."""
    own = tissue.fat_fraction if fat is None else fat
    return tissues.made(name, hu, tissue.proton_density, own, t1=tissue.t1_ms[0], t2=t2, uptake=uptake)


def share_malignant(age_years: float) -> float:
    """Share of malignant tumours at an age, from ``AGE_CURVE``."""
    ages, shares = zip(*AGE_CURVE, strict=True)
    return float(np.interp(age_years, ages, shares))
