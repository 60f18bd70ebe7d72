"""Which lesions are found, and which predictions are false, once it is known who touches whom.

Two pairings, by name:

- ``one-to-one``: predictions in falling score (ties: the earlier first) each take the free lesion that fits best (ties
  in fit: the later lesion, as pycocotools does). A lesion **split** into several predictions is found once; its further
  predictions are *duplicates*. A prediction that **merges** several lesions finds one of them; the others stay to be
  found by others, or are missed.
- ``many-to-one``: every prediction that touches a lesion is right. A **split** lesion is found once, with the highest
  score of its predictions, each of which counts as right (so hits may outnumber lesions found, as in the metastasis
  study). A prediction that **merges** several lesions finds them all.

Duplicates count as false positives ("false", the default, as in COCO) or neither as right nor as wrong ("ignore").
Because matching goes by falling score, the result at any higher threshold is the same as matching again without the
predictions below it; so one matching serves the whole curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError, UsageError
from osteon.evaluation.intervals import cluster_codes
from osteon.evaluation.pairs import Pairs, join_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

PAIRINGS = ("one-to-one", "many-to-one")
DUPLICATES = ("false", "ignore")
HIT, FALSE, IGNORED = 1, 0, -1


@dataclass(frozen=True, kw_only=True, slots=True)
class Detections:
    """Every prediction and every true lesion of a test set, after matching.

    Attributes:
        case: (n,) index of the case (image or series) of each prediction.
        score: (n,) of each prediction; higher is surer.
        outcome: (n,) ``HIT``, ``FALSE`` or ``IGNORED``.
        lesion: (n,) index of the lesion that the prediction is credited with; -1 for none.
        lesion_case: (m,) index of the case of each true lesion.
        lesion_score: (m,) highest score that finds the lesion; -inf if none does.
        patient: (cases,) code from 0 of the patient of each case; its length is the number of cases, those without
            lesion and without prediction included.
        rule: how it was matched, for the report.
    """

    case: NDArray[np.intp]
    score: NDArray[np.float64]
    outcome: NDArray[np.int8]
    lesion: NDArray[np.intp]
    lesion_case: NDArray[np.intp]
    lesion_score: NDArray[np.float64]
    patient: NDArray[np.intp]
    rule: str = ""

    def __post_init__(self) -> None:
        if not np.isfinite(self.score).all():
            row = int(np.flatnonzero(~np.isfinite(self.score))[0])
            raise InputError(f"prediction {row} has score {self.score[row]}: expected a finite number")
        for cases, what in ((self.case, "prediction"), (self.lesion_case, "lesion")):
            if cases.size and not 0 <= cases.min() <= cases.max() < self.patient.size:
                raise InputError(f"a {what} names case {cases.max()}: expected 0 to {self.patient.size - 1}")
        patients = np.unique(self.patient)
        if not patients.size or patients[0] != 0 or patients[-1] != patients.size - 1:
            raise InputError("no case, or patient codes that are not 0 to n - 1; make them with cluster_codes")

    @property
    def cases(self) -> int:
        """Number of cases."""
        return int(self.patient.size)

    @property
    def patients(self) -> int:
        """Number of patients."""
        return int(self.patient.max()) + 1


def falling_rank(score: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rank of each score from the highest (0); ties in order of appearance."""
    rank = np.empty(score.size, dtype=np.intp)
    rank[np.argsort(-score, kind="stable")] = np.arange(score.size)
    return rank


def _rounds(group: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Positions of the first, second, ... row of every group; ``group`` is sorted."""
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    place = np.arange(group.size) - np.repeat(starts, np.diff(np.r_[starts, group.size]))
    order = np.argsort(place, kind="stable")
    return np.split(order, np.cumsum(np.bincount(place))[:-1]) if group.size else []


def greedy_match(
    pairs: Pairs,
    *,
    rank: NDArray[np.intp],
    group: NDArray[np.intp],
    truths: int,
    thresholds: NDArray[np.float64],
    crowd: NDArray[np.bool_] | None = None,
) -> NDArray[np.intp]:
    """One-to-one matching in falling score at several affinity thresholds and over all groups at once.

    The pairs of each group are walked through in order of (rank of the prediction, ordinary before crowd, best fit,
    later lesion), one pair of every group in each step.

    Args:
        pairs: who touches whom, at the lowest threshold.
        rank: (n,) place of each prediction in falling score.
        group: (n,) integer per prediction; pairs never cross groups.
        truths: number of true lesions.
        thresholds: (t,) smallest affinity that counts.
        crowd: (m,) lesions that may take any number of predictions and only those that no other lesion takes (COCO
            ``iscrowd``); none by default.

    Returns:
        (n, t) index of the lesion that each prediction takes at each threshold; -1 for none.
    """
    is_crowd = np.zeros(truths, dtype=bool) if crowd is None else crowd
    keys = (-pairs.truth, -pairs.affinity, is_crowd[pairs.truth], rank[pairs.prediction], group[pairs.prediction])
    order = np.lexsort(keys)
    prediction, truth, affinity = pairs.prediction[order], pairs.truth[order], pairs.affinity[order]
    taken = np.zeros((truths, thresholds.size), dtype=bool)
    match = np.full((rank.size, thresholds.size), -1, dtype=np.intp)
    for step in _rounds(group[prediction]):
        p, t = prediction[step], truth[step]
        won = (affinity[step, None] >= thresholds) & (match[p] < 0) & ~taken[t]
        match[p] = np.where(won, t[:, None], match[p])
        taken[t] |= won & ~is_crowd[t, None]
    return match


def _one_to_one(
    pairs: Pairs, score: NDArray[np.float64], case: NDArray[np.intp], truths: int
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
    lowest = np.array([-np.inf])
    lesion = greedy_match(pairs, rank=falling_rank(score), group=case, truths=truths, thresholds=lowest)[:, 0]
    lesion_score = np.full(truths, -np.inf)
    lesion_score[lesion[lesion >= 0]] = score[lesion >= 0]
    touches = np.zeros(score.size, dtype=bool)
    touches[pairs.prediction] = True
    return lesion, lesion_score, touches & (lesion < 0)


def _many_to_one(
    pairs: Pairs, score: NDArray[np.float64], truths: int
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
    lesion_score = np.full(truths, -np.inf)
    np.maximum.at(lesion_score, pairs.truth, score[pairs.prediction])
    lesion = np.full(score.size, -1, dtype=np.intp)
    order = np.lexsort((pairs.truth, pairs.affinity))
    lesion[pairs.prediction[order]] = pairs.truth[order]  # the last write wins: the best fit
    return lesion, lesion_score, np.zeros(score.size, dtype=bool)


def match_lesions(
    pairs: Pairs,
    *,
    score: ArrayLike,
    case: ArrayLike,
    lesion_case: ArrayLike,
    patient: ArrayLike,
    pairing: str = "one-to-one",
    duplicates: str = "false",
    rule: str = "",
) -> Detections:
    """Decide which lesions are found and which predictions are false, for a whole test set at once.

    Args:
        pairs: who touches whom (``box_pairs``, or ``label_pairs`` per case, shifted and joined).
        score: (n,) of each prediction.
        case: (n,) index of the case of each prediction.
        lesion_case: (m,) index of the case of each true lesion.
        patient: (cases,) code of each case's patient (``cluster_codes``).
        pairing: one of ``PAIRINGS``.
        duplicates: one of ``DUPLICATES``; what further predictions of a lesion already taken count as, in one-to-one.
        rule: name of the rule that made ``pairs``, for the report.

    Raises:
        UsageError: an unknown pairing or treatment of duplicates.
        InputError: a score that is not finite, or a case out of range.
    """
    if pairing not in PAIRINGS or duplicates not in DUPLICATES:
        raise UsageError(
            f"pairing {pairing!r}, duplicates {duplicates!r}: expected one of {list(PAIRINGS)} and {list(DUPLICATES)}"
        )
    scores = np.asarray(score, dtype=np.float64).reshape(-1)
    cases, lesion_cases = (np.asarray(values, dtype=np.intp).reshape(-1) for values in (case, lesion_case))
    if pairing == "one-to-one":
        lesion, lesion_score, extra = _one_to_one(pairs, scores, cases, lesion_cases.size)
    else:
        lesion, lesion_score, extra = _many_to_one(pairs, scores, lesion_cases.size)
    outcome = np.where(lesion >= 0, HIT, FALSE).astype(np.int8)
    if duplicates == "ignore":
        outcome[extra] = IGNORED
    words = [rule, pairing, "duplicates ignored" if duplicates == "ignore" and pairing == "one-to-one" else ""]
    return Detections(
        case=cases,
        score=scores,
        outcome=outcome,
        lesion=lesion,
        lesion_case=lesion_cases,
        lesion_score=lesion_score,
        patient=np.asarray(patient, dtype=np.intp).reshape(-1),
        rule=", ".join(word for word in words if word),
    )


def match_cases(
    pairs: Sequence[Pairs],
    *,
    scores: Sequence[ArrayLike],
    lesions: Sequence[int],
    patients: ArrayLike,
    pairing: str = "one-to-one",
    duplicates: str = "false",
    rule: str = "",
) -> Detections:
    """``match_lesions`` for cases given one by one, each with its own numbering of predictions and lesions.

    Args:
        pairs: per case, who touches whom.
        scores: per case, the scores of its predictions (may be empty).
        lesions: per case, the number of true lesions (may be 0).
        patients: (cases,) name or code of each case's patient.
        pairing: as in ``match_lesions``.
        duplicates: as in ``match_lesions``.
        rule: as in ``match_lesions``.

    Raises:
        InputError: the sequences differ in length, or as in ``match_lesions``.
    """
    arrays = [np.asarray(values, dtype=np.float64).reshape(-1) for values in scores]
    if not len(pairs) == len(arrays) == len(lesions) == np.size(patients):
        raise InputError(
            f"{len(pairs)} cases of pairs, {len(arrays)} of scores, {len(lesions)} of lesions, {np.size(patients)} of "
            "patients: expected the same number"
        )
    sizes = [array.size for array in arrays]
    shift = np.cumsum([0, *sizes]), np.cumsum([0, *lesions])
    numbers = np.arange(len(arrays))
    shifted = [
        Pairs(prediction=part.prediction + shift[0][i], truth=part.truth + shift[1][i], affinity=part.affinity)
        for i, part in enumerate(pairs)
    ]
    return match_lesions(
        join_pairs(shifted),
        score=np.concatenate(arrays) if arrays else np.empty(0),
        case=np.repeat(numbers, sizes),
        lesion_case=np.repeat(numbers, lesions),
        patient=cluster_codes(patients)[0],
        pairing=pairing,
        duplicates=duplicates,
        rule=rule,
    )


def units_by_patient(
    detections: Detections, *, unit: str = "image", units: ArrayLike | None = None
) -> NDArray[np.int64]:
    """How many units false positives are counted per, for each patient: (patients,).

    Args:
        detections: of the whole test set.
        unit: "patient" counts patients; any other word names the cases, or what ``units`` gives.
        units: (cases,) series (or other unit) of each case, where a case is only a part of one (a slice of a series).

    Raises:
        InputError: a unit that holds cases of two patients, or not one for each case.
    """
    if unit == "patient":
        return np.ones(detections.patients, dtype=np.int64)
    if units is None:
        return np.bincount(detections.patient, minlength=detections.patients)
    names, codes = np.unique(np.asarray(units), return_inverse=True)
    codes = codes.reshape(-1)
    if codes.size != detections.cases:
        raise InputError(f"{codes.size} {unit} names for {detections.cases} cases: expected one a case")
    pairs = np.unique(np.stack([codes, detections.patient]), axis=1)
    if pairs.shape[1] != names.size:
        both = names[pairs[0][:-1][pairs[0][1:] == pairs[0][:-1]][0]]
        raise InputError(f"{unit} {both} holds cases of two patients; name each {unit} once")
    return np.bincount(pairs[1], minlength=detections.patients)


def detections_from_candidates(
    *, case: ArrayLike, score: ArrayLike, lesion: ArrayLike, lesions_per_case: ArrayLike, patient: ArrayLike
) -> Detections:
    """Take candidates that were matched elsewhere.

    Args:
        case: (n,) index of the case of each candidate.
        score: (n,) of each candidate.
        lesion: (n,) number of the lesion in its case that the candidate hits, from 0; -1 for a false positive.
        lesions_per_case: (cases,) number of true lesions of each case.
        patient: (cases,) name or code of each case's patient.

    Raises:
        InputError: a lesion number that the case does not have, or as in ``Detections``.
    """
    cases, lesions, counts = (
        np.asarray(values, dtype=np.intp).reshape(-1) for values in (case, lesion, lesions_per_case)
    )
    scores = np.asarray(score, dtype=np.float64).reshape(-1)
    if cases.size and not 0 <= cases.min() <= cases.max() < counts.size:
        raise InputError(f"a candidate names case {cases.max()}: expected 0 to {counts.size - 1}")
    wrong = np.flatnonzero((lesions >= counts[cases]) | (lesions < -1))
    if wrong.size:
        row = int(wrong[0])
        raise InputError(
            f"candidate {row} hits lesion {lesions[row]} of case {cases[row]}, which has {counts[cases[row]]} lesions; "
            "expected a number from 0, or -1 for a false positive"
        )
    pooled = np.where(lesions >= 0, (np.cumsum(counts) - counts)[cases] + lesions, -1)
    lesion_score = np.full(int(counts.sum()), -np.inf)
    np.maximum.at(lesion_score, pooled[pooled >= 0], scores[pooled >= 0])
    return Detections(
        case=cases,
        score=scores,
        outcome=np.where(pooled >= 0, HIT, FALSE).astype(np.int8),
        lesion=pooled,
        lesion_case=np.repeat(np.arange(counts.size), counts),
        lesion_score=lesion_score,
        patient=cluster_codes(patient)[0],
        rule="matched before",
    )
