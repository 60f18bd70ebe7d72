"""The vertebral column: C1 to L5 from published morphometry, stacked along the patient's curves.

Sizes: end-plates, heights, canal and pedicles after Panjabi 1991/1992 and Zindrick 1987; transverse spans and spinous
lengths after Panjabi; disc heights rounded from MRI series. Origin: middle of the upper end-plate of S1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from osteon.phantom.bones import Bone
from osteon.phantom.person import Person
from osteon.phantom.shapes import Ellipsoid, Limb, Solid, Vector, VertebralBody, rotation


@dataclass(frozen=True, slots=True)
class Level:
    """Mean sizes in mm of one vertebra of an adult, and how dense its marrow is against L1."""

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
    Level("L5", 24, 48.5, 34.5, 24.5, -7.0, 27.1, 19.7, 16.0, 14.0, 60, 8, 92, 10.5, 1.00),
    Level("L4", 23, 48.0, 34.7, 25.0, -2.0, 25.4, 18.6, 12.9, 14.8, 69, 8, 79, 11.0, 0.95),
    Level("L3", 22, 46.0, 35.0, 25.0, 0.0, 24.3, 17.5, 10.3, 14.9, 72, 8, 86, 10.0, 0.95),
    Level("L2", 21, 44.0, 34.8, 25.0, 1.5, 23.8, 18.2, 8.9, 15.0, 71, 10, 76, 9.0, 0.97),
    Level("L1", 20, 42.3, 34.7, 24.5, 3.0, 23.7, 19.0, 8.7, 15.4, 68, 12, 71, 8.0, 1.00),
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
    """The stacked column.

    Attributes:
        bones: L5 first, C1 last.
        discs: solids of the discs, the one under L5 first.
        canal_mm: centre line of the spinal canal, caudal to cranial, (n, 3).
        canal_radius_mm: (n,) half the canal depth.
        centres_mm: name -> LPS centre of the body.
    """

    bones: tuple[Bone, ...]
    discs: tuple[Solid, ...]
    canal_mm: Vector
    canal_radius_mm: Vector
    centres_mm: dict[str, Vector]


def _varied(level: Level, person: Person, rng: np.random.Generator) -> Level:
    """The level at this patient's size, every length with its own 5 % spread."""
    scale = person.scale
    return Level(
        level.name,
        level.label,
        *(length * scale * rng.normal(1, 0.05) for length in (level.width, level.depth, level.height)),
        float(level.wedge_deg + rng.normal(0, 2)),
        *(
            length * scale * rng.normal(1, 0.06)
            for length in (level.canal_width, level.canal_depth, level.pedicle_width, level.pedicle_height)
        ),
        level.spinous * scale * rng.normal(1, 0.05),
        level.spinous_slope_deg + rng.normal(0, 4),
        level.transverse * scale * rng.normal(1, 0.05),
        level.disc_below * scale * rng.normal(1, 0.1) * (1 - 0.5 * person.degeneration * rng.random()),
        level.marrow,
    )


def _body(level: Level, frame: Vector, centre: Vector, rng: np.random.Generator) -> VertebralBody:
    lean = level.depth * np.tan(np.deg2rad(level.wedge_deg)) / 2
    return VertebralBody(
        centre,
        frame,
        level.width,
        level.depth,
        front_mm=max(level.height - lean, 6.0),
        back_mm=level.height + lean,
        hollow_up_mm=float(rng.uniform(0.5, 2.0)),
        hollow_low_mm=float(rng.uniform(1.0, 3.0)),
        waist=float(rng.uniform(0.06, 0.16)),
    )


def _arch(level: Level, frame: Vector, centre: Vector, rng: np.random.Generator) -> list[Solid]:
    """Pedicles, laminae, articular, transverse and spinous processes of one vertebra."""
    back, h = level.depth / 2, level.height
    roof = back + level.canal_depth
    lumbar, cervical = level.label >= 20, level.label <= 7

    def limb(a: tuple[float, ...], b: tuple[float, ...], radii: tuple[float, float], tall: float) -> Limb:
        ends = (centre + frame @ np.asarray(p) for p in (a, b))
        return Limb(*ends, radii[0], radii[1], (1.0, 1.0, tall), frame)

    thick = 3.6 if lumbar else 3.0 if not cervical else 2.4
    lamina_tall = h / (3.2 * thick)
    slope = np.deg2rad(level.spinous_slope_deg)
    tip = (0.0, back + level.spinous * np.cos(slope), -0.15 * h - (level.spinous - level.canal_depth) * np.sin(slope))
    spine_thick = 3.6 if lumbar else 2.8
    solids = [limb((0, roof + 1, -0.12 * h), tip, (spine_thick, spine_thick * 1.15), 2.9 if lumbar else 1.7)]
    wide = level.canal_width / 2 + level.pedicle_width / 2
    pillar = 6.0 if lumbar else 5.0 if cervical else 4.2
    for side in (-1, 1):
        jitter = rng.normal(0, 0.06, 2)
        x = side * wide
        tall = level.pedicle_height / max(level.pedicle_width, 4)
        root = (x * 0.95, back - 4, 0.18 * h)
        neck = (x, back + 0.55 * level.canal_depth, 0.2 * h)
        solids.append(limb(root, neck, (level.pedicle_width / 2,) * 2, max(tall, 0.8)))
        solids.append(limb((x * 0.9, back + 0.6 * level.canal_depth, 0.1 * h), (0, roof + 2, -0.15 * h),
                           (thick, thick), lamina_tall))  # fmt: skip
        reach = 0.62 + jitter[0]
        solids.append(limb((x * 1.05, back + 0.65 * level.canal_depth, 0), (x * 1.12, roof - 3, reach * h),
                           (pillar, pillar * 0.75), 1.0))  # fmt: skip
        solids.append(limb((x * 0.95, roof - 3, -0.1 * h), (x * 0.85, roof + 1.5, -(0.75 + jitter[1]) * h),
                           (pillar * 0.85, pillar * 0.75), 1.0))  # fmt: skip
        sweep = back + 3 if lumbar else back - 3 if cervical else roof + 6
        end = (side * level.transverse / 2, sweep, 0.15 * h if not lumbar else 0.0)
        start = (x * 1.05, back + 0.4 * level.canal_depth, 0.1 * h)
        solids.append(limb(start, end, (4.2 if lumbar else 4.5, 3.0 if lumbar else 4.0), 1.6 if lumbar else 1.3))
    return solids


def _osteophytes(level: Level, frame: Vector, centre: Vector, person: Person, rng: np.random.Generator) -> list[Solid]:
    """Spurs of 2 to 8 mm at the front and side rims, more with degeneration, right-sided at T5 to T11."""
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


def _atlas(frame: Vector, below: Vector, scale: float) -> Bone:
    """C1: a ring with lateral masses, set on C2."""
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


def build_spine(person: Person, rng: np.random.Generator) -> Spine:
    """Stack the vertebrae from L5 to C1 along the patient's lordosis, kyphosis and scoliosis."""
    lean = PchipInterpolator(_TILT_KNOTS, person.tilt_deg)
    bones, discs, canal, radii = [], [], [], []
    top = np.zeros(3)
    centres: dict[str, Vector] = {}
    for index, mean in enumerate(LEVELS):
        level = _varied(mean, person, rng)
        bend = person.scoliosis_mm * np.cos(index / 22 * 2 * np.pi) * 2 * np.pi / 22 / 25
        frame = rotation(float(lean(index)), float(np.rad2deg(bend)), float(rng.normal(0, 1.5)))
        joint = rotation(float(lean(index - 0.5)), float(np.rad2deg(bend)))
        middle = top + joint @ np.array([0, 0, level.disc_below / 2])
        discs.append(
            VertebralBody(
                middle,
                joint,
                level.width * 0.98,
                level.depth * 0.98,
                level.disc_below * 1.25 + 2.5,
                level.disc_below + 2.5,
                0.0,
                0.0,
                -0.04,
            )  # fmt: skip
        )
        centre = middle + joint @ np.array([0, 0, level.disc_below / 2]) + frame @ np.array([0, 0, level.height / 2])
        body = _body(level, frame, centre, rng)
        solids = [body, *_arch(level, frame, centre, rng), *_osteophytes(level, frame, centre, person, rng)]
        if level.name == "C2":
            dens = centre + frame @ np.array([[0, -1.0, 6], [0, -2.0, 27]]).T[:, 1]
            solids.append(Limb(centre, dens, 6.5, 4.5))
        canal_centre = centre + frame @ np.array([0, level.depth / 2 + level.canal_depth / 2 - 1, 0])
        half_depth = level.canal_depth / 2
        tunnel = Limb(
            canal_centre - frame @ np.array([0, 0, 2 * level.height]),
            canal_centre + frame @ np.array([0, 0, 2 * level.height]),
            half_depth, half_depth, (level.canal_width / level.canal_depth, 1, 1), frame,
        )  # fmt: skip
        bones.append(
            Bone(
                name=level.name,
                site="vertebra",
                label=level.label,
                solids=tuple(solids),
                holes=(tunnel,),
                cortex_mm=float(rng.uniform(0.45, 0.75)),
                marrow=level.marrow * float(rng.normal(1, 0.06)),
                frame=frame,
                centre=centre,
            )  # fmt: skip
        )
        canal.append(canal_centre)
        radii.append(half_depth)
        centres[level.name] = centre
        top = centre + frame @ np.array([0, 0, level.height / 2])
    atlas = _atlas(frame, centre, person.scale)
    bones.append(atlas)
    centres["C1"] = atlas.centre
    canal.append(atlas.centre + atlas.frame @ np.array([0, 10.0, 0]))
    radii.append(9.0)
    return Spine(bones=tuple(bones), discs=tuple(discs), canal_mm=np.array(canal), canal_radius_mm=np.array(radii),
                 centres_mm=centres)  # fmt: skip
