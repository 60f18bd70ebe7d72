"""Lytic lesions of myeloma: how many, in which bone, how large.

Sizes and counts follow the lytic study (doi 10.1007/s00256-022-04160-z) and a CT count of 632 spinal lesions in 66
patients (doi 10.1007/s00256-015-2268-4); each lesion keeps its drawn numbers as ground truth. Shapes are ellipsoids
whose surface is displaced by a smooth random field (in the renderer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.lesions.spot import Spot, inner_point, random_frame
from osteon.phantom.options import LYTIC_HEALTHY

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person

SMALLEST_MM, LARGEST_MM = 5.0, 30.0
"""The study counts lesions of 5 mm and more (IMWG criteria)."""
THIN = ("rib", "clavicle", "scapula", "sternum", "skull")
VISIBLE_HU = 60.0
SITE_WEIGHT = {
    "vertebra": 0.46,
    "rib": 0.16,
    "pelvis": 0.13,
    "sacrum": 0.06,
    "skull": 0.05,
    "femur": 0.05,
    "humerus": 0.03,
    "scapula": 0.03,
    "sternum": 0.02,
    "clavicle": 0.01,
}
"""Share of lesions by site, ranked as in reviews of myeloma (spine, ribs, skull and pelvis first); a guess."""
DIAMETER_MM = {"C": (6.5, 0.38), "T": (8.2, 0.45), "L": (10.8, 0.50), "sacrum": (13.0, 0.6), "other": (9.0, 0.5)}
"""Median and log-SD by region: means of 6.5 (C), 9.0 (T), 12.0 (L) and 17.5 mm (S) were counted on CT
(doi 10.1007/s00256-015-2268-4); "other" is a guess."""


def _region(bone: Bone) -> str:
    if bone.site == "vertebra":
        return "C" if bone.label <= 7 else "T" if bone.label <= 19 else "L"
    return "sacrum" if bone.site == "sacrum" else "other"


def _pick_bone(bones: tuple[Bone, ...], rng: np.random.Generator) -> Bone | None:
    sites = sorted({bone.site for bone in bones} & set(SITE_WEIGHT))
    if not sites:
        return None
    weights = np.array([SITE_WEIGHT[site] for site in sites])
    site = sites[int(rng.choice(len(sites), p=weights / weights.sum()))]
    chosen = [bone for bone in bones if bone.site == site and "shaft" not in bone.name]
    chosen = chosen or [bone for bone in bones if bone.site == site]
    return chosen[int(rng.integers(0, len(chosen)))]


def draw_lesion(bone: Bone, rng: np.random.Generator, *, contrast_hu: float) -> Spot | None:
    """One punched-out lesion in ``bone``; None if the bone has no room for 5 mm.

    Its attenuation is that of a myeloma infiltrate, 52 +- 12 HU and a little more with contrast agent.
    """
    median, spread = DIAMETER_MM[_region(bone)]
    diameter = float(np.clip(rng.lognormal(np.log(median), spread), SMALLEST_MM, LARGEST_MM))
    point, depth = inner_point(bone, rng, depth_mm=min(1.5, diameter / 4))
    if depth < 0.8:
        return None
    room = 3.0 * (2 * depth) if bone.site in THIN else 3.5 * (2 * depth)
    diameter = float(min(diameter, max(SMALLEST_MM, room)))
    if diameter > 4 * depth + 4:
        diameter = max(SMALLEST_MM, 4 * depth + 4)
    radii = diameter / 2 * rng.uniform(0.78, 1.0, 3)
    radii[int(rng.integers(0, 3))] = diameter / 2
    return Spot(
        kind="lytic lesion",
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=Ellipsoid(point, radii, random_frame(rng)),
        hu=float(rng.normal(52, 12) + 0.15 * contrast_hu),
        edge_mm=float(rng.uniform(0.3, 1.0)),
        strength=float(rng.uniform(0.9, 1.0)),
        destroys_cortex=bool(rng.random() < 0.75),
        wobble_mm=0.07 * diameter,
        diameter_mm=diameter,
    )


def draw_lesions(
    bones: tuple[Bone, ...],
    person: Person,
    *,
    rng: np.random.Generator,
    mean_count: float = 14.0,
    free_share: float = LYTIC_HEALTHY,
) -> list[Spot]:
    """Lytic lesions of one patient, none of them touching another.

    Args:
        bones: those that may have lesions.
        person: the patient.
        rng: randomness.
        mean_count: mean number wanted; the number is skewed, 1 to 120, and smaller where there is no room. Nobody
            has any where it is 0.
        free_share: share of patients without any.
    """
    if rng.random() < free_share or mean_count <= 0:
        return []
    wanted = int(np.clip(rng.lognormal(np.log(mean_count * 0.75), 0.75), 1, 120))
    spots: list[Spot] = []
    for _ in range(wanted * 3):
        bone = _pick_bone(bones, rng)
        if bone is None or len(spots) >= wanted:
            break
        spot = draw_lesion(bone, rng, contrast_hu=person.contrast_hu)
        if (
            spot is not None
            and is_visible(spot, bone, person=person)
            and not any(_near(spot, other) for other in spots)
        ):
            spots.append(spot)
    return spots


def is_visible(spot: Spot, bone: Bone, *, person: Person) -> bool:
    """Whether a lesion is worth drawing: most of it in bone, and 60 HU off the marrow or eating into the cortex.

    A first sieve before rendering; what stands out of the finished image is ``phantom.annotator``'s to say.
    """
    if _share_in_bone(spot, bone) < (0.4 if bone.site in THIN else 0.6):
        return False
    around = person.trabecular_hu * bone.marrow
    x, y, z = np.mean(spot.solid.bounds(), axis=0).astype(np.float32)[:, None]
    depth = -float(bone.distance(x, y, z)[0])
    return abs(around - spot.hu) >= VISIBLE_HU or (spot.destroys_cortex and 0 < depth < 0.35 * spot.diameter_mm)


def _share_in_bone(spot: Spot, bone: Bone) -> float:
    """Part of the lesion's volume that lies inside the bone, from a fixed lattice of points."""
    low, high = spot.solid.bounds()
    axes = [np.linspace(a, b, 7, dtype=np.float32) for a, b in zip(low, high, strict=True)]
    x, y, z = (axis.ravel() for axis in np.meshgrid(*axes))
    inside = spot.solid.distance(x, y, z) < 0
    return float((bone.distance(x[inside], y[inside], z[inside]) < 0).mean())


def _near(a: Spot, b: Spot) -> bool:
    gap = np.mean(a.solid.bounds(), axis=0) - np.mean(b.solid.bounds(), axis=0)
    return float(np.linalg.norm(gap)) < 0.6 * (a.diameter_mm + b.diameter_mm)
