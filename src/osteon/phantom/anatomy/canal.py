"""Spinal canal and discs as MR shows them: sac, cord, roots, epidural fat, ligaments, nucleus and annulus.

Cord sections: 13.3 x 7.4 mm at C5, 8.3 x 6.3 mm at T8, 9.4 x 7.1 mm at its lumbar enlargement (Frostell 2016,
doi 10.3389/fneur.2016.00238); its tip between T12 and L2 (pmc PMC3955794). The sac ends at S2. How degeneration
spreads over the discs follows the shares by age of doi 10.3174/ajnr.A4173, in outline. The rest are guesses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import PchipInterpolator

from osteon.phantom.anatomy.shapes import SIDES, Ellipsoid, Limb, Plate, VertebralBody, chain
from osteon.phantom.anatomy.soft import Organ

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.shapes import Vector
    from osteon.phantom.anatomy.spine import Spine

_CORD_LEVELS = (4.0, 6.0, 9.0, 15.0, 18.0, 20.0, 23.0)
_CORD_AP_MM = (3.0, 7.0, 6.3, 6.2, 7.4, 7.6, 9.0)
_CORD_WIDE = (1.1, 1.25, 1.3, 1.35, 1.8, 1.6, 1.3)
"""Depth of the cord in mm and its width against it, at indices into the canal's points: L1 is 4, C1 is 23."""


def spinal_canal(spine: Spine, sacrum: Bone, person: Person, *, rng: np.random.Generator) -> tuple[Organ, ...]:
    """Everything in the canal and between the arches, in painting order."""
    path, half = _canal_path(spine, sacrum)
    fine = np.linspace(0, len(path) - 1, 3 * len(path) - 2)
    knots = np.arange(len(path))
    curve, radius = PchipInterpolator(knots, path)(fine), PchipInterpolator(knots, half)(fine)
    level = fine - 3  # 0 is L5, as in ``spine.LEVELS``; S3 to S1 lie below
    lumbar = np.clip((5.5 - level) / 4, 0, 1)
    share = np.interp(level, [-3, -1.2, 0, 3, 6, 17, 20, 23], [0.2, 0.55, 0.72, 0.76, 0.8, 0.82, 0.86, 0.95])
    back = np.interp(level, [-3, -1, 0, 2], [2.0, 3.0, 1.0, -0.12]) * np.ones_like(level)
    sac = curve + np.stack([np.zeros_like(fine), back - lumbar * (1 - share) * radius * 0.4, np.zeros_like(fine)], 1)
    organs = [
        Organ(name="epidural fat", solid=limb, hu=-95, wobble_mm=0.6)
        for limb in chain(curve, radius * 1.02, squash=(1.25, 1, 1))
    ]
    organs += _flava(spine)
    organs += [
        Organ(name="csf", solid=limb, hu=8, wobble_mm=0.4) for limb in chain(sac, radius * share, squash=(1.3, 1, 1))
    ]
    conus = float(np.clip(rng.normal(4.3, 0.55), 3.2, 5.5))
    return (
        *organs,
        *_cord(sac, level, conus=conus, rng=rng),
        *_cauda(sac, radius * share, level, conus=conus, rng=rng),
    )


def _canal_path(spine: Spine, sacrum: Bone) -> tuple[Vector, Vector]:
    """Centre line and half depth of the canal from S3 to C1."""
    tunnels = [hole for hole in sacrum.holes[2::3] if isinstance(hole, Limb)][:3]
    sacral = np.array([(hole.start + hole.end) / 2 for hole in tunnels[::-1]])
    radii = np.array([hole.radius_end for hole in tunnels[::-1]])
    return np.vstack([sacral, spine.canal_mm]), np.concatenate([radii, spine.canal_radius_mm])


def _cord(sac: Vector, level: Vector, *, conus: float, rng: np.random.Generator) -> list[Organ]:
    """Cord from its tip to the head, a little in front of the middle in the thoracic curve."""
    seen = np.flatnonzero(level >= conus)
    size = float(rng.normal(1, 0.05))
    depth = np.interp(level[seen], _CORD_LEVELS, _CORD_AP_MM) * np.clip((level[seen] - conus + 0.35) / 1.3, 0.25, 1)
    wide = np.interp(level[seen], _CORD_LEVELS, _CORD_WIDE)
    forward = np.interp(level[seen], [4, 8, 14, 18, 23], [0.5, -1.2, -1.8, -0.6, 0.0])
    points = sac[seen] + np.stack([0 * forward, forward, 0 * forward], 1)
    organs = []
    for k in range(len(seen) - 1):
        radii = depth[k : k + 2] * size / 2
        limb = Limb(points[k], points[k + 1], float(radii[0]), float(radii[1]), (float(wide[k]), 1, 1))
        organs.append(Organ(name="cord", solid=limb, hu=36, wobble_mm=0.25))
    return organs


def _cauda(sac: Vector, radius: Vector, level: Vector, *, conus: float, rng: np.random.Generator) -> list[Organ]:
    """Roots in the lumbar sac, lying towards the back as in a patient on the back."""
    seen = np.flatnonzero((level < conus + 0.4) & (level > -2.2))[::-1]
    organs = []
    for _ in range(14):
        side, deep = rng.uniform(-0.75, 0.75), rng.uniform(0.1, 0.75)
        last = int(rng.integers(len(seen) // 2, len(seen)))
        drift = np.linspace(0, 1, len(seen)) ** 0.7
        spread = np.stack([side * drift * 1.2, deep * drift - 0.1, 0 * drift], 1) * radius[seen][:, None]
        points = (sac[seen] + spread)[: last + 1]
        radii = np.full(len(points), 0.65)
        organs += [Organ(name="root", solid=limb, hu=36, wobble_mm=0.3) for limb in chain(points, radii)]
    return organs


def _flava(spine: Spine) -> list[Organ]:
    """Yellow ligaments between the laminae, and interspinous tissue between the spinous processes."""
    organs = []
    for low, high in zip(spine.bones[:-2], spine.bones[1:-1], strict=True):
        roots = [_lamina(bone) for bone in (low, high)]
        tips = [_tip(bone) for bone in (low, high)]
        for corners in ((roots[0], roots[1], tips[0]), (roots[1], tips[0], tips[1])):
            organs.append(
                Organ(name="interspinous", solid=Plate(np.array(corners), (4.5, 4.5, 4.5)), hu=40, wobble_mm=1)
            )
        rope = Limb(tips[0] + np.array([0, 1.0, 0]), tips[1] + np.array([0, 1.0, 0]), 1.3, 1.3, (2, 1, 1))
        organs.append(Organ(name="ligament", solid=rope, hu=90, wobble_mm=0.4))
        for side, _ in SIDES:
            ends = [root + np.array([side * 5.0, -2.0, 0.0]) for root in roots]
            flavum = Limb(ends[0], ends[1], 1.7, 1.7, (2.4, 1, 1))
            organs.append(Organ(name="ligament", solid=flavum, hu=90, wobble_mm=0.4))
    return organs


def _lamina(bone: Bone) -> Vector:
    """Where the laminae meet behind the canal; of ``spine``'s solids, the spinous process is the second."""
    limb = bone.solids[1]
    return limb.start if isinstance(limb, Limb) else bone.centre


def _tip(bone: Bone) -> Vector:
    limb = bone.solids[1]
    return limb.end if isinstance(limb, Limb) else bone.centre


def foramina(spine: Spine) -> tuple[Organ, ...]:
    """Fat and a root in every foramen between the pedicles, C2-C3 to L5-S1."""
    organs = []
    for bone, disc in zip(spine.bones[:-1], spine.discs, strict=True):
        body = bone.solids[0]
        if not isinstance(body, VertebralBody) or not isinstance(disc, VertebralBody):
            continue
        height = 0.55 * (body.back_mm * 0.55 + disc.back_mm)
        for side, _ in SIDES:
            at = disc.centre + disc.frame @ np.array(
                [side * 0.42 * body.width_mm, disc.depth_mm / 2 + 4.5, height * 0.55]
            )
            fat = Ellipsoid(at, np.array([8.0, 5.5, height]), disc.frame)
            root = at + disc.frame @ np.array([0, 0.5, 0.35 * height])
            organs.append(Organ(name="epidural fat", solid=fat, hu=-95, wobble_mm=0.8))
            ends = root - np.array([side * 7.0, 0, -3.0]), root + np.array([side * 9.0, -1.0, -6.0])
            size = 2.3 if bone.label >= 20 else 1.5
            organs.append(Organ(name="root", solid=Limb(*ends, size, size), hu=36, wobble_mm=0.3))
    return tuple(organs)


def draw_grades(spine: Spine, person: Person, *, rng: np.random.Generator) -> tuple[int, ...]:
    """Pfirrmann grade 1 to 5 of each disc, the lowest lumbar one first: with age, wear and level."""
    age = np.clip((person.age_years - 15) / 60, 0, 1.2)
    grades = []
    for index in range(len(spine.discs)):
        site = 0.45 if index in (0, 1) else 0.2 if index < 4 or 17 <= index <= 19 else 0.0
        mean = 1.3 + 1.5 * age + 1.2 * person.degeneration + site
        grades.append(int(np.clip(round(rng.normal(mean, 0.6)), 1, 5)))
    return tuple(grades)


def mr_discs(spine: Spine, grades: tuple[int, ...], *, rng: np.random.Generator) -> tuple[Organ, ...]:
    """Annulus and nucleus of each disc; worn ones bulge back, and some hold gas.

    The nucleus of grade g is called "nucleus g".
    """
    organs: list[Organ] = []
    for disc, grade in zip(spine.discs, grades, strict=True):
        organs.append(Organ(name="annulus", solid=disc, hu=95, wobble_mm=0.5))
        if not isinstance(disc, VertebralBody):
            continue
        if rng.random() < 0.18 * (grade - 1):
            organs.append(_bulge(disc, rng))
        thick = 0.5 * (disc.front_mm + disc.back_mm) - 2.5
        radii = np.array([0.36 * disc.width_mm, 0.33 * disc.depth_mm, max(0.40 * thick, 1.0)])
        centre = disc.centre + disc.frame @ np.array([0, 0.05 * disc.depth_mm, 0])
        core = Ellipsoid(centre, radii, disc.frame)
        organs.append(Organ(name=f"nucleus {grade}", solid=core, hu=78, wobble_mm=0.5, edge_mm=1.0 + 0.25 * grade))
        if grade <= 2:  # the dark cleft of a healthy adult disc
            cleft = Ellipsoid(centre, np.array([0.2 * disc.width_mm, 0.18 * disc.depth_mm, 0.45]), disc.frame)
            organs.append(Organ(name="annulus", solid=cleft, hu=85, wobble_mm=0.2, edge_mm=0.8))
        if grade >= 4 and rng.random() < 0.2:
            slit = Ellipsoid(centre, np.array([9.0, 7.0, 0.9]), disc.frame)
            organs.append(Organ(name="gas", solid=slit, hu=-500, wobble_mm=0.4))
    return tuple(organs)


def _bulge(disc: VertebralBody, rng: np.random.Generator) -> Organ:
    """Disc behind the line of the back walls, 1 to 4 mm."""
    out = float(rng.uniform(0.5, 3.0))
    at = disc.centre + disc.frame @ np.array([rng.normal(0, 4), disc.depth_mm / 2 - 2.5 + out / 2, rng.normal(0, 0.5)])
    radii = np.array([rng.uniform(7, 13), 3.0 + out / 2, 0.4 * disc.back_mm])
    return Organ(name="annulus", solid=Ellipsoid(at, radii, disc.frame), hu=95, wobble_mm=0.4)
