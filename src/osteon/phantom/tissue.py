"""What a tissue is to a scanner: attenuation for CT, relaxation, fat and enhancement for MR.

One record a tissue, so that one anatomy gives both pictures. Values and their sources stand where the tissues are made.
"""

from __future__ import annotations

from dataclasses import dataclass


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
