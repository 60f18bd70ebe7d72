"""The study's end-to-end figures: lesions found on random slices, and what counts as a negative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.lesion_roc import NEGATIVES, lesion_roc, lesion_units, sensitivity_specificity
from osteon.evaluation.matching import match_cases
from osteon.evaluation.pairs import Rule, box_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.evaluation.estimate import Estimate
    from osteon.evaluation.lesion_roc import LesionRoc
    from osteon.evaluation.matching import Detections


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceResult:
    """What was found on one slice; boxes (n, 4) in pixel edges of the scan.

    Attributes:
        case, patient: names.
        row: place in the case's ``StudySlices``.
        true: lesions.
        found, score: merged boxes of the ensemble.
        dice: of bone; nan where it is not defined or not known.
    """

    case: str
    patient: str
    row: int
    true: NDArray[np.float32]
    found: NDArray[np.float32]
    score: NDArray[np.float32]
    dice: float

    def plain(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "case": self.case,
            "patient": self.patient,
            "row": self.row,
            "true": self.true.tolist(),
            "found": self.found.tolist(),
            "score": self.score.tolist(),
            "dice": None if np.isnan(self.dice) else self.dice,
        }


def from_plain(entry: dict[str, Any]) -> SliceResult:
    """The other way round of ``SliceResult.plain``."""
    return SliceResult(
        case=entry["case"],
        patient=entry["patient"],
        row=entry["row"],
        true=np.asarray(entry["true"], dtype=np.float32).reshape(-1, 4),
        found=np.asarray(entry["found"], dtype=np.float32).reshape(-1, 4),
        score=np.asarray(entry["score"], dtype=np.float32),
        dice=float("nan") if entry["dice"] is None else float(entry["dice"]),
    )


def rule_text(hit_iou: float) -> str:
    """How a box is judged, in words."""
    return f"a box finds a lesion on its slice from an IoU of {hit_iou:g} on, surest first, each once"


def matched(slices: Sequence[SliceResult], *, hit_iou: float) -> Detections:
    """Boxes against lesions, slice by slice; further boxes on a found lesion count neither way."""
    rule = Rule(name="iou", at_least=hit_iou)
    pairs = [
        box_pairs(
            one.found,
            one.true,
            rule=rule,
            predicted_group=np.zeros(len(one.found), np.intp),
            true_group=np.zeros(len(one.true), np.intp),
        )
        for one in slices
    ]
    return match_cases(
        pairs,
        scores=[one.score for one in slices],
        lesions=[len(one.true) for one in slices],
        patients=[one.patient for one in slices],
        duplicates="ignore",
        rule=rule_text(hit_iou),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class EndToEnd:
    """The figures under one rule for a negative.

    Attributes:
        rule: what a positive and a negative is.
        sensitivity, specificity: per lesion, at the threshold.
        roc: over all thresholds.
        table: (threshold, sensitivity, specificity) at some.
    """

    rule: str
    sensitivity: Estimate
    specificity: Estimate
    roc: LesionRoc
    table: tuple[tuple[float, float, float], ...]


def choose_threshold(slices: Sequence[SliceResult], *, hit_iou: float) -> float:
    """Score with the largest sensitivity + specificity (Youden) on slices that are not the test's; 0.5 if undefined."""
    value = lesion_roc(lesion_units(matched(slices, hit_iou=hit_iou), case_word="slice")).youden
    return value if np.isfinite(value) else 0.5


def end_to_end(slices: Sequence[SliceResult], *, hit_iou: float, threshold: float) -> dict[str, EndToEnd]:
    """Figures under each of ``evaluation.lesion_roc.NEGATIVES``."""
    detections = matched(slices, hit_iou=hit_iou)
    answers = {}
    for negatives in NEGATIVES:
        units = lesion_units(detections, negatives=negatives, case_word="slice")
        sensitivity, specificity = sensitivity_specificity(units, threshold=threshold)
        levels = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
        table = tuple(
            (level, *(one.value for one in sensitivity_specificity(units, threshold=level))) for level in levels
        )
        answers[negatives] = EndToEnd(
            rule=f"{units.rule}; {rule_text(hit_iou)}",
            sensitivity=sensitivity,
            specificity=specificity,
            roc=lesion_roc(units),
            table=tuple((level, float(a), float(b)) for level, a, b in table),
        )
    return answers
