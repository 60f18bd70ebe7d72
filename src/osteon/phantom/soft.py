"""Soft tissue: the body's outline, cavities, organs, vessels, muscles and gas, painted in order under the bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from osteon.phantom.person import Person
from osteon.phantom.shapes import Array, Ellipsoid, Limb, Solid, Vector, chain, mirrored
from osteon.phantom.skeleton import THORAX_HALF_DEPTH_MM, THORAX_HALF_WIDTH_MM, rib_path, thorax_centre
from osteon.phantom.spine import Spine

AIR, GAS, LUNG, FAT, BLOOD = -1000.0, -990.0, -860.0, -100.0, 45.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Organ:
    """A solid filled with one attenuation, with texture of ``texture_hu`` and an edge wobble of ``wobble_mm``."""

    name: str
    solid: Solid
    hu: float
    texture_hu: float = 4.0
    wobble_mm: float = 2.5
    only_in: str = "body"


@dataclass(frozen=True, slots=True)
class Outline:
    """The skin: a superellipse at each height, with interpolated centre and half axes.

    ``half_mm(z)`` gives (half width, half depth, centre y) of the muscle wall; the skin lies a fat layer outside.
    """

    width: PchipInterpolator
    depth: PchipInterpolator
    centre_y: PchipInterpolator
    fat: PchipInterpolator
    low_mm: float
    high_mm: float
    slant: float = 0.0
    crotch_mm: float = -215.0
    thigh_mm: tuple[float, float] = (98.0, 76.0)

    def distances(self, x: Array, y: Array, zs: Array) -> tuple[Array, Array]:
        """Signed distances to the skin and to the muscle wall, (z, y, x) mm, for 2-D ``x``, ``y`` and 1-D ``zs``."""
        z = np.clip(zs.ravel(), self.low_mm, self.high_mm)
        a, b, c, f = (
            fun(z).astype(np.float32)[:, None, None] for fun in (self.width, self.depth, self.centre_y, self.fat)
        )
        dx = x - np.float32(self.slant) * zs.ravel().astype(np.float32)[:, None, None]
        dy = y - c
        rho = np.sqrt(dx**2 + dy**2)
        legs = np.sqrt((np.abs(dx) - np.float32(self.thigh_mm[0])) ** 2 + (dy - 4) ** 2) - np.float32(self.thigh_mm[1])
        below = (z < self.crotch_mm)[:, None, None]
        result = []
        for extra in (f, np.float32(0)):
            back_fat = np.where(dy > 0, extra * np.float32(0.8), extra)
            r = (np.abs(dx) / (a + extra)) ** 2.4 + (np.abs(dy) / (b + back_fat)) ** 2.4
            r = (r + np.float32(1e-9)) ** np.float32(1 / 2.4)
            deep = np.minimum(a, b) + extra
            d = np.where(r > 0.05, rho * (1 - 1 / np.maximum(r, np.float32(0.05))), -deep)
            result.append(np.where(below, legs - extra * np.float32(0.7), d).astype(np.float32))
        return result[0], result[1]


def build_outline(spine: Spine, person: Person) -> Outline:
    """Head, neck, chest, waist, hips: knots at bony landmarks."""
    s, c = person.scale, spine.centres_mm
    knots = [
        (-500.0, 135, 78, -12, 0.7),
        (-230.0, 158, 92, -8, 1.0),
        (-110.0, 166, 100, 2, 1.3),
        (-20.0, 152, 98, -12, 1.2),
        (float(c["L3"][2]), 142, 96, float(c["L3"][1]) - 22, 1.0),
        (float(c["T12"][2]), 148, 108, float(c["T12"][1]) - 26, 0.8),
        (float(c["T8"][2]), 158, 116, float(c["T8"][1]) - 26, 0.7),
        (float(c["T4"][2]), 172, 104, float(c["T4"][1]) - 20, 0.7),
        (float(c["T2"][2]), 178, 88, float(c["T2"][1]) - 12, 0.6),
        (float(c["C7"][2]) + 10, 96, 68, float(c["C7"][1]) - 5, 0.4),
        (float(c["C5"][2]), 62, 70, float(c["C5"][1]) - 10, 0.25),
        (float(c["C3"][2]), 66, 92, float(c["C3"][1]) - 34, 0.2),
        (float(c["C1"][2]), 72, 102, float(c["C1"][1]) - 34, 0.15),
        (float(c["C1"][2]) + 80 * s, 80, 100, float(c["C1"][1]) - 22, 0.12),
        (float(c["C1"][2]) + 175 * s, 25, 30, float(c["C1"][1]) - 22, 0.1),
    ]
    z, width, depth, centre, fat = (np.array(column) for column in zip(*knots, strict=True))
    return Outline(
        PchipInterpolator(z, width * s), PchipInterpolator(z, depth * s), PchipInterpolator(z, centre),
        PchipInterpolator(z, fat * person.fat_mm), float(z[0]), float(z[-1]),
        slant=float(np.sin(np.deg2rad(person.roll_deg))), crotch_mm=-215.0 * s, thigh_mm=(98.0 * s, 76.0 * s),
    )  # fmt: skip


def lungs(spine: Spine, person: Person) -> list[Organ]:
    """Two lungs as upright half ellipses inside the ribs, with a dome below and the mediastinum between."""
    s, organs = person.scale, []
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


def vessels(spine: Spine, person: Person, rng: np.random.Generator) -> list[Organ]:
    """Aorta, cava, iliac vessels and, with age, calcified aortic walls."""
    s, c, organs = person.scale, spine.centres_mm, []
    blood = BLOOD + person.contrast_hu + rng.normal(0, 4)
    venous = BLOOD + 0.6 * person.contrast_hu
    shift = float(rng.normal(12, 4))
    names = ("L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9", "T8", "T7", "T6", "T5", "T4")
    aorta = np.array([c[n] + np.array([shift + (i > 5) * 6, -32.0, 0]) * s for i, n in enumerate(names)])
    radius = float(np.clip(rng.normal(10.5, 1.5), 8, 16)) * s
    organs += [Organ(name="aorta", solid=limb, hu=blood) for limb in chain(aorta, np.linspace(radius, radius + 2, 13))]
    cava = np.array([c[n] + np.array([-20, -30.0, 0]) * s for n in names[:6]])
    organs += [Organ(name="cava", solid=limb, hu=venous) for limb in chain(cava, np.full(6, 10.5 * s))]
    for side in (-1, 1):
        fork = np.array([aorta[0], mirrored(np.array([38, -32, -25]) * s, side), mirrored(np.array([62, -58, -75]) * s, side),
                         mirrored(np.array([72, -75, -120]) * s, side)])  # fmt: skip
        organs += [Organ(name="iliac", solid=limb, hu=blood) for limb in chain(fork, np.array([7, 6, 5.5, 5]) * s)]
    for _ in range(rng.poisson(max(0.0, (person.age_years - 50) / 2.2))):
        k = int(rng.integers(0, len(aorta)))
        angle = rng.uniform(0, 2 * np.pi)
        spot = aorta[k] + np.array([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(-14, 14)])
        size = rng.uniform(0.8, 2.6, 3) * np.array([1, 1, 1.8])
        organs.append(
            Organ(name="plaque", solid=Ellipsoid(spot, size), hu=float(rng.uniform(500, 1100)), wobble_mm=0.3)
        )
    return organs


def abdomen(spine: Spine, person: Person, rng: np.random.Generator) -> list[Organ]:
    """Liver, spleen, stomach, kidneys, bowel with gas, faeces or oral contrast agent, bladder."""
    s, c, k = person.scale, spine.centres_mm, person.contrast_hu
    organs = [
        Organ(name="liver", solid=Ellipsoid(c["T11"] + np.array([-72, -42, 0]) * s, np.array([76, 78, 78.0]) * s),
              hu=55 + 0.45 * k, texture_hu=5),
        Organ(name="spleen", solid=Ellipsoid(c["T12"] + np.array([100, 10, 0]) * s, np.array([28, 40, 52.0]) * s),
              hu=48 + 0.55 * k),
        Organ(name="stomach", solid=Ellipsoid(c["T12"] + np.array([52, -62, 0]) * s, np.array([42, 36, 48.0]) * s),
              hu=float(rng.uniform(5, 40))),
        Organ(name="gas", solid=Ellipsoid(c["T12"] + np.array([52, -84, 8]) * s, np.array([26, 12, 26.0]) * s), hu=GAS),
        Organ(name="bladder", solid=Ellipsoid(np.array([0, -48, -112]) * s, np.array([38, 32, 32.0]) * s), hu=6),
    ]  # fmt: skip
    for side in (-1, 1):
        kidney = c["L2"] + mirrored(np.array([62, 22, 14 - 6 * side]) * s, side)
        organs.append(Organ(name="kidney", solid=Ellipsoid(kidney, np.array([27, 29, 55.0]) * s), hu=32 + 0.95 * k))
        organs.append(Organ(name="pelvis of kidney", solid=Ellipsoid(kidney + np.array([-side * 9, -3, 0]),
                            np.array([12, 12, 30.0]) * s), hu=20 + 0.3 * k))  # fmt: skip
    oral = rng.random() < 0.25
    for _ in range(int(rng.integers(70, 120))):
        spot = np.array([rng.uniform(-112, 112), rng.uniform(-95, -28), rng.uniform(-70, 0)]) * s
        spot[2] += rng.uniform(0, 1) * float(c["L1"][2] + 40)
        spot[1] += float(np.interp(spot[2], [0, c["L2"][2]], [10, c["L2"][1]]))
        radii = rng.uniform(9, 22, 3) * s
        organs.append(Organ(name="bowel", solid=Ellipsoid(spot, radii), hu=float(rng.uniform(20, 60) + 0.2 * k)))
        fill = rng.choice([GAS, -250.0, 15.0, 300.0 if oral else 20.0], p=[0.3, 0.15, 0.35, 0.2])
        texture = 120.0 if fill == -250.0 else 5.0
        organs.append(Organ(name="gas", solid=Ellipsoid(spot, radii * 0.7), hu=float(fill), texture_hu=texture))
    return organs


def muscles(spine: Spine, person: Person, rng: np.random.Generator) -> list[Organ]:
    """Back, psoas, iliac, gluteal and thigh muscles, in a bed of fat."""
    s, c = person.scale, spine.centres_mm
    hu = 52 + 0.1 * person.contrast_hu + rng.normal(0, 3)
    texture = 8 + 30 * person.muscle_fat

    def muscle(points: Vector, radii: Vector, squash: tuple[float, float, float] = (1, 1, 1)) -> list[Organ]:
        return [
            Organ(name="muscle", solid=limb, hu=hu, texture_hu=texture) for limb in chain(points, radii * s, squash)
        ]

    organs: list[Organ] = []
    back = ("L5", "L3", "L1", "T10", "T7", "T4", "T1", "C5", "C2")
    for side in (-1, 1):
        column = np.array([c[n] + mirrored(np.array([28, 46, 0.0]) * s, side) for n in back])
        column[-3:] += np.array([-side * 8, -14, 0.0]) * s
        sacral = np.vstack([mirrored(np.array([28, 72, -60.0]) * s, side), column])
        organs += muscle(sacral, np.array([10, 21, 24, 23, 19, 17, 17, 16, 15, 13]), (1.25, 1, 1))
        psoas = np.array([c["T12"] + mirrored(np.array([24, 4, 0.0]) * s, side),
                          c["L3"] + mirrored(np.array([40, -2, 0.0]) * s, side), mirrored(np.array([48, -14, 5.0]) * s, side),
                          mirrored(np.array([84, -62, -80.0]) * s, side), mirrored(np.array([100, -20, -160.0]) * s, side)])  # fmt: skip
        organs += muscle(psoas, np.array([8, 21, 22, 17, 11]))
        organs.append(Organ(name="muscle", solid=Ellipsoid(mirrored(np.array([80, -14, -22]) * s, side),
                            np.array([24, 44, 46.0]) * s), hu=hu, texture_hu=texture))  # fmt: skip
        organs.append(Organ(name="muscle", solid=Ellipsoid(mirrored(np.array([88, 52, -70]) * s, side),
                            np.array([62, 42, 80.0]) * s), hu=hu, texture_hu=texture))  # fmt: skip
        thigh = np.array(
            [mirrored(p, side) for p in np.array([[105, -10, -130], [104, -6, -250], [95, -4, -420.0]]) * s]
        )
        organs += muscle(thigh, np.array([62, 66, 58]))
    return organs


def chest(spine: Spine, person: Person, rng: np.random.Generator) -> list[Organ]:
    """Heart, arch, windpipe and gullet; drawn after the lungs."""
    s, c, k = person.scale, spine.centres_mm, person.contrast_hu
    heart = c["T8"] + np.array([22, -68, 0]) * s
    trachea = np.array([c[n] + np.array([0, -26.0, 0]) * s for n in ("T4", "T2", "C7", "C5")])
    organs = [
        Organ(name="mediastinum", solid=Ellipsoid(c["T6"] + np.array([0, -50, 0]) * s, np.array([34, 52, 110.0]) * s), hu=FAT + 60,
              texture_hu=30, wobble_mm=5),
        Organ(name="heart", solid=Ellipsoid(heart, np.array([54, 42, 52.0]) * s), hu=42 + 0.5 * k),
        Organ(name="chamber", solid=Ellipsoid(heart + np.array([8, 4, 2]), np.array([28, 22, 26.0]) * s), hu=BLOOD + 0.8 * k),
        Organ(name="arch", solid=Ellipsoid(c["T4"] + np.array([8, -52, 0]) * s, np.array([16, 34, 14.0]) * s), hu=BLOOD + k),
        Organ(name="gullet", solid=Limb(c["T10"] + np.array([6, -28, 0]), c["T2"] + np.array([2, -20, 0]), 7, 6), hu=35),
        *(Organ(name="gas", solid=limb, hu=GAS, wobble_mm=0.6) for limb in chain(trachea, np.full(4, 8.5 * s))),
    ]  # fmt: skip
    for rib_no in range(int(rng.integers(40, 70))):  # lung vessels
        lung = (
            c["T7"]
            + np.array([rng.choice([-1, 1]) * rng.uniform(35, 110), rng.uniform(-70, 25), rng.uniform(-90, 80)]) * s
        )
        size = np.array([1.5, 1.5, 4.0]) * rng.uniform(0.6, 1.6)
        organs.append(Organ(name="vessel" if rib_no % 2 else "airway", solid=Ellipsoid(lung, size), hu=BLOOD + k * 0.8,
                            wobble_mm=0.5, only_in="lung"))  # fmt: skip
    return organs


def head_and_arms(spine: Spine, person: Person) -> list[Organ]:
    """Brain inside the vault, air in the sinuses; arms with muscle where they lie beside the head."""
    s = person.scale
    middle = spine.centres_mm["C1"] + np.array([0, -22.0, 88.0]) * s
    organs = [Organ(name="brain", solid=Ellipsoid(middle, np.array([68, 87, 73.0]) * s), hu=36)]
    organs += [
        Organ(
            name="gas",
            solid=Ellipsoid(middle + np.array([side * 26, -72, -62]) * s, np.array([16, 19, 19.0]) * s),
            hu=GAS,
        )
        for side in (-1, 1)
    ]
    organs.append(
        Organ(name="gas", solid=Ellipsoid(middle + np.array([0, -50, -100]) * s, np.array([12, 14, 40.0]) * s), hu=GAS)
    )
    return organs


def discs_and_canal(spine: Spine, person: Person, rng: np.random.Generator) -> list[Organ]:
    """Discs, some with gas; fat, fluid and cord in the canal; cartilage between the ribs and the breastbone."""
    organs = [Organ(name="disc", solid=disc, hu=float(rng.normal(82, 8)), wobble_mm=0.8) for disc in spine.discs]
    for disc in spine.discs[:8]:
        if rng.random() < 0.2 * person.degeneration:
            centre = np.mean(disc.bounds(), axis=0)
            organs.append(Organ(name="gas", solid=Ellipsoid(centre, np.array([9, 7, 1.2])), hu=-500, wobble_mm=0.4))
    path, radius = spine.canal_mm, spine.canal_radius_mm
    organs += [
        Organ(name="canal", solid=limb, hu=10, wobble_mm=0.5) for limb in chain(path, radius * 0.92, (1.15, 1, 1))
    ]
    cord = 5  # the cord ends at L1
    organs += [
        Organ(name="cord", solid=limb, hu=36, wobble_mm=0.4)
        for limb in chain(path[cord:], np.full(len(path) - cord, 3.8), (1.3, 1, 1))
    ]
    for rib in range(2, 11):
        for side in (-1, 1):
            end = rib_path(spine, rib, side, person.scale)[-1]
            target = end + mirrored(np.array([-0.55 * abs(end[0]), -10, 25.0]), side)
            organs.append(
                Organ(
                    name="cartilage",
                    solid=Limb(end, target, 5.5, 5.0, (1, 1, 1.4)),
                    hu=float(rng.normal(95, 10)),
                    wobble_mm=0.8,
                )
            )
            if rng.random() < 0.4 * max(0.0, (person.age_years - 40) / 50):
                organs.append(Organ(name="calcified cartilage", solid=Limb(end, (end + target) / 2, 3.5, 2.0),
                                    hu=float(rng.uniform(250, 500)), texture_hu=120, wobble_mm=1.5))  # fmt: skip
    return organs


def soft_tissue(spine: Spine, person: Person, rng: np.random.Generator) -> tuple[Organ, ...]:
    """All organs in painting order; later ones cover earlier ones."""
    return (
        *muscles(spine, person, rng),
        *lungs(spine, person),
        *abdomen(spine, person, rng),
        *chest(spine, person, rng),
        *vessels(spine, person, rng),
        *head_and_arms(spine, person),
        *discs_and_canal(spine, person, rng),
    )
