"""`osteon stats features`: which features tell the classes apart, alone and together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osteon.cli.stats.output import HtmlPath, JsonFlag, Level, Resamples, Seed, check_choice, emit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.cli.stats.sections import Options
    from osteon.evaluation.features import FeatureTest
    from osteon.formats.tables import CaseTable
    from osteon.report.result import Section

PENALTIES = ("auto", "none", "firth", "ridge")
RESERVED = ("case", "patient", "truth", "score", "predicted", "sequence", "reader", "modality")
HELP = """Fisher's exact test of every binary feature, and a cross-validated logistic regression of all of them.

FILE is a CSV with case, patient, truth and one column of 0 and 1 for each feature. Where the features separate the
classes, the plain regression has no finite answer; Firth's penalty is used then and the result says so.

Example: osteon stats features features.csv --positive malignant --html features.html
"""


def register(app: typer.Typer) -> None:
    """Add `features` to `osteon stats`."""
    app.command("features", help=HELP)(features)


def features(
    file: Annotated[Path, typer.Argument(help="CSV of cases and features.", show_default=False)],
    names: Annotated[str | None, typer.Option("--features", help="Columns, with commas (default: all of 0/1).")] = None,
    positive: Annotated[str | None, typer.Option(help="Label of the positive class (default: 1).")] = None,
    penalty: Annotated[str, typer.Option(help="auto (firth under separation), none, firth or ridge.")] = "auto",
    strength: Annotated[float, typer.Option(help="Of the ridge.", min=0)] = 1.0,
    folds: Annotated[int, typer.Option(help="Of the cross-validation, by patient.", min=2)] = 10,
    level: Level = 0.95,
    resamples: Resamples = 2000,
    seed: Seed = 0,
    as_json: JsonFlag = False,
    html: HtmlPath = None,
) -> None:
    """Read, test, fit, show."""
    import numpy as np

    from osteon.cli.stats.sections import Options
    from osteon.formats.cases import check_patient_classes, check_two_classes
    from osteon.formats.tables import read_table
    from osteon.report.result import StatsResult

    check_choice("--penalty", penalty, PENALTIES)
    table = read_table(file, required=("case", "patient", "truth"))
    table.unique_on(["case"])
    truth = table.classes("truth", positive=positive)
    check_two_classes(table, truth)
    check_patient_classes(table, truth)
    columns = feature_columns(table, names)
    present = np.stack([table.classes(column) for column in columns], axis=1)
    options = Options(level=level, resamples=resamples, seed=seed)
    sections = [fisher_section(truth, present, columns, options=options)]
    plan = {"penalty": penalty, "strength": strength, "folds": folds}
    sections += regression_sections(truth, present, columns, table.text("patient"), plan=plan, options=options)
    result = StatsResult(
        verb="features",
        title=f"Features: {table.name}",
        inputs=(table.name,),
        settings={"features": columns, "positive": positive, **plan, "level": level, "seed": seed},
        sections=tuple(sections),
    )
    emit(result, as_json=as_json, html=html)


def feature_columns(table: CaseTable, names: str | None) -> list[str]:
    """The columns asked for, or every further column that holds 0 and 1 only.

    Raises:
        InputError: none found, or a name that is no column.
    """
    from osteon.errors import InputError

    if names is not None:
        wanted = [part.strip() for part in names.split(",") if part.strip()]
        missing = [name for name in wanted if name not in table.columns]
        if missing or not wanted:
            raise InputError(f"{table.name}: no column {missing}; it has {list(table.columns)}")
        return wanted
    known = {"0", "1", "0.0", "1.0", "true", "false"}
    found = [
        name
        for name, cells in table.columns.items()
        if name not in RESERVED and all(cell.lower() in known for cell in cells.tolist())
    ]
    if not found:
        raise InputError(f"{table.name}: no feature column of 0 and 1 among {list(table.columns)}")
    return found


def fisher_section(truth: NDArray[Any], present: NDArray[Any], columns: list[str], *, options: Options) -> Section:
    """One exact test a feature, Holm over all of them, and the odds ratios as a forest plot."""
    from osteon.cli.stats.sections import forest_plot
    from osteon.evaluation.features import fisher_test_of
    from osteon.evaluation.paired import holm
    from osteon.report.result import Figure, Section, TestResult

    tests = [fisher_test_of(truth, present[:, index], level=options.level) for index in range(len(columns))]
    adjusted = holm([test.p for test in tests])
    figures = tuple(
        Figure(
            name="odds ratio", estimate=test.odds_ratio, group=column, rule="feature present, positive v negative class"
        )
        for column, test in zip(columns, tests, strict=True)
    )
    results = tuple(
        TestResult(
            name="Fisher's exact test",
            comparison=column,
            p=test.p,
            p_holm=corrected,
            detail=_shares(test),
            n=test.positive + test.negative,
            unit="cases",
        )
        for column, test, corrected in zip(columns, tests, adjusted, strict=True)
    )
    plot = forest_plot(
        list(figures), title="Odds ratios", x_label="odds ratio", options=options, reference=1.0, x_log=True
    )
    return Section(title="Each feature", figures=figures, tests=results, plots=(plot,))


def _shares(test: FeatureTest) -> str:
    classes = f"positive {test.present_positive}/{test.positive}, negative {test.present_negative}/{test.negative}"
    return f"{classes}; conditional odds ratio {test.conditional_odds_ratio:.3g}"


def regression_sections(
    truth: NDArray[Any],
    present: NDArray[Any],
    columns: list[str],
    patients: NDArray[Any],
    *,
    plan: dict[str, Any],
    options: Options,
) -> list[Section]:
    """The model on all cases, and what it is worth on patients that it has not seen."""
    from osteon.evaluation.logistic import fit_logistic, separation, with_intercept
    from osteon.report.result import Section

    design = with_intercept(present)
    names = ["(intercept)", *columns]
    separated = [name for name, infinite in zip(names, separation(design, truth), strict=True) if infinite]
    notes = []
    penalty = plan["penalty"]
    if penalty == "auto":
        penalty = "firth" if separated else "none"
    if separated:
        notes.append(
            f"The features separate the classes ({', '.join(separated)}): plain maximum likelihood would run off to "
            f"infinity. Penalty used: {penalty}."
        )
    fit = fit_logistic(design, truth, penalty=penalty, strength=plan["strength"])
    if not fit.converged:
        notes.append("There is no finite fit: choose --penalty firth or ridge, or drop features that depend on others.")
        return [Section(title="Logistic regression", notes=tuple(notes))]
    coefficients = coefficient_section(design, truth, names, fit, options=options, notes=notes)
    return [coefficients, validated_section(truth, present, patients, penalty=penalty, plan=plan, options=options)]


def coefficient_section(
    design: NDArray[Any], truth: NDArray[Any], names: list[str], fit: Any, *, options: Options, notes: list[str]
) -> Section:
    """Adjusted odds ratios; profile likelihood intervals, none for a ridge (its estimates are biased on purpose)."""
    import numpy as np

    from osteon.evaluation.estimate import Estimate
    from osteon.evaluation.logistic import likelihood_ratio_p, profile_interval
    from osteon.report.result import Figure, Section, TestResult

    figures, tests = [], []
    for index, name in enumerate(names):
        low = high = float("nan")
        method = "ridge: no interval"
        if fit.penalty != "ridge":
            low, high = profile_interval(design, truth, index, penalty=fit.penalty, level=options.level)
            method = "profile likelihood" + (", Firth's penalty" if fit.penalty == "firth" else "")
            if index:
                p = likelihood_ratio_p(design, truth, index, penalty=fit.penalty)
                tests.append(
                    TestResult(name="likelihood ratio", comparison=name, p=p, n=len(truth), unit="cases", detail="1 df")
                )
        value, low, high = (float(np.exp(np.clip(end, -700, 700))) for end in (fit.coefficient[index], low, high))
        estimate = Estimate(
            value=value, low=low, high=high, n=len(truth), unit="cases", method=method, level=options.level
        )
        figures.append(Figure(name="adjusted odds ratio" if index else "odds", estimate=estimate, group=name))
    title = f"Logistic regression, penalty {fit.penalty}"
    return Section(title=title, figures=tuple(figures), tests=tuple(tests), notes=tuple(notes))


def validated_section(
    truth: NDArray[Any],
    present: NDArray[Any],
    patients: NDArray[Any],
    *,
    penalty: str,
    plan: dict[str, Any],
    options: Options,
) -> Section:
    """Accuracy, sensitivity, specificity and AUC of predictions for held-out patients."""
    from osteon.cli.stats.sections import Sample, auc_figures, called_figures, operating_series, roc_plot, roc_series
    from osteon.evaluation.features import cross_validated_probability, patient_folds
    from osteon.report.result import Section

    fold = patient_folds(truth, patients, folds=plan["folds"], seed=options.seed)
    probability = cross_validated_probability(
        present, truth, fold, penalty=penalty if penalty != "none" else "firth", strength=plan["strength"]
    )
    sample = Sample(truth=truth, score=probability, called=probability >= 0.5, patient=patients, unit="cases")
    rule = f"{plan['folds']}-fold by patient, probability >= 0.5"
    figures = called_figures(sample, group="", options=options, rule=rule) + auc_figures(sample, options=options)
    series = [*roc_series(sample, options=options, name="held-out patients", band=True), *operating_series(sample)]
    plot = roc_plot(series, caption=f"{len(truth)} cases, each predicted by a model that has not seen its patient.")
    note = (
        "Predictions of different folds come from different models; intervals do not cover the choice of the folds "
        f"(seed {options.seed})."
    )
    notes = [note]
    if penalty == "none":
        notes.append("Within folds Firth's penalty is used, since a fold may separate where all cases do not.")
    return Section(title="Cross-validated", figures=tuple(figures), plots=(plot,), notes=tuple(notes))
