"""Simulated readers of lesions: what they mark, where, how large and how sure.

A reader finds a lesion with a probability that is logistic in the logarithm of its volume, marks mimics and normal
places at rates of its own, and draws boxes and outlines by habit. Whether a mark is made is a normal variate below a
threshold; a part of its variance belongs to the lesion and not to the reader, so that readers miss the same lesions.
The probabilities hold exactly whatever that part is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, special

from osteon.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.geometry import Triple

CERTAIN = 1 - 1e-6
"""No reader is surer than this, nor less sure than its complement."""
RANDOM_SURENESS_SD = 0.5
LEAST_STEEPNESS = 0.02
"""Below this a calibrated reader's half volume would leave what a number can hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionReader:
    """One reader who marks lesions.

    Attributes:
        name: of the reader.
        half_volume_mm3: volume that is found half the time.
        steepness: logits for every doubling of the volume; 0 if size does not matter.
        mimic_rate: probability of marking a mimic.
        appeal: kinds of mimic with what ``mimic_rate`` is multiplied by; 1 for others.
        random_per_case: mean number of marks on normal places.
        jitter_mm: SD of a mark's centre along each axis.
        box_scale: mean side of a box relative to the lesion's diameter; above 1 is generous.
        box_spread: log-SD of the side.
        margin_mm: how far outside (below 0: inside) the true edge an outline runs.
        correlation: share of the variance that is the lesion's (or mimic's), not the reader's.
        levels: steps of the confidence scale.

    Raises:
        UsageError: an impossible value.
    """

    name: str
    half_volume_mm3: float = 500.0
    steepness: float = 1.5
    mimic_rate: float = 0.0
    appeal: tuple[tuple[str, float], ...] = ()
    random_per_case: float = 0.0
    jitter_mm: float = 1.0
    box_scale: float = 1.1
    box_spread: float = 0.12
    margin_mm: float = 0.0
    correlation: float = 0.5
    levels: int = 100

    def __post_init__(self) -> None:
        positive = {"half_volume_mm3": self.half_volume_mm3, "box_scale": self.box_scale, "levels": self.levels}
        wrong = [name for name, value in positive.items() if not value > 0]
        at_least_0 = ("steepness", "mimic_rate", "random_per_case", "jitter_mm", "box_spread", "correlation")
        wrong += [name for name in at_least_0 if not getattr(self, name) >= 0]
        wrong += [name for name in ("mimic_rate", "correlation") if getattr(self, name) > 1]
        if wrong:
            raise UsageError(
                f"reader {self.name}: {', '.join(wrong)} out of range; expected lengths and counts from 0, shares to 1"
            )

    def detection(self, volume_mm3: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of finding lesions of these volumes (n,)."""
        doublings = np.log2(np.maximum(volume_mm3, 1e-3) / self.half_volume_mm3)
        return np.asarray(np.clip(special.expit(self.steepness * doublings), 1 - CERTAIN, CERTAIN))

    def mistaking(self, kinds: Sequence[str]) -> NDArray[np.float64]:
        """Probability of marking mimics of these kinds (n,)."""
        factors = dict(self.appeal)
        rates = np.array([self.mimic_rate * factors.get(kind, 1.0) for kind in kinds], np.float64)
        return np.asarray(np.clip(rates, 0, CERTAIN))


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseTruth:
    """What there is to find in one case (or one series); points LPS (x, y, z) in mm.

    Attributes:
        case: its name.
        number, volume_mm3, diameter_mm: of each lesion, (n,).
        centre_mm: (n, 3).
        mimic_kind, mimic_diameter_mm: of each mimic, (m,).
        mimic_centre_mm: (m, 3).
        normal_mm: (k, 3) places without either, for marks on nothing.
    """

    case: str
    number: NDArray[np.intp]
    volume_mm3: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    centre_mm: NDArray[np.float64]
    mimic_kind: tuple[str, ...] = ()
    mimic_diameter_mm: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    mimic_centre_mm: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    normal_mm: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One mark of one reader.

    Attributes:
        reader, case: names.
        on: "lesion", "mimic" or "normal".
        number: of the lesion, or the place in the list of mimics or normal places (from 0).
        centre_mm: LPS.
        low_mm, high_mm: corners of the box, LPS.
        confidence: above 0, to 1, in steps of the reader's scale.
    """

    reader: str
    case: str
    on: str
    number: int
    centre_mm: Triple
    low_mm: Triple
    high_mm: Triple
    confidence: float


def case_truth(case: str, table: dict[str, Any], *, normal_mm: NDArray[np.float64] | None = None) -> CaseTruth:
    """Take a phantom's ``lesions.json``.

    Args:
        case: its name.
        table: "lesions" and "mimics"; a lesion without volume_mm3 counts as a sphere of its diameter.
        normal_mm: (k, 3) LPS places without either, e.g. from ``markings.normal_places``.

    Raises:
        InputError: an entry lacks number, centre or diameter.
    """
    try:
        lesions, mimics = table["lesions"], table.get("mimics", [])
        diameter = np.array([one["diameter_mm"] for one in lesions], np.float64)
        volume = [one.get("volume_mm3", np.pi / 6 * one["diameter_mm"] ** 3) for one in lesions]
        return CaseTruth(
            case=case,
            number=np.array([one["number"] for one in lesions], np.intp),
            volume_mm3=np.array(volume, np.float64),
            diameter_mm=diameter,
            centre_mm=np.array([one["centre_mm"] for one in lesions], np.float64).reshape(-1, 3),
            mimic_kind=tuple(one["kind"] for one in mimics),
            mimic_diameter_mm=np.array([one["diameter_mm"] for one in mimics], np.float64),
            mimic_centre_mm=np.array([one["centre_mm"] for one in mimics], np.float64).reshape(-1, 3),
            normal_mm=np.zeros((0, 3)) if normal_mm is None else np.asarray(normal_mm, np.float64).reshape(-1, 3),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"case {case}: the lesion table lacks {error}; expected lesions and mimics with number, kind, diameter_mm "
            "and centre_mm, as `osteon phantom` writes them"
        ) from error


def calibrated(
    reader: LesionReader,
    cases: Sequence[CaseTruth],
    *,
    sensitivity: float,
    false_positives: float,
    mimic_share: float = 0.75,
) -> LesionReader:
    """The reader with ``half_volume_mm3``, ``mimic_rate`` and ``random_per_case`` set to reach figures on these cases.

    Args:
        reader: whose other habits stay.
        cases: the cohort.
        sensitivity: mean over all lesions of the cohort.
        false_positives: mean number a case.
        mimic_share: of the false positives on mimics; less where even marking them all gives fewer.

    Raises:
        UsageError: no lesions, or figures that no reader can have.
    """
    volumes = np.concatenate([case.volume_mm3 for case in cases]) if cases else np.zeros(0)
    if not len(volumes) or not 0 < sensitivity < 1 or false_positives < 0 or not 0 <= mimic_share <= 1:
        raise UsageError(
            f"reader {reader.name}: {len(volumes)} lesions, sensitivity {sensitivity}, {false_positives} false "
            "positives a case; expected lesions, a sensitivity between 0 and 1, false positives from 0"
        )
    found = replace(reader, steepness=max(reader.steepness, LEAST_STEEPNESS))

    def gap(log_half: float) -> float:
        return float(replace(found, half_volume_mm3=2.0**log_half).detection(volumes).mean()) - sensitivity

    half = 2.0 ** optimize.brentq(gap, -900.0, 900.0)
    kinds = [kind for case in cases for kind in case.mimic_kind]
    wanted = mimic_share * false_positives * len(cases)
    rate = _mimic_rate(found, kinds, wanted)
    reached = float(replace(found, mimic_rate=rate).mistaking(kinds).sum())
    return replace(
        found,
        half_volume_mm3=half,
        mimic_rate=rate,
        random_per_case=max(0.0, false_positives - reached / len(cases)),
    )


def _mimic_rate(reader: LesionReader, kinds: Sequence[str], wanted: float) -> float:
    """The rate at which ``wanted`` mimics of these kinds are marked on average, 1 if that is not enough."""

    def gap(rate: float) -> float:
        return float(replace(reader, mimic_rate=rate).mistaking(kinds).sum()) - wanted

    if not kinds or wanted <= 0:
        return 0.0
    return 1.0 if gap(1.0) <= 0 else float(optimize.brentq(gap, 0.0, 1.0))


def read_case(case: CaseTruth, readers: Sequence[LesionReader], *, seed: int) -> list[Mark]:
    """Marks of all readers on one case, reader by reader.

    What a reader marks depends on the seed, the case's and the reader's name alone: other readers and cases may come
    and go.

    Raises:
        InputError: a reader marks normal places, and the case has none.
    """
    shared = _generator(seed, case.case)
    lesion_z, mimic_z = shared.standard_normal(len(case.number)), shared.standard_normal(len(case.mimic_kind))
    marks: list[Mark] = []
    for reader in readers:
        if reader.random_per_case > 0 and not len(case.normal_mm):
            raise InputError(
                f"case {case.case}: reader {reader.name} marks normal places, but none are given; "
                "see markings.normal_places"
            )
        rng = _generator(seed, case.case, reader.name)
        marks += _lesion_marks(case, reader, lesion_z, rng=rng)
        marks += _mimic_marks(case, reader, mimic_z, rng=rng)
        marks += _normal_marks(case, reader, rng=rng)
    return marks


def _generator(seed: int, *names: str) -> np.random.Generator:
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest[:16], np.uint32).tolist()])


def _margins(
    chance: NDArray[np.float64], shared: NDArray[np.float64], *, correlation: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How far past the threshold each is, in SDs; marked where above 0, which has probability ``chance``."""
    own = rng.standard_normal(len(chance))
    return np.asarray(special.ndtri(chance) - np.sqrt(correlation) * shared - np.sqrt(1 - correlation) * own)


def _lesion_marks(
    case: CaseTruth, reader: LesionReader, shared: NDArray[np.float64], *, rng: np.random.Generator
) -> list[Mark]:
    margins = _margins(reader.detection(case.volume_mm3), shared, correlation=reader.correlation, rng=rng)
    return [
        _mark(case, reader, "lesion", int(case.number[k]), case.centre_mm[k], case.diameter_mm[k], margins[k], rng)
        for k in np.flatnonzero(margins > 0)
    ]


def _mimic_marks(
    case: CaseTruth, reader: LesionReader, shared: NDArray[np.float64], *, rng: np.random.Generator
) -> list[Mark]:
    margins = _margins(reader.mistaking(case.mimic_kind), shared, correlation=reader.correlation, rng=rng)
    return [
        _mark(case, reader, "mimic", int(k), case.mimic_centre_mm[k], case.mimic_diameter_mm[k], margins[k], rng)
        for k in np.flatnonzero(margins > 0)
    ]


def _normal_marks(case: CaseTruth, reader: LesionReader, *, rng: np.random.Generator) -> list[Mark]:
    """Marks on nothing are as large as lesions are (a median of 9 mm), and seldom sure."""
    wanted = int(rng.poisson(reader.random_per_case))
    chosen = rng.permutation(len(case.normal_mm))[:wanted]
    return [
        _mark(
            case,
            reader,
            "normal",
            int(k),
            case.normal_mm[k],
            float(rng.lognormal(np.log(9.0), 0.35)),
            abs(float(rng.normal(0, RANDOM_SURENESS_SD))),
            rng,
        )
        for k in chosen
    ]


def _mark(
    case: CaseTruth,
    reader: LesionReader,
    on: str,
    number: int,
    centre_mm: NDArray[np.float64],
    diameter_mm: float,
    margin: float,
    rng: np.random.Generator,
) -> Mark:
    centre = centre_mm + rng.normal(0, 1, 3) * reader.jitter_mm
    half = diameter_mm / 2 * reader.box_scale * np.exp(rng.normal(0, 1, 3) * reader.box_spread)
    sure = np.ceil((2 * special.ndtr(margin) - 1) * reader.levels) / reader.levels
    return Mark(
        reader=reader.name,
        case=case.case,
        on=on,
        number=number,
        centre_mm=_triple(centre),
        low_mm=_triple(centre - half),
        high_mm=_triple(centre + half),
        confidence=float(np.clip(sure, 1 / reader.levels, 1.0)),
    )


def _triple(values: NDArray[np.float64]) -> Triple:
    x, y, z = (round(float(value), 3) for value in values)
    return x, y, z


METASTASIS_STEEPNESS = 1.5
"""Logits a doubling: fits the study's network, 0.457, 0.814, 0.915 and 0.990 by volume (doi 10.3348/kjr.2023.0671);
that radiologists depend on size as it does is a guess."""
METASTASIS_FIGURES = ((0.534, 1.7), (0.640, 0.6), (0.746, 1.0), (0.852, 0.2), (0.958, 3.2))
"""Sensitivity and false positives a series of five radiologists. The study prints means of 0.746 (95 % CI 0.543 to
0.960) and 1.338 (-0.07 to 2.83); these five have those means and the SDs of 0.168 and 1.17 that such intervals of five
readers imply. Which reader has which is not printed."""


def metastasis_readers(cases: Sequence[CaseTruth]) -> tuple[LesionReader, ...]:
    """Five radiologists with the metastasis study's figures on these cases, one case a series.

    The study's positive predictive value of 0.701 follows from its sensitivity, its false positives and its 175 lesions
    in 49 series only roughly (0.67), and depends here on how many lesions the cases have.
    """
    return tuple(
        calibrated(
            LesionReader(name=f"radiologist {k}", steepness=METASTASIS_STEEPNESS, jitter_mm=1.5, box_scale=1.2),
            cases,
            sensitivity=sensitivity,
            false_positives=false_positives,
        )
        for k, (sensitivity, false_positives) in enumerate(METASTASIS_FIGURES, start=1)
    )
