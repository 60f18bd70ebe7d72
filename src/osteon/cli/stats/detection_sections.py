"""What `stats detection` shows, section by section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cli.stats.sections import Options, forest_plot
from osteon.evaluation.average_precision import match_boxes
from osteon.evaluation.detection import OperatingPoint, Resampling, operating_point, sensitivity_by, subset
from osteon.evaluation.froc import Froc, froc
from osteon.evaluation.lesion_roc import lesion_roc, lesion_units, sensitivity_specificity
from osteon.evaluation.lesions import volume_bins
from osteon.evaluation.mean_ap import mean_average_precision
from osteon.report.result import Figure, Plot, Section, TableData
from osteon.report.stats_text import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.cli.stats.detection_set import DetectionSet
    from osteon.evaluation.matching import Detections

PAIRING_NOTES = {
    "one-to-one": (
        "One-to-one: in falling score each prediction takes the free lesion that fits best. A split lesion is found "
        "once and its further predictions {duplicates}; a prediction that merges several lesions finds one of them."
    ),
    "many-to-one": (
        "Many-to-one: every prediction that touches a lesion is right. A split lesion is found once by several right "
        "predictions; a prediction that merges several lesions finds them all."
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What is measured and how, for every section.

    Attributes:
        test: what was read.
        detections: after matching.
        threshold: lowest score that counts; -inf for every prediction.
        unit: what false positives are counted per.
        units: (cases,) name of that unit for each case; None where cases or patients are counted.
        options: of the intervals.
    """

    test: DetectionSet
    detections: Detections
    threshold: float
    unit: str
    units: NDArray[np.str_] | None
    options: Options

    @property
    def resampling(self) -> Resampling:
        """The intervals' settings for ``osteon.evaluation``."""
        return Resampling(resamples=self.options.resamples, seed=self.options.seed, level=self.options.level)

    @property
    def rule(self) -> str:
        """Matching and threshold in words."""
        limit = "every prediction" if np.isneginf(self.threshold) else f"score >= {self.threshold:g}"
        return f"{self.detections.rule}; {limit}"


def plural(unit: str) -> str:
    """images, patients, series."""
    return unit if unit == "series" else f"{unit}s"


def overview_section(view: View, *, duplicates: str) -> Section:
    """How many of everything, and the rules in words."""
    test, found = view.test, view.detections
    lesions = np.bincount(found.lesion_case, minlength=found.cases)
    predictions = np.bincount(found.case, minlength=found.cases)
    word = plural(test.case_word)
    rows: list[tuple[str, int]] = [
        ("patients", found.patients),
        (word, found.cases),
        (f"{word} without a lesion", int((lesions == 0).sum())),
        (f"{word} without a prediction", int((predictions == 0).sum())),
        ("true lesions", int(lesions.sum())),
        ("predictions", int(predictions.sum())),
    ]
    pairing = "many-to-one" if "many-to-one" in found.rule else "one-to-one"
    note = PAIRING_NOTES[pairing].format(
        duplicates="count neither as right nor as wrong" if duplicates == "ignore" else "are false positives"
    )
    return Section(
        title="What was compared",
        tables=(TableData(title="", columns=("what", "number"), rows=tuple(rows)),),
        notes=(f"Matching rule: {found.rule}.", note, *test.notes),
    )


def point_figures(point: OperatingPoint, *, rule: str, group: str = "") -> list[Figure]:
    """Sensitivity, both PPVs and false positives of one operating point."""
    wrong = point.false_positives
    table = (
        ("sensitivity per lesion", point.sensitivity, f"{point.found}/{point.lesions}"),
        ("PPV of predictions", point.ppv_predictions, f"{point.hits}/{point.hits + wrong}"),
        ("PPV, one share a lesion", point.ppv_lesions, f"{point.found}/{point.found + wrong}"),
        (f"false positives per {point.unit}", point.false_positive_rate, f"{wrong}/{point.units}"),
    )
    return [Figure(name=name, estimate=one, counts=counts, rule=rule, group=group) for name, one, counts in table]


def point_section(view: View) -> Section:
    """Figures at the operating point."""
    point = operating_point(
        view.detections, threshold=view.threshold, unit=view.unit, units=view.units, resampling=view.resampling
    )
    notes = ["Intervals draw whole patients; where all or nothing is found, they are Wilson's or exact Poisson's."]
    if point.hits != point.found:
        notes.append(
            f"{point.hits} right predictions found {point.found} lesions: some share a lesion or cover several, so "
            "that both PPVs differ and the PPV does not follow from sensitivity and false positives alone."
        )
    return Section(
        title="At the operating point", figures=tuple(point_figures(point, rule=view.rule)), notes=tuple(notes)
    )


def froc_section(view: View, *, rates: tuple[float, ...]) -> Section:
    """Sensitivity at the false positive rates, CPM, the curve with its band."""
    curve = froc(view.detections, rates=rates, unit=view.unit, units=view.units, **view.options.bootstrap)
    figures = [
        Figure(
            name=f"sensitivity at {point.false_positives:g} false positives per {curve.unit}",
            estimate=point.sensitivity,
            rule=view.detections.rule,
        )
        for point in curve.points
    ]
    cpm_rule = f"{view.detections.rule}; mean of the sensitivities at {', '.join(f'{rate:g}' for rate in rates)}"
    figures.append(Figure(name="CPM", estimate=curve.cpm, rule=cpm_rule))
    notes = (
        "Sensitivity at f false positives: the highest that any threshold reaches with at most f; nothing is "
        "interpolated, and predictions of equal score enter together.",
    )
    table = TableData(
        title="Operating points",
        columns=(f"false positives per {curve.unit}", "sensitivity", "score from"),
        rows=tuple((point.false_positives, point.sensitivity.value, point.threshold) for point in curve.points),
        note="The lowest score that keeps within the rate, of those where the curve moves; ∞: nothing is called.",
    )
    return Section(title="FROC", figures=tuple(figures), tables=(table,), plots=(_froc_plot(curve, view),), notes=notes)


def _froc_plot(curve: Froc, view: View) -> Plot:
    left, right = min(0.05, *(point.false_positives or 1 for point in curve.points)), 10.0
    right = max(right, *(point.false_positives for point in curve.points))
    shown = np.append(curve.false_positives, right), np.append(curve.sensitivity, curve.sensitivity[-1:])
    series: dict[str, Any] = {"name": "FROC", "x": shown[0], "y": shown[1], "step": True}
    if curve.band_rate.size:
        series |= {"band_x": curve.band_rate, "low": curve.band_low, "high": curve.band_high}
    points = {
        "name": "sensitivity at the rates of the table",
        "style": "point",
        "x": [point.false_positives for point in curve.points],
        "y": [point.sensitivity.value for point in curve.points],
        "y_interval": [[point.sensitivity.low, point.sensitivity.high] for point in curve.points],
    }
    caption = (
        f"{curve.lesions} lesions, {curve.units} {plural(curve.unit)}, "
        f"{view.detections.patients} patients; {view.detections.rule}. Band: {100 * view.options.level:g} %, "
        f"pointwise, {curve.cpm.method}."
    )
    data = {
        "series": [series, points],
        "x_label": f"false positives per {curve.unit}",
        "y_label": "sensitivity per lesion",
        "x_log": True,
        "x_limits": [left, right],
        "y_limits": [0, 1.02],
    }
    return Plot(kind="curves", title="FROC curve", data=data, caption=caption)


def precision_section(view: View, *, method: str, most: int, resamples: int) -> Section | None:
    """AP by class, mAP@0.5 and mAP@0.5:0.95, with precision against recall; None where there are no boxes."""
    if view.test.boxes is None:
        return None
    matches = match_boxes(*view.test.boxes, most=most)
    if not matches:
        return None
    found = mean_average_precision(
        matches,
        patient=view.detections.patient,
        method=method,
        resamples=resamples,
        seed=view.options.seed,
        level=view.options.level,
    )
    names = view.test.classes or {}
    rule = f"IoU, one-to-one, at most {most} boxes an {view.test.case_word} and class, {method} AP"
    first, last = found.thresholds[0], found.thresholds[-1]
    rows = tuple(
        (names.get(label, str(label)), lesions, float(ap[0]), float(ap.mean()))
        for label, lesions, ap in zip(found.labels, found.lesions, found.ap, strict=True)
    )
    columns = ("class", "lesions", f"AP@{first:g}", f"AP@{first:g}:{last:g}")
    return Section(
        title="Average precision",
        figures=(
            Figure(name=f"mAP@{first:g}", estimate=found.at[first], rule=rule),
            Figure(name=f"mAP@{first:g}:{last:g}", estimate=found.mean, rule=rule),
        ),
        tables=(TableData(title="By class", columns=columns, rows=rows),),
        plots=(_precision_plot(matches, names=names, rule=f"IoU >= {first:g}"),),
        notes=(
            "AP has matching rules of its own, COCO's, whatever rule the other sections use. A class without a true "
            "lesion has no AP and stays out of the mean.",
        ),
    )


def _precision_plot(matches: dict[int, Any], *, names: dict[int, str], rule: str) -> Plot:
    series = []
    for label, ranked in sorted(matches.items()):
        lesions = ranked.truth_image.size
        kept = ranked.hit[ranked.counted[:, 0], 0]
        if lesions and kept.size:
            right = np.cumsum(kept)
            precision = np.maximum.accumulate((right / np.arange(1, kept.size + 1))[::-1])[::-1]
            series.append(
                {
                    "name": names.get(label, str(label)),
                    "x": np.append(right / lesions, right[-1] / lesions),
                    "y": np.append(precision, 0.0),
                }
            )
    return Plot(
        kind="curves",
        title="Precision and recall",
        data={
            "series": series or [{"name": "no lesion or no prediction", "x": [0.0], "y": [0.0]}],
            "x_label": "recall",
            "y_label": "precision (envelope)",
            "x_limits": [0, 1.02],
            "y_limits": [0, 1.02],
        },
        caption=f"{rule}; the envelope is the best precision at that recall or more.",
    )


def subgroup_section(
    view: View, groups: NDArray[Any], *, names: Sequence[str] | None, title: str, unit: str
) -> Section:
    """Sensitivity in subgroups of lesions, with a forest plot."""
    shares = sensitivity_by(view.detections, groups, names=names, threshold=view.threshold, resampling=view.resampling)
    figures = tuple(
        Figure(
            name="sensitivity per lesion",
            estimate=share.sensitivity,
            counts=f"{share.found}/{share.lesions}",
            rule=view.rule,
            group=f"{share.name}{unit}",
        )
        for share in shares
    )
    plot = forest_plot(list(figures), title=title, x_label="sensitivity per lesion", options=view.options)
    return Section(title=title, figures=figures, plots=(plot,))


def volume_section(view: View, edges_cm3: Sequence[float]) -> Section | None:
    """Sensitivity by lesion volume; None where volumes are not known."""
    if view.test.volume_cm3 is None or not view.test.volume_cm3.size:
        return None
    bins, names = volume_bins(view.test.volume_cm3, edges_cm3=edges_cm3)
    return subgroup_section(view, bins, names=names, title="Sensitivity by lesion volume", unit=" cm³")


def site_section(view: View) -> Section | None:
    """Sensitivity by bone site; None where sites are not known."""
    if view.test.site is None:
        return None
    return subgroup_section(view, view.test.site, names=None, title="Sensitivity by site", unit="")


def column_section(view: View, column: str) -> Section:
    """Everything at the operating point for the cases of each value of a column of ``--cases`` (centre, scanner)."""
    values = view.test.cases.columns[column]
    figures: list[Figure] = []
    for value in np.unique(values):
        inside = values == value
        point = operating_point(
            subset(view.detections, inside),
            threshold=view.threshold,
            unit=view.unit,
            units=None if view.units is None else view.units[inside],
            resampling=view.resampling,
        )
        figures += point_figures(point, rule=view.rule, group=f"{column} = {value}")
    shown = [figure for figure in figures if figure.name == "sensitivity per lesion"]
    plot = forest_plot(shown, title=f"Sensitivity by {column}", x_label="sensitivity per lesion", options=view.options)
    return Section(title=f"By {column}", figures=tuple(figures), plots=(plot,))


def lesion_roc_section(view: View, *, negatives: str) -> Section:
    """Per-lesion sensitivity and specificity over thresholds and the AUROC, with the negative by name."""
    units = lesion_units(view.detections, negatives=negatives, case_word=view.test.case_word)
    found = lesion_roc(units, resampling=view.resampling)
    positives, others = int(units.truth.sum()), int((~units.truth).sum())
    rule = f"{view.detections.rule}; {units.rule}"
    figures = [Figure(name="AUROC per lesion", estimate=found.auroc, rule=rule)]
    points = [("every prediction" if np.isneginf(view.threshold) else "operating point", view.threshold)]
    if np.isfinite(found.youden):
        points.append(("Youden, chosen on these cases", found.youden))
    for name, threshold in points:
        limit = "every prediction" if np.isneginf(threshold) else f"score >= {threshold:g}"
        pair = sensitivity_specificity(units, threshold=threshold, resampling=view.resampling)
        for figure, one in zip(("sensitivity per lesion", "specificity"), pair, strict=True):
            figures.append(Figure(name=figure, estimate=one, group=name, rule=limit))
    notes = [
        "Detection has no natural negative; the lytic study does not name its own. Choose with --negatives.",
    ]
    plots = []
    if positives and others:
        series = {"name": "per lesion", "x": found.curve.false_positive_rate, "y": found.curve.sensitivity}
        data = {
            "series": [series],
            "x_label": "1 - specificity",
            "y_label": "sensitivity per lesion",
            "diagonal": True,
            "x_limits": [0, 1],
            "y_limits": [0, 1.02],
        }
        caption = f"{positives} lesions, {others} negatives; {rule}. AUROC {number_text(found.auroc.value)}."
        plots.append(Plot(kind="curves", title="Per-lesion ROC curve", data=data, caption=caption))
    else:
        notes.append(f"{positives} lesions and {others} negatives: the AUROC needs some of each.")
    return Section(title="Per-lesion ROC", figures=tuple(figures), plots=tuple(plots), notes=tuple(notes))
