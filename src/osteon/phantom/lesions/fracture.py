"""What a fracture does to the marrow of its vertebra and around it: one maker a feature, each with its tissue.

Fat fraction 24 +- 12 % in acute benign oedema, 3.5 +- 3.3 % in tumour (doi 10.1007/s00330-018-5460-9). What the signs
look like follows the study (doi 10.1007/s00586-022-07121-1) and textbooks; how large they are is a guess, but for the
3/4 of the body that a diffuse change exceeds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid, Limb
from osteon.phantom.lesions import fracture_features as features
from osteon.phantom.lesions import places, tissues
from osteon.phantom.lesions.forms import draw_design, longest_mm, ragged
from osteon.phantom.lesions.shapes import Block, HalfSpace, Joined, Kept
from osteon.phantom.lesions.spot import Spot
from osteon.phantom.tissue import Tissue

if TYPE_CHECKING:
    from collections.abc import Callable

    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Solid, Vector, VertebralBody

DIFFUSE_SHARE = {True: (0.86, 0.99), False: (0.78, 0.93)}
"""Part of the body with a diffuse change, malignant and benign."""
BAND_SHARE, PATCHY_SHARE = (0.25, 0.50), (0.2, 0.45)
IMPACTED = replace(tissues.SCLEROSIS, name="impacted trabeculae", hu=420.0, proton_density=0.16)
CEMENT = Tissue(name="bone cement", hu=1800.0, proton_density=0.02, t1_ms=(900.0, 1000.0), t2_ms=(15.0, 15.0))
HAEMATOMA = replace(tissues.OLD_BLOOD, name="haematoma", t1_ms=(1050.0, 1250.0), t2_ms=(95.0, 85.0))
PARTLY_BLASTIC = replace(tissues.MIXED, proton_density=0.82)
"""Not so dark that the whole body would be a dark patch."""
NECROTIC_FLUID = replace(tissues.NECROSIS, name="necrotic fluid", t2_ms=(300.0, 270.0))
VIVID = replace(tissues.LYTIC, name="cellular tumour nodule", t1_ms=(1300.0, 1600.0), t2_ms=(140.0, 125.0))
"""A nodule inside marrow that is replaced already: more water than the tumour around it."""
HYALINE = replace(tissues.VASCULAR, name="atypical haemangioma", fat_fraction=0.05, t1_ms=(1300.0, 1600.0))
"""The benign nodule in another vertebra: as dark on T1 as tumour."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where a fracture's changes go.

    ``region`` is the body with what its walls push out; ``points`` are (n, 3) LPS mm inside it.
    """

    bone: Bone
    body: VertebralBody
    region: Solid
    points: Vector
    malignant: bool
    present: features.State

    def at(self, left: float, back: float, up: float) -> Vector:
        """LPS point of an offset from the body's centre, given in half widths, half depths and half heights."""
        half = np.array([self.body.width_mm, self.body.depth_mm, places.height_mm(self.body)]) / 2
        return places.to_lps(self.body, np.array([left, back, up]) * half)

    def within(self, solid: Solid, *, inset_mm: float = 0.0) -> Solid:
        """The part of a solid inside the body."""
        return Kept(solid, self.region, inset_mm=inset_mm, blend_mm=0.5)

    def cut_off(self, direction: Vector, share: float) -> HalfSpace:
        """The half space that holds this share of the body, from the end that ``direction`` points away from."""
        heights = self.points @ direction
        return HalfSpace(direction * float(np.quantile(heights, share)), direction)


def fracture_spots(
    bone: Bone, present: features.State, *, rng: np.random.Generator, malignant: bool, region: Solid | None = None
) -> list[Spot]:
    """The marrow changes of a fractured vertebra, in painting order; none where the marrow is homogeneous.

    Collapse and protrusion are the bone's own shape, and lesions of other vertebrae are not this bone's:
    see ``anatomy.collapse`` and ``coexisting_lesions``.

    Args:
        bone: the fractured vertebra, posed.
        present: its features.
        rng: randomness.
        malignant: decides between tumour and oedema, sclerosis and so on.
        region: the body with what its walls push out; the body alone if None.
    """
    body = places.body_of(bone)
    if body is None:
        return []
    region = region or body
    points = _inner_points(region, rng)
    place = _Place(bone=bone, body=body, region=region, points=points, malignant=malignant, present=present)
    spots: list[Spot] = []
    if not malignant and not present & {features.HOMOGENEOUS, features.DIFFUSE, features.BAND}:
        spots += _patchy(place, rng)
    for feature, maker in _MAKERS:
        if feature in present:
            spots += maker(place, rng)
    return spots


def _inner_points(region: Solid, rng: np.random.Generator) -> Vector:
    low, high = region.bounds()
    points = rng.uniform(low, high, (6000, 3)).astype(np.float32)
    return points[region.distance(points[:, 0], points[:, 1], points[:, 2]) < 0].astype(np.float64)


def _spot(
    place: _Place,
    kind: str,
    solid: Solid,
    tissue: Tissue,
    *,
    edge_mm: float = 1.0,
    strength: float = 1.0,
    destroys_cortex: bool = False,
) -> Spot:
    bone = place.bone
    return Spot(
        kind=kind,
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=solid,
        hu=tissue.hu,
        edge_mm=edge_mm,
        strength=strength,
        destroys_cortex=destroys_cortex,
        wobble_mm=0.0,
        diameter_mm=longest_mm(solid),
        tissue=tissue,
    )


def _oedema(rng: np.random.Generator) -> Tissue:
    """Oedema with its own fat fraction, 24 +- 12 % but at most 36 % (more would not be told from marrow), and T2."""
    drawn = tissues.varied(tissues.OEDEMA, rng, fat_sd=0.12)
    return replace(drawn, fat_fraction=min(drawn.fat_fraction, 0.36))


def _tumour(rng: np.random.Generator) -> Tissue:
    """Tumour in the marrow: lytic, now and then mixed; those with much calcium are the dark patches."""
    return tissues.varied(PARTLY_BLASTIC if rng.random() < 0.15 else tissues.LYTIC, rng, fat_sd=0.033)


def _diffuse(place: _Place, rng: np.random.Generator) -> list[Spot]:
    """More than 3/4 of the body, the rest at one end-plate or in front."""
    share = float(rng.uniform(*DIFFUSE_SHARE[place.malignant]))
    axis = place.body.frame @ np.array([rng.normal(0, 0.3), rng.normal(0.4, 0.4), rng.choice([-1.0, 1.0])])
    plane = place.cut_off(axis / np.linalg.norm(axis), share)
    solid = ragged(Kept(place.region, plane, blend_mm=1.0), rng, amplitude_mm=0.5, step_mm=6.0)
    if place.malignant:
        return [_spot(place, "tumour infiltration", solid, _tumour(rng), strength=float(rng.uniform(0.93, 1)))]
    return [_spot(place, "diffuse oedema", solid, _oedema(rng), edge_mm=2.5, strength=float(rng.uniform(0.8, 1)))]


def _band(place: _Place, rng: np.random.Generator) -> list[Spot]:
    """Oedema along one end-plate, mostly the upper one, ending in a straight soft edge."""
    end = 1.0 if rng.random() < 0.75 else -1.0
    axis = place.body.frame @ np.array([0, rng.normal(0, 0.12), -end])
    plane = place.cut_off(axis / np.linalg.norm(axis), float(rng.uniform(*BAND_SHARE)))
    solid = ragged(Kept(place.region, plane, blend_mm=0.5), rng, amplitude_mm=0.4, step_mm=8.0)
    return [_spot(place, "band oedema", solid, _oedema(rng), edge_mm=1.5, strength=float(rng.uniform(0.85, 1)))]


def _patchy(place: _Place, rng: np.random.Generator) -> list[Spot]:
    """A heterogeneous change of less than 3/4: what is neither homogeneous nor band nor diffuse."""
    plane = place.cut_off(_unit(rng.normal(size=3)), float(rng.uniform(*PATCHY_SHARE)))
    solid = ragged(Kept(place.region, plane), rng, amplitude_mm=1.6, step_mm=7.0)
    oedema = _oedema(rng)
    spot = _spot(place, "patchy oedema", solid, oedema, edge_mm=1.8, strength=float(rng.uniform(0.5, 0.8)))
    return [replace(spot, pattern="pepper", pattern_tissue=oedema, pattern_mm=float(rng.uniform(4, 6)))]


def _line(place: _Place, rng: np.random.Generator) -> list[Spot]:
    """Impacted trabeculae: a thin dark layer parallel to an end-plate, within the oedema if there is any."""
    body, half = place.body, places.height_mm(place.body) / 2
    middle = half - (body.hollow_up_mm + body.hollow_low_mm) / 2
    up = float(np.clip(middle - rng.uniform(4.0, 6.0), -0.2 * half, 0.55 * half))
    tilt = np.array([rng.normal(0, 0.06), rng.normal(0, 0.1), 1.0])
    frame = body.frame @ _frame_along(tilt / np.linalg.norm(tilt))
    sides = np.array([0.5 * body.width_mm, rng.uniform(0.34, 0.48) * body.depth_mm, rng.uniform(1.1, 1.6)])
    centre = places.to_lps(body, np.array([0.0, rng.uniform(-0.06, 0.02) * body.depth_mm, up]))
    layer = ragged(Block(centre, sides, frame), rng, amplitude_mm=0.5, step_mm=5.0)
    return [_spot(place, "fracture line", place.within(layer, inset_mm=0.5), IMPACTED, edge_mm=0.8)]


def _patch(place: _Place, rng: np.random.Generator) -> list[Spot]:
    """A dark patch: sclerosis or cement; in cancer bone-forming or fibrous tumour."""
    half = places.height_mm(place.body) / 2
    kinds = (tissues.BLASTIC, tissues.FIBROUS) if place.malignant else (tissues.SCLEROSIS, CEMENT)
    tissue = kinds[int(rng.random() < (0.25 if place.malignant else 0.4))]
    dark = replace(tissue, proton_density=min(tissue.proton_density, 0.3), t2_ms=(30.0, 27.0))
    radii = np.array([rng.uniform(7, 11), rng.uniform(5, 8), min(rng.uniform(4, 6), 0.7 * half)])
    centre = place.at(rng.uniform(-0.15, 0.15), rng.uniform(-0.4, 0.1), rng.uniform(-0.3, 0.1))
    solid = ragged(Ellipsoid(centre, radii, place.body.frame), rng, amplitude_mm=0.9, step_mm=5.0)
    return [_spot(place, f"dark patch ({tissue.name})", place.within(solid, inset_mm=0.5), dark, edge_mm=0.8)]


def _cleft(place: _Place, rng: np.random.Generator) -> list[Spot]:
    """Fluid, or necrosis, in a flat gap under the upper end-plate."""
    body = place.body
    thick = float(rng.uniform(1.6, 2.6))
    middle = places.height_mm(body) / 2 - body.hollow_up_mm
    centre = places.to_lps(body, np.array([0.0, rng.uniform(-0.12, 0.0) * body.depth_mm, middle - thick - 1.2]))
    radii = np.array([0.3 * body.width_mm, rng.uniform(0.24, 0.34) * body.depth_mm, thick])
    tissue = NECROTIC_FLUID if place.malignant else tissues.FLUID
    kind = "necrotic cleft" if place.malignant else "fluid cleft"
    solid = place.within(Ellipsoid(centre, radii, body.frame), inset_mm=0.3)
    return [_spot(place, kind, solid, tissues.varied(tissue, rng), edge_mm=0.3)]


def _nodule(place: _Place, rng: np.random.Generator) -> list[Spot]:
    """A lobulated mass within the body, as large as it has room; in replaced marrow one of another signal."""
    half = places.height_mm(place.body) / 2
    radius = float(min(rng.uniform(5.5, 9.0), 0.85 * half))
    centre = place.at(rng.uniform(-0.2, 0.2), rng.uniform(-0.3, 0.35), rng.uniform(-0.1, 0.1))
    solid = draw_design(rng, lobes=2, stretch=0.15, roughness=0.06, bumps=0.5).at(centre, radius)
    tissue = VIVID if features.DIFFUSE in place.present else tissues.LYTIC
    return [_spot(place, "tumour nodule", place.within(solid), tissues.varied(tissue, rng, spread=0.1), edge_mm=0.6)]


def _mass(place: _Place, rng: np.random.Generator) -> list[Spot]:
    """Soft tissue behind the back wall, two bulges beside the midline ligament, or in front of the body, or both.

    The benign one is a haematoma.
    """
    body, behind = place.body, bool(rng.random() < 0.7)
    wall = body.depth_mm / 2 + (1.5 if features.PROTRUSION in place.present else 0.0)
    parts: list[Solid] = []
    if behind:
        reach = float(rng.uniform(4.5, 6.5))
        radii = np.array([0.26 * body.width_mm, reach, rng.uniform(0.5, 0.65) * body.back_mm])
        for side in (-1.0, 1.0):
            centre = places.to_lps(body, np.array([side * 0.15 * body.width_mm, wall - 1.5, 0.0]))
            parts.append(Ellipsoid(centre, radii, body.frame))
    if not behind or rng.random() < 0.35:
        radii = np.array([0.42 * body.width_mm, rng.uniform(7, 11), rng.uniform(0.55, 0.75) * body.front_mm])
        centre = places.to_lps(body, np.array([rng.uniform(-5, 5), -body.depth_mm / 2 - 2.0, 0.0]))
        parts.append(Ellipsoid(centre, radii, body.frame))
    solid = ragged(Joined(tuple(parts), blend_mm=1.5), rng, amplitude_mm=0.5, step_mm=9.0)
    tissue = tissues.varied(tissues.LYTIC, rng, fat_sd=0.033) if place.malignant else HAEMATOMA
    kind = "soft-tissue mass" if place.malignant else "haematoma"
    spot = _spot(place, kind, solid, tissue, edge_mm=0.5, destroys_cortex=place.malignant)
    return [replace(spot, grows_out=True)]


def _arch(place: _Place, rng: np.random.Generator) -> list[Spot]:
    """Tumour through one pedicle, or both, into the lamina and the root of the spinous process."""
    spots, tissue = [], _tumour(rng)
    back = places.canal_back_mm(place.bone, place.body)
    for side in (-1, 1) if rng.random() < 0.4 else (int(rng.choice([-1, 1])),):
        neck = places.pedicle_point(place.bone, place.body, side=side)
        offset = places.to_offset(place.body, neck)
        behind = places.to_lps(place.body, np.array([0.75 * offset[0], back + 10.0, offset[2] - 4.0]))
        inside = places.to_lps(place.body, np.array([0.8 * offset[0], 0.3 * place.body.depth_mm, offset[2]]))
        midline = places.to_lps(place.body, np.array([0.0, back + 16.0, offset[2] - 6.0]))
        frame = place.body.frame
        parts = tuple(
            Limb(a, b, 7.0, 7.0, (1.0, 1.0, 1.2), frame) for a, b in ((inside, neck), (neck, behind), (behind, midline))
        )
        solid = Kept(Joined(parts, blend_mm=1.0), place.bone)
        spots.append(_spot(place, "tumour in the arch", solid, tissue, destroys_cortex=True))
    return spots


_MAKERS: tuple[tuple[str, Callable[[_Place, np.random.Generator], list[Spot]]], ...] = (
    (features.DIFFUSE, _diffuse),
    (features.BAND, _band),
    (features.NODULE, _nodule),
    (features.PATCH, _patch),
    (features.LINE, _line),
    (features.CLEFT, _cleft),
    (features.ARCH, _arch),
    (features.MASS, _mass),
)
"""In painting order: what is drawn later covers what is drawn before."""


def coexisting_lesions(bones: tuple[Bone, ...], *, rng: np.random.Generator, malignant: bool) -> list[Spot]:
    """Nodules in vertebrae other than the fractured one: metastases, or atypical haemangiomas.

    Args:
        bones: vertebrae in view, without the fractured one and the neck; at most six are taken, one where benign.
        rng: randomness.
        malignant: which of the two.
    """
    count = min(1 + int(rng.poisson(1.6)) if malignant else 1, 6, len(bones))
    spots = []
    for k in rng.permutation(len(bones))[:count]:
        bone = bones[int(k)]
        body = places.body_of(bone)
        if body is None:
            continue
        place = _Place(
            bone=bone, body=body, region=body, points=np.zeros((0, 3)), malignant=malignant, present=frozenset()
        )
        radius = max(5.0, float(rng.uniform(0.3, 0.5) * min(places.height_mm(body), body.depth_mm)))
        centre = place.at(rng.uniform(-0.2, 0.2), rng.uniform(-0.4, 0.4), rng.uniform(-0.25, 0.25))
        solid = place.within(draw_design(rng, lobes=2, stretch=0.2, roughness=0.08, bumps=0.5).at(centre, radius))
        tissue = _tumour(rng) if malignant else tissues.varied(HYALINE, rng)
        kind = "metastasis" if malignant else "atypical haemangioma"
        spots.append(_spot(place, kind, solid, tissue, destroys_cortex=malignant))
    return spots


def _unit(vector: Vector) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector))


def _frame_along(up: Vector) -> Vector:
    """A frame whose third column is ``up`` and whose first stays to the left."""
    back = _unit(np.cross(up, np.array([1.0, 0.0, 0.0])))
    return np.stack([np.cross(back, up), back, up], axis=1)
