"""Sections that several verbs show: figures at an operating point, the ROC curve, calibration, subgroups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation import calibration, confusion, predictive, roc, roc_bootstrap
from osteon.evaluation.intervals import proportion
from osteon.report.result import Figure, Plot, Section
from osteon.report.stats_text import interval_text, number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.evaluation.estimate import Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What shapes every interval."""

    interval: str = "wilson"
    level: float = 0.95
    resamples: int = 2000
    seed: int = 0

    @property
    def bootstrap(self) -> dict[str, Any]:
        """Keyword arguments of every bootstrap."""
        return {"resamples": self.resamples, "seed": self.seed, "level": self.level}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One test on the units that are counted (images, sequences or patients).

    Attributes:
        truth: (n,) boolean.
        score: (n,) or None.
        called: (n,) boolean or None.
        patient: (n,) the patient of each unit.
        unit: what a unit is, in the plural.
    """

    truth: NDArray[np.bool_]
    score: NDArray[np.float64] | None
    called: NDArray[np.bool_] | None
    patient: NDArray[Any]
    unit: str

    @property
    def clustered(self) -> bool:
        """Whether a patient has several units."""
        return len(np.unique(self.patient)) < len(self.patient)

    def pick(self, rows: NDArray[np.bool_]) -> Sample:
        """The units of a mask."""
        return Sample(
            truth=self.truth[rows],
            score=None if self.score is None else self.score[rows],
            called=None if self.called is None else self.called[rows],
            patient=self.patient[rows],
            unit=self.unit,
        )


def confusion_section(
    counts: confusion.Confusion,
    *,
    sample: Sample | None,
    unit: str,
    rule: str,
    options: Options,
    labels: tuple[str, str],
    group: str = "",
) -> Section:
    """All figures of a confusion matrix, with a second interval by patient where patients have several units.

    Args:
        counts: of the test.
        sample: the units behind the counts; None where only counts are known.
        unit: what a unit is.
        rule: how units were called positive.
        options: of the intervals.
        labels: names of the positive and the negative class.
        group: whose figures.
    """
    found = confusion.confusion_figures(
        counts,
        interval=options.interval,
        level=options.level,
        unit=unit,
        resamples=options.resamples,
        seed=options.seed,
    )
    fractions = {name: f"{successes}/{n}" for name, (successes, n) in confusion.fractions(counts).items()}
    figures = [
        Figure(name=name, estimate=estimate, counts=fractions.get(name, ""), rule=rule, group=group)
        for name, estimate in found.items()
    ]
    notes = []
    if sample is not None and sample.clustered and sample.called is not None:
        by_patient = confusion.clustered_figures(
            sample.truth, sample.called, sample.patient, unit=unit, **options.bootstrap
        )
        figures += [Figure(name=name, estimate=one, rule=rule, group=group) for name, one in by_patient.items()]
        notes.append(
            f"Several {unit} belong to one patient and are alike: intervals that take {unit} as independent are too "
            "narrow. Quote those resampled by patient."
        )
    ratios = predictive.likelihood_ratios(counts, level=options.level, unit=unit)
    for name, ratio in zip(("LR+", "LR-"), ratios, strict=True):
        figures.append(Figure(name=name, estimate=ratio, rule=rule, group=group))
    matrix = [[counts.true_positive, counts.false_negative], [counts.false_positive, counts.true_negative]]
    plot = Plot(
        kind="confusion",
        title="Confusion matrix" + (f": {group}" if group else ""),
        data={"counts": matrix, "row_names": list(labels), "column_names": list(labels)},
        caption=f"{counts.total} {unit}; {rule}. Percentages are of each row.",
    )
    return Section(
        title="At the operating point" + (f": {group}" if group else ""),
        figures=tuple(figures),
        plots=(plot,),
        notes=tuple(notes),
    )


def auc_figures(sample: Sample, *, options: Options, group: str = "") -> list[Figure]:
    """AUC by DeLong, and for clustered units by Obuchowski and by bootstrap over patients."""
    if sample.score is None:
        return []
    found = [roc.auc_delong(sample.truth, sample.score, level=options.level, unit=sample.unit)]
    if 0 < sample.truth.sum() < len(sample.truth):
        if sample.clustered:
            found.append(
                roc.auc_delong(
                    sample.truth, sample.score, patients=sample.patient, level=options.level, unit=sample.unit
                )
            )
        found.append(
            roc_bootstrap.auc_bootstrap(
                sample.truth, sample.score, sample.patient, unit=sample.unit, **options.bootstrap
            )
        )
    return [Figure(name="AUC", estimate=estimate, group=group, rule="score, ties at 1/2") for estimate in found]


def roc_series(sample: Sample, *, options: Options, name: str, band: bool) -> list[dict[str, Any]]:
    """One curve for a "curves" plot, with a band by patient bootstrap, and the operating point where there is one."""
    if sample.score is None:
        return []
    curve = roc.roc_curve(sample.truth, sample.score)
    area = roc.auc(sample.truth, sample.score)
    series: dict[str, Any] = {
        "name": name,
        "label": f"{name}: AUC {area:.3f}",
        "x": curve.false_positive_rate,
        "y": curve.sensitivity,
    }
    if band:
        x, low, high = roc_bootstrap.roc_band(sample.truth, sample.score, sample.patient, **options.bootstrap)
        series["band_x"], series["low"], series["high"] = x, low, high
    return [series]


def operating_series(sample: Sample, *, name: str = "operating point") -> list[dict[str, Any]]:
    """The operating point as a single marker; nothing where units are not called."""
    if sample.called is None:
        return []
    counts = confusion.confusion_of(sample.truth, sample.called).array
    return [
        {
            "name": name,
            "style": "point",
            "x": [1 - float(confusion.specificity(counts))],
            "y": [float(confusion.sensitivity(counts))],
        }
    ]


def roc_plot(series: list[dict[str, Any]], *, title: str = "ROC curve", caption: str) -> Plot:
    """An ROC plot with the chance diagonal."""
    data = {
        "series": series,
        "x_label": "1 - specificity (false positive rate)",
        "y_label": "sensitivity",
        "x_limits": [0, 1],
        "y_limits": [0, 1.005],
        "diagonal": True,
    }
    return Plot(kind="curves", title=title, data=data, caption=caption)


def roc_section(sample: Sample, *, options: Options, name: str = "score") -> Section:
    """The ROC curve with its band, operating point and AUC."""
    patients = len(np.unique(sample.patient))
    series = [*roc_series(sample, options=options, name=name, band=True), *operating_series(sample)]
    caption = (
        f"{int(sample.truth.sum())} positive and {int((~sample.truth).sum())} negative {sample.unit} of {patients} "
        f"patients. Band: pointwise {100 * options.level:g} % over {options.resamples} resamples of patients, "
        f"seed {options.seed}."
    )
    plot = roc_plot(series, caption=caption)
    return Section(title="ROC", figures=tuple(auc_figures(sample, options=options)), plots=(plot,))


def calibration_section(sample: Sample, *, options: Options, bins: int, binning: str) -> Section:
    """Brier score, calibration error, recalibration line and the reliability curve."""
    if sample.score is None:
        return Section(title="Calibration")
    truth, score, patient = sample.truth, sample.score, sample.patient
    shape = f"{bins} bins of equal {binning}"
    intercept, slope = calibration.recalibration_line(truth, score, level=options.level)
    figures = (
        Figure(name="Brier score", estimate=calibration.brier_score(truth, score, patient, **options.bootstrap)),
        Figure(
            name="ECE",
            estimate=calibration.expected_calibration_error(
                truth, score, patient, bins=bins, binning=binning, **options.bootstrap
            ),
            rule=shape,
        ),
        Figure(name="calibration intercept", estimate=intercept, rule="0 is perfect"),
        Figure(name="calibration slope", estimate=slope, rule="1 is perfect"),
    )
    curve = calibration.reliability_curve(truth, score, bins=bins, binning=binning, level=options.level)
    plot = Plot(
        kind="reliability",
        title="Reliability curve",
        data={name: getattr(curve, name) for name in ("predicted", "observed", "low", "high", "n")},
        caption=f"{len(truth)} {sample.unit}, {shape}; Wilson {100 * options.level:g} % intervals.",
    )
    return Section(title="Calibration", figures=figures, plots=(plot,))


def prevalence_section(
    counts: confusion.Confusion, prevalences: Sequence[float], *, options: Options, unit: str, rule: str
) -> Section:
    """PPV and NPV where the disease is rarer or more common than here."""
    figures = []
    for prevalence in prevalences:
        pair = predictive.predictive_values_at(counts, prevalence, level=options.level, unit=unit)
        for name, estimate in zip(("PPV", "NPV"), pair, strict=True):
            figures.append(Figure(name=f"{name} at prevalence {prevalence:g}", estimate=estimate, rule=rule))
    here = counts.positive / counts.total
    return Section(
        title="Predictive values at another prevalence",
        figures=tuple(figures),
        notes=(f"Prevalence in this sample: {here:.3f}. Sensitivity and specificity are taken to hold elsewhere.",),
    )


def subgroup_section(sample: Sample, groups: NDArray[Any], *, column: str, options: Options, rule: str) -> Section:
    """Sensitivity, specificity, accuracy and AUC of every value of one column, with a forest plot of each."""
    figures: list[Figure] = []
    for value in np.unique(groups):
        part = sample.pick(groups == value)
        figures += _subgroup_figures(part, group=f"{column} = {value}", options=options, rule=rule)
    plots = []
    for name in ("sensitivity", "specificity", "AUC"):
        rows = [figure for figure in figures if figure.name == name]
        if rows:
            plots.append(forest_plot(rows, title=f"{name} by {column}", x_label=name, options=options))
    note = "Subgroups were not corrected for multiple comparisons; overlapping intervals do not show equality."
    return Section(title=f"By {column}", figures=tuple(figures), plots=tuple(plots), notes=(note,))


def _subgroup_figures(part: Sample, *, group: str, options: Options, rule: str) -> list[Figure]:
    """Shares, and the AUC with the interval that fits: DeLong's, or Obuchowski's where patients have several units."""
    shares = called_figures(part, group=group, options=options, rule=rule) if part.called is not None else []
    areas = auc_figures(part, options=options, group=group)
    return shares + areas[: 2 if part.clustered else 1][-1:]


def called_figures(sample: Sample, *, group: str, options: Options, rule: str) -> list[Figure]:
    """Sensitivity, specificity and accuracy of called units, by patient bootstrap where patients have several."""
    if sample.called is None:
        return []
    counts = confusion.confusion_of(sample.truth, sample.called)
    shares = {name: confusion.fractions(counts)[name] for name in ("sensitivity", "specificity", "accuracy")}
    if sample.clustered:
        found = confusion.clustered_figures(
            sample.truth, sample.called, sample.patient, unit=sample.unit, **options.bootstrap
        )
    else:
        found = {
            name: proportion(*pair, unit=sample.unit, interval=options.interval, level=options.level)
            for name, pair in shares.items()
        }
    return [
        Figure(name=name, estimate=found[name], counts=f"{pair[0]}/{pair[1]}", rule=rule, group=group)
        for name, pair in shares.items()
    ]


def forest_plot(rows: list[Figure], *, title: str, x_label: str, options: Options, **extra: Any) -> Plot:
    """A forest plot of figures, one row each; ``extra`` goes into the plot's data (``reference``, ``x_log``)."""
    data = {
        "rows": [
            {
                "name": row.group or row.name,
                "value": row.estimate.value,
                "low": row.estimate.low,
                "high": row.estimate.high,
                "text": estimate_text(row.estimate),
            }
            for row in rows
        ],
        "x_label": x_label,
        **extra,
    }
    methods = sorted({row.estimate.method for row in rows})
    caption = f"{100 * options.level:g} % intervals: {'; '.join(methods)}."
    return Plot(kind="forest", title=title, data=data, caption=caption)


def estimate_text(estimate: Estimate) -> str:
    """Value and interval in one line: "0.940 (0.838 to 0.979)"."""
    return f"{number_text(estimate.value)} ({interval_text(estimate)})"
