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
from osteon.phantom.anatomy.shapes import Ellipsoid, Limb, Solid, Vector, VertebralBody, rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from osteon.phantom.anatomy.person import Person


@dataclass(frozen=True, slots=True)  # not keyword-only: LEVELS is a table
class Level:
    """Mean sizes of one vertebra of an adult man of 175 cm.

    Attributes:
        name: "L5".
        label: VerSe number.
        width, depth: of the end-plates, mean of both, mm.
        height: of the body, mean of front and back, mm.
        wedge_deg: positive where the front is lower.
        canal_width, canal_depth: mm.
        pedicle_width, pedicle_height: mm.
        spinous: from the front wall of the canal to the tip of the spinous process, mm.
        spinous_slope_deg: how far it points down.
        transverse: from tip to tip of the transverse processes, mm.
        disc_below: height of the disc under the vertebra, mm.
        marrow: trabecular density against L1.
    """

    name: str
    label: int
    width: float
    depth: float
    height: float
    wedge_deg: float
    canal_width: float
    canal_depth: float
    pedicle_width: float
    pedicle_height: float
    spinous: float
    spinous_slope_deg: float
    transverse: float
    disc_below: float
    marrow: float


LEVELS = (
    # name, label, width, depth, height, wedge, canal width, depth, pedicle width, height, spinous, slope, transverse,
    # disc below, marrow
    Level("L5", 24, 48.5, 34.5, 24.5, -7.0, 27.1, 19.7, 16.0, 14.0, 48, 12, 92, 10.5, 1.00),
    Level("L4", 23, 48.0, 34.7, 25.0, -2.0, 25.4, 18.6, 12.9, 14.8, 55, 12, 79, 11.0, 0.95),
    Level("L3", 22, 46.0, 35.0, 25.0, 0.0, 24.3, 17.5, 10.3, 14.9, 58, 12, 86, 10.0, 0.95),
    Level("L2", 21, 44.0, 34.8, 25.0, 1.5, 23.8, 18.2, 8.9, 15.0, 58, 12, 76, 9.0, 0.97),
    Level("L1", 20, 42.3, 34.7, 24.5, 3.0, 23.7, 19.0, 8.7, 15.4, 56, 14, 71, 8.0, 1.00),
    Level("T12", 19, 40.5, 33.1, 23.5, 3.5, 22.2, 18.1, 7.1, 15.8, 50, 18, 47, 6.5, 1.05),
    Level("T11", 18, 37.0, 31.9, 22.0, 4.0, 19.4, 16.0, 7.8, 17.4, 49, 28, 50, 5.5, 1.08),
    Level("T10", 17, 33.7, 31.0, 20.8, 4.0, 18.2, 15.5, 6.3, 14.9, 50, 40, 54, 5.0, 1.12),
    Level("T9", 16, 31.8, 30.2, 20.0, 3.5, 17.9, 16.0, 6.1, 13.9, 51, 48, 57, 4.6, 1.15),
    Level("T8", 15, 30.0, 28.7, 19.3, 4.0, 17.7, 16.0, 5.9, 12.5, 51, 56, 58, 4.3, 1.18),
    Level("T7", 14, 28.5, 28.0, 18.8, 4.0, 17.0, 16.0, 5.3, 12.1, 52, 58, 59, 4.0, 1.20),
    Level("T6", 13, 27.2, 26.5, 18.0, 4.0, 17.3, 16.0, 5.2, 12.2, 52, 57, 60, 3.8, 1.22),
    Level("T5", 12, 26.0, 25.1, 17.0, 3.5, 17.2, 16.0, 4.7, 11.9, 52, 52, 62, 3.5, 1.24),
    Level("T4", 11, 25.3, 23.9, 16.8, 3.0, 17.0, 16.0, 4.9, 12.1, 50, 45, 64, 3.3, 1.25),
    Level("T3", 10, 25.3, 23.0, 16.2, 2.5, 18.3, 16.0, 5.6, 12.4, 49, 38, 66, 3.3, 1.28),
    Level("T2", 9, 26.2, 20.6, 16.0, 2.0, 19.5, 16.0, 7.0, 12.0, 48, 32, 70, 3.6, 1.30),
    Level("T1", 8, 26.2, 19.1, 14.6, 1.5, 21.8, 16.4, 7.9, 9.9, 49, 26, 75, 4.2, 1.35),
    Level("C7", 7, 24.0, 17.5, 12.8, 0.0, 24.5, 15.2, 6.6, 7.5, 46, 22, 67, 4.4, 1.6),
    Level("C6", 6, 21.5, 17.5, 11.6, 0.0, 25.8, 18.1, 6.0, 7.3, 34, 20, 50, 4.6, 1.8),
    Level("C5", 5, 19.5, 16.6, 11.5, 0.0, 24.9, 17.4, 5.6, 7.0, 29, 20, 50, 4.6, 1.9),
    Level("C4", 4, 18.2, 15.7, 11.5, 0.0, 24.7, 17.7, 5.4, 7.4, 29, 20, 49, 4.6, 1.95),
    Level("C3", 3, 17.2, 15.4, 11.7, 0.0, 22.9, 16.2, 5.6, 7.4, 29, 18, 48, 4.6, 1.9),
    Level("C2", 2, 17.5, 15.6, 18.0, 0.0, 24.5, 21.0, 8.0, 9.0, 33, 15, 50, 4.6, 1.8),
)
_TILT_KNOTS = (-1.0, 2.0, 5.0, 11.0, 16.0, 20.0, 22.0)  # S1, L3, T12, T6, T1, C4, C2 as indices into LEVELS


@dataclass(frozen=True, kw_only=True, slots=True)
class Spine:
    """The stacked column, before the patient is turned or leans (yaw, roll).

    Attributes:
        bones: L5 first, C1 last.
        discs: solids of the discs, the one under L5 first.
        canal_mm: centre line of the spinal canal, caudal to cranial, (n, 3).
        canal_radius_mm: (n,) half the canal depth.
        centres_mm: name -> LPS centre of the body, (3,).
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
        disc_below=size(level.disc_below, 0.1) * (1 - 0.5 * person.degeneration * rng.random()),
        marrow=level.marrow,
    )


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


def _arch(level: Level, rng: np.random.Generator, *, frame: Vector, centre: Vector) -> list[Solid]:
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
    pillar = 6.0 if lumbar else 5.0 if cervical else 4.2
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
    level = _varied(LEVELS[index], person, rng=rng)
    foot = below.top if below else np.zeros(3)
    bend = person.scoliosis_mm * np.cos(index / 22 * 2 * np.pi) * 2 * np.pi / 22 / 25
    frame = rotation(lean(index), float(np.rad2deg(bend)), float(rng.normal(0, 1.5)))
    joint = rotation(lean(index - 0.5), float(np.rad2deg(bend)))
    middle = foot + joint @ np.array([0, 0, level.disc_below / 2])
    upright = _body(level, rng, frame=frame, centre=middle)
    body = collapsed(upright, collapse) if collapse else upright
    half_height = (body.front_mm + body.back_mm) / 4 if collapse else level.height / 2
    centre = middle + joint @ np.array([0, 0, level.disc_below / 2]) + frame @ np.array([0, 0, half_height])
    body = replace(body, centre=centre)
    sunk = 0.18 * max(level.height - body.back_mm, 0.0) if collapse else 0.0  # the pedicles go down with the back wall
    rims = replace(level, height=body.front_mm) if collapse else level
    solids: list[Solid] = [
        body,
        *_arch(level, rng, frame=frame, centre=centre - frame @ np.array([0, 0, sunk])),
        *_osteophytes(rims, person, rng=rng, frame=frame, centre=centre),
    ]
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


def _bent(lean: PchipInterpolator, collapses: Mapping[str, Collapse]) -> Callable[[float], float]:
    """The lean of every level, with the kyphosis of fractures below it."""
    kinks = []
    for index, level in enumerate(LEVELS):
        if level.name in collapses:
            sizes = {"height_mm": level.height, "wedge_deg": level.wedge_deg, "depth_mm": level.depth}
            kinks.append((index, kyphosis_deg(collapses[level.name], **sizes)))
    return lambda index: float(lean(index)) + sum(deg * share_of_kyphosis(index - at) for at, deg in kinks)


def build_spine(person: Person, rng: np.random.Generator, *, collapses: Mapping[str, Collapse] | None = None) -> Spine:
    """Stack the vertebrae from L5 to C1 along the patient's lordosis, kyphosis and scoliosis.

    Args:
        person: the patient.
        rng: randomness; fractures draw nothing from it.
        collapses: name -> fracture of C2 to L5. The column above leans forwards by a wedge's angle; discs keep their
            heights and fill sunken end-plates.
    """
    broken = dict(collapses or {})
    lean = _bent(PchipInterpolator(_TILT_KNOTS, person.tilt_deg), broken)
    storeys: list[_Storey] = []
    for index, level in enumerate(LEVELS):
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
        centres_mm={bone.name: bone.centre for bone in bones},
    )
