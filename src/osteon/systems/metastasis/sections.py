"""What is reported of ``metastasis``, section by section, from one network's results on all stations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.detection import operating_point, sensitivity_by
from osteon.evaluation.froc import froc
from osteon.evaluation.lesions import volume_bins
from osteon.evaluation.matching import FALSE
from osteon.evaluation.overlap import join_counts, mean_estimate, measure, pooled_estimate
from osteon.report.result import Figure, Plot, Section, TableData
from osteon.systems.metastasis.calibrate import match_stations
from osteon.systems.metastasis.gallery import FalsePositive, gallery
from osteon.systems.metastasis.infer import MATCH_TEXT
from osteon.systems.metastasis.splits import patient_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from osteon.evaluation.detection import OperatingPoint, Share
    from osteon.evaluation.estimate import Estimate
    from osteon.evaluation.froc import Froc
    from osteon.evaluation.matching import Detections
    from osteon.systems.metastasis.calibrate import StationResult

RATES = (0.25, 0.5, 1.0, 2.0, 4.0)
NEAR_MM = 5.0
OTHER = "no mimic near"
UNKNOWN = "cause unknown"
BIN_NAMES = tuple(f"{name} cm3" for name in volume_bins([])[1])


@dataclass(frozen=True, kw_only=True, slots=True)
class Mimic:
    """What looks like a metastasis and is none, from the phantom's table; centre LPS mm."""

    kind: str
    centre_mm: tuple[float, float, float]
    diameter_mm: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Everything one network said about a test set.

    Attributes:
        results: one a station.
        scores: calibrated probabilities of each station's predictions.
        threshold: of the operating point.
        mimics: case -> its mimics, where a table of them is known.
    """

    results: tuple[StationResult, ...]
    scores: tuple[NDArray[np.float64], ...]
    threshold: float
    mimics: Mapping[str, tuple[Mimic, ...]]

    @property
    def detections(self) -> Detections:
        """Matched by the study's rule."""
        return match_stations(self.results, self.scores)


def segmentation(answers: Answers) -> dict[str, Estimate]:
    """Dice, recall and precision of all pixels of all stations together, as the study pools them."""
    counts = join_counts([one.pixels for one in answers.results])
    patients = [patient_of(one.station) for one in answers.results]
    return {
        name: pooled_estimate(counts, name, patients=patients, unit="series")
        for name in ("dice", "recall", "precision")
    }


def mean_dice(answers: Answers) -> Estimate:
    """Mean of the stations' own Dice; stations without lesion and prediction do not count."""
    counts = join_counts([one.pixels for one in answers.results])
    patients = [patient_of(one.station) for one in answers.results]
    return mean_estimate(measure(counts, "dice"), patients=patients, unit="series")


def at_threshold(answers: Answers) -> OperatingPoint:
    """Sensitivity, PPV and false positives a series."""
    return operating_point(answers.detections, threshold=answers.threshold, unit="series")


def by_volume(answers: Answers) -> tuple[Share, ...]:
    """Sensitivity in the study's four bins of volume."""
    volumes = [volume for one in answers.results for volume in one.station.volumes_cm3]
    bins, _ = volume_bins(volumes)
    return sensitivity_by(answers.detections, bins, names=BIN_NAMES, threshold=answers.threshold)


def by_centre(answers: Answers) -> tuple[Share, ...]:
    """Sensitivity by centre."""
    centres = [one.station.centre or "unknown" for one in answers.results for _ in one.station.numbers]
    return sensitivity_by(answers.detections, centres, threshold=answers.threshold) if centres else ()


def false_positives(answers: Answers) -> list[FalsePositive]:
    """Those at the operating point, each with the kind of the nearest mimic that it touches or nearly touches."""
    detections = answers.detections
    false = (detections.outcome == FALSE) & (detections.score >= answers.threshold)
    places = [(k, n) for k, one in enumerate(answers.results) for n in range(len(one.features))]
    return [
        FalsePositive(cause=_cause(answers, k, n), result=answers.results[k], number=n, score=float(score))
        for (k, n), wrong, score in zip(places, false, detections.score, strict=True)
        if wrong
    ]


def false_causes(answers: Answers) -> Counter[str]:
    """How many false positives at the operating point have which cause."""
    return Counter(one.cause for one in false_positives(answers))


def _cause(answers: Answers, station: int, number: int) -> str:
    one = answers.results[station]
    mimics = answers.mimics.get(one.station.case, ())
    if not mimics:
        return OTHER
    centres = np.array([mimic.centre_mm for mimic in mimics])
    reach = one.reach_mm[number] + np.array([mimic.diameter_mm for mimic in mimics]) / 2 + NEAR_MM
    beside = np.linalg.norm(centres - one.centres_mm[number], axis=1) - reach
    nearest = int(np.argmin(beside))
    return mimics[nearest].kind if beside[nearest] <= 0 else OTHER


def evaluation_sections(answers: Answers) -> tuple[Section, ...]:
    """All sections of ``osteon evaluate``."""
    return (
        _segmentation_section(answers),
        _detection_section(answers),
        froc_section({"model": answers}),
        cause_section(answers),
        _calibration_section(answers),
    )


def _segmentation_section(answers: Answers) -> Section:
    rule = "voxels of the reference's own grid"
    figures = [
        Figure(name=f"{name}, all pixels together", estimate=estimate, rule=rule)
        for name, estimate in segmentation(answers).items()
    ]
    return Section(
        title="Segmentation",
        figures=(*figures, Figure(name="dice, mean over series", estimate=mean_dice(answers), rule=rule)),
    )


def _detection_section(answers: Answers) -> Section:
    point = at_threshold(answers)
    rule = f"probability >= {answers.threshold:g}; {MATCH_TEXT}"
    figures = [
        Figure(
            name="sensitivity",
            group="all lesions",
            estimate=point.sensitivity,
            counts=f"{point.found}/{point.lesions}",
            rule=rule,
        )
    ]
    for share in (*by_volume(answers), *by_centre(answers)):
        group = share.name if share.name.endswith("cm3") else f"centre {share.name}"
        figures.append(
            Figure(
                name="sensitivity",
                group=group,
                estimate=share.sensitivity,
                counts=f"{share.found}/{share.lesions}",
                rule=rule,
            )
        )
    figures += [
        Figure(name="PPV, per lesion", estimate=point.ppv_lesions, rule=rule),
        Figure(
            name="PPV, per prediction",
            estimate=point.ppv_predictions,
            counts=f"{point.hits}/{point.hits + point.false_positives}",
            rule=rule,
        ),
        Figure(
            name="false positives a series",
            estimate=point.false_positive_rate,
            counts=f"{point.false_positives}/{point.units}",
            rule=rule,
        ),
    ]
    return Section(title="Detection at the model's operating point", figures=tuple(figures))


def froc_section(models: Mapping[str, Answers], *, title: str = "FROC", resamples: int = 2000) -> Section:
    """Sensitivity at rates of false positives, and the curves of one or several networks."""
    curves = {
        name: froc(answers.detections, rates=RATES, unit="series", resamples=resamples)
        for name, answers in models.items()
        if len(answers.detections.lesion_score)
    }
    if not curves:
        return Section(title=title, notes=("No case has a lesion: only false positives can be counted.",))
    figures = [
        Figure(
            name=f"sensitivity at {p.false_positives:g} false positives a series",
            group=name,
            estimate=p.sensitivity,
            rule=MATCH_TEXT,
        )
        for name, curve in curves.items()
        for p in curve.points
    ]
    return Section(title=title, figures=tuple(figures), plots=(_froc_plot(curves),))


def _froc_plot(curves: Mapping[str, Froc]) -> Plot:
    series: list[dict[str, Any]] = []
    for name, curve in curves.items():
        one: dict[str, Any] = {"name": name, "x": curve.false_positives, "y": curve.sensitivity, "step": True}
        if curve.band_rate.size and len(curves) == 1:
            one |= {"band_x": curve.band_rate, "low": curve.band_low, "high": curve.band_high}
        series.append(one)
    first = next(iter(curves.values()))
    data = {
        "series": series,
        "x_label": "false positives per series",
        "y_label": "sensitivity per lesion",
        "x_log": True,
        "x_limits": [0.05, 10],
        "y_limits": [0, 1.02],
    }
    return Plot(
        kind="curves", title="FROC", data=data, caption=f"{first.lesions} lesions, {first.units} series. {MATCH_TEXT}."
    )


def cause_section(answers: Answers, *, title: str = "False positives by cause") -> Section:
    """How many false positives lie on which kind of mimic, by the phantom's table of mimics, and the surest of each."""
    false = false_positives(answers)
    if not answers.mimics:
        note = "No table of mimics: causes are not known (truth.lesion_table)."
        return Section(title=title, notes=(note,), gallery=gallery([replace(one, cause=UNKNOWN) for one in false]))
    there = Counter(mimic.kind for mimics in answers.mimics.values() for mimic in mimics)
    found = Counter(one.cause for one in false)
    rows = tuple((kind, found.get(kind, 0), there.get(kind, 0)) for kind in sorted({*there, *found}))
    note = f"A false positive belongs to the nearest mimic within {NEAR_MM:g} mm of it, both taken as balls."
    table = TableData(title=title, columns=("kind", "false positives", "mimics in the test set"), rows=rows, note=note)
    return Section(title=title, tables=(table,), gallery=gallery(false))


def _calibration_section(answers: Answers) -> Section:
    scores = np.concatenate([*answers.scores, np.zeros(0)])
    right = np.concatenate(
        [*(np.isin(np.arange(len(one.features)), one.pairs.prediction) for one in answers.results), np.zeros(0, bool)]
    )
    if not len(scores):
        return Section(title="Calibration", notes=("No predictions.",))
    rows = []
    for low, high in zip((0.0, 0.2, 0.4, 0.6, 0.8), (0.2, 0.4, 0.6, 0.8, 1.01), strict=True):
        part = (scores >= low) & (scores < high)
        if part.any():
            name = f"{low:g} to {min(high, 1):g}"
            rows.append((name, int(part.sum()), float(scores[part].mean()), float(right[part].mean())))
    table = TableData(
        title="Calibration of predictions",
        columns=("probability", "predictions", "mean probability", "share that hit a lesion"),
        rows=tuple(rows),
        note=f"Brier score {np.mean((scores - right) ** 2):.4f}, {len(scores)} predictions.",
    )
    return Section(title="Calibration", tables=(table,))
