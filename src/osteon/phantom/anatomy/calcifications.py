"""What is as dense as bone and is none: calcified vessels, cartilage, nodes, stones and veins, hyoid and larynx.

Frequencies rise with age; they, sizes and attenuations are guesses about the order of magnitude from radiology texts.
Positions are LPS mm from the upper end-plate of S1. None of it belongs to a bone mask.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import SIDES, Ellipsoid, Limb, Plate, Vector, mirrored, rotation
from osteon.phantom.anatomy.skeleton import rib_path
from osteon.phantom.anatomy.soft import Organ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.spine import Spine

_NAME = "calcification"


def _speck(at: Vector, radii: Vector, hu: float, frame: Vector | None = None) -> Organ:
    solid = Ellipsoid(np.asarray(at, dtype=np.float64), np.asarray(radii), np.eye(3) if frame is None else frame)
    return Organ(name=_NAME, solid=solid, hu=hu, texture_hu=90.0, wobble_mm=0.4)


def vessel_plaques(path: Vector, radius: float, *, count: int, rng: np.random.Generator) -> Iterator[Organ]:
    """Plates in the wall of a vessel along its axis (n, 3): thin, longer than wide."""
    for _ in range(count):
        k, share = int(rng.integers(0, len(path) - 1)), rng.random()
        angle = rng.uniform(0, 2 * np.pi)
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        at = path[k] + share * (path[k + 1] - path[k]) + radius * out
        radii = np.array([rng.uniform(0.7, 1.5), rng.uniform(1.5, 4.0), rng.uniform(2.0, 7.0)])
        yield _speck(at, radii, float(rng.uniform(300, 1100)), rotation(z_deg=float(np.rad2deg(angle))))


def _arteries(organs: tuple[Organ, ...], person: Person, *, rng: np.random.Generator) -> Iterator[Organ]:
    """Plaques of aorta and iliac arteries: none in most people under 50, many after 70."""
    burden = rng.gamma(1.2, max(0.0, (person.age_years - 48) / 2.0)) if person.age_years > 48 else 0.0
    for name, share in (("aorta", 0.6), ("iliac", 0.7)):
        for limb in (organ.solid for organ in organs if organ.name == name):
            if isinstance(limb, Limb):
                path = np.array([limb.start, limb.end])
                count = int(rng.poisson(min(burden, 60.0) * share / 8))
                yield from vessel_plaques(path, limb.radius_start, count=count, rng=rng)


def _cartilage(spine: Spine, person: Person, *, rng: np.random.Generator) -> Iterator[Organ]:
    """Costal cartilages calcified in specks or along their edges."""
    share = float(np.clip((person.age_years - 35) / 45, 0, 1))
    if rng.random() > 0.3 + 0.6 * share:
        return
    for rib in range(1, 11):
        for side, _ in SIDES:
            end = rib_path(spine, rib, side=side, scale=person.scale)[-1]
            target = end + mirrored(np.array([-0.55 * abs(end[0]), -10, 25.0]), side)
            for _ in range(int(rng.poisson(5 * share * (2.0 if rib == 1 else 1.0)))):
                at = end + rng.beta(1, 1.6) * (target - end) + rng.normal(0, 2.2, 3)
                yield _speck(at, rng.uniform(0.8, 3.2, 3), float(rng.uniform(180, 700)))


def _neck(spine: Spine, person: Person, *, rng: np.random.Generator) -> Iterator[Organ]:
    """Hyoid, thyroid cartilage and, in the old, rings of the windpipe."""
    s, c = person.scale, spine.centres_mm
    middle = c["C4"] + np.array([0, -38.0, 2.0]) * s
    angles = np.linspace(-1.9, 1.9, 7)
    points = middle + np.stack([21 * np.sin(angles), -19 * np.cos(angles), 3 * np.abs(angles)], axis=1) * s
    for a, b in itertools.pairwise(points):
        yield Organ(name=_NAME, solid=Limb(a, b, 2.6, 2.6), hu=520, texture_hu=150, wobble_mm=0.4)
    old = float(np.clip((person.age_years - 30) / 50, 0, 1))
    top, hu = c["C5"] + np.array([0, -52.0, 8.0]) * s, float(90 + 500 * old * rng.random())
    for side, _ in SIDES:
        corners = np.array([top, top + np.array([0, 4, -22.0]) * s, top + mirrored(np.array([19, 30, -8.0]), side) * s])
        yield Organ(name=_NAME, solid=Plate(corners, (3, 3, 3)), hu=hu, texture_hu=150, wobble_mm=0.3)
    if rng.random() < 0.35 * old:
        yield from _rings(spine, person)


def _rings(spine: Spine, person: Person) -> Iterator[Organ]:
    """Calcified rings round the front of the windpipe, as far as ``soft.chest`` draws it."""
    line = np.array([spine.centres_mm[n] + np.array([0, -26.0, 0]) * person.scale for n in ("T4", "T2", "C7", "C5")])
    for share in np.linspace(0, 3, 16):
        k = min(int(share), 2)
        at = line[k] + (share - k) * (line[k + 1] - line[k])
        angles = np.linspace(-2.0, 2.0, 6)
        arc = at + np.stack([9.3 * np.sin(angles), -9.3 * np.cos(angles), 0 * angles], axis=1) * person.scale
        for a, b in itertools.pairwise(arc):
            yield Organ(name=_NAME, solid=Limb(a, b, 0.8, 0.8, (1, 1, 1.8)), hu=330, wobble_mm=0.2)


def _scattered(spine: Spine, person: Person, *, rng: np.random.Generator) -> Iterator[Organ]:
    """Phleboliths, gallstones, kidney stones, nodes, granulomas, tablets in the bowel."""
    s, c = person.scale, spine.centres_mm
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 7))):
            at = np.array([rng.uniform(30, 62), rng.uniform(-15, 40), rng.uniform(-135, -90)]) * s
            at = mirrored(at, int(rng.choice([-1, 1])))
            yield _speck(at, np.full(3, rng.uniform(1.2, 2.8)), float(rng.uniform(200, 800)))
    if rng.random() < 0.13:
        middle = c["L1"] + np.array([-62, -72, 6.0]) * s
        for _ in range(int(rng.integers(1, 7))):
            yield _speck(middle + rng.normal(0, 6, 3), rng.uniform(2, 7, 3), float(rng.uniform(80, 600)))
    if rng.random() < 0.08:
        side = int(rng.choice([-1, 1]))
        at = c["L2"] + mirrored(np.array([52, 18, 8.0]) * s, side) + rng.normal(0, 10, 3)
        yield _speck(at, rng.uniform(1.5, 6, 3), float(rng.uniform(400, 1400)))
    if rng.random() < 0.2:
        level, reach = (("T6", 30), ("L3", 45))[int(rng.integers(2))]
        for _ in range(int(rng.integers(1, 6))):
            at = c[level] + np.array([rng.uniform(-reach, reach), rng.uniform(-70, -30), rng.uniform(-30, 30)]) * s
            yield _speck(at, rng.uniform(1.5, 6, 3), float(rng.uniform(250, 1100)))
    for _ in range(int(rng.poisson(0.6))):
        at = c["L3"] + np.array([rng.uniform(-90, 90), rng.uniform(-80, -45), rng.uniform(-90, 60)]) * s
        yield _speck(at, rng.uniform(2, 5, 3), float(rng.uniform(300, 2500)))


def calcifications(
    spine: Spine, person: Person, organs: tuple[Organ, ...], *, rng: np.random.Generator
) -> tuple[Organ, ...]:
    """All of them, to be painted after the other organs.

    Args:
        spine: not yet turned.
        person: age decides.
        organs: soft tissue, whose vessels are calcified.
        rng: randomness.
    """
    return (
        *_arteries(organs, person, rng=rng),
        *_cartilage(spine, person, rng=rng),
        *_neck(spine, person, rng=rng),
        *_scattered(spine, person, rng=rng),
    )
