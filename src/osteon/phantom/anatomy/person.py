"""Who the phantom patient is: age, sex, size, posture and habits of the skeleton, drawn once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from osteon.phantom.anatomy.levels import VARIANTS

MALE_SHARE = 0.55  # 22 of the 40 patients of the lytic study, doi 10.1007/s00256-022-04160-z
L1_BREAK_YEARS = {"M": 20.0, "F": 42.0}
"""Age at which trabecular bone begins to fall (women: 42 years in 11 246 adults, doi 10.1007/s00330-024-11263-9)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """One synthetic patient.

    Attributes:
        age_years: age.
        sex: "M" or "F".
        scale: body size relative to a 175 cm man.
        fat_mm: thickness of the fat under the skin at the waist.
        trabecular_hu: trabecular bone of L1 at 120 kV, without contrast agent.
        tilt_deg: forward lean (rotation about x) of the S1, L3, T12, T6, T1, C4 and C2 end-plates.
        scoliosis_mm: drives the sideways bend of the spine; its sign gives the side.
        degeneration: 0 none to 1 severe; drives osteophytes, disc heights and gas in discs.
        muscle_fat: 0 lean to 1 replaced by fat.
        arms_up: whether the arms lie beside the head.
        contrast_hu: enhancement of the aorta above unenhanced blood; 0 without contrast agent.
        yaw_deg, roll_deg: how the patient lies: turned about the long axis, leaning sideways.
        grain: SD of trabecular density at the scale of trabeculae, relative to its mean.
        grain_mm: where in the lattice of the grain the patient lies.
        variant: how many vertebrae, a key of ``levels.VARIANTS``.
        sacralised: whether the lowest lumbar vertebra rests on the sacrum with broad transverse processes.
        cobb_deg: angle of a scoliosis, its sign the side; ``apex``, its place in ``spine.LEVELS``, and
            ``curve_levels``, half as many levels as it spans.
        apex, curve_levels: see ``cobb_deg``.
        slip_index, slip_mm: which vertebra from the lowest has slipped, and how far forwards.
        bridging: chance that a spur bridges a disc.
        phase: time after the contrast agent, a key of ``soft.PHASES``.
        fatty_patches: how much less trabecular bone there is in patches of fatty marrow, 0 to 1.
    """

    age_years: float
    sex: str
    scale: float
    fat_mm: float
    trabecular_hu: float
    tilt_deg: tuple[float, ...]
    scoliosis_mm: float
    degeneration: float
    muscle_fat: float
    arms_up: bool
    contrast_hu: float
    yaw_deg: float
    roll_deg: float
    grain: float = 0.35
    grain_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fatty_patches: float = 0.3
    phase: str = "portal"
    variant: str = ""
    sacralised: bool = False
    cobb_deg: float = 0.0
    apex: float = 2.0
    curve_levels: float = 3.0
    slip_index: int = 1
    slip_mm: float = 0.0
    bridging: float = 0.0


def expected_trabecular_hu(age_years: float, sex: str) -> float:
    """Mean trabecular attenuation of L1 at 120 kV, HU.

    A straight fall for men and one that starts later and is steeper for women. Anchored at means of 20 374 adults:
    226 HU under 30 years, 89 HU at 90 and more, women above men until menopause (doi 10.1148/radiol.2019181648).

    Args:
        age_years: age.
        sex: "M" or "F".
    """
    start = L1_BREAK_YEARS[sex]
    top, bottom = (238.0, 89.0) if sex == "F" else (230.0, 89.0)
    share = np.clip((age_years - start) / (90.0 - start), 0, 1.1)
    return float(top + (bottom - top) * share)


def draw_person(
    rng: np.random.Generator, *, age_years: float | None = None, sex: str | None = None, variants: bool = False
) -> Person:
    """Draw one adult, of a given age and sex if wanted.

    Ages as in the lytic study (median 67, IQR 11, range 35 to 90; doi 10.1007/s00256-022-04160-z) unless given, but for
    a fifth that are spread evenly. L1 attenuation has an SD of 38 HU (doi 10.1148/radiol.2019181648). Other spreads are
    guesses where no source is named.

    Args:
        rng: randomness.
        age_years: age; None to draw it.
        sex: "M" or "F"; None to draw it.
        variants: whether columns may have one vertebra more or fewer.
    """
    age = float(np.clip(rng.normal(67, 8.2), 35, 90)) if age_years is None else age_years
    if age_years is None and rng.random() < 0.2:
        age = float(rng.uniform(35, 90))
    drawn = "M" if rng.random() < MALE_SHARE else "F"
    sex = drawn if sex is None else sex
    old = np.clip((age - 40) / 50, 0, 1)
    hu = float(max(15.0, rng.normal(expected_trabecular_hu(age, sex), 38)))
    phase = str(rng.choice(["arterial", "portal", "late"], p=[0.25, 0.6, 0.15]))
    return Person(
        age_years=round(age, 1),
        sex=sex,
        scale=float(np.clip(rng.normal(1.0 if sex == "M" else 0.92, 0.035), 0.82, 1.12)),
        fat_mm=float(np.clip(rng.lognormal(np.log(20), 0.45), 6, 60)),
        trabecular_hu=hu,
        tilt_deg=_curves(rng, old=float(old)),
        scoliosis_mm=float(rng.normal(0, 3)),
        degeneration=float(np.clip(rng.beta(1.5 + 3 * old, 3.0 - 1.5 * old), 0, 1)),
        muscle_fat=float(np.clip(rng.beta(1.2 + 2 * old, 4), 0, 1)),
        arms_up=bool(rng.random() < 0.75),
        contrast_hu=float(rng.uniform(70, 330 if phase == "arterial" else 190)) if rng.random() < 0.3 else 0.0,
        phase=phase,
        **_spinal_findings(rng, age_years=age, variants=variants),
        yaw_deg=float(rng.normal(0, 2.5)),
        roll_deg=float(rng.normal(0, 2.0)),
        grain=float(np.clip(rng.lognormal(np.log(np.interp(hu, [80, 250], [0.32, 0.12])), 0.35), 0.05, 0.7)),
        grain_mm=(float(rng.uniform(0, 64)), float(rng.uniform(0, 64)), float(rng.uniform(0, 64))),
        fatty_patches=float(np.clip(rng.normal(0.3 + 0.3 * old, 0.2), 0, 0.9)),
    )


def _curves(rng: np.random.Generator, *, old: float) -> tuple[float, ...]:
    """Lean of the end-plates (``Person.tilt_deg``), lying on the back.

    Lordosis from T12 to S1 of 36.8 +- 13.2 degrees (PMC6680033), the steeper the sacrum the more of it; two thirds of
    it below L3.
    """
    slope = float(np.clip(rng.normal(36, 8), 14, 60))
    lordosis = float(np.clip(36.8 + 1.1 * (slope - 36) + rng.normal(0, 9), 6, 75))
    top = slope - lordosis
    middle = slope - 0.7 * lordosis + rng.normal(0, 3)
    t6 = rng.normal(6 + 3 * old, 3) + 0.5 * top
    means = ((22 + 8 * old, 5), (8, 6), (2, 5))
    return (slope, float(middle), top, float(t6), *(float(rng.normal(mean, sd)) for mean, sd in means))


def _spinal_findings(rng: np.random.Generator, *, age_years: float, variants: bool) -> dict[str, Any]:
    """Variants, scoliosis, slips and bridges.

    A Cobb angle of 11 degrees or more in 3 % at 40 to 50 % at 90 years, four fifths of them mild (PubMed 20881515);
    slips in 3 to 14 % from 20 to 50 years and more later (PMC4975884); lumbosacral transition in 5 to 8 %
    (synapse.koreamed.org/articles/1158507).
    """
    name = str(rng.choice(list(VARIANTS), p=list(VARIANTS.values())))
    crooked = rng.random() < np.interp(age_years, [40, 55, 70, 90], [0.03, 0.07, 0.17, 0.5])
    cobb = min(11 + rng.exponential(6.5), 48) if crooked else abs(rng.normal(0, 3))
    slipped = rng.random() < np.interp(age_years, [35, 60, 85], [0.05, 0.12, 0.2])
    bridging = rng.random()
    dish = bridging < np.interp(age_years, [40, 80], [0.01, 0.12])
    return {
        "variant": name if variants else "",
        "sacralised": bool(rng.random() < (0.06 if variants else 0.0)),
        "cobb_deg": float(cobb * rng.choice([-1, 1])),
        "apex": float(rng.choice([2.0, 5.0, 9.0], p=[0.45, 0.25, 0.3]) + rng.normal(0, 0.6)),
        "curve_levels": float(rng.uniform(2.2, 3.6)),
        "slip_index": int(rng.choice([0, 1, 2], p=[0.35, 0.5, 0.15])),
        "slip_mm": float(rng.uniform(2.5, 9.0) * rng.choice([1, -0.5], p=[0.8, 0.2])) if slipped else 0.0,
        "bridging": 0.6 if dish else float(0.04 * np.clip((age_years - 50) / 30, 0, 1)),
    }
