"""Myeloma against osteolytic metastasis on CT of the spine: the same holes, told apart by signs that both may have.

Shares of the signs by lesion (320 lesions of 207 patients, Acta Radiol 2021;62:1639): a high-density area inside in
85.2 % of metastases and 19.0 % of myeloma, a sclerotic rim in 38.9 and 13.2 %, heterogeneous without contrast agent in
60 and 19.1 %, ill-defined in 34.6 and 9.1 %. Sizes of a myeloma patient's lesions are more alike. Age, sex and
primaries as in the differential study (doi 10.35440/hutfd.1563046). Each sign is small against noise and bone texture
on purpose: mean, spread and area alone must not tell the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.lesions import places, tissues
from osteon.phantom.lesions.inside import foci
from osteon.phantom.lesions.metastasis import PER_BONE, share_in_view, touch
from osteon.phantom.lesions.myeloma import punched_out
from osteon.phantom.lesions.shapes import Kept
from osteon.phantom.lesions.spot import random_frame

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.lesions.spot import Spot

SIGNS = {
    "dense area": (0.852, 0.190),
    "rim": (0.389, 0.132),
    "heterogeneous": (0.60, 0.191),
    "ill-defined": (0.346, 0.091),
}
"""Share of metastases and of myeloma lesions with each sign."""
AGE = {"myeloma": (63.1, 10.0, 23.0, 83.0), "metastasis": (59.8, 11.0, 34.0, 85.0)}
"""Mean and range printed; the SD is a guess (the study's 5.6 does not fit its range)."""
MALE = {"myeloma": 21 / 39, "metastasis": 25 / 52}
MYELOMA_SHARE = 39 / 91
PRIMARIES = {
    "lung": 18,
    "breast": 18,
    "gastrointestinal": 7,
    "liver": 2,
    "neuroendocrine": 1,
    "kidney": 1,
    "prostate": 1,
    "unknown": 4,
}
"""Of 52 patients; the printed counts add to 51."""
MEAN_COUNT = {"myeloma": 11.0, "metastasis": 8.0}
DIAMETER_MM = {"cervical": 8.5, "thoracic": 11.0, "lumbar": 14.0, "sacral": 16.0}
"""Median, the same for both; of myeloma it is a little above what was counted (doi 10.1007/s00256-015-2268-4), since
slices were chosen that show the disease."""
SPREAD_IN_PATIENT = {"myeloma": 0.26, "metastasis": 0.42}
"""Log-SD of the sizes of one patient's lesions: myeloma's are more uniform; figures guessed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signs:
    """Which signs one lesion has."""

    dense_area: bool
    rim: bool
    heterogeneous: bool
    ill_defined: bool


def sign_shares(diagnosis: str, *, difficulty: float) -> dict[str, float]:
    """Share of lesions with each sign; at a difficulty of 1 the two diagnoses have the same."""
    own = 1 if diagnosis == "myeloma" else 0
    return {name: (1 - difficulty) * both[own] + difficulty * (both[0] + both[1]) / 2 for name, both in SIGNS.items()}


def draw_signs(rng: np.random.Generator, *, diagnosis: str, difficulty: float) -> Signs:
    """The signs of one lesion, each independent of the others."""
    share = sign_shares(diagnosis, difficulty=difficulty)
    return Signs(
        dense_area=bool(rng.random() < share["dense area"]),
        rim=bool(rng.random() < share["rim"]),
        heterogeneous=bool(rng.random() < share["heterogeneous"]),
        ill_defined=bool(rng.random() < share["ill-defined"]),
    )


def draw_lytic_disease(
    bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator, diagnosis: str, difficulty: float
) -> list[Spot]:
    """The lytic lesions of one patient.

    Args:
        bones: those in view; only spine and sacrum take part.
        person: the patient.
        rng: randomness.
        diagnosis: "myeloma" or "metastasis".
        difficulty: 0 for signs as often as published, 1 for none that tells.
    """
    spine = tuple(bone for bone in bones if places.region(bone) and places.body_of(bone) is not None)
    if not spine:
        return []
    mean = MEAN_COUNT[diagnosis] * share_in_view(spine)
    wanted = int(np.clip(round(rng.lognormal(np.log(mean) - 0.25, 0.7)), 1, 60))
    size = float(rng.lognormal(0, 0.22))  # of this patient's lesions
    weights = np.array([PER_BONE[str(places.region(bone))] for bone in spine])
    spots: list[Spot] = []
    for _ in range(4 * wanted):
        bone = spine[int(rng.choice(len(spine), p=weights / weights.sum()))]
        median = DIAMETER_MM[str(places.region(bone))] * size
        diameter = float(np.clip(rng.lognormal(np.log(median), SPREAD_IN_PATIENT[diagnosis]), 5, 38))
        spot = draw_one(bone, person, rng=rng, diagnosis=diagnosis, diameter_mm=diameter, difficulty=difficulty)
        if spot is not None and not any(touch(spot, other) for other in spots):
            spots.append(spot)
        if len(spots) == wanted:
            break
    return spots


def draw_one(
    bone: Bone, person: Person, *, rng: np.random.Generator, diagnosis: str, diameter_mm: float, difficulty: float
) -> Spot | None:
    """One lesion with its signs; None where the bone has no place."""
    signs = draw_signs(rng, diagnosis=diagnosis, difficulty=difficulty)
    base = tissues.MYELOMA if diagnosis == "myeloma" else tissues.LYTIC
    tissue = tissues.varied(base, rng, hu_sd=16.0)
    tissue = replace(tissue, hu=max(tissue.hu, 5.0) + 0.18 * person.contrast_hu)
    kind = "myeloma" if diagnosis == "myeloma" else "osteolytic metastasis"
    spot = punched_out(bone, rng, diameter_mm=diameter_mm, tissue=tissue, ragged=signs.ill_defined, kind=kind)
    if spot is None:
        return None
    rim = float(rng.uniform(350, 600)) if signs.rim else None
    spot = replace(spot, rim_hu=rim, parts=_dense_area(spot, rng) if signs.dense_area else ())
    if signs.heterogeneous:
        rest = replace(tissues.varied(tissues.BONE_REST, rng), hu=float(rng.uniform(130, 220)))
        share, step = float(rng.uniform(0.15, 0.4)), float(rng.uniform(1.0, 3.0))
        return replace(spot, parts=(foci(spot, rest, rng, share=share, step_mm=step), *spot.parts))
    return spot


def _dense_area(spot: Spot, rng: np.random.Generator) -> tuple[Spot, ...]:
    """Bone that is left, or new, in a lesion: a crumb or ridge off its middle."""
    low, high = spot.solid.bounds()
    middle, half = (low + high) / 2, (high - low) / 2
    point = middle + half * rng.uniform(-0.55, 0.55, 3)
    radii = spot.diameter_mm * np.array([0.10, 0.14, 0.21]) * rng.uniform(0.8, 1.3)
    solid = Kept(Ellipsoid(point, np.maximum(radii, 0.7), random_frame(rng)), spot.solid)
    tissue = replace(tissues.varied(tissues.BONE_REST, rng), hu=float(rng.uniform(200, 420)))
    piece = replace(spot, solid=solid, tissue=tissue, hu=tissue.hu, edge_mm=1.0, destroys_cortex=False, rim_hu=None)
    return (piece,)


def draw_metastatic_primary(rng: np.random.Generator, *, sex: str) -> str:
    """Primary tumour of an osteolytic metastasis, as often as in the study; breast in women, prostate in men."""
    excluded = "breast" if sex == "M" else "prostate"
    counts = np.array([0.0 if name == excluded else float(count) for name, count in PRIMARIES.items()])
    return str(rng.choice(list(PRIMARIES), p=counts / counts.sum()))
