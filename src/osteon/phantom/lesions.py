"""Lytic lesions of myeloma and what is mistaken for them.

How many, where and how large follows the lytic study and published CT series; each lesion keeps its drawn numbers as
ground truth. Shapes are ellipsoids whose surface is displaced by a smooth random field (in the renderer).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteon.phantom.bones import Bone
from osteon.phantom.person import Person
from osteon.phantom.shapes import Ellipsoid, Limb, Solid, Vector, VertebralBody, rotation

SMALLEST_MM, LARGEST_MM = 5.0, 30.0
THIN = ("rib", "clavicle", "scapula", "sternum", "skull")
VISIBLE_HU = 60.0
LESION_FREE_SHARE = 0.25  # one of the study's four test patients had none
SITE_WEIGHT = {
    "vertebra": 0.46, "rib": 0.16, "pelvis": 0.13, "sacrum": 0.06, "skull": 0.05, "femur": 0.05, "humerus": 0.03,
    "scapula": 0.03, "sternum": 0.02, "clavicle": 0.01,
}  # fmt: skip
DIAMETER_MM = {"C": (6.5, 0.38), "T": (8.2, 0.45), "L": (10.8, 0.50), "sacrum": (13.0, 0.6), "other": (9.0, 0.5)}
"""Median and log-SD by region: means 6.5, 9.0, 12.0, 17.5 mm as counted on CT (doi 10.1007/s00256-015-2268-4)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """One change of the marrow.

    Attributes:
        kind: "lytic lesion", or a mimic: "focal osteopenia", "basivertebral vein", "schmorl node", "haemangioma".
        bone: name of the bone.
        solid: where it is.
        hu: attenuation inside.
        edge_mm: width of its margin; a punched-out lesion has a sharp one.
        strength: 1 replaces the marrow, 0.5 mixes half.
        destroys_cortex: whether compact bone inside it is gone too.
        wobble_mm: displacement of its surface.
        diameter_mm: drawn diameter.
        rim_hu: attenuation of a sclerotic rim; None without one.
    """

    kind: str
    bone: str
    site: str
    label: int
    solid: Solid
    hu: float
    edge_mm: float
    strength: float
    destroys_cortex: bool
    wobble_mm: float
    diameter_mm: float
    rim_hu: float | None = None


def _region(bone: Bone) -> str:
    if bone.site == "vertebra":
        return "C" if bone.label <= 7 else "T" if bone.label <= 19 else "L"
    return "sacrum" if bone.site == "sacrum" else "other"


def _inner_point(bone: Bone, rng: np.random.Generator, depth_mm: float) -> tuple[Vector, float]:
    """A random point inside a bone at least ``depth_mm`` under its surface if it has any, and its depth."""
    best, best_depth = bone.centre, -np.inf
    low, high = bone.bounds()
    count = 600
    if bone.site == "vertebra" and rng.random() < 0.7 and isinstance(bone.solids[0], VertebralBody):
        low, high = bone.solids[0].bounds()
    points = rng.uniform(low, high, (count, 3)).astype(np.float32)
    depth = -bone.distance(points[:, 0], points[:, 1], points[:, 2])
    inside = np.flatnonzero(depth > depth_mm)
    if len(inside):
        k = int(inside[rng.integers(0, len(inside))])
        return points[k].astype(np.float64), float(depth[k])
    k = int(np.argmax(depth))
    if depth[k] > best_depth:
        best, best_depth = points[k].astype(np.float64), float(depth[k])
    return best, best_depth


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
    """One punched-out lesion in ``bone``; None if the bone has no room for 5 mm."""
    median, spread = DIAMETER_MM[_region(bone)]
    diameter = float(np.clip(rng.lognormal(np.log(median), spread), SMALLEST_MM, LARGEST_MM))
    point, depth = _inner_point(bone, rng, min(1.5, diameter / 4))
    if depth < 0.8:
        return None
    room = 3.0 * (2 * depth) if bone.site in THIN else 3.5 * (2 * depth)
    diameter = float(min(diameter, max(SMALLEST_MM, room)))
    if diameter > 4 * depth + 4:
        diameter = max(SMALLEST_MM, 4 * depth + 4)
    radii = diameter / 2 * rng.uniform(0.78, 1.0, 3)
    radii[int(rng.integers(0, 3))] = diameter / 2
    frame = rotation(*rng.uniform(0, 180, 3))
    return Spot(
        kind="lytic lesion", bone=bone.name, site=bone.site, label=bone.label,
        solid=Ellipsoid(point, radii, frame), hu=float(rng.normal(52, 12) + 0.15 * contrast_hu),
        edge_mm=float(rng.uniform(0.3, 1.0)), strength=float(rng.uniform(0.9, 1.0)),
        destroys_cortex=bool(rng.random() < 0.75), wobble_mm=0.07 * diameter, diameter_mm=diameter,
    )  # fmt: skip


def draw_lesions(
    bones: tuple[Bone, ...], person: Person, rng: np.random.Generator, *, mean_count: float = 14.0
) -> list[Spot]:
    """Lytic lesions of one patient: none in a quarter of patients, else a skewed count around ``mean_count``."""
    if rng.random() < LESION_FREE_SHARE:
        return []
    wanted = int(np.clip(rng.lognormal(np.log(mean_count * 0.75), 0.75), 1, 120))
    spots: list[Spot] = []
    for _ in range(wanted * 3):
        bone = _pick_bone(bones, rng)
        if bone is None or len(spots) >= wanted:
            break
        spot = draw_lesion(bone, rng, contrast_hu=person.contrast_hu)
        if spot is not None and _visible(spot, bone, person) and not any(_near(spot, other) for other in spots):
            spots.append(spot)
    return spots


def _visible(spot: Spot, bone: Bone, person: Person) -> bool:
    """Whether an annotator could count it: it differs from the marrow by 60 HU or more, or eats into the cortex;
    and most of it lies in bone.

    The study's truth is what two radiologists saw, so a lesion that is lost in marrow of its own attenuation is not
    part of it.
    """
    around = person.trabecular_hu * bone.marrow
    centre = np.mean(spot.solid.bounds(), axis=0).astype(np.float32)
    depth = -float(bone.distance(*(centre[k : k + 1] for k in range(3)))[0])
    if _share_in_bone(spot, bone) < (0.4 if bone.site in THIN else 0.6):
        return False
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


def draw_mimics(bones: tuple[Bone, ...], person: Person, rng: np.random.Generator) -> list[Spot]:
    """The study's two mimics, focal osteopenia and the basivertebral vein, and Schmorl nodes and haemangiomas."""
    spots: list[Spot] = []
    old = np.clip((person.age_years - 45) / 40, 0.1, 1)
    roomy = tuple(
        b for b in bones if b.site in ("vertebra", "pelvis", "sacrum", "femur", "humerus") and "shaft" not in b.name
    )
    for bone in roomy:
        body = bone.solids[0]
        if bone.label >= 8 and isinstance(body, VertebralBody) and bone.site == "vertebra":
            spots += _vertebral_mimics(bone, body, person, rng)
        if rng.random() < 0.16 * old * (3.0 if bone.site != "vertebra" else 1.0):
            spots.append(_osteopenia(bone, rng))
    return [spot for spot in spots if spot.diameter_mm > 0]


def _osteopenia(bone: Bone, rng: np.random.Generator) -> Spot:
    """Rounded intramedullary focus of fatty, thin trabeculae: dark, but fat and with a soft margin."""
    point, depth = _inner_point(bone, rng, 4.0)
    diameter = float(np.clip(rng.lognormal(np.log(11), 0.4), 5, 26))
    diameter = min(diameter, max(2.4 * depth, 0.0))
    radii = diameter / 2 * rng.uniform(0.7, 1.0, 3)
    return Spot(
        kind="focal osteopenia", bone=bone.name, site=bone.site, label=bone.label,
        solid=Ellipsoid(point, np.maximum(radii, 0.5), rotation(*rng.uniform(0, 180, 3))), hu=float(rng.uniform(-70, 5)),
        edge_mm=float(rng.uniform(2.0, 4.5)), strength=float(rng.uniform(0.6, 1.0)), destroys_cortex=False,
        wobble_mm=0.1 * diameter, diameter_mm=diameter,
    )  # fmt: skip


def _vertebral_mimics(bone: Bone, body: VertebralBody, person: Person, rng: np.random.Generator) -> list[Spot]:
    spots = []
    common = {"bone": bone.name, "site": bone.site, "label": bone.label, "destroys_cortex": False}
    if rng.random() < 0.75:  # basivertebral vein: from the back wall forwards at mid-height, fanning out
        reach = rng.uniform(0.35, 0.6) * body.depth_mm
        wall = np.array([rng.normal(0, 1), body.depth_mm / 2 - 0.16 * body.depth_mm + 1, rng.normal(0, 0.8)])
        radius = float(rng.uniform(1.1, 2.3))
        for angle in rng.normal([-28, 28], 8) if rng.random() < 0.6 else [rng.normal(0, 8)]:
            tip = wall + reach * np.array([np.sin(np.deg2rad(angle)), -np.cos(np.deg2rad(angle)), 0])
            ends = (bone.centre + bone.frame @ p for p in (wall, tip))
            spots.append(Spot(kind="basivertebral vein", solid=Limb(*ends, radius * 1.3, radius * 0.6), hu=45 + 0.5 * person.contrast_hu,
                              edge_mm=0.8, strength=0.9, wobble_mm=0.4, diameter_mm=2 * radius, **common))  # fmt: skip
    if rng.random() < 0.10 + 0.1 * person.degeneration:  # Schmorl node: disc in the end-plate, with a rim
        rim = rng.choice([-1, 1])
        size = float(rng.uniform(4, 10))
        spot = np.array([rng.normal(0, 0.15) * body.width_mm, rng.normal(0.05, 0.12) * body.depth_mm,
                         rim * (min(body.front_mm, body.back_mm) / 2 - size * 0.2)])  # fmt: skip
        spots.append(Spot(kind="schmorl node", solid=Ellipsoid(bone.centre + bone.frame @ spot, np.array([0.6, 0.6, 0.5]) * size, bone.frame),
                          hu=75, edge_mm=0.6, strength=1.0, wobble_mm=0.6, diameter_mm=size, rim_hu=float(rng.uniform(350, 650)),
                          **{**common, "destroys_cortex": True}))  # fmt: skip
    if rng.random() < 0.03:
        size = float(rng.uniform(8, 20))
        point, depth = _inner_point(bone, rng, 5)
        size = min(size, 2.2 * max(depth, 0))
        spots.append(Spot(kind="haemangioma", solid=Ellipsoid(point, np.full(3, max(size, 1.0) / 2), bone.frame), hu=float(rng.uniform(-60, 40)),
                          edge_mm=1.2, strength=0.75, wobble_mm=0.8, diameter_mm=size, **common))  # fmt: skip
    return spots
