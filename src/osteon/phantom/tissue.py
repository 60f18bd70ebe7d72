"""What a tissue is to a scanner: attenuation for CT, relaxation, fat and enhancement for MR.

One record a tissue, so that one anatomy gives both pictures. Sources of the table, T1 and T2 in ms at 1.5 T and 3 T:

- muscle, liver, spleen, kidney, fat: doi 10.1148/radiol.2303021331 (3 T measured there, 1.5 T beside it);
- cord at 3 T: doi 10.1002/mrm.21596; at 1.5 T: doi 10.1002/mrm.20605;
- discs by Pfirrmann grade: T2 of nucleus 210, 129, 84 and 51 ms and of annulus 55 to 37 ms for grades I to IV (a
  radiological poster; field not stated);
- fluid, blood and brain: textbook values;
- marrow: fat fractions of 20 to 39 years doi 10.3389/fendo.2018.00141, later decades extrapolated; little enhancement
  after 50 years (Chen, Radiology 2001);
- proton densities, uptake of contrast agent, flow and everything not named: orders of magnitude, guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True)
class Tissue:
    """One tissue, or what fills a lesion.

    Attributes:
        name: e.g. "muscle".
        hu: attenuation at 120 kV, HU.
        proton_density: visible protons relative to water, 0 (cortical bone, gas, metal) to 1.
        fat_fraction: share of the visible protons that belong to fat (PDFF), 0 to 1.
        t1_ms: T1 of the water part at 1.5 T and 3 T.
        t2_ms: T2 of the water part at 1.5 T and 3 T.
        uptake_per_s: rise of the water part's relaxation rate 1/T1 some minutes after gadolinium, 1/s; 0 without
            enhancement.
        flow: share of the signal that is lost to flow in a spin echo, 0 to 1.
    """

    name: str
    hu: float
    proton_density: float = 0.9
    fat_fraction: float = 0.0
    t1_ms: tuple[float, float] = (1000.0, 1200.0)
    t2_ms: tuple[float, float] = (60.0, 55.0)
    uptake_per_s: float = 0.0
    flow: float = 0.0


def _tissue(
    name: str, hu: float, density: float, t1: tuple[float, float], t2: tuple[float, float], **more: float
) -> Tissue:
    return Tissue(name=name, hu=hu, proton_density=density, t1_ms=t1, t2_ms=t2, **more)


FAT_T1_MS = (245.0, 312.0)
"""T1 of fat protons: 240 to 250 ms are stated at 1.5 T, 312 ms at 3 T; what usual STIR times null."""
FAT_T2_MS = (62.0, 66.0)
"""T2 of fat protons in a single spin echo."""
FAT_T2_TRAIN_MS = (112.0, 105.0)
"""Apparent T2 in a train of close echoes, which undo J-coupling: why fat is bright on TSE. A guess that gives the
usual contrast."""

FAT = _tissue("fat", -100, 0.95, (800, 900), (40, 38), fat_fraction=0.96, uptake_per_s=0.1)
MUSCLE = _tissue("muscle", 52, 0.80, (860, 900), (31, 30), fat_fraction=0.03, uptake_per_s=0.3)
LIGAMENT = _tissue("ligament", 90, 0.30, (800, 900), (14, 13), fat_fraction=0.04)
CORTEX = _tissue("cortical bone", 1250, 0.02, (800, 900), (2, 2))
CSF = _tissue("cerebrospinal fluid", 8, 1.0, (4300, 4300), (2100, 2000), flow=0.35)
CORD = _tissue("spinal cord", 36, 0.80, (780, 920), (76, 74))
ROOT = _tissue("nerve root", 36, 0.78, (850, 980), (85, 80), uptake_per_s=0.3)
ANNULUS = _tissue("annulus", 95, 0.50, (850, 950), (34, 31), uptake_per_s=0.05)
BLOOD = _tissue("blood", 45, 0.95, (1350, 1650), (150, 90), uptake_per_s=4.0, flow=0.96)
VEIN = _tissue("slow blood", 45, 0.95, (1350, 1650), (160, 110), uptake_per_s=4.0, flow=0.1)
LUNG = _tissue("lung", -860, 0.10, (1200, 1250), (30, 25), flow=0.5)
GAS = _tissue("gas", -990, 0.0, (1000, 1000), (10, 10))
MARROW_WATER = _tissue("haematopoietic marrow", 60, 0.80, (900, 1020), (42, 38), uptake_per_s=0.45)
YELLOW_MARROW = _tissue("fatty marrow", -70, 0.92, (800, 900), (40, 36), fat_fraction=0.85, uptake_per_s=0.1)
SCLEROSIS = _tissue("sclerotic rim", 500, 0.15, (900, 1000), (25, 22), fat_fraction=0.2)
NUCLEUS_T2_MS = (210.0, 129.0, 84.0, 51.0, 40.0)
"""By Pfirrmann grade I to V; V is extrapolated."""
NUCLEUS_DENSITY = (0.95, 0.92, 0.86, 0.75, 0.68)

ORGANS = {
    tissue.name: tissue
    for tissue in (
        FAT,
        MUSCLE,
        CSF,
        LUNG,
        GAS,
        _tissue("liver", 55, 0.80, (586, 809), (46, 34), uptake_per_s=1.2),
        _tissue("spleen", 48, 0.86, (1057, 1328), (79, 61), uptake_per_s=1.6),
        _tissue("kidney", 32, 0.88, (966, 1142), (87, 76), uptake_per_s=3.5),
        _tissue("urine", 8, 1.0, (3500, 3500), (900, 800)),
        _tissue("bowel", 40, 0.82, (950, 1100), (62, 58), uptake_per_s=1.2),
        _tissue("chyme", 15, 0.92, (1400, 1600), (130, 120)),
        _tissue("faeces", -250, 0.45, (700, 800), (38, 34), fat_fraction=0.15),
        _tissue("mediastinum", -40, 0.88, (900, 1000), (45, 42), fat_fraction=0.75, uptake_per_s=0.4),
        _tissue("heart", 42, 0.84, (1000, 1150), (52, 48), uptake_per_s=1.0, flow=0.45),
        _tissue("gullet", 35, 0.80, (900, 1000), (48, 45), uptake_per_s=1.0),
        _tissue("cartilage", 95, 0.60, (900, 1000), (30, 28)),
        _tissue("brain", 36, 0.82, (880, 1150), (92, 85), uptake_per_s=0.05),
        _tissue("thyroid", 95, 0.90, (900, 1100), (75, 70), fat_fraction=0.02, uptake_per_s=2.8),
        _tissue("throat", 45, 0.82, (900, 1000), (55, 50), fat_fraction=0.08, uptake_per_s=0.9),
        _tissue("skin", 20, 0.70, (800, 900), (32, 30), uptake_per_s=0.6),
        _tissue("interspinous", 40, 0.70, (800, 900), (28, 26), fat_fraction=0.4, uptake_per_s=0.2),
    )
}
"""Soft tissues by name."""


def nucleus(grade: int) -> Tissue:
    """The nucleus pulposus of a disc of Pfirrmann grade 1 to 5."""
    t2 = NUCLEUS_T2_MS[grade - 1]
    return Tissue(
        name=f"nucleus {grade}",
        hu=78,
        proton_density=NUCLEUS_DENSITY[grade - 1],
        t1_ms=(1150.0, 1300.0),
        t2_ms=(t2, 0.9 * t2),
        uptake_per_s=0.05,
    )


_DECADES = (25.0, 35.0, 45.0, 55.0, 65.0, 75.0, 90.0)
_FAT_PERCENT = {"M": (32, 35, 38, 40, 44.5, 47, 50), "F": (27, 27, 34, 41, 48.5, 51.5, 55)}


def expected_marrow_fat(age_years: float, sex: str, *, label: int) -> float:
    """Mean proton density fat fraction of a vertebra's marrow, 0 to 1.

    L1 to L4 by age and sex as measured at 3 T; rising towards L5 and sacrum, falling towards the neck, by a guess of
    1 % a level.

    Args:
        age_years: age.
        sex: "M" or "F".
        label: VerSe number; 0 for other bones, which count as fatty as the sacrum.
    """
    middle = float(np.interp(age_years, _DECADES, _FAT_PERCENT[sex])) / 100
    if label in (0, 26):
        return middle + 0.10
    below_l2 = min(label, 25) - 21.5
    return middle + 0.010 * max(below_l2, -14.0)


def enhanced(tissue: Tissue) -> Tissue:
    """The tissue some minutes after gadolinium: T1 of its water shortened by its uptake."""
    t1, t3 = (1000 / (1000 / t + tissue.uptake_per_s) for t in tissue.t1_ms)
    return replace(tissue, t1_ms=(t1, t3))
