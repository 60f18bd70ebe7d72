"""What lesions and their mimics are made of, as CT and MR see it.

Pairs are values at 1.5 T and 3 T, of the water part. Sources: blastic metastasis 654 +- 176 HU and bone island
1190 +- 239 HU (AJR 2016;207:362); myeloma 55 HU; T1 and T2 of metastases against marrow
(doi 10.1002/jmri.1880060318 and fingerprinting at 3 T); fat of malignant lesions 3.5 +- 3.3 % and of benign oedema
24 +- 12 % (PubMed 29858641). Uptake is set so that a T1 spin echo rises by 80 to 200 % in metastases. The
rest are orders of magnitude, to vary: T1 and T2 of most primary tumours were not found measured.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.tissue import Tissue

if TYPE_CHECKING:
    from collections.abc import Sequence


def made(
    name: str, hu: float, density: float, fat: float, *, t1: float, t2: float, uptake: float = 0.0, flow: float = 0.0
) -> Tissue:
    """A tissue from its 1.5 T values: T1 is a quarter longer and T2 a tenth shorter at 3 T."""
    return Tissue(
        name=name,
        hu=hu,
        proton_density=density,
        fat_fraction=fat,
        t1_ms=(t1, 1.25 * t1),
        t2_ms=(t2, 0.9 * t2),
        uptake_per_s=uptake,
        flow=flow,
    )


LYTIC = made("lytic tumour", 55, 0.92, 0.03, t1=1320, t2=80, uptake=2.2)
BLASTIC = made("blastic tumour", 654, 0.38, 0.04, t1=1000, t2=45, uptake=0.9)
MIXED = made("mixed tumour", 260, 0.65, 0.05, t1=1250, t2=62, uptake=1.6)
MYELOMA = made("myeloma", 55, 0.92, 0.05, t1=1220, t2=74, uptake=1.9)
NECROSIS = made("necrosis", 22, 0.97, 0.0, t1=1900, t2=150)
FLUID = made("fluid", 15, 1.0, 0.0, t1=2600, t2=450)
OLD_BLOOD = made("old blood", 55, 0.95, 0.0, t1=420, t2=75)
FIBROUS = made("fibrous tissue", 90, 0.7, 0.02, t1=900, t2=32, uptake=0.8)
CALCIFICATION = made("calcification", 520, 0.12, 0.0, t1=900, t2=20)
SCLEROSIS = made("sclerosis", 520, 0.2, 0.1, t1=850, t2=28, uptake=0.1)
BONE_ISLAND = made("compact bone", 1190, 0.04, 0.0, t1=800, t2=10)
STRUT = made("trabecular strut", 430, 0.12, 0.1, t1=850, t2=25)
BONE_REST = made("rest of bone", 300, 0.3, 0.2, t1=900, t2=35, uptake=0.5)
FAT_MARROW = made("fatty marrow", -60, 0.92, 0.85, t1=700, t2=45, uptake=0.15)
RED_MARROW = made("red marrow", 45, 0.88, 0.28, t1=700, t2=50, uptake=0.7)
OEDEMA = made("oedematous marrow", 60, 0.92, 0.24, t1=1050, t2=90, uptake=1.1)
VASCULAR = made("vascular stroma", 25, 0.95, 0.5, t1=1050, t2=115, uptake=1.4)
MUSCLE = made("muscle", 52, 0.85, 0.05, t1=870, t2=32, uptake=0.5)
THYROID = made("thyroid", 95, 0.9, 0.02, t1=900, t2=75, uptake=2.8)
DISC = made("disc", 80, 0.85, 0.0, t1=950, t2=55, uptake=0.1)


def varied(
    tissue: Tissue, rng: np.random.Generator, *, spread: float = 0.15, hu_sd: float = 12.0, fat_sd: float = 0.03
) -> Tissue:
    """The tissue of one lesion: relaxation times and uptake by a factor of log-SD ``spread``, the rest by its SD."""
    t1, t2, uptake = np.exp(rng.normal(0, spread, 3) * np.array([0.6, 1.0, 1.6]))
    return replace(
        tissue,
        hu=float(tissue.hu + rng.normal(0, hu_sd)),
        proton_density=float(np.clip(tissue.proton_density * rng.normal(1, 0.04), 0.02, 1.0)),
        fat_fraction=float(np.clip(tissue.fat_fraction + rng.normal(0, fat_sd), 0, 0.97)),
        t1_ms=(tissue.t1_ms[0] * float(t1), tissue.t1_ms[1] * float(t1)),
        t2_ms=(tissue.t2_ms[0] * float(t2), tissue.t2_ms[1] * float(t2)),
        uptake_per_s=tissue.uptake_per_s * float(uptake),
    )


def mixed(tissues: Sequence[Tissue], shares: Sequence[float]) -> Tissue:
    """A fine mixture: every value the mean of its parts, by share; named after the largest part."""
    weights = np.asarray(shares, dtype=np.float64)
    weights = weights / weights.sum()

    def mean(values: Sequence[float]) -> float:
        return float(weights @ np.asarray(values))

    return Tissue(
        name=tissues[int(np.argmax(weights))].name,
        hu=mean([t.hu for t in tissues]),
        proton_density=mean([t.proton_density for t in tissues]),
        fat_fraction=mean([t.fat_fraction for t in tissues]),
        t1_ms=(mean([t.t1_ms[0] for t in tissues]), mean([t.t1_ms[1] for t in tissues])),
        t2_ms=(mean([t.t2_ms[0] for t in tissues]), mean([t.t2_ms[1] for t in tissues])),
        uptake_per_s=mean([t.uptake_per_s for t in tissues]),
        flow=mean([t.flow for t in tissues]),
    )
