"""Detector, sequence model and age into one answer: weighted sum an image, majority a sequence, majority a patient.

P = l1 * D + l2 * M + l3 * A (equation 1 of the study, Insights Imaging 2022). The printed weights of some strategies do
not add up to 1, so that sums are compared between the classes: here each is divided by the sum of its weights, which is
the same, and malignant is from one half on.

Ties. An image of exactly one half is malignant: to miss a malignant tumour costs more. A sequence with as many benign
as malignant images takes the mean P of its images, a patient with as many benign as malignant sequences the mean over
the sequences of that; again malignant from one half on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.evaluation.roc import auc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Weights = tuple[float, float, float]
STRATEGIES: dict[str, tuple[int, int, int]] = {
    "Det": (1, 0, 0),
    "Det-Age": (1, 0, 1),
    "Seq": (0, 1, 0),
    "Seq-Age": (0, 1, 1),
    "Det-Seq": (1, 1, 0),
    "Det-Seq-Age": (1, 1, 1),
}
"""The study's six, and which of detector, sequence model and age each uses."""
BEST = "Det-Seq-Age"
PUBLISHED: Weights = (0.45, 0.45, 0.1)
ON_DETECTIONS, ON_AGE, ON_PREVALENCE = "detections", "age", "prevalence"
_DIGITS = 12
"""Sums are rounded to these, so that what is a tie on paper is one here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceScores:
    """What the networks say of one sequence in which something was detected.

    Attributes:
        detector: D of each image with a detection, (n,), n at least 1.
        sequence: M.
    """

    detector: NDArray[np.float64]
    sequence: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """Of one sequence: images for either side, mean P, the side taken and whether the mean had to decide."""

    malignant_images: int
    images: int
    mean: float
    malignant: bool
    tie: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Of one patient.

    Attributes:
        malignant: the answer.
        probability: mean over the sequences of the mean P of their images; what the answer rests on where there is no
            image.
        rests_on: "detections"; where nothing was detected, "age" (the age table's share) or "prevalence" (the share of
            malignant tumours among the training patients).
        votes: one a sequence that voted.
        tie: whether the mean decided between the sequences.
    """

    malignant: bool
    probability: float
    rests_on: str
    votes: tuple[Vote, ...] = ()
    tie: bool = False


def strategy_weights(strategy: str, weights: Weights) -> Weights:
    """The weights with those of what a strategy does not use set to 0, as the study did."""
    first, second, third = (weight * used for weight, used in zip(weights, STRATEGIES[strategy], strict=True))
    return first, second, third


def fuse(detector: NDArray[np.float64], sequence: float, age: float | None, weights: Weights) -> NDArray[np.float64]:
    """P of every image, (n,); where the age is not known its term is left out.

    Args:
        detector: D, (n,).
        sequence: M.
        age: A, or None.
        weights: at least one of the first two above 0.
    """
    first, second, third = weights
    total = first * detector + second * sequence
    whole = first + second
    if age is not None:
        total, whole = total + third * age, whole + third
    return np.asarray(np.round(total / whole, _DIGITS))


def sequence_vote(fused: NDArray[np.float64]) -> Vote:
    """Majority of the images (n,) of one sequence, n at least 1."""
    bad = int((fused >= 0.5).sum())
    mean = round(float(fused.mean()), _DIGITS)
    tie = 2 * bad == len(fused)
    return Vote(
        malignant_images=bad,
        images=len(fused),
        mean=mean,
        malignant=mean >= 0.5 if tie else 2 * bad > len(fused),
        tie=tie,
    )


def decide(
    sequences: Sequence[SequenceScores], *, age: float | None, prevalence: float, strategy: str, weights: Weights
) -> Verdict:
    """The answer of one strategy for one patient.

    Args:
        sequences: those with a detection; () where nothing was detected anywhere.
        age: the age table's share, or None.
        prevalence: share of malignant tumours among the training patients.
        strategy: of ``STRATEGIES``.
        weights: of the whole fusion.
    """
    own = strategy_weights(strategy, weights)
    if not sequences:
        known = age is not None and own[2] > 0
        share = age if known and age is not None else prevalence
        return Verdict(malignant=share >= 0.5, probability=share, rests_on=ON_AGE if known else ON_PREVALENCE)
    votes = tuple(sequence_vote(fuse(one.detector, one.sequence, age, own)) for one in sequences)
    bad = sum(vote.malignant for vote in votes)
    mean = round(float(np.mean([vote.mean for vote in votes])), _DIGITS)
    tie = 2 * bad == len(votes)
    return Verdict(
        malignant=mean >= 0.5 if tie else 2 * bad > len(votes),
        probability=mean,
        rests_on=ON_DETECTIONS,
        votes=votes,
        tie=tie,
    )


def weight_grid(step: float) -> tuple[Weights, ...]:
    """All weights that are whole multiples of about ``step``, none 0, and add up to 1."""
    parts = round(1 / step)
    return tuple(
        (a / parts, b / parts, (parts - a - b) / parts) for a in range(1, parts - 1) for b in range(1, parts - a)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FusionPatient:
    """A training patient answered by networks and an age table that have not seen them."""

    sequences: tuple[SequenceScores, ...]
    age: float | None
    prevalence: float
    malignant: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenWeights:
    """Weights with the out-of-fold accuracy and AUC they reach; nan where there is no AUC."""

    weights: Weights
    accuracy: float
    auc: float


def choose_weights(patients: Sequence[FusionPatient], *, step: float) -> ChosenWeights:
    """The weights of the grid with the highest accuracy over patients answered out of fold.

    Among equals the highest AUC, then those nearest to the published ones.
    """
    truth = np.array([one.malignant for one in patients])
    both = len(set(truth.tolist())) == 2
    best: tuple[tuple[float, float, float], ChosenWeights] | None = None
    for weights in weight_grid(step):
        verdicts = [
            decide(one.sequences, age=one.age, prevalence=one.prevalence, strategy=BEST, weights=weights)
            for one in patients
        ]
        accuracy = float(np.mean([v.malignant == one for v, one in zip(verdicts, truth, strict=True)]))
        area = auc(truth, [verdict.probability for verdict in verdicts]) if both else float("nan")
        far = sum((a - b) ** 2 for a, b in zip(weights, PUBLISHED, strict=True))
        rank = (round(accuracy, 9), round(area, 9) if both else 0.0, -round(far, 9))
        if best is None or rank > best[0]:
            best = rank, ChosenWeights(weights=weights, accuracy=accuracy, auc=area)
    assert best is not None  # the grid is never empty
    return best[1]
