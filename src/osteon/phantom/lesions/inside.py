"""What lies inside a lesion, as its ``parts``: a core, foci, a cyst with settled blood."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.lesions import tissues
from osteon.phantom.lesions.forms import inner_part, speckle
from osteon.phantom.lesions.shapes import HalfSpace, Kept

if TYPE_CHECKING:
    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.tissue import Tissue


def core(spot: Spot, tissue: Tissue, *, share: float, edge_mm: float = 1.5) -> Spot:
    """The middle of a lesion, ``share`` of its volume, filled with something else; to be one of its ``parts``."""
    return replace(
        spot,
        solid=inner_part(spot.solid, share),
        tissue=tissue,
        hu=tissue.hu,
        edge_mm=edge_mm,
        rim_hu=None,
        pattern=None,
        parts=(),
    )


def foci(
    spot: Spot, tissue: Tissue, rng: np.random.Generator, *, share: float, step_mm: float, edge_mm: float = 0.6
) -> Spot:
    """Foci about ``step_mm`` wide, ``share`` of a lesion's volume; to be one of its ``parts``."""
    solid = Kept(speckle(rng, share=share, step_mm=step_mm), spot.solid, blend_mm=0.1)
    whole = core(spot, tissue, share=0.5, edge_mm=edge_mm)
    return replace(whole, solid=solid, destroys_cortex=False)


def levels(spot: Spot, rng: np.random.Generator) -> tuple[Spot, Spot]:
    """A cyst in a tumour and, in the part that lies lowest in a patient on the back, its settled blood."""
    fluid = tissues.varied(tissues.FLUID, rng)
    cyst = core(spot, fluid, share=float(rng.uniform(0.4, 0.8)), edge_mm=0.4)
    low, high = inner_part(spot.solid, 0.5).bounds()
    level = low + (high - low) * rng.uniform(0.4, 0.65)
    below = Kept(cyst.solid, HalfSpace(level, np.array([0.0, -1.0, 0.0])), blend_mm=0.1)
    blood = tissues.varied(tissues.OLD_BLOOD, rng)
    return cyst, replace(cyst, solid=below, tissue=blood, hu=blood.hu)
