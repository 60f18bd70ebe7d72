"""`osteon stats compare`: two or more tests on the same cases."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osteon.cli.stats.output import HtmlPath, JsonFlag, Level, Seed, emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.cli.stats.sections import Options, Sample
    from osteon.evaluation.estimate import Estimate
    from osteon.formats.cases import Cases
    from osteon.report.result import Figure, Section, TestResult

HELP = """Compare tests on the same cases: McNemar, paired DeLong, permutation, Holm over all pairs.

FILES are CSVs of the same cases (case, patient, truth, score or predicted), one test a file; or one file with a
column that names the test (--column, e.g. model or reader).

Example: osteon stats compare densenet.csv mobilenet.csv --operating-point threshold=0.5 --html out.html
"""
METRICS = ("sensitivity", "specificity", "accuracy")


def register(app: typer.Typer) -> None:
    """Add `compare` to `osteon stats`."""
    app.command("compare", help=HELP)(compare)


def compare(
    files: Annotated[list[Path], typer.Argument(help="CSVs of the same cases, one test each.", show_default=False)],
    column: Annotated[str | None, typer.Option(help="In one file: the column that names the test.")] = None,
    truth: Annotated[Path | None, typer.Option(help="CSV of case, patient, truth, if FILES have no truth.")] = None,
    positive: Annotated[str | None, typer.Option(help="Label of the positive class (default: 1).")] = None,
    operating_point: Annotated[
        str | None, typer.Option(help="Of every test: threshold=X, youden, sensitivity>=X or specificity>=X.")
    ] = None,
    level_of: Annotated[str, typer.Option("--per", help="Count a case (image), a sequence or a patient.")] = "case",
    rule: Annotated[str, typer.Option(help="How images become sequences and patients: majority, max, mean.")] = "max",
    tie: Annotated[str, typer.Option(help="A tied majority: mean (of scores), positive or negative.")] = "mean",
    truth_per_case: Annotated[bool, typer.Option(help="Truth belongs to images: a patient may be in both.")] = False,
    permutations: Annotated[int, typer.Option(help="Random exchanges of each permutation test.", min=100)] = 2000,
    level: Level = 0.95,
    seed: Seed = 0,
    as_json: JsonFlag = False,
    html: HtmlPath = None,
) -> None:
    """Read, compare every pair, show."""
    from osteon.cli.stats.plan import Aggregation, make_plan
    from osteon.cli.stats.sections import Options
    from osteon.report.result import StatsResult

    settings = {
        **{"column": column, "operating point": operating_point, "per": level_of, "rule": rule, "tie": tie},
        **{"permutations": permutations, "level": level, "seed": seed, "correction": "Holm over all pairs of a figure"},
    }
    reading: dict[str, Any] = {"positive": positive, "truth_path": truth, "truth_per_case": truth_per_case}
    tests = read_tests(files, column=column, reading=reading)
    aggregation = Aggregation(per=level_of, rule=rule, tie=tie)
    plans = {
        name: make_plan(cases, chosen_on=None, operating_point=operating_point, aggregation=aggregation)
        for name, cases in tests.items()
    }
    samples = {name: plan.sample for name, plan in plans.items()}
    options = Options(level=level, seed=seed)
    sections = [overview(samples, options=options, rules={name: plan.rule for name, plan in plans.items()})]
    sections += pair_sections(samples, options=options, permutations=permutations)
    warnings = [f"{name}: {text}" for name, plan in plans.items() for text in plan.warnings]
    if any(sample.clustered for sample in samples.values()):
        warnings.append("Patients have several units: McNemar's tests take them as independent; quote the permutation.")
    result = StatsResult(
        verb="compare",
        title="Comparison: " + ", ".join(tests),
        inputs=tuple(path.name for path in files),
        settings=settings,
        sections=tuple(sections),
        warnings=tuple(warnings),
    )
    emit(result, as_json=as_json, html=html)


def read_tests(files: Sequence[Path], *, column: str | None, reading: dict[str, Any]) -> dict[str, Cases]:
    """The tests by name, all in the case order of the first.

    Raises:
        UsageError: one test only, or ``column`` with several files. InputError: the cases differ.
    """
    from osteon.errors import UsageError
    from osteon.formats.cases import read_cases
    from osteon.formats.tables import read_table

    if column is not None:
        if len(files) != 1:
            raise UsageError(f"--column {column}: expected one file, got {len(files)}")
        names = sorted(set(read_table(files[0]).text(column).tolist()))
        tests = {name: read_cases(files[0], only=[f"{column}={name}"], **reading) for name in names}
    else:
        names = [path.stem for path in files]
        if len(set(names)) < len(names):
            raise UsageError(f"stats compare: files of the same name {names}; rename one, its name is the test's")
        tests = {path.stem: read_cases(path, **reading) for path in files}
    if len(tests) < 2:
        raise UsageError(f"stats compare: expected at least two tests, found {list(tests)}")
    first, *others = tests
    return {first: tests[first], **{name: aligned(tests[name], tests[first], name=name, to=first) for name in others}}


def aligned(cases: Cases, reference: Cases, *, name: str, to: str) -> Cases:
    """The cases in the order of ``reference``, checked to be the same, with the same truth and patients.

    Raises:
        InputError: a case is missing or unknown, or differs in truth or patient.
    """
    import numpy as np

    from osteon.errors import InputError

    place = {case: row for row, case in enumerate(cases.case.tolist())}
    known = set(reference.case.tolist())
    unknown = [case for case in place if case not in known]
    if unknown:
        row = place[unknown[0]]
        raise InputError(
            f"{cases.table.where(row)}: test {name!r} has a case that {to!r} does not ({len(unknown)} such)"
        )
    missing = [case for case in reference.case.tolist() if case not in place]
    if missing:
        raise InputError(
            f"test {name!r}: no prediction for case {missing[0][:40]!r} of {to!r} ({len(missing)} missing)"
        )
    order = np.array([place[case] for case in reference.case.tolist()])
    same = (cases.truth[order] == reference.truth) & (cases.patient[order] == reference.patient)
    if not same.all():
        row = int(np.flatnonzero(~same)[0])
        raise InputError(
            f"{reference.table.where(row)}: test {name!r} gives this case another truth or patient than {to!r}"
        )
    return replace(
        cases,
        table=cases.table.select(order),
        case=cases.case[order],
        patient=cases.patient[order],
        truth=cases.truth[order],
        score=None if cases.score is None else cases.score[order],
        called=None if cases.called is None else cases.called[order],
    )


def overview(samples: dict[str, Sample], *, options: Options, rules: dict[str, str]) -> Section:
    """Sensitivity, specificity, accuracy and AUC of each test, and all ROC curves in one plot."""
    from osteon.cli.stats.sections import auc_figures, called_figures, operating_series, roc_plot, roc_series
    from osteon.report.result import Section

    figures: list[Figure] = []
    series: list[dict[str, Any]] = []
    for index, (name, sample) in enumerate(samples.items()):
        if sample.called is not None:
            figures += called_figures(sample, group=name, options=options, rule=rules[name])
        if sample.score is not None:
            figures += auc_figures(sample, options=options, group=name)
        curves = roc_series(sample, options=options, name=name, band=False)
        points = operating_series(sample, name=f"{name}, operating point")
        series += [{**one, "colour": index} for one in (*curves, *points)]
    plots = (roc_plot(series, title="ROC curves", caption="The same cases in all tests."),) if series else ()
    return Section(title="Each test", figures=tuple(figures), plots=plots)


def pair_sections(samples: dict[str, Sample], *, options: Options, permutations: int) -> list[Section]:
    """One section a figure: every pair's difference and tests, p-values corrected by Holm over the pairs."""
    from osteon.cli.stats.sections import forest_plot
    from osteon.report.result import Section

    sections = []
    for metric in (*METRICS, "AUC"):
        figures: list[Figure] = []
        families: list[list[TestResult]] = []
        for (first, one), (second, other) in combinations(samples.items(), 2):
            compare_pair = _compare_auc if metric == "AUC" else _compare_outcomes
            label = f"{first} - {second}"
            found = compare_pair(one, other, metric=metric, label=label, options=options, permutations=permutations)
            if found is not None:
                figures.append(found[0])
                families.append(found[1])
        if figures:
            plot = forest_plot(
                figures,
                title=f"Difference of {metric}",
                x_label=f"difference of {metric}",
                options=options,
                reference=0.0,
            )
            sections.append(
                Section(title=f"{metric}: pairs", figures=tuple(figures), tests=_corrected(families), plots=(plot,))
            )
    return sections


def _compare_outcomes(
    one: Sample, other: Sample, *, metric: str, label: str, options: Options, permutations: int
) -> tuple[Figure, list[TestResult]] | None:
    """McNemar (exact, mid-p, chi-square) and a permutation by patient of which cases each test gets right."""
    from osteon.evaluation import paired
    from osteon.report.result import Figure, TestResult

    if one.called is None or other.called is None:
        return None
    counted = {"sensitivity": one.truth, "specificity": ~one.truth}.get(metric, one.truth | ~one.truth)
    first, second = (one.called == one.truth)[counted], (other.called == one.truth)[counted]
    patients = one.patient[counted]
    mcnemar = paired.mcnemar_of(first, second)
    n, detail = mcnemar.n, f"discordant {mcnemar.only_first} and {mcnemar.only_second}"
    exchange = paired.permute_outcomes(first, second, patients, permutations=permutations, seed=options.seed)
    rows = (
        ("McNemar, exact", mcnemar.p_exact, None, detail),
        ("McNemar, mid-p", mcnemar.p_mid, None, detail),
        ("McNemar, chi-square", mcnemar.p_chi_square, mcnemar.chi_square, f"{detail}; 1 df, no correction"),
        (
            "McNemar, chi-square, corrected",
            mcnemar.p_chi_square_corrected,
            mcnemar.chi_square_corrected,
            f"{detail}; 1 df, continuity correction",
        ),
        ("permutation by patient", exchange, None, f"tests exchanged within patients, seed {options.seed}"),
    )
    tests = [
        TestResult(name=name, comparison=label, p=p, statistic=statistic, detail=text, n=n, unit=one.unit)
        for name, p, statistic, text in rows
    ]
    if one.clustered:
        difference = _resampled_difference(first, second, patients, unit=one.unit, options=options)
    else:
        difference = paired.paired_difference(first, second, level=options.level, unit=one.unit)
    return Figure(name=f"difference of {metric}", estimate=difference, group=label, rule="paired"), tests


def _resampled_difference(first: Any, second: Any, patients: Any, *, unit: str, options: Options) -> Estimate:
    """Difference of two shares of the same units, resampled by patient."""
    import numpy as np

    from osteon.evaluation.intervals import bootstrap_totals

    gain = np.asarray(first, float) - np.asarray(second, float)
    sums = np.stack([gain, np.ones_like(gain)], axis=1)
    return bootstrap_totals(
        lambda totals: totals[..., 0] / totals[..., 1], sums, patients, unit=unit, **options.bootstrap
    )


def _compare_auc(
    one: Sample, other: Sample, *, metric: str, label: str, options: Options, permutations: int
) -> tuple[Figure, list[TestResult]] | None:
    """Paired DeLong (Obuchowski's where patients have several units) and a permutation of ranks by patient."""
    from osteon.evaluation import paired
    from osteon.report.result import Figure, TestResult

    if one.score is None or other.score is None:
        return None
    patients = one.patient if one.clustered else None
    found = paired.compare_auc(one.truth, one.score, other.score, patients=patients, level=options.level, unit=one.unit)
    exchange = paired.permute_auc(
        one.truth, one.score, other.score, one.patient, permutations=permutations, seed=options.seed
    )
    n = len(one.truth)
    tests = [
        TestResult(
            name=found.difference.method,
            comparison=label,
            p=found.p,
            statistic=None if found.statistic != found.statistic else found.statistic,
            detail="z",
            n=n,
            unit=one.unit,
        ),
        TestResult(
            name="permutation of ranks by patient",
            comparison=label,
            p=exchange,
            detail=f"{permutations} exchanges, seed {options.seed} (Bandos 2005)",
            n=n,
            unit=one.unit,
        ),
    ]
    return Figure(name=f"difference of {metric}", estimate=found.difference, group=label, rule="paired"), tests


def _corrected(families: list[list[TestResult]]) -> tuple[TestResult, ...]:
    """Tests of all pairs; each kind of test is one family for Holm, and with one pair there is nothing to correct."""
    from osteon.evaluation.paired import holm

    if len(families) < 2:
        return tuple(test for tests in families for test in tests)
    adjusted = [holm([tests[kind].p for tests in families]) for kind in range(len(families[0]))]
    return tuple(
        replace(test, p_holm=adjusted[kind][pair])
        for pair, tests in enumerate(families)
        for kind, test in enumerate(tests)
    )
