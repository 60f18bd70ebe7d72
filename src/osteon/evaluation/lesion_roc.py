"""Per-lesion sensitivity and specificity over all thresholds, and the AUROC, as the lytic study reports them.

Detection has no natural negative, and the study (Skeletal Radiol 2022, 10.1007/s00256-022-04160-z) does not say which
it took. Two are offered, by name:

- "lesion-free cases" (the default, meant for slices): every case without a true lesion is one negative, with the score
  of its surest prediction; specificity is the share of lesion-free slices without a false alarm. It does not depend on
  how many boxes a detector emits, nor on the lowest score it keeps.
- "false predictions": every prediction that finds no lesion is one negative. The figure rises as a detector keeps more
  predictions of low score; compare such figures only at equal settings.

Positives are the true lesions, each with the highest score that finds it. A lesion never found and a case without any
prediction have the score -inf: below every threshold, tied with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import UsageError
from osteon.evaluation.detection import DEFAULT, Resampling, share_estimate
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.matching import FALSE, Detections
from osteon.evaluation.roc import RocCurve, auc, roc_curve
from osteon.evaluation.roc_bootstrap import auc_bootstrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEGATIVES = ("lesion-free cases", "false predictions")


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionUnits:
    """The units of the analysis: true lesions and negatives.

    Attributes:
        truth: (n,) whether a unit is a true lesion.
        score: (n,) -inf where nothing was predicted.
        patient: (n,) code of its patient.
        rule: what a positive and a negative is, in words.
    """

    truth: NDArray[np.bool_]
    score: NDArray[np.float64]
    patient: NDArray[np.intp]
    rule: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionRoc:
    """The curve over all thresholds; specificity is 1 minus the false positive rate.

    Attributes:
        curve: sensitivity and false positive rate.
        auroc: area under it, ties at one half, with its interval by patient.
        youden: threshold with the largest sensitivity + specificity; chosen on the same data, so optimistic there.
    """

    curve: RocCurve
    auroc: Estimate
    youden: float


def lesion_units(
    detections: Detections, *, negatives: str = "lesion-free cases", case_word: str = "image"
) -> LesionUnits:
    """Put true lesions and negatives in one list.

    Args:
        detections: of the whole test set; cases are slices for the study's figure.
        negatives: one of ``NEGATIVES``.
        case_word: what a case is, for the rule in words.

    Raises:
        UsageError: another kind of negative.
    """
    if negatives not in NEGATIVES:
        raise UsageError(f"negatives {negatives!r}: expected one of {list(NEGATIVES)}")
    if negatives == "lesion-free cases":
        highest = np.full(detections.cases, -np.inf)
        np.maximum.at(highest, detections.case, detections.score)
        free = np.flatnonzero(np.bincount(detections.lesion_case, minlength=detections.cases) == 0)
        score, patient = highest[free], detections.patient[free]
        words = f"{case_word} without a lesion, score of its surest prediction"
    else:
        false = detections.outcome == FALSE
        score, patient = detections.score[false], detections.patient[detections.case[false]]
        words = "prediction that finds no lesion"
    return LesionUnits(
        truth=np.repeat([True, False], [detections.lesion_score.size, score.size]),
        score=np.concatenate([detections.lesion_score, score]),
        patient=np.concatenate([detections.patient[detections.lesion_case], patient]),
        rule=f"positive: true lesion, highest score that finds it; negative: {words}",
    )


def lesion_roc(units: LesionUnits, *, resampling: Resampling = DEFAULT) -> LesionRoc:
    """ROC curve and AUROC; the area is nan where there are only lesions, or only negatives."""
    curve = roc_curve(units.truth, units.score)
    gain = curve.sensitivity - curve.false_positive_rate
    if units.truth.all() or not units.truth.any():
        value = auc(units.truth, units.score)
        area = Estimate(
            value=value, n=units.truth.size, unit="lesions and negatives", method="not defined with one class"
        )
    else:
        area = auc_bootstrap(
            units.truth,
            units.score,
            units.patient,
            resamples=resampling.resamples,
            seed=resampling.seed,
            level=resampling.level,
            unit="lesions and negatives",
        )
    best = float(curve.threshold[int(np.nanargmax(gain))]) if np.isfinite(gain).any() else float("nan")
    return LesionRoc(curve=curve, auroc=area, youden=best)


def sensitivity_specificity(
    units: LesionUnits, *, threshold: float, resampling: Resampling = DEFAULT
) -> tuple[Estimate, Estimate]:
    """Per-lesion sensitivity and specificity where a unit of score >= ``threshold`` is called positive.

    A unit without a prediction (-inf) is never called.
    """
    called = (units.score >= threshold) & np.isfinite(units.score)
    patients = int(units.patient.max(initial=0)) + 1
    figures = []
    for chosen, right, unit in ((units.truth, called, "lesions"), (~units.truth, ~called, "negatives")):
        top = np.bincount(units.patient[chosen & right], minlength=patients)
        bottom = np.bincount(units.patient[chosen], minlength=patients)
        figures.append(share_estimate(top, bottom, unit=unit, resampling=resampling))
    return figures[0], figures[1]
