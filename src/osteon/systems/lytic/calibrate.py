"""Candidates' features to probabilities, and the operating point, both from the validation patients alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.froc import froc
from osteon.evaluation.matching import Detections, match_cases
from osteon.evaluation.pairs import Pairs, Rule
from osteon.inference.calibration import fit_calibration, probability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.systems.lytic.infer import Candidate

__all__ = [
    "MATCH",
    "MATCH_TEXT",
    "candidate_pairs",
    "choose_threshold",
    "fit_calibration",
    "match_candidates",
    "probability",
]

MATCH = Rule(name="any-overlap")
MATCH_TEXT = "a candidate hits a lesion if its mask shares a voxel with it; each lesion and candidate counts once"


def candidate_pairs(found: Sequence[Candidate], lesions: NDArray[np.integer[Any]]) -> Pairs:
    """Which candidate shares how many voxels with which true lesion (numbers in rising order, from 0)."""
    rows: list[int] = []
    columns: list[int] = []
    shared: list[int] = []
    numbers = np.unique(lesions[lesions > 0])
    for k, candidate in enumerate(found):
        inside = lesions[candidate.shape.window][candidate.shape.mask]
        hit, count = np.unique(inside[inside > 0], return_counts=True)
        rows += [k] * len(hit)
        columns.extend(np.asarray(np.searchsorted(numbers, hit)).astype(int).tolist())
        shared.extend(count.tolist())
    return Pairs(
        prediction=np.asarray(rows, dtype=np.intp),
        truth=np.asarray(columns, dtype=np.intp),
        affinity=np.asarray(shared, dtype=np.float64),
    )


def match_candidates(
    pairs: Sequence[Pairs], *, scores: Sequence[NDArray[np.float64]], lesions: Sequence[int], patients: Sequence[str]
) -> Detections:
    """Match all cases by ``MATCH``, one-to-one; further candidates on a found lesion are ignored."""
    return match_cases(
        pairs,
        scores=list(scores),
        lesions=list(lesions),
        patients=list(patients),
        duplicates="ignore",
        rule=MATCH_TEXT,
    )


def choose_threshold(detections: Detections, *, false_positives: float) -> float:
    """Lowest probability that keeps to ``false_positives`` a scan; 0.5 where the validation patients have no lesion."""
    point = froc(detections, rates=(false_positives,), unit="scan").points[0]
    return float(np.clip(point.threshold, 0.01, 0.99)) if len(detections.lesion_score) else 0.5
