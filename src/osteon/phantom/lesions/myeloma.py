"""Myeloma as MR and CT show it: focal, diffuse, both, salt and pepper, or nothing to be seen.

Shares of the patterns: symptomatic myeloma, n 142 (Moulopoulos 2005, as quoted by reviews): focal 50, diffuse 28,
variegated 14, normal 8 %. Focal lesions are those of ``lytic``, which draws them for whole-body CT, with a tissue.
``draw_whole_body`` is what ``lytic``'s patients have: focal lesions alone, unless some are asked to be infiltrated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.lesions import places, tissues
from osteon.phantom.lesions.forms import draw_design, longest_mm
from osteon.phantom.lesions.inside import foci
from osteon.phantom.lesions.lytic import draw_lesions
from osteon.phantom.lesions.shapes import Block, Kept
from osteon.phantom.lesions.spot import Spot
from osteon.phantom.options import LYTIC_HEALTHY

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.tissue import Tissue

PATTERNS = {"focal": 0.42, "diffuse": 0.20, "focal and diffuse": 0.16, "salt and pepper": 0.14, "normal": 0.08}
"""Moulopoulos's 50 and 28 % with a part of each taken for those with both (13 of 61 in Kusumoto 1997)."""
INFILTRATED = (0.25, 0.85)
"""Share of the marrow that diffuse infiltration replaces; a guess."""
INFILTRATION = tuple(name for name in PATTERNS if name not in ("focal", "normal"))
"""Patterns of infiltrated marrow."""
RED_MARROW = ("vertebra", "sacrum", "pelvis", "sternum", "femur", "humerus")
"""Sites with room for red marrow, which may be salt and pepper."""
_PEPPER_ON_CT = (0.15, (0.55, 0.9))
"""How much of the marrow between the foci is fat, and how much of a focus is infiltrate: on CT foci must have lost
their trabeculae to be seen; guesses."""
_TRIES = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """Who has what in ``lytic``, as shares of all patients; the rest have focal lesions alone.

    Attributes:
        healthy: nothing.
        infiltrated: one of ``INFILTRATION``, by their shares among one another.
    """

    healthy: float = LYTIC_HEALTHY
    infiltrated: float = 0.0


def draw_pattern(rng: np.random.Generator) -> str:
    """One of ``PATTERNS`` by its share."""
    return str(rng.choice(list(PATTERNS), p=list(PATTERNS.values())))


def draw_whole_body(
    bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator, mean_count: float, shares: Shares
) -> tuple[list[Spot], list[Spot]]:
    """What one patient of ``lytic`` has.

    Args:
        bones: that may be affected.
        person: the patient.
        rng: randomness.
        mean_count: mean number of focal lesions, see ``lytic.draw_lesions``.
        shares: who is healthy and who is infiltrated.

    Returns:
        Focal lesions, and the change of all marrow, which is in no mask.
    """
    if shares.infiltrated > 0 and rng.random() < shares.infiltrated:
        weights = np.array([PATTERNS[name] for name in INFILTRATION])
        pattern = str(rng.choice(INFILTRATION, p=weights / weights.sum()))
        focal, marrow = draw_myeloma(bones, person, rng=rng, pattern=pattern, mean_count=mean_count)
        return focal, [_on_ct(spot, rng) if spot.parts else spot for spot in marrow]
    free = shares.healthy / (1 - shares.infiltrated) if shares.infiltrated < 1 else 0.0
    return draw_lesions(bones, person, rng=rng, mean_count=mean_count, free_share=min(free, 1.0)), []


def _on_ct(peppered: Spot, rng: np.random.Generator) -> Spot:
    """Salt-and-pepper marrow whose foci have lost their trabeculae."""
    fat, foci_range = _PEPPER_ON_CT
    parts = tuple(replace(part, strength=float(rng.uniform(*foci_range))) for part in peppered.parts)
    return replace(peppered, strength=fat, parts=parts)


def draw_myeloma(
    bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator, pattern: str, mean_count: float = 10.0
) -> tuple[list[Spot], list[Spot]]:
    """Myeloma of one patient.

    Args:
        bones: that may be affected.
        person: the patient.
        rng: randomness.
        pattern: one of ``PATTERNS``.
        mean_count: mean number of focal lesions; there are none where it is 0, or no bone has room.

    Returns:
        Focal lesions, and the change of all marrow, which is in no mask.
    """
    focal: list[Spot] = []
    if "focal" in pattern:
        for _ in range(_TRIES):
            focal = [with_tissue(spot, rng) for spot in draw_lesions(bones, person, rng=rng, mean_count=mean_count)]
            if focal:
                break
    if "diffuse" in pattern:
        share = float(rng.uniform(*INFILTRATED))
        tissue = tissues.varied(tissues.MYELOMA, rng)
        return focal, [all_marrow(bone, tissue, kind="diffuse myeloma", strength=share) for bone in bones]
    if pattern == "salt and pepper":
        return focal, [_peppered(bone, rng) for bone in bones if bone.site in RED_MARROW]
    return focal, []


def with_tissue(spot: Spot, rng: np.random.Generator) -> Spot:
    """A focal lesion of ``lytic`` that MR can show too; its attenuation stays as drawn."""
    return replace(spot, tissue=replace(tissues.varied(tissues.MYELOMA, rng), hu=spot.hu))


def all_marrow(bone: Bone, tissue: Tissue, *, kind: str, strength: float) -> Spot:
    """The marrow of a whole bone mixed with something else, by ``strength`` 0 to 1."""
    low, high = bone.bounds()
    return Spot(
        kind=kind,
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=Kept(Block((low + high) / 2, (high - low) / 2 + 1.0), bone, inset_mm=-1.0),
        hu=tissue.hu,
        edge_mm=0.5,
        strength=strength,
        destroys_cortex=False,
        wobble_mm=0.0,
        diameter_mm=float(np.max(high - low)),
        tissue=tissue,
    )


def _peppered(bone: Bone, rng: np.random.Generator) -> Spot:
    """Marrow with small foci of infiltrate and fat side by side."""
    fatty = all_marrow(bone, tissues.varied(tissues.FAT_MARROW, rng), kind="salt and pepper marrow", strength=0.35)
    infiltrate = tissues.varied(tissues.MYELOMA, rng)
    share, step = float(rng.uniform(0.25, 0.5)), float(rng.uniform(1.5, 3.0))
    return replace(fatty, parts=(foci(fatty, infiltrate, rng, share=share, step_mm=step),))


def punched_out(
    bone: Bone, rng: np.random.Generator, *, diameter_mm: float, tissue: Tissue, ragged: bool, kind: str
) -> Spot | None:
    """One lytic lesion of a vertebra or sacrum of about ``diameter_mm``, in body or arch; None if there is no place."""
    body = places.body_of(bone, rng)
    if body is None:
        return None
    arch = bool(rng.random() < 0.15) and bone.site == "vertebra"
    point = places.arch_point(bone, body, rng=rng) if arch else None
    if point is None:
        point = places.body_point(bone, body, rng=rng, posterior=bool(rng.random() < 0.4))
    roughness = float(rng.uniform(0.10, 0.18) if ragged else rng.uniform(0.02, 0.08))
    lobes = int(rng.integers(1, 4 if ragged else 3))
    design = draw_design(rng, lobes=lobes, stretch=0.2, roughness=roughness, bumps=0.5 if ragged else 0.9)
    solid = Kept(design.at(point, diameter_mm / 2 / (1 + 0.2 * (lobes - 1))), bone, inset_mm=-0.3)
    return Spot(
        kind=kind,
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=solid,
        hu=tissue.hu,
        edge_mm=float(rng.uniform(1.6, 4.0) if ragged else rng.uniform(0.3, 1.2)),
        strength=float(rng.uniform(0.85, 1.0)),
        destroys_cortex=bool(rng.random() < 0.7),
        wobble_mm=0.0,
        diameter_mm=longest_mm(solid),
        tissue=tissue,
    )
