"""Evaluating a ``lytic`` model on a cohort: bone overlap, lesions found, boxes a slice, each with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError, OsteonError
from osteon.evaluation.overlap import measure, overlap_counts
from osteon.imaging.canonical import canonical
from osteon.inference.calibration import probability
from osteon.report.result import StatsResult
from osteon.systems.lytic.bundle import trained_on
from osteon.systems.lytic.calibrate import MATCH_TEXT, candidate_pairs, match_candidates
from osteon.systems.lytic.case_result import CaseResult
from osteon.systems.lytic.cases import load_case_volume, read_mask, voxel_fingerprint
from osteon.systems.lytic.config import SITES
from osteon.systems.lytic.detector import boxes_on_slice
from osteon.systems.lytic.infer import detection_step, find_candidates
from osteon.systems.lytic.sections import sections
from osteon.systems.protocol import SystemEvaluation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.systems.lytic.bundle import LyticModel


def evaluate(
    model: LyticModel, cohort: Cohort, *, on_case: Callable[[int, int, str], None] = lambda done, total, case: None
) -> SystemEvaluation:
    """Read every case of a cohort and compare with its truth.

    A case that cannot be read costs that case; it is named in ``failures``. One without lesion truth counts for bone
    alone: nobody knows whether it is free of lesions.

    Raises:
        CohortError: no case could be evaluated.
    """
    results: list[CaseResult] = []
    failures: dict[str, str] = {}
    for number, case in enumerate(cohort.cases, start=1):
        try:
            results.append(evaluate_case(model, cohort, case))
        except OsteonError as error:
            failures[case.case] = str(error)
        on_case(number, len(cohort.cases), case.case)
    if not results:
        first = next(iter(failures.values()), "it has no cases")
        raise CohortError(f"cohort {cohort.name}: no case could be evaluated; first reason: {first}")
    threshold = float(model.bundle.facts.operating_point["threshold"])
    known = [r for r in results if r.lesions_known]
    detections = None
    if known:
        detections = match_candidates(
            [r.pairs for r in known],
            scores=[r.scores for r in known],
            lesions=[len(r.lesion_mm) for r in known],
            patients=[r.case.patient for r in known],
        )
    result = StatsResult(
        verb="evaluate",
        title=f"lytic on {cohort.name}",
        inputs=(cohort.name, model.bundle.facts.name),
        settings={
            "model": model.bundle.hash,
            "threshold": threshold,
            "matching": MATCH_TEXT,
            "bootstrap": "2000 resamples by patient, seed 0",
        },
        sections=sections(results, detections, threshold=threshold),
        warnings=_warnings(cohort, results, failures),
    )
    return SystemEvaluation(result=result, rows=tuple(_row(r, threshold) for r in results), failures=failures)


def evaluate_case(model: LyticModel, cohort: Cohort, case: Case) -> CaseResult:
    """Read one case and gather what the figures need.

    Raises:
        CohortError: neither bone nor lesions are known, or a scan or mask cannot be read.
    """
    if not {"bone", "lesions"} & set(case.truth):
        raise CohortError(
            f"case {case.case}: neither truth.lesions nor truth.bone in cohort.json, nothing to compare with; add one "
            "(an empty mask where there is no lesion)"
        )
    volume = load_case_volume(cohort, case)
    axial = canonical(volume)
    empty = np.zeros(volume.grid.shape, dtype=np.uint16)
    truth = {
        kind: canonical(
            type(volume)(
                array=read_mask(cohort, case, kind, volume=volume) if kind in case.truth else empty,
                grid=volume.grid,
                modality="CT",
            )
        ).array
        for kind in ("bone", "lesions")
    }
    found = find_candidates(
        axial.array,
        spacing_mm=axial.grid.spacing_mm,
        bone_network=model.bone,
        detectors=model.detectors,
        reduction=model.reduction,
        config=model.config,
    )
    scores = np.zeros(0)
    if found.found:
        scores = probability(np.stack([c.features for c in found.found]), model.bundle.facts.calibration)
    sizes, sites = _lesion_facts(truth["lesions"], truth["bone"], axial.grid.voxel_mm3)
    return CaseResult(
        case=case,
        bone=overlap_counts(truth["bone"], found.sites) if "bone" in case.truth else None,
        pairs=candidate_pairs(found.found, truth["lesions"]),
        scores=scores,
        lesion_mm=sizes,
        lesion_site=sites,
        slice_truth={
            k: boxes
            for k in range(0, axial.grid.shape[0], detection_step(axial.grid.spacing_mm[2]))
            if len(boxes := boxes_on_slice(truth["lesions"][k], axial.grid.spacing_mm))
        },
        slice_found={k: (boxes, score) for k, boxes, score in found.slice_boxes},
        seconds=float(sum(found.timings_s.values())),
        lesions_known="lesions" in case.truth,
        trained_on=trained_on(model.bundle, voxel_fingerprint(axial.array)),
    )


def _lesion_facts(
    lesions: NDArray[Any], bone: NDArray[Any], voxel_mm3: float
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Diameter of the sphere of equal volume, and bone site, of each true lesion."""
    numbers, counts = np.unique(lesions[lesions > 0], return_counts=True)
    sizes = 2 * (3 * counts * voxel_mm3 / (4 * np.pi)) ** (1 / 3)
    sites = []
    for number in numbers:
        inside = bone[lesions == number]
        votes = np.bincount(inside[inside > 0].astype(int), minlength=len(SITES) + 1)[1 : len(SITES) + 1]
        sites.append(SITES[int(np.argmax(votes))] if votes.any() else "unknown")
    return np.asarray(sizes, dtype=np.float64), tuple(sites)


def _warnings(cohort: Cohort, results: list[CaseResult], failures: dict[str, str]) -> tuple[str, ...]:
    notes = []
    if cohort.is_phantom:
        notes.append("Phantoms: these figures say nothing about patients.")
    leaked = sorted(r.case.case for r in results if r.trained_on)
    if leaked:
        notes.append(f"{len(leaked)} scans are among those that the model was trained on: {', '.join(leaked[:5])}.")
    unknown = [r.case.case for r in results if not r.lesions_known]
    if unknown:
        notes.append(
            f"{len(unknown)} of {len(results)} cases have no lesion truth and are left out of all figures on lesions: "
            f"{', '.join(unknown[:5])}{', ...' if len(unknown) > 5 else ''}. Free of lesions: add an empty mask."
        )
    if failures:
        notes.append(f"{len(failures)} of {len(cohort.cases)} cases could not be evaluated and are left out.")
    return tuple(notes)


def _row(result: CaseResult, threshold: float) -> dict[str, Any]:
    facts = {
        "bone_dice": "" if result.bone is None else round(float(measure(result.bone, "dice")[0]), 4),
        "seconds": round(result.seconds, 2),
    }
    if not result.lesions_known:
        return {"case": result.case.case, "lesions": "", "found": "", "false_positives": ""} | facts
    detections = match_candidates(
        [result.pairs], scores=[result.scores], lesions=[len(result.lesion_mm)], patients=["one"]
    )
    called = result.scores >= threshold
    return {
        "case": result.case.case,
        "lesions": len(result.lesion_mm),
        "found": int((detections.lesion_score >= threshold).sum()),
        "false_positives": int((called & ~np.isin(np.arange(len(called)), result.pairs.prediction)).sum()),
    } | facts
