"""Free-response ROC: lesions found against false positives per image, series or patient.

At a threshold ``t`` a prediction counts where ``score >= t``; sensitivity is the share of lesions found by a counted
prediction. "Sensitivity at f false positives" is the highest that any threshold reaches with at most f false positives
a unit (a step curve: nothing is interpolated between operating points, and all predictions of equal score enter at
once). CPM, the competition performance metric, is the mean of the sensitivities at 1/8, 1/4, 1/2, 1, 2, 4 and 8
(Niemeijer et al., IEEE Trans Med Imaging 2011, 30:215).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import UsageError
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import bootstrap_estimate, draw_clusters, percentile_ends
from osteon.evaluation.matching import FALSE, Detections, units_by_patient

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FALSE_POSITIVE_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
BAND_POINTS = 97


@dataclass(frozen=True, kw_only=True, slots=True)
class FrocPoint:
    """Sensitivity at one allowed rate of false positives.

    Attributes:
        false_positives: allowed, per unit.
        threshold: lowest score that keeps within it, of those at which the curve moves; +inf where none does (nothing
            is called).
        sensitivity: with its interval.
    """

    false_positives: float
    threshold: float
    sensitivity: Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Froc:
    """The curve, its band and its summary.

    Attributes:
        threshold: (k,) falling; +inf first (nothing is called).
        false_positives: (k,) per unit, rising.
        sensitivity: (k,) rising; nan where there is no lesion at all.
        points: sensitivity at the rates asked for.
        cpm: mean sensitivity over these rates.
        band_rate: (b,) false positives per unit where the band is given.
        band_low: (b,) pointwise lower end of sensitivity; empty without bootstrap.
        band_high: (b,) upper end.
        unit: what false positives are counted per: "image", "series", "patient".
        units: how many of them.
        lesions: true lesions.
    """

    threshold: NDArray[np.float64]
    false_positives: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    points: tuple[FrocPoint, ...]
    cpm: Estimate
    band_rate: NDArray[np.float64]
    band_low: NDArray[np.float64]
    band_high: NDArray[np.float64]
    unit: str
    units: int
    lesions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ranked:
    """False positives and found lesions in falling score, by patient."""

    score: NDArray[np.float64]  # (f,) of false positives
    who: NDArray[np.intp]  # (f,) patient
    found: NDArray[np.float64]  # (m,) score of each lesion, missed ones (-inf) last
    found_who: NDArray[np.intp]  # (m,)
    above: NDArray[np.intp]  # (f + 1,) lesions found above each false positive's score; with none left to exclude: all
    units: NDArray[np.int64]  # (patients,)


def froc(
    detections: Detections,
    *,
    rates: tuple[float, ...] = FALSE_POSITIVE_RATES,
    unit: str = "image",
    units: ArrayLike | None = None,
    resamples: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> Froc:
    """The FROC curve, with its band by bootstrap of patients.

    Args:
        detections: matched predictions and lesions of the whole test set.
        rates: false positives per unit at which sensitivity is wanted; CPM is the mean over them.
        unit: what false positives are counted per; "patient" counts patients, any other word names the cases.
        units: (cases,) series (or other unit) of each case, where a case is only a part of one (a slice of a series).
        resamples: number of bootstrap resamples; 0 for no interval and no band.
        seed: of the bootstrap.
        level: confidence level of intervals and band.

    Raises:
        UsageError: no rate, or one that is not a finite number above or equal to 0.
        InputError: a unit that holds cases of two patients.
    """
    if not rates or not all(np.isfinite(rate) and rate >= 0 for rate in rates):
        raise UsageError(f"false-positive rates {rates}: expected one or more finite numbers from 0")
    ranked = _rank(detections, units_by_patient(detections, unit=unit, units=units))
    threshold, false_positives, sensitivity = _curve(ranked)
    grid = _band_grid(max(*rates, float(false_positives[-1]), 1e-6))
    if not resamples or detections.patients < 2:  # one patient has no other to be drawn instead
        grid = np.empty(0)
    drawn = _replicates(ranked, np.array([*rates, *grid]), resamples=resamples, seed=seed)
    steps = [_place(false_positives, rate) for rate in rates]
    patients = detections.patients

    def estimate(value: np.float64, replicates: NDArray[np.float64]) -> Estimate:
        lesions = ranked.found.size
        if not resamples:
            return Estimate(value=float(value), n=lesions, unit="lesions", method="no interval", level=level)
        return bootstrap_estimate(
            float(value), replicates, n=lesions, unit="lesions", clusters=patients, seed=seed, level=level
        )

    points = tuple(
        FrocPoint(
            false_positives=rate,
            threshold=float(threshold[step]),
            sensitivity=estimate(sensitivity[step], drawn[row]),
        )
        for row, (rate, step) in enumerate(zip(rates, steps, strict=True))
    )
    ends = np.array([percentile_ends(column, level=level) for column in drawn[len(rates) :]]).reshape(-1, 2)
    return Froc(
        threshold=threshold,
        false_positives=false_positives,
        sensitivity=sensitivity,
        points=points,
        cpm=estimate(sensitivity[steps].mean(), drawn[: len(rates)].mean(axis=0)),
        band_rate=grid,
        band_low=ends[:, 0],
        band_high=ends[:, 1],
        unit=unit,
        units=int(ranked.units.sum()),
        lesions=ranked.found.size,
    )


def _band_grid(span: float) -> NDArray[np.float64]:
    """False positives per unit at which the band is given: 0, then evenly on a logarithmic axis up to ``span``."""
    return np.concatenate([[0.0], np.geomspace(min(0.05, span / 2), span, BAND_POINTS - 1)])


def _rank(detections: Detections, units: NDArray[np.int64]) -> _Ranked:
    false = np.flatnonzero(detections.outcome == FALSE)
    false = false[np.argsort(-detections.score[false], kind="stable")]
    order = np.argsort(-detections.lesion_score, kind="stable")
    found = detections.lesion_score[order]
    rising = found[::-1]
    above = found.size - np.searchsorted(rising, detections.score[false], side="right")
    return _Ranked(
        score=detections.score[false],
        who=detections.patient[detections.case[false]],
        found=found,
        found_who=detections.patient[detections.lesion_case[order]],
        above=np.append(above, np.isfinite(found).sum()).astype(np.intp),
        units=units,
    )


def _curve(ranked: _Ranked) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    seen = np.concatenate([ranked.score, ranked.found[np.isfinite(ranked.found)]])
    threshold = np.concatenate([[np.inf], np.unique(seen)[::-1]])
    false = ranked.score.size - np.searchsorted(ranked.score[::-1], threshold, side="left")
    hit = ranked.found.size - np.searchsorted(ranked.found[::-1], threshold, side="left")
    with np.errstate(invalid="ignore"):
        return threshold, false / ranked.units.sum(), hit / np.float64(ranked.found.size)


def _place(false_positives: NDArray[np.float64], rate: float) -> int:
    """Last operating point with at most ``rate`` false positives a unit."""
    return int(np.searchsorted(false_positives, rate * (1 + 1e-12), side="right")) - 1


def _replicates(ranked: _Ranked, rates: NDArray[np.float64], *, resamples: int, seed: int) -> NDArray[np.float64]:
    """Sensitivity (rates, resamples) in bootstrap resamples of patients; nan where no lesion was drawn."""
    if not resamples:
        return np.full((rates.size, 0), np.nan)
    blocks = []
    for drawn in draw_clusters(ranked.units.size, resamples=resamples, seed=seed):
        counts = drawn.astype(np.int32)
        false = np.cumsum(counts[ranked.who], axis=0, dtype=np.int32)
        hit = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts[ranked.found_who], axis=0)])
        allowed = np.floor(rates[:, None] * (1 + 1e-12) * (ranked.units @ drawn)[None])
        values = np.empty((rates.size, counts.shape[1]))
        for column in range(counts.shape[1]):
            first_excluded = np.searchsorted(np.ascontiguousarray(false[:, column]), allowed[:, column], side="right")
            values[:, column] = hit[ranked.above[first_excluded], column]
        lesions = hit[-1]
        blocks.append(np.divide(values, lesions, out=np.full(values.shape, np.nan), where=lesions > 0))
    return np.concatenate(blocks, axis=1)
