"""The disease of one phantom patient: first who has what, then the lesions and mimics in that patient's bones.

A diagnosis comes before the body, since age and sex depend on it. ``DIFFICULTY`` is the one setting of each system: 0
for textbook lesions, 1 for lesions no different from what they are mistaken for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from osteon.cohort.healthy import LABEL
from osteon.errors import UsageError
from osteon.phantom.lesions import differential, metastasis, places, primary
from osteon.phantom.lesions.mimics import draw_spine_mimics
from osteon.phantom.lesions.pitfalls import draw_radiation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.lesions.histology import Histology
    from osteon.phantom.lesions.metastasis import Primary
    from osteon.phantom.lesions.spot import Spot

SYSTEMS = ("metastasis", "tumor", "differential")
DIFFICULTY = {"metastasis": 0.25, "tumor": 0.3, "differential": 0.0}
"""Metastasis: how much of the change of marrow is taken away. Tumor: share of tumours that look like another type.
Differential: how far the shares of the signs are moved together."""
HEALTHY_SHARE = {"metastasis": 0.1, "tumor": 0.0, "differential": 0.0}
"""Patients without the disease, with mimics as everybody has. None where the question is which of two diseases it is:
such a patient has no true answer; ask for them with ``healthy_share`` (``osteon phantom --healthy``)."""
RADIATION_SHARE = 0.08
"""Share of patients with metastases whose spine was irradiated; a guess."""
METASTASIS_AGE = {"a": (63.5, 12.1), "b": (65.9, 11.5), "c": (64.0, 9.7)}
"""Mean and SD of training, external and internal test patients (doi 10.3348/kjr.2023.0671)."""
METASTASIS_MALE = {"a": 126 / 242, "b": 11 / 20, "c": 25 / 60}
_ADULT = (20.0, 95.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """Who has what.

    Attributes:
        system: one of ``SYSTEMS``.
        name: the disease: "metastasis", "myeloma", a type of tumour, or "none".
        age_years, sex: of the patient.
        centre: "a", "b" (the external one) or "c".
        difficulty: 0 to 1.
        primary: of metastases.
        histology: of the tumour study.
    """

    system: str
    name: str
    age_years: float
    sex: str
    centre: str
    difficulty: float
    primary: Primary | None = None
    histology: Histology | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Disease:
    """What a patient's bones show.

    Attributes:
        lesions: in the order of their numbers in the mask, from 1.
        mimics: in no mask.
        labels: of the case, as the system's cohorts have them.
    """

    lesions: tuple[Spot, ...]
    mimics: tuple[Spot, ...]
    labels: dict[str, Any]


def draw_diagnosis(
    system: str,
    rng: np.random.Generator,
    *,
    centre: str = "a",
    difficulty: float | None = None,
    healthy_share: float | None = None,
) -> Diagnosis:
    """Draw who has what.

    Args:
        system: one of ``SYSTEMS``.
        rng: randomness.
        centre: in "b" metastases are fewer and larger, and tumours all primary, as in the studies' test sets.
        difficulty: instead of the system's own in ``DIFFICULTY``.
        healthy_share: instead of the system's own in ``HEALTHY_SHARE``.

    Raises:
        UsageError: another system, or a share outside 0 to 1.
    """
    if system not in SYSTEMS:
        raise UsageError(f"no disease for system {system!r}; expected one of {list(SYSTEMS)}")
    difficulty = DIFFICULTY[system] if difficulty is None else difficulty
    healthy_share = HEALTHY_SHARE[system] if healthy_share is None else healthy_share
    if not (0 <= difficulty <= 1 and 0 <= healthy_share <= 1):
        raise UsageError(f"difficulty {difficulty}, healthy share {healthy_share}: expected numbers from 0 to 1")
    drawn = _DRAW[system](rng, centre, difficulty)
    if rng.random() < healthy_share:
        return Diagnosis(
            system=system, name="none", age_years=drawn.age_years, sex=drawn.sex, centre=centre, difficulty=difficulty
        )
    return drawn


def _sex(rng: np.random.Generator, male: float) -> str:
    return "M" if rng.random() < male else "F"


def _age(rng: np.random.Generator, *, mean: float, sd: float, low: float, high: float) -> float:
    """Normal, drawn again where it leaves the range."""
    while True:
        age = float(rng.normal(mean, sd))
        if low <= age <= high:
            return age


def _metastasis(rng: np.random.Generator, centre: str, difficulty: float) -> Diagnosis:
    mean, sd = METASTASIS_AGE.get(centre, METASTASIS_AGE["a"])
    sex = _sex(rng, METASTASIS_MALE.get(centre, 0.5))
    return Diagnosis(
        system="metastasis",
        name="metastasis",
        age_years=_age(rng, mean=mean, sd=sd, low=_ADULT[0], high=_ADULT[1]),
        sex=sex,
        centre=centre,
        difficulty=difficulty,
        primary=metastasis.draw_primary(rng, sex=sex),
    )


def _tumor(rng: np.random.Generator, centre: str, difficulty: float) -> Diagnosis:
    histology, age = primary.draw_histology(rng, primary_only=centre == "b")
    return Diagnosis(
        system="tumor",
        name=histology.name,
        age_years=age,
        sex=_sex(rng, histology.male),
        centre=centre,
        difficulty=difficulty,
        histology=histology,
    )


def _differential(rng: np.random.Generator, centre: str, difficulty: float) -> Diagnosis:
    name = "myeloma" if rng.random() < differential.MYELOMA_SHARE else "metastasis"
    mean, sd, low, high = differential.AGE[name]
    sex = _sex(rng, differential.MALE[name])
    known = {one.name: one for one in metastasis.PRIMARIES}
    return Diagnosis(
        system="differential",
        name=name,
        age_years=_age(rng, mean=mean, sd=sd, low=low, high=high),
        sex=sex,
        centre=centre,
        difficulty=difficulty,
        primary=known[differential.draw_metastatic_primary(rng, sex=sex)] if name == "metastasis" else None,
    )


_DRAW = {"metastasis": _metastasis, "tumor": _tumor, "differential": _differential}


def draw_disease(diagnosis: Diagnosis, bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> Disease:
    """Draw the lesions and mimics of one patient.

    Args:
        diagnosis: what the patient has.
        bones: posed, those in view.
        person: the patient, of the diagnosis's age and sex.
        rng: randomness.
    """
    lesions = _lesions(diagnosis, bones, person, rng=rng)
    mimics = draw_spine_mimics(bones, person, rng=rng)
    if diagnosis.name == "metastasis" and rng.random() < RADIATION_SHARE:
        mimics = draw_radiation(bones, rng=rng) + mimics
    return Disease(lesions=tuple(lesions), mimics=tuple(mimics), labels=labels_of(diagnosis, lesions, bones))


def _lesions(diagnosis: Diagnosis, bones: tuple[Bone, ...], person: Person, *, rng: np.random.Generator) -> list[Spot]:
    difficulty = diagnosis.difficulty
    if diagnosis.name == "none":
        return []
    if diagnosis.system == "tumor" and diagnosis.histology is not None:
        return primary.draw_tumours(bones, rng=rng, histology=diagnosis.histology, difficulty=difficulty)
    if diagnosis.system == "differential":
        return differential.draw_lytic_disease(bones, person, rng=rng, diagnosis=diagnosis.name, difficulty=difficulty)
    assert diagnosis.primary is not None  # metastases have one
    return metastasis.draw_metastases(
        bones, person, rng=rng, primary=diagnosis.primary, centre=diagnosis.centre, contrast=1 - difficulty
    )


def labels_of(diagnosis: Diagnosis, lesions: Sequence[Spot], bones: tuple[Bone, ...]) -> dict[str, Any]:
    """Labels of the case: a healthy patient has a lesion count of 0 where lesions are counted, else ``healthy``."""
    if diagnosis.system == "metastasis":
        origin = "none" if diagnosis.primary is None else diagnosis.primary.name
        return {"lesions": len(lesions), "primary": origin}
    if diagnosis.name == "none":
        return {LABEL: True}
    if diagnosis.system == "differential":
        origin = "none" if diagnosis.primary is None else diagnosis.primary.name
        return {"diagnosis": diagnosis.name, "primary": origin}
    assert diagnosis.histology is not None  # tumours have one
    labels: dict[str, Any] = {
        "malignant": diagnosis.histology.malignant,
        "histology": diagnosis.name,
        "metastasis": diagnosis.name == "metastasis",
    }
    if lesions:
        labels["location"] = places.region(next(bone for bone in bones if bone.name == lesions[0].bone))
    return labels
