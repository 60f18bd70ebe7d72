"""Mask threshold, calibration and operating point of one network, all from the validation patients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.froc import froc
from osteon.evaluation.matching import Detections, match_cases
from osteon.evaluation.overlap import join_counts, overlap_counts
from osteon.inference.calibration import fit_calibration, probability
from osteon.systems.metastasis.config import sequences_of
from osteon.systems.metastasis.infer import FEATURES, MATCH_TEXT, find_lesions, hits
from osteon.systems.metastasis.network import probabilities
from osteon.systems.metastasis.splits import patient_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from osteon.evaluation.overlap import OverlapCounts
    from osteon.evaluation.pairs import Pairs
    from osteon.systems.metastasis.cases import StationCase

MASK_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
RATES = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class StationResult:
    """What one network says about one station, beside the truth.

    Attributes:
        station: which.
        pixels: overlap of all pixels above the mask threshold, on the reference's grid.
        pairs: which prediction hits which lesion.
        features: (n, 3) of the predictions.
        centres_mm: (n, 3) LPS, middle of each prediction.
        reach_mm: (n,) radius of the sphere of each prediction's volume.
    """

    station: StationCase
    pixels: OverlapCounts
    pairs: Pairs
    features: NDArray[np.float64]
    centres_mm: NDArray[np.float64]
    reach_mm: NDArray[np.float64]


def read_station(
    network: nn.Module, station: StationCase, combination: str, *, dimensions: int, mask_threshold: float
) -> StationResult:
    """Run a network over a station whose lesions are known."""
    answer = probabilities(network, station.channels(sequences_of(combination)), dimensions=dimensions)
    return compare(answer, station, mask_threshold=mask_threshold)


def compare(answer: NDArray[np.float32], station: StationCase, *, mask_threshold: float) -> StationResult:
    """Lesions of a probability map of the networks' size, beside the true ones."""
    true, grid = np.asarray(station.lesions), station.grid
    found = find_lesions(answer, station.plan, voxel_mm3=grid.voxel_mm3, mask_threshold=mask_threshold)
    count = len(found.features)
    centres, reach = np.zeros((count, 3)), np.zeros(count)
    places = np.argwhere(found.labels > 0)
    number = found.labels[tuple(places.T)].astype(int) - 1
    if count:
        sizes = np.bincount(number, minlength=count)
        middles = [np.bincount(number, weights=places[:, axis], minlength=count) / sizes for axis in (2, 1, 0)]
        centres = grid.to_mm(np.stack(middles, axis=1))
        reach = np.asarray((3 * sizes * grid.voxel_mm3 / (4 * np.pi)) ** (1 / 3))
    return StationResult(
        station=station,
        pixels=overlap_counts(true, found.mask),
        pairs=hits(found.labels, true),
        features=found.features,
        centres_mm=centres,
        reach_mm=reach,
    )


def scores_of(result: StationResult, calibration: dict[str, Any]) -> NDArray[np.float64]:
    """Calibrated probability of each prediction."""
    return probability(result.features, calibration) if len(result.features) else np.zeros(0)


def match_stations(results: Sequence[StationResult], scores: Sequence[NDArray[np.float64]]) -> Detections:
    """All stations by the study's rule, one case a station."""
    return match_cases(
        [one.pairs for one in results],
        scores=list(scores),
        lesions=[len(one.station.numbers) for one in results],
        patients=[patient_of(one.station) for one in results],
        pairing="many-to-one",
        rule=MATCH_TEXT,
    )


def calibrate(
    network: nn.Module,
    stations: Sequence[StationCase],
    combination: str,
    *,
    dimensions: int,
    false_positives: float,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Choose and fit on validation stations; the figures there are optimistic, the test patients tell.

    Returns:
        Calibration, operating point and metrics, as the bundle keeps them.
    """
    answers = []
    for number, station in enumerate(stations, start=1):
        answers.append(probabilities(network, station.channels(sequences_of(combination)), dimensions=dimensions))
        on_case(number, len(stations), f"{combination}: {station.case}")
    cut = best_mask_threshold(answers, stations)
    results = [compare(a, s, mask_threshold=cut) for a, s in zip(answers, stations, strict=True)]
    features = np.concatenate([one.features for one in results]) if results else np.zeros((0, len(FEATURES)))
    right = [np.isin(np.arange(len(one.features)), one.pairs.prediction) for one in results]
    fitted = fit_calibration(features, np.concatenate(right))
    detections = match_stations(results, [scores_of(one, fitted) for one in results])
    how = (
        f"logistic regression on {', '.join(FEATURES)}, fitted on {len(features)} predictions on {len(stations)} "
        "validation series"
    )
    threshold, chosen, metrics = _choose_point(detections, false_positives=false_positives, series=len(stations))
    point = {"threshold": threshold, "mask_threshold": cut, "chosen": chosen}
    dice = {"validation dice of all pixels": round(_pooled_dice([one.pixels for one in results]), 4)}
    named = {f"{combination} {name}": value for name, value in {**dice, **metrics}.items()}
    return {**fitted, "how": how, "features": list(FEATURES)}, point, named


def _choose_point(
    detections: Detections, *, false_positives: float, series: int
) -> tuple[float, str, dict[str, float]]:
    """Threshold, how it was chosen, and sensitivities on the validation series."""
    if not len(detections.lesion_score) or not len(detections.score):
        return 0.5, "not chosen by data: no lesion or no prediction on the validation series", {}
    curve = froc(detections, rates=(false_positives, *RATES), unit="series")
    threshold = float(np.clip(curve.points[0].threshold, 0.01, 0.99))
    metrics = {
        f"validation sensitivity at {p.false_positives:g} false positives a series": round(p.sensitivity.value, 4)
        for p in curve.points[1:]
        if np.isfinite(p.sensitivity.value)
    }
    chosen = (
        f"highest sensitivity at up to {false_positives:g} false positives a series on {series} validation series with "
        f"{len(detections.lesion_score)} lesions"
    )
    # rounded down, so that the prediction whose probability it is stays above it
    return math.floor(threshold * 10_000) / 10_000, chosen, metrics


def best_mask_threshold(answers: Sequence[NDArray[np.float32]], stations: Sequence[StationCase]) -> float:
    """The one of ``MASK_THRESHOLDS`` with the highest Dice of all pixels at the networks' size; 0.5 without lesions."""
    true = [np.asarray(station.small) > 0 for station in stations]
    if not any(mask.any() for mask in true):
        return 0.5
    dice = [
        _pooled_dice([overlap_counts(mask, answer >= cut) for answer, mask in zip(answers, true, strict=True)])
        for cut in MASK_THRESHOLDS
    ]
    return MASK_THRESHOLDS[int(np.argmax(dice))]


def _pooled_dice(counts: Sequence[OverlapCounts]) -> float:
    joined = join_counts(list(counts))
    both, rest = 2 * int(joined.both.sum()), int(joined.missed.sum()) + int(joined.extra.sum())
    return both / (both + rest) if both + rest else 1.0
