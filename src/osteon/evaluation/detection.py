"""Detection at one threshold: sensitivity, PPV, false positives; in subgroups of lesions and of cases.

Rules stated once, for every figure here:

- a prediction counts where ``score >= threshold``; a lesion is found where a counted prediction finds it;
- sensitivity = lesions found / lesions;
- PPV of predictions = right predictions / (right + false): in many-to-one pairing several right predictions may share a
  lesion; PPV of lesions = lesions found / (lesions found + false predictions), one share a lesion;
- false positives are per image, series or patient, those without lesions included;
- intervals come from drawing whole patients. Where all or nothing is found, resampling has no width, and the interval
  is Wilson's (for a rate of false positives of 0: exact Poisson); it takes the units as independent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from osteon.errors import InputError, UsageError
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import bootstrap_estimate, cluster_codes, proportion, resample_totals
from osteon.evaluation.matching import FALSE, HIT, Detections, units_by_patient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Resampling:
    """How an interval is drawn: whole patients, so many times, with this seed; and its confidence level."""

    resamples: int = 2000
    seed: int = 0
    level: float = 0.95


DEFAULT = Resampling()


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingPoint:
    """What one threshold gives.

    Attributes:
        threshold: -inf where every prediction counts.
        lesions, found: true lesions, and how many are found.
        hits, false_positives: predictions that are right, and wrong.
        sensitivity: per lesion.
        ppv_predictions: right predictions among those that are right or wrong.
        ppv_lesions: lesions found / (lesions found + false positives).
        false_positive_rate: false positives per ``unit``.
        unit: "image", "series", "patient".
        units: how many.
    """

    threshold: float
    lesions: int
    found: int
    hits: int
    false_positives: int
    sensitivity: Estimate
    ppv_predictions: Estimate
    ppv_lesions: Estimate
    false_positive_rate: Estimate
    unit: str
    units: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """Sensitivity of one subgroup of lesions."""

    name: str
    found: int
    lesions: int
    sensitivity: Estimate


def operating_point(
    detections: Detections,
    *,
    threshold: float = -np.inf,
    unit: str = "image",
    units: ArrayLike | None = None,
    resampling: Resampling = DEFAULT,
) -> OperatingPoint:
    """Sensitivity, PPV and false positives at one threshold.

    Args:
        detections: of the whole test set.
        threshold: lowest score that counts; by default every prediction does.
        unit: what false positives are counted per, as in ``units_by_patient``.
        units: (cases,) as in ``units_by_patient``.
        resampling: of the intervals.

    Raises:
        UsageError: a threshold that is nan.
    """
    if np.isnan(threshold):
        raise UsageError("threshold nan: expected a score")
    called = detections.score >= threshold
    owner = detections.patient[detections.case]
    count = detections.patients
    found_mask = (detections.lesion_score >= threshold) & np.isfinite(detections.lesion_score)
    lesion_owner = detections.patient[detections.lesion_case]
    lesions = np.bincount(lesion_owner, minlength=count)
    found = np.bincount(lesion_owner[found_mask], minlength=count)
    hits = np.bincount(owner[called & (detections.outcome == HIT)], minlength=count)
    false = np.bincount(owner[called & (detections.outcome == FALSE)], minlength=count)
    of = units_by_patient(detections, unit=unit, units=units)
    return OperatingPoint(
        threshold=float(threshold),
        lesions=int(lesions.sum()),
        found=int(found.sum()),
        hits=int(hits.sum()),
        false_positives=int(false.sum()),
        sensitivity=share_estimate(found, lesions, unit="lesions", resampling=resampling),
        ppv_predictions=share_estimate(hits, hits + false, unit="predictions", resampling=resampling),
        ppv_lesions=share_estimate(
            found, found + false, unit="lesions found or false predictions", resampling=resampling
        ),
        false_positive_rate=_rate_estimate(false, of, unit=unit, resampling=resampling),
        unit=unit,
        units=int(of.sum()),
    )


def share_estimate(
    top: NDArray[np.int64],
    bottom: NDArray[np.int64],
    *,
    unit: str,
    resampling: Resampling = DEFAULT,
) -> Estimate:
    """A share of totals over patients, with an interval by patient; 0 of 0 is nan.

    Args:
        top: (patients,) what each adds to the numerator.
        bottom: (patients,) to the denominator.
        unit: what the denominator counts.
        resampling: of the intervals.
    """
    part, whole = int(top.sum()), int(bottom.sum())
    if part in (0, whole):
        plain = proportion(part, whole, unit=unit, level=resampling.level)
        return replace(
            plain, method="Wilson, units taken as independent (resampling has no width here)" if whole else "0 of 0"
        )
    return _bootstrap_ratio(top, bottom, unit=unit, resampling=resampling)


def _rate_estimate(top: NDArray[np.int64], bottom: NDArray[np.int64], *, unit: str, resampling: Resampling) -> Estimate:
    if top.sum() == 0:
        high = float(stats.chi2.ppf((1 + resampling.level) / 2, 2) / 2 / bottom.sum())
        return Estimate(
            value=0.0,
            low=0.0,
            high=high,
            n=int(bottom.sum()),
            unit=unit,
            method="exact Poisson",
            level=resampling.level,
        )
    return _bootstrap_ratio(top, bottom, unit=unit, resampling=resampling)


def _bootstrap_ratio(
    top: NDArray[np.int64], bottom: NDArray[np.int64], *, unit: str, resampling: Resampling
) -> Estimate:
    totals = resample_totals(
        np.stack([top, bottom], axis=1), np.arange(top.size), resamples=resampling.resamples, seed=resampling.seed
    )
    ratios = np.divide(totals[:, 0], totals[:, 1], out=np.full(len(totals), np.nan), where=totals[:, 1] > 0)
    return bootstrap_estimate(
        float(top.sum() / bottom.sum()),
        ratios,
        n=int(bottom.sum()),
        unit=unit,
        clusters=top.size,
        seed=resampling.seed,
        level=resampling.level,
    )


def sensitivity_by(
    detections: Detections,
    groups: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    threshold: float = -np.inf,
    resampling: Resampling = DEFAULT,
) -> tuple[Share, ...]:
    """Sensitivity in subgroups of lesions: bins of volume, sites.

    Args:
        detections: of the whole test set.
        groups: (m,) name of each lesion's subgroup, or with ``names`` its index into them.
        names: subgroups in the order to report, those without a lesion included; None: sorted names.
        threshold: lowest score that counts.
        resampling: of the intervals.

    Raises:
        InputError: not one group for each lesion.
    """
    labels = np.asarray(groups).reshape(-1)
    if labels.size != detections.lesion_case.size:
        raise InputError(
            f"{labels.size} subgroup names for {detections.lesion_case.size} lesions: expected one a lesion"
        )
    order = [str(name) for name in (np.unique(labels) if names is None else names)]
    named = labels.astype(str) if names is None else np.array([order[int(index)] for index in labels], dtype=object)
    owner = detections.patient[detections.lesion_case]
    hit = (detections.lesion_score >= threshold) & np.isfinite(detections.lesion_score)
    shares = []
    for name in order:
        inside = named == name
        lesions = np.bincount(owner[inside], minlength=detections.patients)
        found = np.bincount(owner[inside & hit], minlength=detections.patients)
        estimate = share_estimate(found, lesions, unit="lesions", resampling=resampling)
        shares.append(Share(name=name, found=int(found.sum()), lesions=int(lesions.sum()), sensitivity=estimate))
    return tuple(shares)


def subset(detections: Detections, cases: ArrayLike) -> Detections:
    """Only some cases (a centre, a scanner), with everything in them; patients are numbered anew.

    Args:
        detections: of the whole test set.
        cases: (cases,) boolean.

    Raises:
        InputError: not one truth value for each case, or no case is left.
    """
    keep = np.asarray(cases, dtype=bool).reshape(-1)
    if keep.size != detections.cases or not keep.any():
        raise InputError(
            f"{int(keep.sum())} of {keep.size} cases chosen from {detections.cases}: expected at least one"
        )
    number = np.cumsum(keep) - 1
    mine, lesion_mine = keep[detections.case], keep[detections.lesion_case]
    lesion_number = np.append(np.where(lesion_mine, np.cumsum(lesion_mine) - 1, -1), -1)
    return Detections(
        case=number[detections.case[mine]],
        score=detections.score[mine],
        outcome=detections.outcome[mine],
        lesion=lesion_number[detections.lesion[mine]],
        lesion_case=number[detections.lesion_case[lesion_mine]],
        lesion_score=detections.lesion_score[lesion_mine],
        patient=cluster_codes(detections.patient[keep])[0],
        rule=detections.rule,
    )
