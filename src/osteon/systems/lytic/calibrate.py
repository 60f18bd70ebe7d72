"""Candidates' features to probabilities, and the operating point, both from the validation patients alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.froc import froc
from osteon.evaluation.matching import Detections, match_cases
from osteon.evaluation.pairs import Pairs, Rule
from osteon.inference.calibration import fit_calibration, probability
from osteon.systems.lytic.infer import FEATURES, SECOND_LOOK, find_candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from osteon.networks.yolov5 import YOLOv5
    from osteon.systems.lytic.cases import TrainingCase
    from osteon.systems.lytic.config import LyticConfig
    from osteon.systems.lytic.infer import Candidate

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


def calibrate_model(
    validation: Sequence[TrainingCase],
    *,
    config: LyticConfig,
    bone: nn.Module,
    detectors: Sequence[YOLOv5],
    reduction: nn.Module | None,
    on_case: Callable[[int, int, str], None],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Fit calibration and operating point on whole volumes of the validation patients whose lesions are known.

    The calibration is fitted and judged on the same candidates, so its figures there are optimistic; the test patients
    tell.

    Returns:
        Calibration, operating point and metrics, as the bundle keeps them.
    """
    cases = [case for case in validation if case.has_lesions]
    names = FEATURES if reduction is None else (*FEATURES, SECOND_LOOK)
    pairs, features, scores, lesions, patients = [], [], [], [], []
    for number, case in enumerate(cases, start=1):
        found = find_candidates(
            np.asarray(case.hu),
            spacing_mm=case.spacing_mm,
            bone_network=bone,
            detectors=detectors,
            reduction=reduction,
            config=config,
        )
        pairs.append(candidate_pairs(found.found, case.lesions))
        features.append(np.stack([c.features for c in found.found]) if found.found else np.zeros((0, len(names))))
        lesions.append(len(np.unique(case.lesions[case.lesions > 0])))
        patients.append(f"{case.cohort}/{case.patient}")
        on_case(number, len(cases), case.case)
    hits = [np.isin(np.arange(len(f)), p.prediction) for f, p in zip(features, pairs, strict=True)]
    calibration = fit_calibration(np.concatenate(features), np.concatenate(hits))
    scores = [probability(f, calibration) for f in features]
    detections = match_candidates(pairs, scores=scores, lesions=lesions, patients=patients)
    threshold = choose_threshold(detections, false_positives=config.false_positives)
    rates = (0.5, 1.0, 2.0, 4.0)
    curve = froc(detections, rates=rates, unit="scan")
    how = (
        f"logistic regression on {', '.join(names)}, fitted on {sum(map(len, features))} candidates of "
        f"{len(cases)} validation scans"
    )
    chosen = _how_chosen(config, scans=len(cases), lesions=sum(lesions), candidates=sum(map(len, features)))
    # rounded down, so that the candidate whose probability it is stays above it
    point = {"threshold": math.floor(threshold * 10_000) / 10_000, "chosen": chosen}
    metrics = {
        f"validation sensitivity at {p.false_positives:g} false positives a scan": round(p.sensitivity.value, 4)
        for p in curve.points
        if np.isfinite(p.sensitivity.value)
    }
    return (
        {**calibration, "how": how, "features": list(names)},
        point,
        {**metrics, "validation lesions": sum(lesions)},
    )


def _how_chosen(config: LyticConfig, *, scans: int, lesions: int, candidates: int) -> str:
    """Where the threshold comes from; with nothing to choose it by, that is said."""
    absent = [name for name, count in (("lesion", lesions), ("candidate", candidates)) if not count]
    if absent:
        return (
            f"not chosen by data: no {' and no '.join(absent)} on {scans} validation scans; choose a threshold on "
            "patients with lesions before use"
        )
    return f"highest sensitivity at up to {config.false_positives:g} false positives a scan on {scans} validation scans"
