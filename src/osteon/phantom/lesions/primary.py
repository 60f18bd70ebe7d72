"""Tumours of the tumour study: one type a patient, drawn by age, placed, shaped and filled as its type has it.

Benign and malignant overlap by the types themselves (a giant cell tumour is as destructive as a metastasis, a chordoma
as bright as a schwannoma) and by a share of tumours that look like any other type: ``difficulty``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.lesions import places, tissues
from osteon.phantom.lesions.benign_tumours import BENIGN
from osteon.phantom.lesions.extension import dumb_bell, into_canal
from osteon.phantom.lesions.forms import draw_design, fit_volume, longest_mm
from osteon.phantom.lesions.histology import AGE_MEAN, AGE_RANGE, AGE_SD, SPINE_SHARE, share_malignant
from osteon.phantom.lesions.inside import core, foci, levels
from osteon.phantom.lesions.malignant_tumours import MALIGNANT
from osteon.phantom.lesions.metastasis import touch
from osteon.phantom.lesions.shapes import Kept
from osteon.phantom.lesions.spot import Spot

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Solid, Vector, VertebralBody
    from osteon.phantom.lesions.histology import Histology

HISTOLOGIES = (*BENIGN, *MALIGNANT)
VOLUME_RANGE_CM3 = (0.4, 90.0)
VOLUME_SPREAD = 0.7
REGION_SIZE = {"cervical": 0.5, "thoracic": 0.85, "lumbar": 1.15, "sacral": 1.4}
"""Volume against the type's median; a guess after the size of the bones."""
SEVERAL = ("metastasis", "myeloma")
"""Types of which a patient may have more than one."""


def draw_histology(rng: np.random.Generator, *, primary_only: bool = False) -> tuple[Histology, float]:
    """A tumour and its bearer's age: age first, then malignant or not by the age curve, then the type for that age.

    Args:
        rng: randomness.
        primary_only: without metastases, as in the study's test set; the others keep their proportions.

    Returns:
        The type and the age in years.
    """
    while True:
        age = rng.normal(AGE_MEAN, AGE_SD)
        if not AGE_RANGE[0] <= age <= AGE_RANGE[1]:
            continue
        group = MALIGNANT if rng.random() < share_malignant(age) else BENIGN
        weights = np.array(
            [one.share * np.exp(-(((age - one.age[0]) / one.age[1]) ** 2) / 2) / one.age[1] for one in group]
        )
        drawn = group[int(rng.choice(len(group), p=weights / weights.sum()))]
        if not (primary_only and drawn.name == "metastasis"):
            return drawn, float(age)


def draw_tumours(
    bones: tuple[Bone, ...], *, rng: np.random.Generator, histology: Histology, difficulty: float
) -> list[Spot]:
    """The tumours of one patient: one, or a few where the type spreads.

    Args:
        bones: those in view; only spine and sacrum carry tumours.
        rng: randomness.
        histology: the type.
        difficulty: 0 to 1, share of patients whose tumours look like those of a type drawn from all.

    Returns:
        At least one spot if there is a bone to carry it.
    """
    spine = tuple(bone for bone in bones if places.region(bone) and places.body_of(bone) is not None)
    if not spine:
        return []
    looks = histology
    if rng.random() < difficulty:
        group = BENIGN if rng.random() < 0.5 else MALIGNANT
        looks = group[int(rng.choice(len(group), p=_shares(group)))]
    count = 1 + int(rng.poisson(0.6)) if histology.name in SEVERAL else 1
    spots: list[Spot] = []
    for _ in range(3 * count):
        bone = _pick_bone(spine, histology, rng)
        spot = _draw(bone, rng, kind=histology.name, looks=looks)
        if not any(touch(spot, other) for other in spots):
            spots.append(spot)
        if len(spots) == count:
            break
    return spots


def _shares(group: tuple[Histology, ...]) -> list[float]:
    total = sum(one.share for one in group)
    return [one.share / total for one in group]


def draw_place(bones: tuple[Bone, ...], rng: np.random.Generator) -> Bone:
    """A bone of spine or sacrum, as often of each region as the study's tumours were there."""
    return _of_region(tuple(bone for bone in bones if places.region(bone)), np.array(SPINE_SHARE), rng)


def _pick_bone(spine: tuple[Bone, ...], histology: Histology, rng: np.random.Generator) -> Bone:
    """By region first (the study's shares times the type's own), then any bone of it."""
    return _of_region(spine, np.multiply(SPINE_SHARE, histology.spine), rng)


def _of_region(spine: tuple[Bone, ...], shares: Vector, rng: np.random.Generator) -> Bone:
    weights = dict(zip(places.REGIONS, shares, strict=True))
    there = [name for name in places.REGIONS if any(places.region(bone) == name for bone in spine)]
    chances = np.array([weights[name] for name in there])
    name = there[int(rng.choice(len(there), p=chances / chances.sum()))]
    of_region = [bone for bone in spine if places.region(bone) == name]
    return of_region[int(rng.integers(0, len(of_region)))]


def _draw(bone: Bone, rng: np.random.Generator, *, kind: str, looks: Histology) -> Spot:
    body = places.body_of(bone, rng)
    assert body is not None  # the caller chose bones that have one
    median = looks.volume_cm3 * REGION_SIZE[str(places.region(bone))]
    wanted = 1000 * float(np.clip(rng.lognormal(np.log(median), VOLUME_SPREAD), *VOLUME_RANGE_CM3))
    out = bool(rng.random() < looks.out) or looks.place == "foramen"
    ragged = bool(rng.random() < looks.ragged)
    solid = _solid(bone, body, rng=rng, looks=looks, wanted_mm3=wanted, out=out, ragged=ragged)
    tissue = tissues.varied(looks.tissue, rng, spread=0.42, hu_sd=20.0, fat_sd=0.08)
    spot = Spot(
        kind=kind,
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=solid,
        hu=tissue.hu,
        edge_mm=float(rng.lognormal(np.log(2.4 if ragged else 0.7), 0.4)),
        strength=float(rng.beta(14, 1.4)),
        destroys_cortex=out or bool(rng.random() < 0.5),
        wobble_mm=0.0,
        diameter_mm=longest_mm(solid),
        rim_hu=float(rng.uniform(350, 700)) if rng.random() < looks.rim else None,
        tissue=tissue,
        grows_out=out,
    )
    return _filled(spot, looks, rng) if rng.random() < looks.inner_share else spot


def _solid(
    bone: Bone,
    body: VertebralBody,
    *,
    rng: np.random.Generator,
    looks: Histology,
    wanted_mm3: float,
    out: bool,
    ragged: bool,
) -> Solid:
    """The tumour's shape, of the wanted volume where its bone has room or lets it out."""
    roughness = float(rng.uniform(0.12, 0.2) if ragged else rng.uniform(0.02, 0.07))
    lobes = int(rng.integers(1, looks.lobes + 1))
    design = draw_design(rng, lobes=lobes, stretch=0.25, roughness=roughness, bumps=0.5 if ragged else 0.8)
    if looks.place == "foramen" and bone.site == "vertebra":
        side = int(rng.choice([-1, 1]))
        return fit_volume(lambda r: dumb_bell(bone, body, side=side, radius_mm=r, design=design), wanted_mm3)[0]
    point = places.arch_point(bone, body, rng=rng) if looks.place == "arch" and bone.site == "vertebra" else None
    if point is None:
        point = places.body_point(bone, body, rng=rng, posterior=bool(rng.random() < 0.5))
        if out:
            return fit_volume(
                lambda r: into_canal(bone, body, design.at(point, r), radius_mm=min(r, 12.0)), wanted_mm3
            )[0]
    if out:
        return fit_volume(lambda r: design.at(point, r), wanted_mm3)[0]
    return fit_volume(lambda r: Kept(design.at(point, r), bone), wanted_mm3)[0]


def _filled(spot: Spot, looks: Histology, rng: np.random.Generator) -> Spot:
    """The tumour with what lies inside or round it."""
    inner = tissues.varied(looks.inner_tissue, rng, spread=0.2)
    if looks.inner == "levels":
        return replace(spot, parts=levels(spot, rng))
    if looks.inner == "core":
        return replace(spot, parts=(core(spot, inner, share=float(rng.uniform(0.08, 0.45))),))
    if looks.inner == "pepper":
        share, step = float(rng.uniform(0.08, 0.3)), float(rng.uniform(1.0, 3.5))
        return replace(spot, parts=(foci(spot, inner, rng, share=share, step_mm=step),))
    if looks.inner is None:
        return spot
    low, high = {"struts": (2.5, 4.5), "halo": (3.0, 10.0)}[looks.inner]
    return replace(spot, pattern=looks.inner, pattern_tissue=inner, pattern_mm=float(rng.uniform(low, high)))
