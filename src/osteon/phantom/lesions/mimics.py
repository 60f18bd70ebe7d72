"""What is mistaken for lesions. ``draw_mimics`` is whole-body CT's: osteopenia, veins, Schmorl nodes, haemangiomas.

``draw_spine_mimics`` draws them and many more for the spine. Osteopenia and veins are the false positives that the
lytic study names (doi 10.1007/s00256-022-04160-z). Mimics are rendered like lesions, but stand in no lesion mask.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid, Limb, VertebralBody
from osteon.phantom.lesions import tissues
from osteon.phantom.lesions.incidental import draw_incidental
from osteon.phantom.lesions.pitfalls import draw_goitre, draw_piriformis
from osteon.phantom.lesions.spot import Spot, inner_point, random_frame
from osteon.phantom.lesions.wear import draw_wear

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person

ROOMY = ("vertebra", "pelvis", "sacrum", "femur", "humerus")
"""Bones with marrow enough for focal osteopenia."""


def draw_mimics(bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> list[Spot]:
    """Mimics of one patient; osteopenia and Schmorl nodes are commoner in old and worn spines."""
    spots: list[Spot] = []
    old = np.clip((person.age_years - 45) / 40, 0.1, 1)
    for bone in bones:
        if bone.site not in ROOMY or "shaft" in bone.name:
            continue
        body = bone.solids[0]
        if bone.label >= 8 and isinstance(body, VertebralBody) and bone.site == "vertebra":
            spots += _vertebral(bone, body, person=person, rng=rng)
        if rng.random() < 0.16 * old * (3.0 if bone.site != "vertebra" else 1.0):
            spots.append(_osteopenia(bone, rng))
    return [spot for spot in spots if spot.diameter_mm > 0]


def draw_spine_mimics(bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> list[Spot]:
    """Everything in and beside one person's spine that is mistaken for disease, as CT and MR see it.

    Basivertebral veins and focal osteopenia as above, and what ``incidental``, ``wear`` and ``pitfalls`` draw; only
    irradiated marrow is left to whoever knows about treatment.
    """
    spots: list[Spot] = []
    old = float(np.clip((person.age_years - 45) / 40, 0.05, 1))
    for bone in bones:
        body = bone.solids[0]
        if bone.label >= 3 and isinstance(body, VertebralBody) and bone.site == "vertebra" and rng.random() < 0.75:
            vein = tissues.varied(tissues.VASCULAR, rng)
            spots += [replace(one, tissue=vein) for one in _vein(bone, body, person=person, rng=rng)]
        if bone.site in ("vertebra", "sacrum") and rng.random() < 0.12 * old:
            island = _osteopenia(bone, rng)
            spots.append(replace(island, tissue=replace(tissues.varied(tissues.FAT_MARROW, rng), hu=island.hu)))
    spots += draw_incidental(bones, person, rng=rng)
    spots += draw_wear(bones, person, rng=rng)
    spots += draw_goitre(bones, person, rng=rng)
    spots += draw_piriformis(bones, person, rng=rng)
    return [spot for spot in spots if spot.diameter_mm > 0]


def _osteopenia(bone: Bone, rng: np.random.Generator) -> Spot:
    """Rounded intramedullary focus of fatty, thin trabeculae: dark, but fat and with a soft margin."""
    point, depth = inner_point(bone, rng, depth_mm=4.0)
    diameter = float(np.clip(rng.lognormal(np.log(11), 0.4), 5, 26))
    diameter = min(diameter, max(2.4 * depth, 0.0))
    radii = diameter / 2 * rng.uniform(0.7, 1.0, 3)
    return Spot(
        kind="focal osteopenia",
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=Ellipsoid(point, np.maximum(radii, 0.5), random_frame(rng)),
        hu=float(rng.uniform(-70, 5)),
        edge_mm=float(rng.uniform(2.0, 4.5)),
        strength=float(rng.uniform(0.6, 1.0)),
        destroys_cortex=False,
        wobble_mm=0.1 * diameter,
        diameter_mm=diameter,
    )


def _vertebral(bone: Bone, body: VertebralBody, *, person: Person, rng: np.random.Generator) -> list[Spot]:
    spots: list[Spot] = []
    if rng.random() < 0.75:
        spots += _vein(bone, body, person=person, rng=rng)
    if rng.random() < 0.10 + 0.1 * person.degeneration:
        spots.append(_schmorl_node(bone, body, rng=rng))
    if rng.random() < 0.03:
        spots.append(_haemangioma(bone, rng))
    return spots


def _vein(bone: Bone, body: VertebralBody, *, person: Person, rng: np.random.Generator) -> list[Spot]:
    """Basivertebral vein: from the back wall forwards at mid-height, one channel or two fanning out."""
    reach = rng.uniform(0.35, 0.6) * body.depth_mm
    wall = np.array([rng.normal(0, 1), body.depth_mm / 2 - 0.16 * body.depth_mm + 1, rng.normal(0, 0.8)])
    radius = float(rng.uniform(1.1, 2.3))
    spots = []
    for angle in rng.normal([-28, 28], 8) if rng.random() < 0.6 else [rng.normal(0, 8)]:
        tip = wall + reach * np.array([np.sin(np.deg2rad(angle)), -np.cos(np.deg2rad(angle)), 0])
        start, end = bone.centre + bone.frame @ wall, bone.centre + bone.frame @ tip
        spot = Spot(
            kind="basivertebral vein",
            bone=bone.name,
            site=bone.site,
            label=bone.label,
            solid=Limb(start, end, radius * 1.3, radius * 0.6),
            hu=45 + 0.5 * person.contrast_hu,
            edge_mm=0.8,
            strength=0.9,
            destroys_cortex=False,
            wobble_mm=0.4,
            diameter_mm=2 * radius,
        )
        spots.append(spot)
    return spots


def _schmorl_node(bone: Bone, body: VertebralBody, *, rng: np.random.Generator) -> Spot:
    """Disc pushed into an end-plate, with a sclerotic rim."""
    rim = rng.choice([-1, 1])
    size = float(rng.uniform(4, 10))
    across, along = rng.normal(0, 0.15) * body.width_mm, rng.normal(0.05, 0.12) * body.depth_mm
    offset = np.array([across, along, rim * (min(body.front_mm, body.back_mm) / 2 - size * 0.2)])
    return Spot(
        kind="schmorl node",
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=Ellipsoid(bone.centre + bone.frame @ offset, np.array([0.6, 0.6, 0.5]) * size, bone.frame),
        hu=75,
        edge_mm=0.6,
        strength=1.0,
        destroys_cortex=True,
        wobble_mm=0.6,
        diameter_mm=size,
        rim_hu=float(rng.uniform(350, 650)),
    )


def _haemangioma(bone: Bone, rng: np.random.Generator) -> Spot:
    """Fatty stroma; its coarse struts are not modelled."""
    size = float(rng.uniform(8, 20))
    point, depth = inner_point(bone, rng, depth_mm=5)
    size = min(size, 2.2 * max(depth, 0))
    return Spot(
        kind="haemangioma",
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=Ellipsoid(point, np.full(3, max(size, 1.0) / 2), bone.frame),
        hu=float(rng.uniform(-60, 40)),
        edge_mm=1.2,
        strength=0.75,
        destroys_cortex=False,
        wobble_mm=0.8,
        diameter_mm=size,
    )
