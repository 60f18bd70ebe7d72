"""What people bring to the scan: screws and rods, a hip prosthesis, bone cement; leads, buttons and zips on the skin.

Attenuation: cement 1200 to 2500 HU, titanium 5000 to 8000, steel more (a scanner shows what its numbers end at). How
often each occurs is a guess, somewhat above the population's so that a network sees them. Metal is no bone in a mask;
cement in a vertebra is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import SIDES, Ellipsoid, Limb, Vector, VertebralBody, chain, mirrored
from osteon.phantom.anatomy.soft import Organ

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.outline import Outline
    from osteon.phantom.anatomy.person import Person

TITANIUM, STEEL = 7000.0, 12000.0
CEMENT = "cement"
"""Name of what stays bone in a mask."""


def implants(bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> tuple[Organ, ...]:
    """What is painted over the bones, posed as they are.

    Screws and rods in 3 of 100 patients, cement in 5 (more the fewer trabeculae), a hip prosthesis in 5 of those over
    55.
    """
    found: list[Organ] = []
    named = {bone.name: bone for bone in bones}
    if rng.random() < 0.03:
        found += _fixation(named, rng=rng)
    if rng.random() < (0.08 if person.trabecular_hu < 110 else 0.02):
        found += _cement(named, rng=rng)
    if person.age_years > 55 and rng.random() < 0.05:
        found += _hip(named, rng=rng)
    return tuple(found)


def _metal(solid: Ellipsoid | Limb, hu: float) -> Organ:
    return Organ(name="metal", solid=solid, hu=hu, texture_hu=0.0, wobble_mm=0.0)


def _fixation(named: dict[str, Bone], *, rng: np.random.Generator) -> list[Organ]:
    """Screws through both pedicles of two to five vertebrae, their heads joined by rods."""
    names = [name for name in ("L5", "L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9") if name in named]
    start = int(rng.integers(0, 5))
    metal: list[Organ] = []
    for side, _ in SIDES:
        heads = []
        for name in names[start : start + int(rng.integers(2, 6))]:
            bone, body = named[name], named[name].solids[0]
            if not isinstance(body, VertebralBody):
                continue
            half, depth = body.width_mm * 0.36, body.depth_mm / 2
            tip = bone.centre + bone.frame @ np.array([side * half * 0.55, -0.35 * depth, 0.5])
            head = bone.centre + bone.frame @ np.array([side * half * 1.15, depth + 26.0, 5.0])
            heads.append(head + bone.frame @ np.array([0, 4.0, 0]))
            metal += [_metal(Limb(tip, head, 2.2, 3.2), TITANIUM), _metal(Limb(head, heads[-1], 5.5, 6.0), TITANIUM)]
        if len(heads) > 1:
            metal += [_metal(limb, TITANIUM) for limb in chain(np.array(heads), np.full(len(heads), 2.75))]
    return metal


def _cement(named: dict[str, Bone], *, rng: np.random.Generator) -> list[Organ]:
    """Two to four lumps in the bodies of one to three vertebrae."""
    names = [n for n in named if named[n].site == "vertebra" and n[0] in "TL" and n not in ("T1", "T2", "T3", "T4")]
    cement = []
    for name in rng.choice(names, size=int(rng.integers(1, 4)), replace=False):
        body = named[str(name)].solids[0]
        if not isinstance(body, VertebralBody):
            continue
        hu = float(rng.uniform(1200, 2500))
        half = np.array([body.width_mm, body.depth_mm, body.front_mm]) / 2
        for _ in range(int(rng.integers(2, 5))):
            at = body.centre + body.frame @ (rng.uniform(-0.45, 0.45, 3) * half)
            radii = rng.uniform(0.2, 0.42, 3) * half
            cement.append(
                Organ(name=CEMENT, solid=Ellipsoid(at, radii, body.frame), hu=hu, texture_hu=150.0, wobble_mm=2.0)
            )
    return cement


def _hip(named: dict[str, Bone], *, rng: np.random.Generator) -> list[Organ]:
    """Cup, liner, ball, neck and stem on one side."""
    side, word = SIDES[int(rng.integers(2))]
    femur = named[f"femur proximal {word}"]
    ball, neck = femur.solids[0], femur.solids[1]
    if not (isinstance(ball, Ellipsoid) and isinstance(neck, Limb)):
        return []
    hip, corner = ball.centre, neck.end
    low = corner + mirrored(np.array([-4.0, -6.0, -115.0]), side)
    cup = Ellipsoid(hip + mirrored(np.array([-2.0, 0, 2.0]), side), np.full(3, 27.0), shell_mm=3.5)
    return [
        Organ(name="liner", solid=Ellipsoid(hip, np.full(3, 24.5)), hu=40.0, texture_hu=0.0, wobble_mm=0.0),
        _metal(cup, TITANIUM),
        _metal(Ellipsoid(hip, np.full(3, 15.0)), STEEL),
        _metal(Limb(hip, corner, 7.0, 8.5), TITANIUM),
        _metal(Limb(corner, low, 8.5, 5.0), TITANIUM),
    ]


def on_the_skin(outline: Outline, person: Person, *, rng: np.random.Generator) -> tuple[Organ, ...]:
    """Electrodes with wires on the chest (one patient in eight), buttons or a zip at the waist (one in eight)."""
    found: list[Organ] = []
    top = outline.high_mm - 330.0 * person.scale
    if rng.random() < 0.125:
        for _ in range(int(rng.integers(2, 6))):
            at = _front(outline, x=float(rng.uniform(-90, 90)), z=top - float(rng.uniform(0, 160)))
            found.append(_metal(Ellipsoid(at, np.array([5.0, 1.5, 5.0])), float(rng.uniform(800, 4000))))
            end = at + np.array([rng.uniform(-60, 60), -rng.uniform(2, 8), rng.uniform(-20, 60)])
            found.append(_metal(Limb(at, end, 0.9, 0.9), 2500.0))
    if rng.random() < 0.125:
        start, count = float(rng.uniform(-150, -20)), int(rng.integers(1, 9))
        for k in range(count):
            at = _front(outline, x=float(rng.normal(0, 3)), z=start + 9.0 * k) - np.array([0, 5.0, 0])
            found.append(_metal(Ellipsoid(at, rng.uniform(1.2, 4.0, 3)), float(rng.uniform(1500, 8000))))
    return tuple(found)


def _front(outline: Outline, *, x: float, z: float) -> Vector:
    """The skin's point in front at ``x`` and ``z``, LPS mm."""
    ys = np.arange(-260.0, 60.0, 1.0, dtype=np.float32)
    skin, _ = outline.distances(
        np.full((1, 1, 1), x, dtype=np.float32), ys[None, :, None], np.array([z], dtype=np.float32)
    )
    inside = np.flatnonzero(skin[0, :, 0] < 0)
    return np.array([x, float(ys[inside[0]]) if len(inside) else -120.0, z])
