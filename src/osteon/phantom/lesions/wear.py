"""Degenerative change that is mistaken for disease: Modic changes, Schmorl nodes, geodes, erosions, facet arthrosis.

Prevalence: Modic changes in 43 % of patients with back pain and 6 % of others, types I : II : III about 30 : 66 : 4,
more than 70 % at L4-5 and L5-S1 (pmc PMC2583186); lumbar Schmorl nodes in 28.8 % of men and 18.8 % of women
(doi 10.1186/s43055-019-0069-9); facet degeneration 4, 9, 18 and 32 % at 20, 30, 40 and 50 years (pmc PMC4975884).
How it grows with the patient's own degeneration is a guess.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.lesions import places, tissues
from osteon.phantom.lesions.shapes import Kept
from osteon.phantom.lesions.spot import Spot

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.shapes import Solid, VertebralBody
    from osteon.phantom.tissue import Tissue

MODIC = {"1": 0.30, "2": 0.66, "3": 0.04}
SCHMORL_SHARE = {"M": 0.288, "F": 0.188}
"""Of people, in the five lumbar vertebrae; as many again in the lower thoracic spine."""
FACET_AGES = ((20.0, 0.04), (30.0, 0.09), (40.0, 0.18), (50.0, 0.32), (80.0, 0.69))
_ENDPLATES = ((1, "upper"), (-1, "lower"))


def draw_wear(bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> list[Spot]:
    """The degenerative spots of one person's spine."""
    spine = {bone.label: bone for bone in bones if places.region(bone) and places.body_of(bone) is not None}
    spots: list[Spot] = []
    for label in sorted(spine):
        below = spine.get(26 if label == 24 else label + 1)
        if below is not None and label >= 3 and rng.random() < modic_chance(label, person):
            spots += _modic(spine[label], below, rng)
        if rng.random() < schmorl_chance(label, person):
            spots.append(_schmorl(spine[label], rng))
        if rng.random() < 0.05 * person.degeneration:
            spots.append(_geode(spine[label], rng))
        if label <= 24 and rng.random() < 0.35 * person.degeneration * facet_share(person.age_years):
            spots.append(_facet(spine[label], rng))
    return spots


def modic_chance(label: int, person: Person) -> float:
    """Chance of a change at the disc under a vertebra; with mean degeneration about a third of people have one."""
    level = 0.30 if label in (23, 24) else 0.09 if label >= 20 else 0.025
    return float(level * np.clip(2 * person.degeneration, 0, 1.8))


def schmorl_chance(label: int, person: Person) -> float:
    """Chance of a node in one vertebra: the share of people spread over the vertebrae that have them."""
    if not 15 <= label <= 24:
        return 0.004
    per_bone = 1 - (1 - SCHMORL_SHARE[person.sex]) ** 0.2
    return float(per_bone * (0.6 + 0.8 * person.degeneration))


def facet_share(age_years: float) -> float:
    """Share of people with facet degeneration, straight between the published ages."""
    ages, shares = zip(*FACET_AGES, strict=True)
    return float(np.interp(age_years, ages, shares))


def _spot(
    bone: Bone, solid: Solid, *, kind: str, tissue: Tissue, edge_mm: float, size_mm: float, strength: float = 0.9
) -> Spot:
    return Spot(
        kind=kind,
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=solid,
        hu=tissue.hu,
        edge_mm=edge_mm,
        strength=strength,
        destroys_cortex=False,
        wobble_mm=0.4,
        diameter_mm=size_mm,
        tissue=tissue,
    )


def _at_endplate(
    bone: Bone, body: VertebralBody, *, up: int, place: tuple[float, float], radii_mm: tuple[float, float, float]
) -> Solid:
    """A flat blob on an end-plate inside the bone; ``place`` is (left, back) in widths and depths from its middle."""
    height = (body.front_mm + body.back_mm) / 4
    centre = places.to_lps(body, (place[0] * body.width_mm, place[1] * body.depth_mm, up * height))
    return Kept(Ellipsoid(centre, np.array(radii_mm), body.frame), bone)


def _modic(above: Bone, below: Bone, rng: np.random.Generator) -> list[Spot]:
    """Bands on both sides of a disc, of one type, oedema, fat or sclerosis."""
    kind = str(rng.choice(list(MODIC), p=list(MODIC.values())))
    base = {"1": tissues.OEDEMA, "2": tissues.FAT_MARROW, "3": tissues.SCLEROSIS}[kind]
    tissue = replace(tissues.varied(base, rng), name=f"Modic {kind}")
    place = float(rng.uniform(-0.15, 0.15)), float(rng.choice([-0.3, 0.0, 0.25]))
    spots = []
    for bone, up in ((above, -1), (below, 1)):
        body = places.body_of(bone)
        if body is None or rng.random() < 0.15:
            continue
        thick = float(rng.uniform(3, 0.38 * places.height_mm(body)))
        radii = body.width_mm * rng.uniform(0.25, 0.5), body.depth_mm * rng.uniform(0.22, 0.5), thick
        solid = _at_endplate(bone, body, up=up, place=place, radii_mm=radii)
        strength = float(rng.uniform(0.5, 0.95))
        spots.append(
            _spot(bone, solid, kind=f"Modic {kind}", tissue=tissue, edge_mm=2.5, size_mm=2 * thick, strength=strength)
        )
    return spots


def _schmorl(bone: Bone, rng: np.random.Generator) -> Spot:
    """Disc pushed into an end-plate: a rim of sclerosis, in one of four fresh, with oedema round it."""
    body = places.body_of(bone)
    assert body is not None  # bones without a body were left out
    up, size = int(rng.choice([-1, 1])), float(rng.uniform(4, 11))
    place = float(rng.normal(0, 0.14)), float(rng.normal(0.04, 0.12))
    radii = 0.6 * size, 0.6 * size, 0.5 * size
    solid = _at_endplate(bone, body, up=up, place=place, radii_mm=radii)
    tissue = tissues.varied(tissues.DISC, rng)
    spot = _spot(bone, solid, kind="schmorl node", tissue=tissue, edge_mm=0.6, size_mm=size)
    spot = replace(spot, rim_hu=float(rng.uniform(350, 650)), destroys_cortex=True)
    if rng.random() < 0.25:
        return replace(spot, pattern="halo", pattern_tissue=tissues.varied(tissues.OEDEMA, rng), pattern_mm=4.0)
    return spot


def _geode(bone: Bone, rng: np.random.Generator) -> Spot:
    """A small cyst, or an erosion, under a worn end-plate."""
    body = places.body_of(bone)
    assert body is not None  # bones without a body were left out
    size, erosion = float(rng.uniform(3, 8)), bool(rng.random() < 0.4)
    place = float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.35, 0.3))
    radii = 0.5 * size, 0.5 * size, (0.35 if erosion else 0.5) * size
    solid = _at_endplate(bone, body, up=int(rng.choice([-1, 1])), place=place, radii_mm=radii)
    tissue = tissues.varied(tissues.OEDEMA if erosion else tissues.FLUID, rng)
    name = "erosion" if erosion else "geode"
    spot = _spot(bone, solid, kind=name, tissue=tissue, edge_mm=0.6, size_mm=size)
    return replace(spot, rim_hu=float(rng.uniform(350, 600)), destroys_cortex=erosion)


def _facet(bone: Bone, rng: np.random.Generator) -> Spot:
    """Arthrosis of a small joint: sclerosis, or oedema that enhances."""
    body = places.body_of(bone)
    assert body is not None  # bones without a body were left out
    side = int(rng.choice([-1, 1]))
    offset = places.to_offset(body, places.pedicle_point(bone, body, side=side))
    back = places.canal_back_mm(bone, body) + 6.0
    centre = places.to_lps(body, (offset[0] * 0.9, back, -0.5 * places.height_mm(body)))
    size = float(rng.uniform(7, 14))
    solid = Kept(Ellipsoid(centre, size / 2 * rng.uniform(0.8, 1.2, 3), body.frame), bone)
    tissue = tissues.varied(tissues.OEDEMA if rng.random() < 0.4 else tissues.SCLEROSIS, rng)
    return _spot(bone, solid, kind="facet arthrosis", tissue=tissue, edge_mm=2.0, size_mm=size, strength=0.8)
