"""Evaluating a ``lytic`` model on a cohort: bone overlap, lesions found, boxes a slice, each with its interval."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError, OsteonError
from osteon.evaluation.average_precision import make_boxes, match_boxes
from osteon.evaluation.froc import froc
from osteon.evaluation.intervals import proportion
from osteon.evaluation.matching import FALSE
from osteon.evaluation.mean_ap import mean_average_precision
from osteon.evaluation.overlap import OverlapCounts, join_counts, mean_estimate, measure, overlap_counts
from osteon.imaging.canonical import canonical
from osteon.report.result import Figure, Plot, Section, StatsResult, TableData
from osteon.systems.lytic.calibrate import MATCH_TEXT, candidate_pairs, match_candidates, probability
from osteon.systems.lytic.cases import load_case_volume, read_mask
from osteon.systems.lytic.detector import boxes_on_slice
from osteon.systems.lytic.infer import Candidates, find_candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.evaluation.froc import Froc
    from osteon.evaluation.matching import Detections
    from osteon.evaluation.pairs import Pairs
    from osteon.systems.lytic.bundle import LyticModel

RATES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
SMALLEST_MM = 5.0
SIZE_BINS_MM = (5.0, 8.0, 12.0, 20.0, np.inf)


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseResult:
    """What one case gives to the figures.

    Attributes:
        bone: voxel counts of the bone mask; None without truth.
        pairs, scores: candidates against lesions.
        lesion_mm, lesion_site: equivalent diameter and bone site of each true lesion, in rising number.
        slice_truth, slice_found: boxes by slice index.
    """

    case: Case
    bone: OverlapCounts | None
    pairs: Pairs
    scores: NDArray[np.float64]
    lesion_mm: NDArray[np.float64]
    lesion_site: tuple[str, ...]
    slice_truth: dict[int, NDArray[np.float32]]
    slice_found: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]]
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LyticEvaluation:
    """Everything measured: the result to print and write, rows a case, and what failed."""

    result: StatsResult
    rows: tuple[dict[str, Any], ...]
    failures: dict[str, str]


def evaluate(
    model: LyticModel, cohort: Cohort, *, on_case: Callable[[int, int, str], None] = lambda done, total, case: None
) -> LyticEvaluation:
    """Read every case of a cohort and compare with its truth.

    A case that cannot be read costs that case; it is named in ``failures``.

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
    detections = match_candidates(
        [r.pairs for r in results],
        scores=[r.scores for r in results],
        lesions=[len(r.lesion_mm) for r in results],
        patients=[r.case.patient for r in results],
    )
    sections = [
        _bone_section(results),
        _froc_section(results, detections),
        _point_section(results, detections, threshold),
        _box_section(results),
        _calibration_section(results),
    ]
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
        sections=tuple(section for section in sections if section is not None),
        warnings=_warnings(cohort, failures),
    )
    return LyticEvaluation(result=result, rows=tuple(_row(r, threshold) for r in results), failures=failures)


def evaluate_case(model: LyticModel, cohort: Cohort, case: Case) -> CaseResult:
    """Read one case and gather what the figures need."""
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
            k: b for k in _looked_at(found) if len(b := boxes_on_slice(truth["lesions"][k], axial.grid.spacing_mm))
        },
        slice_found={k: (boxes, score) for k, boxes, score in found.slice_boxes},
        seconds=float(sum(found.timings_s.values())),
    )


def _looked_at(found: Candidates) -> list[int]:
    return [index for index, _, _ in found.slice_boxes]


def _lesion_facts(
    lesions: NDArray[Any], bone: NDArray[Any], voxel_mm3: float
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Diameter of the sphere of equal volume, and bone site, of each true lesion."""
    from osteon.systems.lytic.config import SITES

    numbers, counts = np.unique(lesions[lesions > 0], return_counts=True)
    sizes = 2 * (3 * counts * voxel_mm3 / (4 * np.pi)) ** (1 / 3)
    sites = []
    for number in numbers:
        inside = bone[lesions == number]
        votes = np.bincount(inside[inside > 0].astype(int), minlength=len(SITES) + 1)[1 : len(SITES) + 1]
        sites.append(SITES[int(np.argmax(votes))] if votes.any() else "unknown")
    return np.asarray(sizes, dtype=np.float64), tuple(sites)


def _bone_section(results: Sequence[CaseResult]) -> Section | None:
    known = [r for r in results if r.bone is not None]
    if not known:
        return None
    counts = join_counts([r.bone for r in known if r.bone is not None])
    patients = [r.case.patient for r in known]
    figures = tuple(
        Figure(
            name=f"bone {name}, mean over scans",
            rule="voxels of the whole scan, threshold 0.5",
            estimate=mean_estimate(measure(counts, name), patients=patients, unit="scans"),
        )
        for name in ("dice", "recall", "precision")
    )
    return Section(title="Bone segmentation", figures=figures)


def _froc_section(results: Sequence[CaseResult], detections: Detections) -> Section | None:
    if not len(detections.lesion_score):
        return Section(title="Lesions", notes=("No case has a lesion: only false positives can be counted.",))
    curve = froc(detections, rates=RATES, unit="scan", resamples=2000)
    figures = [
        Figure(
            name=f"sensitivity at {p.false_positives:g} false positives a scan", estimate=p.sensitivity, rule=MATCH_TEXT
        )
        for p in curve.points
    ]
    large = _large_only(results)
    if len(large.lesion_score):
        figures += [
            Figure(
                name=f"sensitivity at {p.false_positives:g} false positives a scan",
                group=f"lesions of {SMALLEST_MM:g} mm and more",
                estimate=p.sensitivity,
                rule=MATCH_TEXT,
            )
            for p in froc(large, rates=(1.0, 2.0), unit="scan", resamples=2000).points
        ]
    return Section(
        title="Lesions found: FROC",
        figures=tuple(figures),
        plots=(_froc_plot(curve),),
        notes=("Diameter of a lesion: that of the sphere with its volume in the truth mask.",),
    )


def _large_only(results: Sequence[CaseResult]) -> Detections:
    """Detections against lesions of 5 mm and more; candidates on smaller ones count neither way."""
    from osteon.evaluation.pairs import Pairs

    pairs, scores, counts = [], [], []
    for r in results:
        keep = r.lesion_mm >= SMALLEST_MM
        renumber = np.cumsum(keep) - 1
        on_small = np.isin(np.arange(len(r.scores)), r.pairs.prediction[~keep[r.pairs.truth]])
        rows = keep[r.pairs.truth]
        on_large = np.isin(np.arange(len(r.scores)), r.pairs.prediction[rows])
        kept = ~on_small | on_large
        place = np.cumsum(kept) - 1
        pairs.append(
            Pairs(
                prediction=place[r.pairs.prediction[rows]],
                truth=renumber[r.pairs.truth[rows]],
                affinity=r.pairs.affinity[rows],
            )
        )
        scores.append(r.scores[kept])
        counts.append(int(keep.sum()))
    return match_candidates(pairs, scores=scores, lesions=counts, patients=[r.case.patient for r in results])


def _froc_plot(curve: Froc) -> Plot:
    series: dict[str, Any] = {"name": "FROC", "x": curve.false_positives, "y": curve.sensitivity, "step": True}
    if curve.band_rate.size:
        series |= {"band_x": curve.band_rate, "low": curve.band_low, "high": curve.band_high}
    data = {
        "series": [series],
        "x_label": "false positives per scan",
        "y_label": "sensitivity per lesion",
        "x_log": True,
        "x_limits": [0.05, 10],
        "y_limits": [0, 1.02],
    }
    caption = (
        f"{curve.lesions} lesions, {curve.units} scans. {MATCH_TEXT}. Band: 95 %, pointwise, bootstrap by patient."
    )
    return Plot(kind="curves", title="FROC curve", data=data, caption=caption)


def _point_section(results: Sequence[CaseResult], detections: Detections, threshold: float) -> Section:
    """What happens at the model's own threshold, by size and by site."""
    found = detections.lesion_score >= threshold
    sizes = np.concatenate([r.lesion_mm for r in results]) if results else np.zeros(0)
    sites = np.array([site for r in results for site in r.lesion_site])
    false = int(((detections.outcome == FALSE) & (detections.score >= threshold)).sum())
    groups = [("all lesions", np.ones(len(found), dtype=bool))]
    groups += [
        (f"{low:g} to {high:g} mm" if np.isfinite(high) else f"{low:g} mm and more", (sizes >= low) & (sizes < high))
        for low, high in itertools.pairwise(SIZE_BINS_MM)
    ]
    groups += [(f"under {SIZE_BINS_MM[0]:g} mm", sizes < SIZE_BINS_MM[0])]
    groups += [(str(site), sites == site) for site in sorted(set(sites.tolist()))]
    figures = tuple(
        Figure(
            name="sensitivity",
            group=name,
            counts=f"{int(found[part].sum())}/{int(part.sum())}",
            rule=f"probability >= {threshold:g}",
            estimate=proportion(int(found[part].sum()), int(part.sum()), unit="lesions"),
        )
        for name, part in groups
        if part.any()
    )
    table = TableData(
        title="False positives",
        columns=("scans", "false positives", "per scan"),
        rows=((len(results), false, false / max(1, len(results))),),
    )
    return Section(title="At the model's operating point", figures=figures, tables=(table,))


def _box_section(results: Sequence[CaseResult]) -> Section | None:
    """mAP@0.5 of the slice boxes, as the study reports its detector."""
    true, found, scores, true_at, found_at, patient = [], [], [], [], [], []
    image = 0
    for number, r in enumerate(results):
        for index, (boxes, score) in r.slice_found.items():
            truth = r.slice_truth.get(index, np.zeros((0, 4), dtype=np.float32))
            true.append(truth)
            found.append(boxes)
            scores.append(score)
            true_at += [image] * len(truth)
            found_at += [image] * len(boxes)
            patient.append(number)
            image += 1
    if not true_at:
        return None
    matches = match_boxes(
        make_boxes(np.concatenate(found), image=found_at, score=np.concatenate(scores)),
        make_boxes(np.concatenate(true), image=true_at),
        thresholds=(0.5,),
    )
    value = mean_average_precision(matches, patient=np.asarray(patient, dtype=np.intp), resamples=200)
    return Section(
        title="Boxes on slices",
        figures=(Figure(name="mAP@0.5", estimate=value.at[0.5], rule="COCO 101-point, every slice with bone"),),
    )


def _calibration_section(results: Sequence[CaseResult]) -> Section | None:
    """Whether a probability of 0.7 means seven lesions in ten."""
    scores = np.concatenate([r.scores for r in results])
    if not len(scores):
        return None
    hits = np.concatenate([np.isin(np.arange(len(r.scores)), r.pairs.prediction) for r in results])
    edges = np.linspace(0, 1, 6)
    rows = []
    for low, high in itertools.pairwise(edges):
        part = (scores >= low) & ((scores < high) if high < 1 else (scores <= 1))
        if part.any():
            rows.append((f"{low:g} to {high:g}", int(part.sum()), float(scores[part].mean()), float(hits[part].mean())))
    table = TableData(
        title="Calibration of candidates",
        columns=("probability", "candidates", "mean probability", "share that hit a lesion"),
        rows=tuple(rows),
        note=f"Brier score {np.mean((scores - hits) ** 2):.4f}, {len(scores)} candidates.",
    )
    return Section(title="Calibration", tables=(table,))


def _warnings(cohort: Cohort, failures: dict[str, str]) -> tuple[str, ...]:
    notes = []
    if cohort.name.startswith("phantom-"):
        notes.append("Phantoms: these figures say nothing about patients.")
    if failures:
        notes.append(f"{len(failures)} of {len(cohort.cases)} cases could not be evaluated and are left out.")
    return tuple(notes)


def _row(result: CaseResult, threshold: float) -> dict[str, Any]:
    detections = match_candidates(
        [result.pairs], scores=[result.scores], lesions=[len(result.lesion_mm)], patients=["one"]
    )
    called = result.scores >= threshold
    return {
        "case": result.case.case,
        "lesions": len(result.lesion_mm),
        "found": int((detections.lesion_score >= threshold).sum()),
        "false_positives": int((called & ~np.isin(np.arange(len(called)), result.pairs.prediction)).sum()),
        "bone_dice": "" if result.bone is None else round(float(measure(result.bone, "dice")[0]), 4),
        "seconds": round(result.seconds, 2),
    }
