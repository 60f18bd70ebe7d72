"""Which lesions go where in the bones of a real scan: the phantom's own kinds, drawn into bones taken from masks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import UsageError
from osteon.phantom.lesions import lytic, metastasis, tissues
from osteon.phantom.lesions.forms import draw_design, fit_volume, longest_mm
from osteon.phantom.lesions.shapes import Kept
from osteon.phantom.lesions.spot import Spot, inner_point

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Solid
    from osteon.phantom.implant.mask_bones import BonePiece

KINDS = ("lytic", "metastasis", "lytic metastasis", "blastic metastasis", "mixed metastasis")
"""What can be put in: "metastasis" is any of the three, by a primary tumour drawn at its share."""
NATURES = {"lytic": tissues.LYTIC, "blastic": tissues.BLASTIC, "mixed": tissues.MIXED}
HU_SD = {"lytic": 14.0, "blastic": 176.0, "mixed": 70.0}
"""Blastic: measured (doi 10.2214/AJR.15.15704); the others guesses."""
_UNKNOWN_LEVEL = 14
"""T7 lends its lesion sizes to vertebrae of unknown level."""
_OTHER_SITE_WEIGHT = 0.3


def check_kind(kind: str) -> None:
    """Refuse what cannot be drawn.

    Raises:
        UsageError: not one of ``KINDS``.
    """
    if kind not in KINDS:
        raise UsageError(f"lesion kind {kind!r}: expected one of {', '.join(KINDS)}")


def draw_piece(pieces: tuple[BonePiece, ...], kind: str, rng: np.random.Generator) -> BonePiece:
    """A bone for a lesion: lytic lesions by how often each site has them, metastases mostly in the spine; by volume."""
    sites = {piece.site: sum(one.volume_mm3 for one in pieces if one.site == piece.site) for piece in pieces}
    weights = []
    for piece in pieces:
        if piece.site == "bone" or len(sites) == 1:
            site = 1.0
        elif kind == "lytic":
            site = lytic.SITE_WEIGHT.get(piece.site, 0.01)
        else:
            site = 1.0 if piece.site in ("vertebra", "sacrum") else _OTHER_SITE_WEIGHT
        weights.append(site * piece.volume_mm3 / sites[piece.site])
    shares = np.array(weights) / np.sum(weights)
    return pieces[int(rng.choice(len(pieces), p=shares))]


def draw_spot(kind: str, bone: Bone, rng: np.random.Generator) -> Spot | None:
    """One lesion in a bone; None where there is no room for it.

    Args:
        kind: one of ``KINDS``.
        bone: from ``mask_bones.bone_of``.
        rng: randomness.
    """
    check_kind(kind)
    if kind == "lytic":
        unknown = bone.site == "vertebra" and bone.label == 0
        spot = lytic.draw_lesion(replace(bone, label=_UNKNOWN_LEVEL) if unknown else bone, rng, contrast_hu=0.0)
        tissue = tissues.varied(tissues.MYELOMA, rng)
        return None if spot is None else replace(spot, label=bone.label, tissue=replace(tissue, hu=spot.hu))
    return _metastasis(kind, bone, rng)


def _metastasis(kind: str, bone: Bone, rng: np.random.Generator) -> Spot | None:
    """Lobulated and kept inside the bone, at a volume of the metastasis study; where in the bone is left to chance."""
    primary = metastasis.draw_primary(rng, sex="M" if rng.random() < 0.5 else "F")
    shares = [primary.lytic, primary.blastic, 1 - primary.lytic - primary.blastic]
    drawn = str(rng.choice(list(NATURES), p=shares))
    nature = drawn if kind == "metastasis" else kind.split(" ")[0]
    wanted = 1000.0 * float(metastasis.draw_volumes_cm3(rng, 1)[0])
    point, depth = inner_point(bone, rng, depth_mm=3.0)
    if depth < 1.0:
        return None
    lobes, roughness = int(rng.integers(1, 5)), float(rng.uniform(0.04, 0.16))
    design = draw_design(rng, lobes=lobes, stretch=0.3, roughness=roughness, bumps=0.7)

    def shape(radius: float) -> Solid:
        return Kept(design.at(point, radius), bone)

    solid, volume = fit_volume(shape, wanted, within=bone)
    if not 0.4 * wanted <= volume <= 1.5 * wanted:
        return None
    tissue = tissues.varied(NATURES[nature], rng, spread=0.18, hu_sd=HU_SD[nature])
    spot = Spot(
        kind=f"{nature} metastasis",
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=solid,
        hu=float(max(tissue.hu, 15.0)),
        edge_mm=float(np.clip(rng.lognormal(np.log(1.2), 0.6), 0.3, 5.0)),
        strength=float(np.clip(rng.beta(8, 1.6), 0.3, 1.0)),
        destroys_cortex=nature != "blastic" and bool(rng.random() < 0.6),
        wobble_mm=0.0,
        diameter_mm=longest_mm(solid),
        tissue=tissue,
    )
    if nature == "mixed":
        foci = tissues.varied(tissues.SCLEROSIS, rng)
        return replace(spot, pattern="pepper", pattern_tissue=foci, pattern_mm=float(rng.uniform(2.5, 6.0)))
    return spot
