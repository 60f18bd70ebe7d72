"""Harmless things in the marrow that many people carry: haemangioma, fat and bone islands, red marrow.

Prevalence: haemangioma in 28 % of 3259 adults on MRI, fat islands 13 %, up to 8 each, rising with age (Kasch 2019,
doi 10.1371/journal.pone.0219846) and 26 % on CT, most at T11 and T12; bone islands in 14 % of spines at autopsy, T1 to
T7 and L2 to L3 (Resnick 1983). Shares of atypical and of red marrow islands are guesses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.lesions import places, tissues
from osteon.phantom.lesions.forms import draw_design, longest_mm
from osteon.phantom.lesions.shapes import Kept
from osteon.phantom.lesions.spot import Spot

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.shapes import Vector
    from osteon.phantom.tissue import Tissue

HAEMANGIOMA_SHARE, ATYPICAL_SHARE = 0.28, 0.15
FAT_ISLAND_SHARE = 0.13
BONE_ISLAND_SHARE = 0.14
RED_MARROW_SHARE = 0.12
MOST = 8
"""Of one kind in one person."""
_MIDDLE_AGE = 54.0


def draw_incidental(bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> list[Spot]:
    """The harmless spots of one person's spine."""
    spine = [bone for bone in bones if places.region(bone) and places.body_of(bone) is not None]
    if not spine:
        return []
    seen = len(spine) / 24
    older = float(np.clip(1 + (person.age_years - _MIDDLE_AGE) / 70, 0.3, 1.5))
    spots: list[Spot] = []
    for draw, share in (
        (_haemangioma, HAEMANGIOMA_SHARE * older),
        (_fat_island, FAT_ISLAND_SHARE * older),
        (_bone_island, BONE_ISLAND_SHARE),
        (_red_marrow, RED_MARROW_SHARE),
    ):
        if rng.random() < min(1.0, share * min(1.0, 0.2 + seen)):
            count = min(MOST, 1 + int(rng.poisson(0.5)))
            spots += [draw(spine[int(rng.choice(len(spine), p=_weights(spine)))], rng) for _ in range(count)]
    return spots


def _weights(spine: list[Bone]) -> Vector:
    """Most in the lower thoracic and upper lumbar spine, few in the neck."""
    weights = np.array([0.25 if bone.label <= 7 else 1.6 if 17 <= bone.label <= 22 else 0.8 for bone in spine])
    return np.asarray(weights / weights.sum())


def _round(
    bone: Bone, rng: np.random.Generator, *, kind: str, tissue: Tissue, diameter_mm: float, edge_mm: float
) -> Spot:
    """A rounded spot in the body, mid-height or above, clear of the back third or in it alike."""
    body = places.body_of(bone, rng)
    assert body is not None  # bones without a body were left out
    diameter = min(diameter_mm, 0.85 * places.height_mm(body))
    point = places.body_point(bone, body, rng=rng, posterior=bool(rng.random() < 0.4))
    design = draw_design(rng, lobes=int(rng.integers(1, 3)), stretch=0.15, roughness=0.05, frame=body.frame)
    solid = Kept(design.at(point, diameter / 2), bone, inset_mm=0.3)
    return Spot(
        kind=kind,
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=solid,
        hu=tissue.hu,
        edge_mm=edge_mm,
        strength=float(rng.uniform(0.8, 1.0)),
        destroys_cortex=False,
        wobble_mm=0.0,
        diameter_mm=longest_mm(solid),
        tissue=tissue,
    )


def _haemangioma(bone: Bone, rng: np.random.Generator) -> Spot:
    """Coarse upright struts in a stroma of fat and vessels; the atypical one has little fat."""
    tissue = tissues.varied(tissues.VASCULAR, rng, fat_sd=0.08)
    if rng.random() < ATYPICAL_SHARE:
        tissue = replace(tissue, fat_fraction=float(rng.uniform(0.05, 0.3)), hu=float(rng.uniform(30, 90)))
    else:
        tissue = replace(tissue, fat_fraction=float(rng.uniform(0.4, 0.8)), hu=float(rng.uniform(-60, 40)))
    size = float(np.clip(rng.lognormal(np.log(12), 0.4), 5, 32))
    spot = _round(bone, rng, kind="haemangioma", tissue=tissue, diameter_mm=size, edge_mm=0.8)
    struts = tissues.varied(tissues.STRUT, rng, hu_sd=60)
    return replace(spot, pattern="struts", pattern_tissue=struts, pattern_mm=float(rng.uniform(2.2, 4.0)))


def _fat_island(bone: Bone, rng: np.random.Generator) -> Spot:
    tissue = tissues.varied(tissues.FAT_MARROW, rng)
    size = float(np.clip(rng.lognormal(np.log(9), 0.4), 4, 25))
    edge = float(rng.uniform(1.5, 4.0))
    return _round(bone, rng, kind="fat island", tissue=tissue, diameter_mm=size, edge_mm=edge)


def _bone_island(bone: Bone, rng: np.random.Generator) -> Spot:
    """Compact bone, 1190 +- 239 HU, with a brush border; usually under 10 mm."""
    tissue = tissues.varied(tissues.BONE_ISLAND, rng, hu_sd=239)
    tissue = replace(tissue, hu=float(np.clip(tissue.hu, 600, 1800)))
    size = float(np.clip(rng.lognormal(np.log(6), 0.4), 2.5, 20))
    return _round(bone, rng, kind="bone island", tissue=tissue, diameter_mm=size, edge_mm=0.6)


def _red_marrow(bone: Bone, rng: np.random.Generator) -> Spot:
    """Focal red marrow: less fat than around, but some; often with fat in its middle."""
    tissue = tissues.varied(tissues.RED_MARROW, rng, fat_sd=0.06)
    size = float(np.clip(rng.lognormal(np.log(12), 0.35), 6, 25))
    edge = float(rng.uniform(2.0, 5.0))
    return _round(bone, rng, kind="red marrow", tissue=tissue, diameter_mm=size, edge_mm=edge)
