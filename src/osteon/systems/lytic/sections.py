"""What an evaluation of ``lytic`` reports, section by section, from the results of all cases."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.average_precision import make_boxes, match_boxes
from osteon.evaluation.detection import operating_point, sensitivity_by
from osteon.evaluation.froc import froc
from osteon.evaluation.intervals import cluster_codes
from osteon.evaluation.mean_ap import mean_average_precision
from osteon.evaluation.overlap import join_counts, mean_estimate, measure
from osteon.evaluation.pairs import Pairs
from osteon.report.result import Figure, Plot, Section, TableData
from osteon.systems.lytic.calibrate import MATCH_TEXT, match_candidates
from osteon.systems.lytic.detector import SMALLEST_BOX_MM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.evaluation.froc import Froc
    from osteon.evaluation.matching import Detections
    from osteon.systems.lytic.case_result import CaseResult

BOX_RESAMPLES = 200
RATES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
SMALLEST_MM = 5.0
SIZE_BINS_MM = (5.0, 8.0, 12.0, 20.0)
SIZE_NAMES = ("under 5 mm", "5 to 8 mm", "8 to 12 mm", "12 to 20 mm", "20 mm and more")


def sections(results: Sequence[CaseResult], detections: Detections | None, *, threshold: float) -> tuple[Section, ...]:
    """All sections that the results allow.

    Args:
        results: all cases; those without lesion truth count for bone alone.
        detections: of the cases with lesion truth, in their order; None where there is none.
        threshold: the operating point.
    """
    known = [r for r in results if r.lesions_known]
    if detections is None:
        note = f"None of the {len(results)} cases has lesion truth: no figure on lesions."
        return tuple(s for s in (_bone_section(results), Section(title="Lesions", notes=(note,))) if s is not None)
    left_out = len(results) - len(known)
    made = (
        _bone_section(results),
        _left_out_section(left_out, len(results)) if left_out else None,
        _froc_section(known, detections),
        _point_section(known, detections, threshold),
        _box_section(known),
        _calibration_section(known),
    )
    return tuple(section for section in made if section is not None)


def _bone_section(results: Sequence[CaseResult]) -> Section | None:
    known = [r for r in results if r.bone is not None]
    if not known:
        return None
    counts = join_counts([r.bone for r in known if r.bone is not None])
    patients = [r.case.patient for r in known]
    figures = tuple(
        Figure(
            name=f"bone {name}, mean over scans",
            rule="voxels of the whole scan",
            estimate=mean_estimate(measure(counts, name), patients=patients, unit="scans"),
        )
        for name in ("dice", "recall", "precision")
    )
    return Section(title="Bone segmentation", figures=figures)


def _left_out_section(left_out: int, total: int) -> Section:
    note = f"{left_out} of {total} cases are left out of all figures on lesions: their lesions are not known."
    return Section(title="Cases without lesion truth", notes=(note,))


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
    """What happens at the model's own threshold, in all, by size and by site."""
    point = operating_point(detections, threshold=threshold, unit="scan")
    rule = f"probability >= {threshold:g}; {MATCH_TEXT}"
    figures = [
        Figure(
            name="sensitivity",
            group="all lesions",
            counts=f"{point.found}/{point.lesions}",
            rule=rule,
            estimate=point.sensitivity,
        ),
        Figure(
            name="false positives a scan",
            rule=rule,
            estimate=point.false_positive_rate,
            counts=f"{point.false_positives}/{point.units}",
        ),
        Figure(name="PPV", rule=rule, estimate=point.ppv_predictions),
    ]
    sizes = np.concatenate([r.lesion_mm for r in results])
    sites = np.array([site for r in results for site in r.lesion_site])
    if len(sizes):
        bins = np.digitize(sizes, SIZE_BINS_MM)
        shares = (
            *sensitivity_by(detections, bins, names=SIZE_NAMES, threshold=threshold),
            *sensitivity_by(detections, sites, threshold=threshold),
        )
        figures += [
            Figure(name="sensitivity", group=s.name, counts=f"{s.found}/{s.lesions}", rule=rule, estimate=s.sensitivity)
            for s in shares
            if s.lesions
        ]
    return Section(title="At the model's operating point", figures=tuple(figures))


def _box_section(results: Sequence[CaseResult]) -> Section | None:
    """mAP@0.5 of the slice boxes, as the study reports its detector."""
    found, scores, true = [], [], []
    found_at: list[int] = []
    true_at: list[int] = []
    patient: list[str] = []
    for r in results:
        for index in sorted(set(r.slice_found) | set(r.slice_truth)):
            boxes, score = r.slice_found.get(index, (np.zeros((0, 4), dtype=np.float32), np.zeros(0, dtype=np.float32)))
            truth = r.slice_truth.get(index, np.zeros((0, 4), dtype=np.float32))
            found.append(boxes)
            scores.append(score)
            true.append(truth)
            found_at += [len(patient)] * len(boxes)
            true_at += [len(patient)] * len(truth)
            patient.append(r.case.patient)
    if not true_at:
        return None
    matches = match_boxes(
        make_boxes(np.concatenate(found), image=found_at, score=np.concatenate(scores)),
        make_boxes(np.concatenate(true), image=true_at),
        thresholds=(0.5,),
    )
    value = mean_average_precision(matches, patient=cluster_codes(patient)[0], resamples=BOX_RESAMPLES)
    rule = (
        f"COCO 101-point; slices that the detectors looked at, with predicted bone or a lesion; true boxes of "
        f"{SMALLEST_BOX_MM:g} mm and more; {BOX_RESAMPLES} resamples by patient"
    )
    return Section(title="Boxes on slices", figures=(Figure(name="mAP@0.5", estimate=value.at[0.5], rule=rule),))


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
