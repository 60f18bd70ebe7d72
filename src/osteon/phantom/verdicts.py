"""Simulated readers of cases or slices: calls and ratings with a given sensitivity, specificity and agreement.

The equal-variance binormal model: a case looks like ``mean(class) + z``, z standard normal, and is called positive
above 0. A part of z's variance belongs to the case (all err on the same ones), a part to the reader and the case (who
sees the case twice, with more information say), the rest to the single look. Sensitivity and specificity hold exactly
whatever the parts are; agreement grows with them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special, stats

from osteon.errors import UsageError
from osteon.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

_EXTREME = 1e-6
MOST_CORRELATED = 0.999


@dataclass(frozen=True, kw_only=True, slots=True)
class CallReader:
    """One reader of cases or slices.

    Attributes:
        name: of the reader; the same name with another modality is the same person.
        sensitivity, specificity: 0 to 1.
        modality: what the reader saw ("images", "images+age").

    Raises:
        UsageError: a share outside 0 to 1.
    """

    name: str
    sensitivity: float
    specificity: float
    modality: str = "all"

    def __post_init__(self) -> None:
        if not (0 <= self.sensitivity <= 1 and 0 <= self.specificity <= 1):
            raise UsageError(
                f"reader {self.name}: sensitivity {self.sensitivity}, specificity {self.specificity}; expected 0 to 1"
            )

    def means(self) -> tuple[float, float]:
        """Where negative and positive cases lie above the reader's threshold, in SDs."""
        shares = np.clip([1 - self.specificity, self.sensitivity], _EXTREME, 1 - _EXTREME)
        negative, positive = special.ndtri(shares)
        return float(negative), float(positive)


@dataclass(frozen=True, kw_only=True, slots=True)
class Calls:
    """What the readers said; arrays (readers, units).

    Attributes:
        rating: 0 to 1, above one half if called.
        called: boolean.
    """

    rating: NDArray[np.float64]
    called: NDArray[np.bool_]


def draw_calls(
    truth: ArrayLike,
    readers: Sequence[CallReader],
    *,
    seed: int,
    correlation: float = 0.4,
    within: float = 0.2,
    groups: ArrayLike | None = None,
) -> Calls:
    """Let readers judge units (patients or slices).

    Args:
        truth: (units,) boolean.
        readers: one entry for each reader and modality.
        seed: of the draw.
        correlation: share of the variance that belongs to the unit, whoever looks.
        within: share that belongs to the unit and the person, whatever was seen.
        groups: (units,) codes of units that share their difficulty, such as the slices of one lesion; None for none.

    Raises:
        UsageError: shares that are negative or add up to more than 1.
    """
    positive = np.asarray(truth, dtype=bool)
    if correlation < 0 or within < 0 or correlation + within > 1:
        raise UsageError(f"correlation {correlation} and within {within}: expected shares from 0, together at most 1")
    codes = np.arange(len(positive)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    kinds = int(codes.max()) + 1 if len(codes) else 0
    rng = np.random.default_rng([seed, 5])
    shared = rng.standard_normal(kinds)[codes]
    names = sorted({reader.name for reader in readers})
    person = {name: rng.standard_normal(kinds)[codes] for name in names}
    latent = np.empty((len(readers), len(positive)))
    for row, reader in enumerate(readers):
        own = rng.standard_normal(len(positive))
        z = np.sqrt(correlation) * shared + np.sqrt(within) * person[reader.name]
        z += np.sqrt(max(1 - correlation - within, 0.0)) * own
        negative_mean, positive_mean = reader.means()
        latent[row] = np.where(positive, positive_mean, negative_mean) + z
    return Calls(rating=special.ndtr(latent), called=latent > 0)


def expected_kappa(prevalence: float, first: CallReader, second: CallReader, *, correlation: float) -> float:
    """Cohen's kappa that two readers have on average in the long run.

    Args:
        prevalence: share of positive units.
        first: a reader.
        second: another.
        correlation: as in ``draw_calls``; what is ``within`` a person does not count between two.
    """
    both = yes_1 = yes_2 = 0.0
    for share, side in ((1 - prevalence, 0), (prevalence, 1)):
        a, b = first.means()[side], second.means()[side]
        joint = stats.multivariate_normal.cdf([a, b], cov=[[1, correlation], [correlation, 1]])
        both += share * float(joint)
        yes_1 += share * float(special.ndtr(a))
        yes_2 += share * float(special.ndtr(b))
    observed = 1 - yes_1 - yes_2 + 2 * both
    chance = yes_1 * yes_2 + (1 - yes_1) * (1 - yes_2)
    return (observed - chance) / (1 - chance)


def correlation_for_kappa(prevalence: float, first: CallReader, second: CallReader, *, kappa: float) -> float:
    """The ``correlation`` at which two readers reach a kappa.

    Raises:
        UsageError: their sensitivities and specificities allow no such kappa; the message says which they do.
    """

    def gap(correlation: float) -> float:
        return expected_kappa(prevalence, first, second, correlation=correlation) - kappa

    low, high = gap(0.0), gap(MOST_CORRELATED)
    if not low <= 0 <= high:
        raise UsageError(
            f"kappa {kappa}: readers {first.name} and {second.name} reach {low + kappa:.2f} to {high + kappa:.2f} with "
            f"their sensitivity and specificity at a prevalence of {prevalence:g}; change those"
        )
    return float(optimize.brentq(gap, 0.0, MOST_CORRELATED, xtol=1e-6))


def write_reader_study(
    path: Path, calls: Calls, *, readers: Sequence[CallReader], case: Sequence[str], truth: ArrayLike
) -> None:
    """Write calls as the CSV that ``formats.reader_study`` reads; every case is its own patient."""
    positive = np.asarray(truth, dtype=bool)
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "patient", "truth", "reader", "modality", "score", "predicted"])
        for row, reader in enumerate(readers):
            for k, name in enumerate(case):
                score = f"{calls.rating[row, k]:.6f}"
                call = int(calls.called[row, k])
                writer.writerow([name, name, int(positive[k]), reader.name, reader.modality, score, call])


LYTIC_SLICES, LYTIC_KAPPA = 776, 0.84
"""Slices of one patient labelled by two radiologists, and their kappa (doi 10.1007/s00256-022-04160-z)."""
LYTIC_PREVALENCE = 10 / LYTIC_SLICES
"""They called 10 and 9 slices positive; how many were is not printed."""
LYTIC_READERS = (
    CallReader(name="radiologist 1", sensitivity=0.90, specificity=0.9987),
    CallReader(name="radiologist 2", sensitivity=0.83, specificity=0.9991),
)
"""Two radiologists who call 10 and 9 of 776 slices with 10 positive ones; sensitivities and specificities are guesses
that allow this and the kappa."""
FRACTURE_READERS = (
    CallReader(name="musculoskeletal radiologist", sensitivity=47 / 50, specificity=139 / 140),
    CallReader(name="resident, year 4", sensitivity=47 / 50, specificity=135 / 140),
    CallReader(name="resident, year 1", sensitivity=39 / 50, specificity=86 / 140),
)
"""Malignant against benign fractures, 50 and 140 patients (doi 10.1007/s00586-022-07121-1)."""
TUMOR_DOCTORS = (
    CallReader(name="D1", modality="images", sensitivity=0.66, specificity=0.800),
    CallReader(name="D2", modality="images", sensitivity=0.58, specificity=0.711),
    CallReader(name="D3", modality="images", sensitivity=0.92, specificity=0.444),
    CallReader(name="D1", modality="images+age", sensitivity=0.70, specificity=0.678),
    CallReader(name="D2", modality="images+age", sensitivity=0.72, specificity=0.744),
    CallReader(name="D3", modality="images+age", sensitivity=0.88, specificity=0.500),
)
"""Malignant against benign spinal tumours, 50 and 90 patients, without and with the age (the study behind ``tumor``,
Insights Imaging 2022)."""
