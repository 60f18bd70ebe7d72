"""Sections of a reader study: the analysis of each figure, ROC curves, error rates, reading times."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cli.stats.sections import forest_plot, roc_plot
from osteon.errors import UsageError
from osteon.evaluation import readers as measures
from osteon.evaluation import roc
from osteon.evaluation.intervals import bootstrap_totals, proportion
from osteon.evaluation.obuchowski_rockette import obuchowski_rockette
from osteon.report.result import Figure, Plot, Section, TableData, TestResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.cli.stats.sections import Options
    from osteon.evaluation.estimate import Estimate
    from osteon.evaluation.obuchowski_rockette import Inference, MrmcResult
    from osteon.formats.reader_study import ReaderStudy


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """What shall hold for whom, and how covariances are found."""

    random_readers: bool
    random_cases: bool
    covariance: str


def metric_sections(
    study: ReaderStudy, called: NDArray[Any] | None, *, metric: str, design: Design, options: Options
) -> list[Section]:
    """The analysis of one figure of merit.

    Raises:
        UsageError: the figure needs a score or calls that the file does not have.
    """
    sampling: dict[str, Any] = {"method": design.covariance, "resamples": options.resamples, "seed": options.seed}
    if metric == "auc":
        if study.score is None:
            raise UsageError(f"--metric auc: {study.name} has no score column")
        values = measures.auc_values(study.truth, study.score)
        matrix = measures.auc_covariance(study.truth, study.score, study.patient, **sampling)
        counted = len(study.case)
    else:
        if called is None:
            raise UsageError(
                f"--metric {metric}: {study.name} has no predicted labels; give --threshold for the ratings"
            )
        outcome, mask = measures.case_outcomes(study.truth, called, metric)
        values = measures.mean_values(outcome, mask)
        matrix = measures.mean_covariance(outcome, mask, study.patient, **sampling)
        counted = int(mask.sum())
    found = _analyse(values, matrix, cases=counted, design=design, options=options, bounds=(0.0, 1.0))
    each = single_figures(study, called, metric, options=options)
    return analysis_sections(study, found, each, rule=f"covariances by {design.covariance}", options=options)


def single_figures(study: ReaderStudy, called: NDArray[Any] | None, metric: str, *, options: Options) -> list[Figure]:
    """One reader with one modality: DeLong or Wilson, by patient where patients have several cases."""
    clustered = len(set(study.patient.tolist())) < len(study.case)
    figures = []
    for m, modality in enumerate(study.modalities):
        for r, reader in enumerate(study.readers):
            counts, name = "", metric
            if metric == "auc" and study.score is not None:
                patients, name = study.patient if clustered else None, "AUC"
                estimate = roc.auc_delong(study.truth, study.score[m, r], patients=patients, level=options.level)
            else:
                outcome, mask = measures.case_outcomes(study.truth, np.asarray(called), metric)
                right = outcome[m, r, mask]
                counts = f"{int(right.sum())}/{right.size}"
                estimate = _share_estimate(right, study.patient[mask], clustered=clustered, options=options)
            figures.append(Figure(name=name, estimate=estimate, group=f"{modality}, {reader}", counts=counts))
    return figures


def _share_estimate(right: NDArray[Any], patients: NDArray[Any], *, clustered: bool, options: Options) -> Estimate:
    if not clustered:
        return proportion(int(right.sum()), right.size, unit="cases", level=options.level)
    sums = np.stack([right, np.ones_like(right)], axis=1)
    return bootstrap_totals(_share, sums, patients, unit="cases", **options.bootstrap)


def _analyse(
    values: NDArray[Any],
    matrix: NDArray[Any],
    *,
    cases: int,
    design: Design,
    options: Options,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> MrmcResult:
    return obuchowski_rockette(
        values,
        matrix,
        cases=cases,
        bounds=bounds,
        random_readers=design.random_readers,
        random_cases=design.random_cases,
        level=options.level,
    )


def analysis_sections(
    study: ReaderStudy, found: MrmcResult, each: list[Figure], *, rule: str, options: Options
) -> list[Section]:
    """Means and differences over readers with the model's components, then each reader."""
    name = each[0].name
    means = [
        Figure(name=f"mean {name}", estimate=one.estimate, group=modality, rule=rule)
        for modality, one in zip(study.modalities, found.means, strict=True)
    ]
    label = {pair: f"{study.modalities[pair[0]]} - {study.modalities[pair[1]]}" for pair in found.differences}
    differences = [
        Figure(name=f"difference of {name}", estimate=one.estimate, group=label[pair], rule=rule)
        for pair, one in found.differences.items()
    ]
    by_reader = [
        Figure(
            name=f"difference of {name}",
            estimate=one.estimate,
            group=f"{study.readers[reader]}: {label[(first, second)]}",
            rule=rule,
        )
        for (reader, first, second), one in found.reader_differences.items()
    ]
    plots = [forest_plot([*each, *means], title=f"{name} by reader", x_label=name, options=options)]
    if differences:
        rows = [*by_reader, *differences]
        plots.append(
            forest_plot(
                rows, title=f"Difference of {name}", x_label=f"difference of {name}", options=options, reference=0.0
            )
        )
    return [
        Section(
            title=f"{name}: over readers",
            figures=(*means, *differences),
            tests=_tests(study, found, name, label),
            tables=(_component_table(found),),
        ),
        Section(title=f"{name}: each reader", figures=(*each, *by_reader), plots=tuple(plots)),
    ]


def _tests(
    study: ReaderStudy, found: MrmcResult, name: str, label: dict[tuple[int, int], str]
) -> tuple[TestResult, ...]:

    n = found.means[0].estimate.n
    tests = []
    if len(study.modalities) > 1:
        freedom = f"df {found.df1:g}" + ("" if math.isinf(found.df2) else f" and {found.df2:.2f}")
        kind = "chi-square / df" if math.isinf(found.df2) else "F"
        tests.append(
            TestResult(
                name="all modalities equal",
                comparison=name,
                p=found.p,
                statistic=found.f,
                detail=f"{kind}, {freedom}",
                n=n,
                unit="cases",
            )
        )
    for pair, one in found.differences.items():
        tests.append(_difference_test(label[pair], one, n=n))
    for (reader, first, second), one in found.reader_differences.items():
        tests.append(_difference_test(f"{study.readers[reader]}: {label[(first, second)]}", one, n=n))
    return tuple(tests)


def _difference_test(comparison: str, one: Inference, *, n: int) -> TestResult:

    kind = "z" if math.isinf(one.df) else f"t, df {one.df:.2f}"
    statistic = None if math.isnan(one.statistic) else one.statistic
    detail = f"{kind}; SE {one.standard_error:.5f}"
    return TestResult(
        name="difference = 0", comparison=comparison, p=one.p, statistic=statistic, detail=detail, n=n, unit="cases"
    )


def _component_table(found: MrmcResult) -> TableData:

    parts = found.components
    rows = (
        ("MS(modality)", parts.ms_modality),
        ("MS(reader)", parts.ms_reader),
        ("MS(modality x reader)", parts.ms_interaction),
        ("Var(error)", parts.var),
        ("Cov1: same reader, other modality", parts.cov1),
        ("Cov2: other reader, same modality", parts.cov2),
        ("Cov3: other reader, other modality", parts.cov3),
        ("variance of readers", parts.var_reader),
        ("variance of modality x reader", parts.var_interaction),
    )
    return TableData(title="Obuchowski-Rockette model", columns=("component", "estimate"), rows=rows, digits=8)


def roc_section(study: ReaderStudy, called: NDArray[Any] | None) -> Section:
    """Every reader's curve, and the average over readers, one plot a modality and one of the averages."""
    assert study.score is not None  # the caller has checked
    areas = measures.auc_values(study.truth, study.score)
    plots, averages = [], []
    for m, modality in enumerate(study.modalities):
        series = []
        for r, reader in enumerate(study.readers):
            curve = roc.roc_curve(study.truth, study.score[m, r])
            series.append(
                {
                    **{"name": reader, "label": f"{reader}: AUC {areas[m, r]:.3f}", "colour": r + 1},
                    **{"x": curve.false_positive_rate, "y": curve.sensitivity},
                }
            )
        x, y = measures.average_roc(study.truth, study.score[m])
        mean = {"name": "mean of readers", "label": f"mean: AUC {areas[m].mean():.3f}", "x": x, "y": y, "colour": 0}
        averages.append({**mean, "name": modality, "label": f"{modality}: AUC {areas[m].mean():.3f}", "colour": m})
        caption = (
            f"{len(study.case)} cases, {len(study.readers)} readers; mean sensitivity at each false positive rate."
        )
        plots.append(roc_plot([*series, mean], title=f"ROC: {modality}", caption=caption))
    if len(averages) > 1:
        plots.append(roc_plot(averages, title="ROC: mean of readers", caption="Vertical average over readers."))
    return Section(title="ROC curves", plots=tuple(plots))


def location_section(study: ReaderStudy, called: NDArray[Any], *, options: Options) -> Section:
    """Error rate by location: each reader with Wilson's interval, and the mean over readers resampled by patient."""
    assert study.location is not None  # the caller has checked
    wrong = called != study.truth
    places = sorted(set(study.location.tolist()))
    figures: list[Figure] = []
    series: list[dict[str, Any]] = []
    for m, modality in enumerate(study.modalities):
        means = []
        for place in places:
            here = study.location == place
            for r, reader in enumerate(study.readers):
                errors, n = int(wrong[m, r, here].sum()), int(here.sum())
                estimate = proportion(errors, n, unit="cases", level=options.level)
                group = f"{modality}, {place}, {reader}"
                figures.append(Figure(name="error rate", estimate=estimate, group=group, counts=f"{errors}/{n}"))
            mean = wrong[m][:, here].mean(axis=0)
            sums = np.stack([mean, np.ones_like(mean)], axis=1)
            means.append(bootstrap_totals(_share, sums, study.patient[here], unit="cases", **options.bootstrap))
            group = f"{modality}, {place}, mean of readers"
            figures.append(Figure(name="error rate", estimate=means[-1], group=group))
        ends = {key: [getattr(one, key) for one in means] for key in ("value", "low", "high")}
        series.append({"name": modality, **ends})
    data = {"categories": places, "series": series, "y_label": "error rate, mean of readers", "y_limits": [0, 1]}
    caption = f"{100 * options.level:g} % intervals over {options.resamples} resamples of patients, readers fixed."
    plot = Plot(kind="bars", title="Error rate by location", data=data, caption=caption)
    return Section(title="Error rate by location", figures=tuple(figures), plots=(plot,))


def _share(totals: Any) -> Any:
    return totals[..., 0] / totals[..., 1]


def time_sections(study: ReaderStudy, design: Design, *, options: Options) -> list[Section]:
    """Reading times on the log scale: geometric means, and their ratio between modalities, by the same model."""
    assert study.time_s is not None  # the caller has checked
    logarithm = np.log(study.time_s)
    every = np.ones(len(study.case), bool)
    sampling: dict[str, Any] = {"method": design.covariance, "resamples": options.resamples, "seed": options.seed}
    matrix = measures.mean_covariance(logarithm, every, study.patient, **sampling)
    found = _analyse(logarithm.mean(axis=-1), matrix, cases=len(study.case), design=design, options=options)
    figures = [
        Figure(
            name="geometric mean, seconds",
            estimate=_exponential(one),
            group=modality,
            rule="mean log time over readers",
        )
        for modality, one in zip(study.modalities, found.means, strict=True)
    ]
    figures += [
        Figure(
            name="ratio of times",
            estimate=_exponential(one),
            group=f"{study.modalities[first]} / {study.modalities[second]}",
            rule="exp of the difference of mean log times",
        )
        for (first, second), one in found.differences.items()
    ]
    label = {pair: f"{study.modalities[pair[0]]} / {study.modalities[pair[1]]}" for pair in found.differences}
    rows = tuple(
        (modality, reader, float(times.mean()), float(np.median(times)), float(times.std(ddof=1)), len(times))
        for modality, block in zip(study.modalities, study.time_s, strict=True)
        for reader, times in zip(study.readers, block, strict=True)
    )
    columns = ("modality", "reader", "mean, s", "median, s", "SD, s", "cases")
    table = TableData(title="Seconds per case", columns=columns, rows=rows, digits=2)
    return [
        Section(
            title="Reading times",
            figures=tuple(figures),
            tests=_tests(study, found, "log time", label),
            tables=(table,),
        )
    ]


def _exponential(one: Inference) -> Estimate:

    value, low, high = (float(np.exp(end)) for end in (one.estimate.value, one.estimate.low, one.estimate.high))
    return replace(one.estimate, value=value, low=low, high=high)
