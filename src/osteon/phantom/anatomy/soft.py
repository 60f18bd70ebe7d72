"""Soft tissue: cavities, organs, vessels, muscles and gas, painted in order under the bones.

Attenuation at 120 kV: textbook values (fat -100, muscle 50, liver 55, blood 45, lung -860 HU); contrast agent adds a
share of the aorta's enhancement to each organ. Organs are ellipsoids and tubes with wavy surfaces at typical places;
they follow no one's anatomy. Positions are LPS mm from the upper end-plate of S1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid, Limb, Solid, Vector, chain, mirrored
from osteon.phantom.anatomy.skeleton import THORAX_HALF_DEPTH_MM, THORAX_HALF_WIDTH_MM, rib_path, thorax_centre

if TYPE_CHECKING:
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.spine import Spine

PHASES = {"arterial": (0.15, 0.6, 0.0), "portal": (0.8, 1.0, 0.1), "late": (0.8, 0.9, 3.0)}
"""Enhancement of veins, kidneys and urine against the aorta's, by the time after the contrast agent: guesses."""
AIR, GAS, LUNG, FAT, BLOOD = -1000.0, -990.0, -860.0, -100.0, 45.0
Point = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Organ:
    """A solid filled with one attenuation.

    Attributes:
        name: what it is; "lung", "muscle" and "bowel" are kept inside the body's wall.
        solid: where it is.
        hu: mean attenuation.
        texture_hu: SD of its variation from place to place.
        wobble_mm: displacement of its surface.
        only_in: "body", or "lung" for what is painted only where lung is.
        edge_mm: width of its margin, 0 for a sharp one.
    """

    name: str
    solid: Solid
    hu: float
    texture_hu: float = 4.0
    wobble_mm: float = 2.5
    only_in: str = "body"
    edge_mm: float = 0.0


def lungs(spine: Spine, person: Person) -> list[Organ]:
    """Two lungs as upright ellipsoids inside the ribs, each with a recess behind the diaphragm."""
    s = person.scale
    organs: list[Organ] = []
    top, low = thorax_centre(spine, 1), thorax_centre(spine, 10)
    middle = (top + low) / 2 + np.array([0, 2, -4])
    height = (top[2] - low[2]) / 2 + 22 * s
    for side in (-1, 1):
        centre = middle + mirrored(np.array([66, 4, 0.0]) * s, side)
        radii = np.array([THORAX_HALF_WIDTH_MM[6] * 0.49, THORAX_HALF_DEPTH_MM[6] * 0.97, 0]) * s
        radii[2] = height
        organs.append(Organ(name="lung", solid=Ellipsoid(centre, radii), hu=LUNG, texture_hu=35, wobble_mm=4))
        recess = thorax_centre(spine, 11) + mirrored(np.array([70, 50, -5.0]) * s, side)
        organs.append(Organ(name="lung", solid=Ellipsoid(recess, np.array([42, 30, 45.0]) * s), hu=LUNG, texture_hu=35))
    return organs


def vessels(spine: Spine, person: Person, *, rng: np.random.Generator) -> list[Organ]:
    """Aorta, cava, iliac vessels and, with age, calcified aortic walls."""
    s, c = person.scale, spine.centres_mm
    blood = BLOOD + person.contrast_hu + rng.normal(0, 4)
    venous = BLOOD + PHASES[person.phase][0] * person.contrast_hu
    shift = float(rng.normal(12, 4))
    names = ("L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9", "T8", "T7", "T6", "T5", "T4")
    aorta = np.array([c[n] + np.array([shift + (i > 5) * 6, -32.0, 0]) * s for i, n in enumerate(names)])
    radius = float(np.clip(rng.normal(10.5, 1.5), 8, 16)) * s
    organs = [Organ(name="aorta", solid=limb, hu=blood) for limb in chain(aorta, np.linspace(radius, radius + 2, 13))]
    cava = np.array([c[n] + np.array([-20, -30.0, 0]) * s for n in names[:6]])
    organs += [Organ(name="cava", solid=limb, hu=venous) for limb in chain(cava, np.full(6, 10.5 * s))]
    for side in (-1, 1):
        path = ((38, -32, -25), (62, -58, -75), (72, -75, -120))
        fork = np.array([aorta[0], *(mirrored(np.array(point) * s, side) for point in path)])
        organs += [Organ(name="iliac", solid=limb, hu=blood) for limb in chain(fork, np.array([7, 6, 5.5, 5]) * s)]
    return organs + _plaques(aorta, radius, person=person, rng=rng)


def _plaques(aorta: Vector, radius: float, *, person: Person, rng: np.random.Generator) -> list[Organ]:
    """Calcified spots of the aortic wall, more with every year above 50; ``aorta`` is its axis, (n, 3)."""
    organs = []
    for _ in range(rng.poisson(max(0.0, (person.age_years - 50) / 2.2))):
        k = int(rng.integers(0, len(aorta)))
        angle = rng.uniform(0, 2 * np.pi)
        spot = aorta[k] + np.array([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(-14, 14)])
        size = rng.uniform(0.8, 2.6, 3) * np.array([1, 1, 1.8])
        hu = float(rng.uniform(500, 1100))
        organs.append(Organ(name="plaque", solid=Ellipsoid(spot, size), hu=hu, wobble_mm=0.3))
    return organs


def abdomen(spine: Spine, person: Person, *, rng: np.random.Generator) -> list[Organ]:
    """Liver, spleen, stomach, bladder, kidneys and bowel."""
    s, c, k = person.scale, spine.centres_mm, person.contrast_hu
    _, renal, urine = PHASES[person.phase]

    def organ(name: str, *, at: Vector, radii: Point, hu: float, texture_hu: float = 4.0) -> Organ:
        return Organ(name=name, solid=Ellipsoid(at, np.array(radii) * s), hu=hu, texture_hu=texture_hu)

    def place(level: str, *offset: float) -> Vector:
        return np.asarray(c[level] + np.array(offset) * s)

    organs = [
        organ("liver", at=place("T11", -72, -42, 0), radii=(76, 78, 78), hu=55 + 0.45 * k, texture_hu=5),
        organ("spleen", at=place("T12", 100, 10, 0), radii=(28, 40, 52), hu=48 + 0.55 * k),
        organ("stomach", at=place("T12", 52, -62, 0), radii=(42, 36, 48), hu=float(rng.uniform(5, 40))),
        organ("gas", at=place("T12", 52, -84, 8), radii=(26, 12, 26), hu=GAS),
        organ("bladder", at=np.array([0, -48, -112]) * s, radii=(38, 32, 32), hu=6 + 0.8 * urine * k),
    ]
    for side in (-1, 1):
        kidney = c["L2"] + mirrored(np.array([62, 22, 14 - 6 * side]) * s, side)
        hilum = kidney + np.array([-side * 9, -3, 0])
        organs.append(organ("kidney", at=kidney, radii=(27, 29, 55), hu=32 + renal * k))
        organs.append(organ("pelvis of kidney", at=hilum, radii=(12, 12, 30), hu=20 + (0.3 + urine) * k))
    return organs + _bowel(spine, person, rng=rng)


def _bowel(spine: Spine, person: Person, *, rng: np.random.Generator) -> list[Organ]:
    """Loops filled with gas, faeces, fluid or, in a quarter of patients, oral contrast agent."""
    s, c = person.scale, spine.centres_mm
    organs = []
    oral, dense = rng.random() < 0.25, float(rng.uniform(150, 900))
    for _ in range(int(rng.integers(70, 120))):
        spot = np.array([rng.uniform(-112, 112), rng.uniform(-95, -28), rng.uniform(-70, 0)]) * s
        spot[2] += rng.uniform(0, 1) * float(c["L1"][2] + 40)
        spot[1] += float(np.interp(spot[2], [0, c["L2"][2]], [10, c["L2"][1]]))
        radii = rng.uniform(9, 22, 3) * s
        wall = float(rng.uniform(20, 60) + 0.2 * person.contrast_hu)
        organs.append(Organ(name="bowel", solid=Ellipsoid(spot, radii), hu=wall))
        fill = rng.choice([GAS, -250.0, 15.0, dense if oral else 20.0], p=[0.3, 0.15, 0.35, 0.2])
        texture = 120.0 if fill == -250.0 else 5.0
        organs.append(Organ(name="gas", solid=Ellipsoid(spot, radii * 0.7), hu=float(fill), texture_hu=texture))
    return organs


def muscles(spine: Spine, person: Person, *, rng: np.random.Generator) -> list[Organ]:
    """Back, psoas, iliac, gluteal and thigh muscles, in a bed of fat."""
    s, c = person.scale, spine.centres_mm
    hu = 52 + 0.1 * person.contrast_hu + rng.normal(0, 3)
    texture = 8 + 30 * person.muscle_fat

    def tube(points: Vector, radii: Vector, *, squash: Point = (1, 1, 1)) -> list[Organ]:
        limbs = chain(points, radii * s, squash=squash)
        return [Organ(name="muscle", solid=limb, hu=hu, texture_hu=texture) for limb in limbs]

    def ball(centre: Vector, radii: Point) -> Organ:
        return Organ(name="muscle", solid=Ellipsoid(centre, np.array(radii) * s), hu=hu, texture_hu=texture)

    organs: list[Organ] = []
    back = ("L5", "L3", "L1", "T10", "T7", "T4", "T1", "C5", "C2")
    for side in (-1, 1):

        def at(*p: float, side: int = side) -> Vector:
            return mirrored(np.array(p) * s, side)

        column = np.array([c[n] + at(28, 46, 0.0) for n in back])
        column[-3:] += np.array([-side * 8, -14, 0.0]) * s
        sacral = np.vstack([at(28, 72, -60.0), column])
        organs += tube(sacral, np.array([10, 21, 24, 23, 19, 17, 17, 16, 15, 13]), squash=(1.25, 1, 1))
        spinal = c["T12"] + at(24, 4, 0.0), c["L3"] + at(40, -2, 0.0)
        psoas = np.array([*spinal, at(48, -14, 5.0), at(84, -62, -80.0), at(100, -20, -160.0)])
        organs += tube(psoas, np.array([8, 21, 22, 17, 11]))
        organs.append(ball(at(80, -14, -22), (24, 44, 46)))
        organs.append(ball(at(88, 52, -70), (62, 42, 80)))
        thigh = np.array([at(105, -10, -130), at(104, -6, -250), at(95, -4, -420.0)])
        organs += tube(thigh, np.array([62, 66, 58]))
    return organs


def chest(spine: Spine, person: Person, *, rng: np.random.Generator) -> list[Organ]:
    """Mediastinum, heart, arch, gullet and windpipe; drawn after the lungs, into which it paints vessels."""
    s, c, k = person.scale, spine.centres_mm, person.contrast_hu

    def organ(name: str, *, at: Vector, radii: Point, hu: float) -> Organ:
        return Organ(name=name, solid=Ellipsoid(at, np.array(radii) * s), hu=hu)

    heart = c["T8"] + np.array([22, -68, 0]) * s
    between = Ellipsoid(c["T6"] + np.array([0, -50, 0]) * s, np.array([34, 52, 110.0]) * s)
    gullet = Limb(c["T10"] + np.array([6, -28, 0]), c["T2"] + np.array([2, -20, 0]), 7, 6)
    trachea = np.array([c[n] + np.array([0, -26.0, 0]) * s for n in ("T4", "T2", "C7", "C5")])
    return [
        Organ(name="mediastinum", solid=between, hu=FAT + 60, texture_hu=30, wobble_mm=5),
        organ("heart", at=heart, radii=(54, 42, 52), hu=42 + 0.5 * k),
        organ("chamber", at=heart + np.array([8, 4, 2]), radii=(28, 22, 26), hu=BLOOD + 0.8 * k),
        organ("arch", at=c["T4"] + np.array([8, -52, 0]) * s, radii=(16, 34, 14), hu=BLOOD + k),
        Organ(name="gullet", solid=gullet, hu=35),
        *(Organ(name="gas", solid=limb, hu=GAS, wobble_mm=0.6) for limb in chain(trachea, np.full(4, 8.5 * s))),
        *_lung_vessels(spine, person, rng=rng),
    ]


def _lung_vessels(spine: Spine, person: Person, *, rng: np.random.Generator) -> list[Organ]:
    """Short pieces of vessels, scattered through the lungs."""
    s, organs = person.scale, []
    for number in range(int(rng.integers(40, 70))):
        offset = [rng.choice([-1, 1]) * rng.uniform(35, 110), rng.uniform(-70, 25), rng.uniform(-90, 80)]
        spot = spine.centres_mm["T7"] + np.array(offset) * s
        solid = Ellipsoid(spot, np.array([1.5, 1.5, 4.0]) * rng.uniform(0.6, 1.6))
        name, hu = "vessel" if number % 2 else "airway", BLOOD + person.contrast_hu * 0.8
        organs.append(Organ(name=name, solid=solid, hu=hu, wobble_mm=0.5, only_in="lung"))
    return organs


def head(spine: Spine, person: Person) -> list[Organ]:
    """Brain inside the vault, air in the maxillary sinuses and the throat."""
    s = person.scale
    middle = spine.centres_mm["C1"] + np.array([0, -22.0, 88.0]) * s

    def organ(name: str, offset: Point, radii: Point, *, hu: float) -> Organ:
        solid = Ellipsoid(middle + np.array(offset) * s, np.array(radii) * s)
        return Organ(name=name, solid=solid, hu=hu)

    return [
        organ("brain", (0, 0, 0), (68, 87, 73), hu=36),
        *(organ("gas", (side * 26, -72, -62), (16, 19, 19), hu=GAS) for side in (-1, 1)),
        organ("gas", (0, -50, -100), (12, 14, 40), hu=GAS),
    ]


def discs_and_canal(spine: Spine, person: Person, *, rng: np.random.Generator) -> list[Organ]:
    """Discs, some with gas; fluid and cord in the canal."""
    organs = [Organ(name="disc", solid=disc, hu=float(rng.normal(82, 8)), wobble_mm=0.8) for disc in spine.discs]
    for disc in spine.discs[:8]:
        if rng.random() < 0.2 * person.degeneration:
            centre = np.mean(disc.bounds(), axis=0)
            organs.append(Organ(name="gas", solid=Ellipsoid(centre, np.array([9, 7, 1.2])), hu=-500, wobble_mm=0.4))
    path, radius = spine.canal_mm, spine.canal_radius_mm
    fluid = chain(path, radius * 0.92, squash=(1.15, 1, 1))
    organs += [Organ(name="canal", solid=limb, hu=10, wobble_mm=0.5) for limb in fluid]
    conus = 5  # the cord ends at T12 to L1
    cord = chain(path[conus:], np.full(len(path) - conus, 3.8), squash=(1.3, 1, 1))
    organs += [Organ(name="cord", solid=limb, hu=36, wobble_mm=0.4) for limb in cord]
    return organs


def rib_cartilage(spine: Spine, person: Person, *, rng: np.random.Generator) -> list[Organ]:
    """Cartilage from ribs 2 to 10 towards the breastbone, calcified in part with age."""
    organs = []
    for rib in range(2, 11):
        for side in (-1, 1):
            end = rib_path(spine, rib, side=side, scale=person.scale)[-1]
            target = end + mirrored(np.array([-0.55 * abs(end[0]), -10, 25.0]), side)
            bar = Limb(end, target, 5.5, 5.0, (1, 1, 1.4))
            organs.append(Organ(name="cartilage", solid=bar, hu=float(rng.normal(95, 10)), wobble_mm=0.8))
            if rng.random() < 0.4 * max(0.0, (person.age_years - 40) / 50):
                core, hu = Limb(end, (end + target) / 2, 3.5, 2.0), float(rng.uniform(250, 500))
                organs.append(Organ(name="calcified cartilage", solid=core, hu=hu, texture_hu=120, wobble_mm=1.5))
    return organs


def soft_tissue(spine: Spine, person: Person, *, rng: np.random.Generator) -> tuple[Organ, ...]:
    """All organs in painting order; later ones cover earlier ones."""
    return (
        *muscles(spine, person, rng=rng),
        *lungs(spine, person),
        *abdomen(spine, person, rng=rng),
        *chest(spine, person, rng=rng),
        *vessels(spine, person, rng=rng),
        *head(spine, person),
        *discs_and_canal(spine, person, rng=rng),
        *rib_cartilage(spine, person, rng=rng),
    )
