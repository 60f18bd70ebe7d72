"""Metastases of the spine: how many, where, how large, lytic, blastic or mixed, treated or grown out of bone.

Counts and volumes follow the metastasis study (doi 10.3348/kjr.2023.0671): 13.1 +- 21.1 lesions a patient and 59 % of
them up to 1 cm³ in its own centres, 8.75 +- 5.5 and 34 % in the external one (centre b here). Places: posterior body
first, the pedicle never without the body (Algra 1992, AJR 158:1275); body to arch 36 to 10 (doi
10.1371/journal.pone.0170309). Shares of lytic and blastic by primary: lung from the same paper, the others textbook.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.lesions import places, tissues
from osteon.phantom.lesions.extension import into_canal
from osteon.phantom.lesions.forms import Design, depth_mm, draw_design, fit_volume, longest_mm, winding
from osteon.phantom.lesions.inside import core, foci
from osteon.phantom.lesions.shapes import Joined, Kept
from osteon.phantom.lesions.spot import Spot

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.shapes import Solid, Vector, VertebralBody

VOLUME_EDGES_CM3 = (0.12, 0.5, 1.0, 2.0, 30.0)
VOLUME_SHARES = {"a": (0.205, 0.387, 0.271, 0.136), "b": (0.137, 0.200, 0.194, 0.469)}
"""Shares of <= 0.5, 0.5 to 1, 1 to 2 and more than 2 cm³; other centres as a."""
COUNTS = {"a": (13.1, 21.1), "b": (8.75, 5.5)}
"""Mean and SD of lesions a patient over the whole spine."""
MOST = 150
PER_BONE = {"cervical": 0.4, "thoracic": 1.0, "lumbar": 1.2, "sacral": 1.6}
"""Weight of one bone: lumbar about as often as thoracic for each vertebra, few in the neck (symptomatic: thoracic 70,
lumbar 20, cervical 10 %)."""
ARCH_SHARE = 10 / 46
POSTERIOR_SHARE = 0.55
OUT_SHARE = (0.0, 0.01, 0.05, 0.30)
"""Share that grows out of bone, by volume class; a guess."""
TREATED_SHARE = 0.12
"""Share of patients with treated lesions; the study included them without counting."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Primary:
    """One primary tumour.

    Attributes:
        name: where it began.
        share: of patients with spinal metastases: lung 36.5, unknown 16.2, kidney 6.5, breast 6.4, liver 6.3 %
            (n 1196, pmc PMC6904662); prostate and the rest share the remainder.
        lytic, blastic: shares of its lesions; the rest are mixed.
        male: share of men.
    """

    name: str
    share: float
    lytic: float
    blastic: float
    male: float


PRIMARIES = (
    Primary(name="lung", share=0.365, lytic=0.46, blastic=0.38, male=0.62),
    Primary(name="unknown", share=0.162, lytic=0.60, blastic=0.20, male=0.55),
    Primary(name="prostate", share=0.11, lytic=0.05, blastic=0.82, male=1.0),
    Primary(name="breast", share=0.11, lytic=0.40, blastic=0.25, male=0.01),
    Primary(name="kidney", share=0.065, lytic=0.90, blastic=0.03, male=0.65),
    Primary(name="liver", share=0.063, lytic=0.88, blastic=0.04, male=0.78),
    Primary(name="gastrointestinal", share=0.075, lytic=0.55, blastic=0.25, male=0.58),
    Primary(name="thyroid", share=0.03, lytic=0.92, blastic=0.03, male=0.3),
    Primary(name="neuroendocrine", share=0.02, lytic=0.35, blastic=0.45, male=0.5),
)
_BASE = {"lytic": tissues.LYTIC, "blastic": tissues.BLASTIC, "mixed": tissues.MIXED}
_HU_SD = {"lytic": 14.0, "blastic": 176.0, "mixed": 70.0}


def draw_primary(rng: np.random.Generator, *, sex: str) -> Primary:
    """A primary tumour, by its share among patients of this sex."""
    weights = np.array([one.share * (one.male if sex == "M" else 1 - one.male) for one in PRIMARIES])
    return PRIMARIES[int(rng.choice(len(PRIMARIES), p=weights / weights.sum()))]


def draw_volumes_cm3(rng: np.random.Generator, count: int, *, centre: str = "a") -> Vector:
    """Volumes by the study's classes; log-uniform within a class, thinning out above 2 cm³.

    Returns:
        (count,) cm³.
    """
    shares = np.array(VOLUME_SHARES.get(centre, VOLUME_SHARES["a"]))
    classes = rng.choice(4, count, p=shares / shares.sum())
    low, high = np.array(VOLUME_EDGES_CM3)[classes], np.array(VOLUME_EDGES_CM3)[classes + 1]
    place = rng.random(count)
    place = np.where(classes == 3, place**2.0, place)
    return np.asarray(low * (high / low) ** place)


def draw_count(rng: np.random.Generator, *, centre: str = "a", share: float = 1.0) -> int:
    """Lesions of a patient who has any: log-normal with the study's mean and SD, 1 to 150.

    Args:
        rng: randomness.
        centre: "b" is the study's external one.
        share: part of the spine in view; scales the mean.
    """
    mean, sd = COUNTS.get(centre, COUNTS["a"])
    variance = np.log(1 + (sd / mean) ** 2)
    drawn = rng.lognormal(np.log(mean) - variance / 2, np.sqrt(variance)) * share
    return int(np.clip(round(drawn), 1, MOST))


def share_in_view(bones: tuple[Bone, ...]) -> float:
    """Part of a whole spine's lesions that these bones would have, 0 to 1."""
    whole = 7 * PER_BONE["cervical"] + 12 * PER_BONE["thoracic"] + 5 * PER_BONE["lumbar"] + PER_BONE["sacral"]
    return min(1.0, sum(PER_BONE[name] for bone in bones if (name := places.region(bone))) / whole)


def draw_metastases(
    bones: tuple[Bone, ...],
    person: Person,
    *,
    rng: np.random.Generator,
    primary: Primary,
    centre: str = "a",
    contrast: float = 1.0,
) -> list[Spot]:
    """Metastases of one patient; none touches another.

    Args:
        bones: those in view; only spine and sacrum take part.
        person: the patient.
        rng: randomness.
        primary: decides between lytic and blastic.
        centre: "b" has fewer and larger lesions.
        contrast: how much they stand out; 1 is meant to be as hard as the study's, 0.5 halves the change of marrow.
    """
    spine = tuple(bone for bone in bones if places.region(bone) and places.body_of(bone) is not None)
    if not spine:
        return []
    wanted = draw_volumes_cm3(rng, draw_count(rng, centre=centre, share=share_in_view(spine)), centre=centre)
    treated = rng.random() < TREATED_SHARE
    weights = np.array([PER_BONE[str(places.region(bone))] for bone in spine])
    spots: list[Spot] = []
    for volume in np.sort(wanted)[::-1]:  # the largest while there is room
        for _ in range(6 if volume < 2 else 16):
            bone = spine[int(rng.choice(len(spine), p=weights / weights.sum()))]
            spot = draw_metastasis(bone, rng, volume_cm3=float(volume), primary=primary, contrast=contrast)
            if spot is not None and not any(touch(spot, other) for other in spots):
                spots.append(treat(spot, rng) if treated and rng.random() < 0.7 else spot)
                break
    return [enhanced_on_ct(spot, person) for spot in spots]


def touch(a: Spot, b: Spot) -> bool:
    """Whether two lesions of one bone may overlap, by their boxes less a tenth."""
    if a.bone != b.bone:
        return False
    (low_a, high_a), (low_b, high_b) = a.solid.bounds(), b.solid.bounds()
    shared = np.minimum(high_a, high_b) - np.maximum(low_a, low_b)
    return bool((shared > 0.1 * np.minimum(high_a - low_a, high_b - low_b)).all())


def enhanced_on_ct(spot: Spot, person: Person) -> Spot:
    """The lesion a little denser where the patient had a contrast agent."""
    return replace(spot, hu=spot.hu + 0.2 * person.contrast_hu) if person.contrast_hu else spot


def draw_metastasis(
    bone: Bone, rng: np.random.Generator, *, volume_cm3: float, primary: Primary, contrast: float = 1.0
) -> Spot | None:
    """One metastasis of the wanted volume in a bone.

    None where it finds no room for four tenths of it, or would reach a pedicle from the arch.
    """
    body = places.body_of(bone, rng)
    if body is None:
        return None
    wanted = 1000.0 * volume_cm3
    size_class = int(np.searchsorted(VOLUME_EDGES_CM3[1:4], volume_cm3))
    grows_out = bool(rng.random() < OUT_SHARE[size_class])
    placed = _place(bone, body, rng=rng, volume_cm3=volume_cm3, grows_out=grows_out)
    if placed is None:
        return None
    point, design = placed
    nature = str(rng.choice(["lytic", "blastic", "mixed"], p=_nature(primary)))
    solid, volume = _solid(bone, body, point, design=design, rng=rng, wanted_mm3=wanted, grows_out=grows_out)
    if not 0.4 * wanted <= volume <= 1.5 * wanted or _pedicle_alone(bone, body, point, solid):
        return None
    tissue = tissues.varied(_BASE[nature], rng, spread=0.18, hu_sd=_HU_SD[nature])
    spot = Spot(
        kind=f"{nature} metastasis",
        bone=bone.name,
        site=bone.site,
        label=bone.label,
        solid=solid,
        hu=float(max(tissue.hu, 15.0)),
        edge_mm=float(rng.lognormal(np.log(1.2), 0.6)),
        strength=float(np.clip(rng.beta(8, 1.6) * contrast, 0.1, 1.0)),
        destroys_cortex=nature != "blastic" and bool(rng.random() < 0.6),
        wobble_mm=0.0,
        diameter_mm=longest_mm(solid),
        tissue=tissue,
        grows_out=grows_out,
    )
    return _filled(spot, nature, rng=rng, volume_mm3=volume)


def _pedicle_alone(bone: Bone, body: VertebralBody, point: Vector, solid: Solid) -> bool:
    """Whether a lesion that began in the arch has reached a pedicle, which is never affected before the body."""
    if bone.site != "vertebra" or places.to_offset(body, point)[1] < places.canal_back_mm(bone, body):
        return False
    return any(depth_mm(solid, places.pedicle_point(bone, body, side=side)) > 0 for side in (-1, 1))


def _nature(primary: Primary) -> list[float]:
    return [primary.lytic, primary.blastic, 1 - primary.lytic - primary.blastic]


def _place(
    bone: Bone, body: VertebralBody, *, rng: np.random.Generator, volume_cm3: float, grows_out: bool
) -> tuple[Vector, Design] | None:
    """Where it began and its form: a lesion of the arch is small and behind the pedicles."""
    design = draw_design(
        rng, lobes=int(rng.integers(1, 5)), stretch=0.3, roughness=float(rng.uniform(0.04, 0.16)), bumps=0.7
    )
    if rng.random() < ARCH_SHARE and volume_cm3 < 2.5 and bone.site == "vertebra":
        point = places.arch_point(bone, body, rng=rng)
        return None if point is None else (point, design)
    if grows_out:
        if rng.random() < 0.7:  # through the back wall or the pedicle, else through the front or side
            return places.to_lps(body, (rng.choice([-1, 1]) * 0.2 * body.width_mm, 0.3 * body.depth_mm, 0.0)), design
        angle = rng.uniform(-2.2, 2.2)
        side = np.array([0.36 * body.width_mm * np.sin(angle), -0.34 * body.depth_mm * np.cos(angle), 0.0])
        return places.to_lps(body, side), design
    posterior = bool(rng.random() < POSTERIOR_SHARE)
    return places.body_point(bone, body, rng=rng, posterior=posterior), design


def _solid(
    bone: Bone,
    body: VertebralBody,
    point: Vector,
    *,
    design: Design,
    rng: np.random.Generator,
    wanted_mm3: float,
    grows_out: bool,
) -> tuple[Solid, float]:
    """The shape of the wanted volume: a mass in bone, infiltration along the trabeculae, or a mass through the wall."""
    if grows_out:
        return fit_volume(lambda radius: into_canal(bone, body, design.at(point, radius), radius_mm=radius), wanted_mm3)
    if rng.random() < 0.15 and wanted_mm3 < 2500:
        path = winding(rng, bone, start=point, radius_mm=1.0, length_mm=9.0)
        spine = np.array([limb.end for limb in path.parts])  # type: ignore[attr-defined]

        def channel(radius: float) -> Solid:
            blobs = (Ellipsoid(point + radius * (spot - point) / 2.2, np.full(3, 0.6 * radius)) for spot in spine)
            return Kept(Joined(tuple(blobs), blend_mm=0.4 * radius), bone)

        return fit_volume(channel, wanted_mm3)
    return fit_volume(lambda radius: Kept(design.at(point, radius), bone), wanted_mm3)


def _filled(spot: Spot, nature: str, *, rng: np.random.Generator, volume_mm3: float) -> Spot:
    """Necrosis in the middle of large lesions, foci of bone in mixed ones."""
    if nature == "mixed":
        bone = tissues.varied(tissues.SCLEROSIS, rng)
        return replace(spot, parts=(foci(spot, bone, rng, share=rng.uniform(0.15, 0.4), step_mm=rng.uniform(1.2, 4)),))
    if nature == "lytic" and volume_mm3 > 1500 and rng.random() < 0.35:
        return replace(spot, parts=(core(spot, tissues.varied(tissues.NECROSIS, rng), share=rng.uniform(0.1, 0.4)),))
    return spot


def treat(spot: Spot, rng: np.random.Generator) -> Spot:
    """The lesion after treatment: sclerotic rim and filling in, or fat round it, and less uptake."""
    base = spot.tissue or tissues.LYTIC
    if rng.random() < 0.5:
        share = float(rng.uniform(0.2, 0.8))
        healed = tissues.mixed((base, tissues.varied(tissues.SCLEROSIS, rng)), (1 - share, share))
        rim = float(rng.uniform(300, 600))
        return replace(spot, tissue=healed, hu=healed.hu, rim_hu=rim, destroys_cortex=False, grows_out=False)
    quiet = replace(base, uptake_per_s=0.4 * base.uptake_per_s)
    halo = tissues.varied(tissues.FAT_MARROW, rng)
    return replace(
        spot, tissue=quiet, pattern="halo", pattern_tissue=halo, pattern_mm=float(rng.uniform(2, 5)), grows_out=False
    )
