"""The vertebral column: C1 to L5 from published morphometry, stacked along the patient's curves.

Sizes: end-plates, heights, canal, processes after Panjabi (cervical: Spine 1991;16:861; thoracic:
doi 10.1097/00007632-199108000-00006; lumbar: Spine 1992;17:299), pedicles also after Zindrick
(doi 10.1097/00007632-198703000-00012), wedging after doi 10.1007/s00586-009-1256-6, thoracic discs after
doi 10.1007/s00586-015-3925-y, lumbar discs rounded from MRI series. Those series are small (a dozen cadavers a level):
the spread between patients is wider than theirs. Origin: middle of the upper end-plate of S1; LPS mm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import PchipInterpolator

from osteon.phantom.anatomy.bones import Bone
from osteon.phantom.anatomy.collapse import (
    Collapse,
    collapsed,
    into_canal_mm,
    kyphosis_deg,
    protrusions,
    share_of_kyphosis,
)
from osteon.phantom.anatomy.levels import LEVELS, Level, column, place_in_table
from osteon.phantom.anatomy.shapes import Ellipsoid, Limb, Solid, Vector, VertebralBody, rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from osteon.phantom.anatomy.person import Person

__all__ = ["LEVELS", "Level", "Spine", "build_spine"]
_TILT_KNOTS = (-1.0, 2.0, 5.0, 11.0, 16.0, 20.0, 22.0)  # S1, L3, T12, T6, T1, C4, C2 as indices into LEVELS


@dataclass(frozen=True, kw_only=True, slots=True)
class Spine:
    """The stacked column, before the patient is turned or leans (yaw, roll).

    Attributes:
        bones: the lowest lumbar vertebra first, C1 last.
        discs: solids of the discs, the one above the sacrum first.
        canal_mm: centre line of the spinal canal, caudal to cranial, (n, 3).
        canal_radius_mm: (n,) half the canal depth.
        centres_mm: name -> LPS centre of the body, (3,); for every usual level, also one that the patient lacks.
    """

    bones: tuple[Bone, ...]
    discs: tuple[Solid, ...]
    canal_mm: Vector
    canal_radius_mm: Vector
    centres_mm: dict[str, Vector]


def _varied(level: Level, person: Person, *, rng: np.random.Generator) -> Level:
    """The level at this patient's size, every length with its own spread of 5 to 10 %."""
    scale = person.scale

    def size(length: float, spread: float) -> float:
        return float(length * scale * rng.normal(1, spread))

    return Level(
        level.name,
        level.label,
        width=size(level.width, 0.05),
        depth=size(level.depth, 0.05),
        height=size(level.height, 0.05),
        wedge_deg=float(level.wedge_deg + rng.normal(0, 2)),
        canal_width=size(level.canal_width, 0.06),
        canal_depth=size(level.canal_depth, 0.06),
        pedicle_width=size(level.pedicle_width, 0.06),
        pedicle_height=size(level.pedicle_height, 0.06),
        spinous=size(level.spinous, 0.05),
        spinous_slope_deg=level.spinous_slope_deg + rng.normal(0, 4),
        transverse=size(level.transverse, 0.05),
        disc_below=size(level.disc_below, 0.1) * _disc_left(person, rng=rng),
        marrow=level.marrow,
    )


def _disc_left(person: Person, *, rng: np.random.Generator) -> float:
    """How much of a disc's height is left: worn discs lose up to half, some nearly all."""
    worn, collapsed, rest = rng.random(3)
    left = 1 - 0.5 * person.degeneration * worn
    return float(left * (0.3 + 0.4 * rest) if collapsed < 0.2 * person.degeneration else left)


def _body(level: Level, rng: np.random.Generator, *, frame: Vector, centre: Vector) -> VertebralBody:
    lean = level.depth * np.tan(np.deg2rad(level.wedge_deg)) / 2
    return VertebralBody(
        centre=centre,
        frame=frame,
        width_mm=level.width,
        depth_mm=level.depth,
        front_mm=max(level.height - lean, 6.0),
        back_mm=level.height + lean,
        hollow_up_mm=float(rng.uniform(0.5, 2.0)),
        hollow_low_mm=float(rng.uniform(1.0, 3.0)),
        waist=float(rng.uniform(0.06, 0.16)),
    )


def _arch(level: Level, rng: np.random.Generator, *, frame: Vector, centre: Vector, facets: float = 1.0) -> list[Solid]:
    """Pedicles, laminae, articular, transverse and spinous processes of one vertebra."""
    back, h = level.depth / 2, level.height
    roof = back + level.canal_depth
    lumbar, cervical = level.label >= 20, level.label <= 7

    def limb(*ends: tuple[float, float, float], radii: tuple[float, float], tall: float) -> Limb:
        start, end = (centre + frame @ np.asarray(point) for point in ends)
        return Limb(start, end, radii[0], radii[1], (1.0, 1.0, tall), frame)

    thick = 3.6 if lumbar else 3.0 if not cervical else 2.4
    lamina_tall = h / (3.2 * thick)
    slope = np.deg2rad(level.spinous_slope_deg)
    tip = (0.0, back + level.spinous * np.cos(slope), -0.15 * h - (level.spinous - level.canal_depth) * np.sin(slope))
    spine_thick = 3.6 if lumbar else 2.8
    spine_radii = spine_thick, spine_thick * 1.15
    solids: list[Solid] = [limb((0, roof + 1, -0.12 * h), tip, radii=spine_radii, tall=2.3 if lumbar else 1.7)]
    wide = level.canal_width / 2 + level.pedicle_width / 2
    pillar = facets * (6.0 if lumbar else 5.0 if cervical else 4.2)
    for side in (-1, 1):
        jitter = rng.normal(0, 0.06, 2)
        x = side * wide
        tall = level.pedicle_height / max(level.pedicle_width, 4)
        root = (x * 0.95, back - 4, 0.18 * h)
        neck = (x, back + 0.55 * level.canal_depth, 0.2 * h)
        lamina = (x * 0.9, back + 0.6 * level.canal_depth, 0.1 * h), (0.0, roof + 2, -0.15 * h)
        upper = (x * 1.05, back + 0.65 * level.canal_depth, 0.0), (x * 1.12, roof - 3, (0.62 + jitter[0]) * h)
        lower = (x * 0.95, roof - 3, -0.1 * h), (x * 0.85, roof + 1.5, -(0.75 + jitter[1]) * h)
        sweep = back + 3 if lumbar else back - 3 if cervical else roof + 6
        start = (x * 1.05, back + 0.4 * level.canal_depth, 0.1 * h)
        end = (side * level.transverse / 2, sweep, 0.15 * h if not lumbar else 0.0)
        solids += [
            limb(root, neck, radii=(level.pedicle_width / 2,) * 2, tall=max(tall, 0.8)),
            limb(*lamina, radii=(thick, thick), tall=lamina_tall),
            limb(*upper, radii=(pillar, pillar * 0.75), tall=1.0),
            limb(*lower, radii=(pillar * 0.85, pillar * 0.75), tall=1.0),
            limb(start, end, radii=(4.2, 3.0) if lumbar else (4.5, 4.0), tall=1.6 if lumbar else 1.3),
        ]
    return solids


def _osteophytes(
    level: Level, person: Person, *, rng: np.random.Generator, frame: Vector, centre: Vector
) -> list[Solid]:
    """Spurs of 2 to 8 mm at the front and side rims, more with degeneration.

    On the right at T5 to T11, where the aorta keeps the left free (Nathan 1962, doi 10.2106/00004623-196244020-00003).
    """
    spurs: list[Solid] = []
    for rim in (-1, 1):
        for _ in range(rng.poisson(2.2 * person.degeneration)):
            angle = rng.uniform(-2.2, 2.2)  # 0 = straight in front
            if 12 <= level.label <= 18:
                angle = -abs(angle)
            size = rng.uniform(2, 3 + 5 * person.degeneration)
            out = np.array([np.sin(angle) * level.width / 2, -np.cos(angle) * level.depth / 2, 0]) * 0.97
            root = out + np.array([0, 0, rim * (level.height / 2 - 2.0)])
            tip = out * (1 + size / np.linalg.norm(out)) + np.array([0, 0, rim * (level.height / 2 + 0.35 * size)])
            spurs.append(Limb(centre + frame @ root, centre + frame @ tip, 2.6, 1.0, (1, 1, 1), frame))
    return spurs


def _bridges(level: Level, person: Person, *, rng: np.random.Generator, frame: Vector, centre: Vector) -> list[Solid]:
    """A spur that reaches the vertebra below, in front or at a side: single in worn spines, many in some."""
    if level.label < 8 or rng.random() >= person.bridging * (1.5 if 12 <= level.label <= 18 else 0.8):
        return []
    angle = -rng.uniform(0.2, 1.5) if 12 <= level.label <= 18 else rng.uniform(-1.5, 1.5)
    out = np.array([np.sin(angle) * level.width / 2, -np.cos(angle) * level.depth / 2, 0])
    ends = [(0.97, -level.height / 2 + 3), (1.08, -level.height / 2 - level.disc_below / 2), (0.97, 0.0)]
    ends[2] = (0.97, -level.height / 2 - level.disc_below - 2)
    points = [centre + frame @ (far * out + np.array([0, 0, rise])) for far, rise in ends]
    return [Limb(points[k], points[k + 1], 2.6, 2.6, (1, 1, 1), frame) for k in range(2)]


def _wings(level: Level, *, frame: Vector, centre: Vector) -> list[Solid]:
    """Broad transverse processes that rest on the sacrum: a lumbosacral transitional vertebra (Castellvi 1984)."""
    wings: list[Solid] = []
    for side in (-1, 1):
        start = centre + frame @ np.array([side * level.width * 0.48, level.depth * 0.45, 0.0])
        end = centre + frame @ np.array([side * (level.width / 2 + 17), level.depth * 0.45, -0.75 * level.height])
        wings.append(Limb(start, end, 7.0, 9.0, (1, 1, 1.3), frame))
    return wings


def _sideways(person: Person, place: float) -> tuple[float, float]:
    """Sideways lean and twist of a level in degrees, ``place`` in ``LEVELS``.

    The curve's lean goes from half the Cobb angle below its apex to half of it above, and fades beyond, so that head
    and pelvis stay above one another; vertebrae turn into the curve by 0.3 of it.
    """
    slight = person.scoliosis_mm * np.cos(place / 22 * 2 * np.pi) * 2 * np.pi / 22 / 25
    u = (place - person.apex) / person.curve_levels
    curve = -person.cobb_deg / 2 * u * np.exp(0.5 * (1 - u**2))
    return float(np.rad2deg(slight) + curve), float(0.3 * person.cobb_deg * np.exp(-0.5 * u**2))


def _atlas(below: Vector, *, frame: Vector, scale: float) -> Bone:
    """C1: a ring with lateral masses, set on C2 whose body's centre is ``below``."""
    centre = below + frame @ np.array([0, 4.0, 20.0]) * scale
    angles = np.linspace(0, 2 * np.pi, 13)
    ring = np.stack([24 * np.sin(angles), -20 * np.cos(angles) + 6, 0 * angles], axis=1) * scale
    points = centre + ring @ frame.T
    solids: list[Solid] = [Limb(points[k], points[k + 1], 3.4, 3.4, (1, 1, 1.5), frame) for k in range(len(points) - 1)]
    for side in (-1, 1):
        solids.append(Ellipsoid(centre + frame @ (np.array([side * 20, -2, 0]) * scale), np.array([9, 9, 8.0]), frame))
        end = centre + frame @ (np.array([side * 38, 2, -1]) * scale)
        solids.append(Limb(centre + frame @ (np.array([side * 24, 0, 0]) * scale), end, 5.0, 4.0))
    return Bone(name="C1", site="vertebra", label=1, solids=tuple(solids), marrow=1.6, frame=frame, centre=centre)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Storey:
    """One vertebra and the disc under it; ``top`` is the middle of its upper end-plate, where the next one stands."""

    bone: Bone
    disc: VertebralBody
    canal_mm: Vector
    canal_radius_mm: float
    top: Vector
    hollow_up_mm: float


def _disc(
    level: Level, *, frame: Vector, centre: Vector, hollow_up_mm: float = 0.0, hollow_low_mm: float = 0.0
) -> VertebralBody:
    """A disc, a little higher than the gap so that it meets the hollow end-plates; it fills sunken ones."""
    return VertebralBody(
        centre=centre,
        frame=frame,
        width_mm=level.width * 0.98,
        depth_mm=level.depth * 0.98,
        front_mm=level.disc_below * 1.25 + 2.5,
        back_mm=level.disc_below + 2.5,
        hollow_up_mm=-hollow_up_mm,
        hollow_low_mm=-hollow_low_mm,
        waist=-0.04,
    )


def _storey(
    index: int,
    person: Person,
    *,
    rng: np.random.Generator,
    lean: Callable[[float], float],
    below: _Storey | None,
    collapse: Collapse | None,
) -> _Storey:
    """Build vertebra ``index`` of ``LEVELS`` on the one ``below``."""
    levels = column(person.variant)
    level = _varied(levels[index], person, rng=rng)
    foot = below.top if below else np.zeros(3)
    place = place_in_table(levels, index)
    bend, twist = _sideways(person, place)
    frame = rotation(lean(index), bend, twist + float(rng.normal(0, 1.5)))
    joint = rotation(lean(index - 0.5), bend, twist)
    slip = person.slip_mm if index == person.slip_index else 0.0
    foot = foot + joint @ np.array([0, -slip / 2, 0])
    middle = foot + joint @ np.array([0, 0, level.disc_below / 2])
    upright = _body(level, rng, frame=frame, centre=middle)
    body = collapsed(upright, collapse) if collapse else upright
    half_height = (body.front_mm + body.back_mm) / 4 if collapse else level.height / 2
    centre = middle + joint @ np.array([0, -slip / 2, level.disc_below / 2]) + frame @ np.array([0, 0, half_height])
    body = replace(body, centre=centre)
    sunk = 0.18 * max(level.height - body.back_mm, 0.0) if collapse else 0.0  # the pedicles go down with the back wall
    rims = replace(level, height=body.front_mm) if collapse else level
    facets = 1 + 0.5 * person.degeneration * float(rng.random()) * (place < 5)
    arch = replace(level, pedicle_height=min(level.pedicle_height, 0.8 * body.back_mm)) if collapse else level
    solids: list[Solid] = [
        body,
        *_arch(arch, rng, frame=frame, centre=centre - frame @ np.array([0, 0, sunk]), facets=facets),
        *_osteophytes(rims, person, rng=rng, frame=frame, centre=centre),
        *_bridges(rims, person, rng=rng, frame=frame, centre=centre),
    ]
    if index == 0 and person.sacralised:
        solids += _wings(level, frame=frame, centre=centre)
    if level.name == "C2":
        dens = centre + frame @ np.array([0, -2.0, 27])
        solids.append(Limb(centre, dens, 6.5, 4.5))
    solids += protrusions(body, collapse) if collapse else ()  # the last ones: ``lesions.fracture`` counts on it
    canal = centre + frame @ np.array([0, level.depth / 2 + level.canal_depth / 2 - 1, 0])
    bone = Bone(
        name=level.name,
        site="vertebra",
        label=level.label,
        solids=tuple(solids),
        holes=(_tunnel(level, frame=frame, canal=canal, narrowed_mm=into_canal_mm(collapse) if collapse else 0.0),),
        cortex_mm=float(rng.uniform(0.3, 0.7)),
        marrow=level.marrow * float(np.clip(rng.normal(1, 0.11), 0.7, 1.35)),
        frame=frame,
        centre=centre,
    )
    fills = (body.hollow_low_mm if collapse else 0.0), (below.hollow_up_mm if below else 0.0)
    return _Storey(
        bone=bone,
        disc=_disc(level, frame=joint, centre=middle, hollow_up_mm=fills[0], hollow_low_mm=fills[1]),
        canal_mm=canal,
        canal_radius_mm=level.canal_depth / 2,
        top=centre + frame @ np.array([0, 0, half_height]),
        hollow_up_mm=body.hollow_up_mm if collapse else 0.0,
    )


def _tunnel(level: Level, *, frame: Vector, canal: Vector, narrowed_mm: float) -> Limb:
    """The canal as a hole through one vertebra; what a fracture pushes into it narrows it from the front."""
    if narrowed_mm:
        narrowed_mm += 1.0  # the hole begins 1 mm before the end-plates' back ends
    half, reach = (level.canal_depth - narrowed_mm) / 2, frame @ np.array([0, 0, 2 * level.height])
    middle = canal + frame @ np.array([0, narrowed_mm / 2, 0])
    return Limb(middle - reach, middle + reach, half, half, (level.canal_width / 2 / half, 1, 1), frame)


def _bent(
    levels: tuple[Level, ...], lean: PchipInterpolator, collapses: Mapping[str, Collapse]
) -> Callable[[float], float]:
    """The lean of every level, with the kyphosis of fractures below it."""
    kinks = []
    for index, level in enumerate(levels):
        if level.name in collapses:
            sizes = {"height_mm": level.height, "wedge_deg": level.wedge_deg, "depth_mm": level.depth}
            kinks.append((index, kyphosis_deg(collapses[level.name], **sizes)))
    return lambda index: (
        float(lean(place_in_table(levels, index))) + sum(deg * share_of_kyphosis(index - at) for at, deg in kinks)
    )


def build_spine(person: Person, rng: np.random.Generator, *, collapses: Mapping[str, Collapse] | None = None) -> Spine:
    """Stack the vertebrae from L5 to C1 along the patient's lordosis, kyphosis and scoliosis.

    Args:
        person: the patient.
        rng: randomness; fractures draw nothing from it.
        collapses: name -> fracture of C2 to L5. The column above leans forwards by a wedge's angle; discs keep their
            heights and fill sunken end-plates.
    """
    broken = dict(collapses or {})
    levels = column(person.variant)
    lean = _bent(levels, PchipInterpolator(_TILT_KNOTS, person.tilt_deg), broken)
    storeys: list[_Storey] = []
    for index, level in enumerate(levels):
        below = storeys[-1] if storeys else None
        storeys.append(_storey(index, person, rng=rng, lean=lean, below=below, collapse=broken.get(level.name)))
    axis = storeys[-1].bone
    atlas = _atlas(axis.centre, frame=axis.frame, scale=person.scale)
    bones = (*(storey.bone for storey in storeys), atlas)
    canal = [*(storey.canal_mm for storey in storeys), atlas.centre + atlas.frame @ np.array([0, 10.0, 0])]
    return Spine(
        bones=bones,
        discs=tuple(storey.disc for storey in storeys),
        canal_mm=np.array(canal),
        canal_radius_mm=np.array([*(storey.canal_radius_mm for storey in storeys), 9.0]),
        centres_mm=_landmarks(bones),
    )


def _landmarks(bones: tuple[Bone, ...]) -> dict[str, Vector]:
    """Centres by name; a level that the patient lacks lies between its neighbours (L5: between L4 and the sacrum)."""
    centres = {bone.name: bone.centre for bone in bones}
    if "L5" not in centres:
        centres["L5"] = centres["L4"] / 2
    if "T12" not in centres:
        centres["T12"] = (centres["T11"] + centres["L1"]) / 2
    return centres
