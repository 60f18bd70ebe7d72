"""`osteon stats classify`: one test against the ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osteon.cli.stats.output import HtmlPath, JsonFlag, Level, Resamples, Seed, check_choice, emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.cli.stats.plan import Plan
    from osteon.cli.stats.sections import Options
    from osteon.report.result import Section, StatsResult

HELP = """Sensitivity, specificity, ROC, calibration of one test, with intervals.

FILE is a CSV with the columns case, patient, truth and score (any ordered number) or predicted (a label);
any further column can be a subgroup.

Example: osteon stats classify test.csv --operating-point "sensitivity>=0.9" --choose-on validation.csv --html out.html
"""


def register(app: typer.Typer) -> None:
    """Add `classify` to `osteon stats`."""
    app.command("classify", help=HELP)(classify)


def classify(
    file: Annotated[Path | None, typer.Argument(help="CSV of cases.", show_default=False)] = None,
    counts: Annotated[str | None, typer.Option(help="Instead of FILE: TP,FP,FN,TN.")] = None,
    truth: Annotated[Path | None, typer.Option(help="CSV of case, patient, truth, if FILE has no truth.")] = None,
    positive: Annotated[str | None, typer.Option(help="Label of the positive class (default: 1).")] = None,
    operating_point: Annotated[
        str | None, typer.Option(help="threshold=X, youden, sensitivity>=X or specificity>=X.")
    ] = None,
    choose_on: Annotated[Path | None, typer.Option(help="Choose the operating point on this CSV, not on FILE.")] = None,
    level_of: Annotated[str, typer.Option("--per", help="Count a case (image), a sequence or a patient.")] = "case",
    rule: Annotated[str, typer.Option(help="How images become sequences and patients: majority, max, mean.")] = "max",
    tie: Annotated[str, typer.Option(help="A tied majority: mean (of scores), positive or negative.")] = "mean",
    truth_per_case: Annotated[bool, typer.Option(help="Truth belongs to images: a patient may be in both.")] = False,
    calibration: Annotated[bool, typer.Option(help="Brier, ECE, reliability; scores must be probabilities.")] = False,
    bins: Annotated[int, typer.Option(help="Bins of the reliability curve.", min=1)] = 10,
    binning: Annotated[str, typer.Option(help="Bins of equal width or mass.")] = "width",
    prevalence: Annotated[list[float] | None, typer.Option(help="PPV and NPV at this prevalence; repeatable.")] = None,
    by: Annotated[list[str] | None, typer.Option(help="Subgroups of this column; repeatable.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Keep rows where COLUMN=VALUE; repeatable.")] = None,
    interval: Annotated[str, typer.Option(help="Of a proportion: wilson or clopper-pearson.")] = "wilson",
    level: Level = 0.95,
    resamples: Resamples = 2000,
    seed: Seed = 0,
    as_json: JsonFlag = False,
    html: HtmlPath = None,
) -> None:
    """Read, compute, show."""
    from osteon.cli.stats.sections import Options, calibration_section, subgroup_section
    from osteon.errors import UsageError

    settings: dict[str, Any] = {key: value for key, value in locals().items() if key in _SHOWN}
    options = Options(interval=interval, level=level, resamples=resamples, seed=seed)
    check_choice("--interval", interval, ("wilson", "clopper-pearson"))
    if (file is None) == (counts is None):
        raise UsageError("stats classify: expected either FILE or --counts TP,FP,FN,TN")
    if file is None:
        result = _from_counts(str(counts), prevalence or [], settings=settings, options=options)
        emit(result, as_json=as_json, html=html)
        return
    from osteon.cli.stats.plan import Aggregation, make_plan
    from osteon.formats.cases import read_cases

    if truth_per_case and level_of == "patient":
        raise UsageError("--truth-per-case with --per patient: a patient in two classes has no class; drop one of both")
    reading: dict[str, Any] = {"positive": positive, "only": only or [], "truth_per_case": truth_per_case}
    cases = read_cases(file, truth_path=truth, **reading)
    chosen_on = read_cases(choose_on, **reading) if choose_on else None
    plan = make_plan(
        cases,
        chosen_on=chosen_on,
        operating_point=operating_point,
        aggregation=Aggregation(per=level_of, rule=rule, tie=tie),
    )
    labels = (positive, "other") if positive else ("positive", "negative")
    sections = _sections(plan, options=options, prevalences=prevalence or [], labels=labels)
    for column in by or []:
        groups = cases.table.text(column)[plan.first]
        sections.append(subgroup_section(plan.sample, groups, column=column, options=options, rule=plan.rule))
    if calibration:
        sections.append(calibration_section(plan.sample, options=options, bins=bins, binning=binning))
    emit(
        _result(file.name, settings={**settings, "calls": plan.rule}, sections=sections, warnings=plan.warnings),
        as_json=as_json,
        html=html,
    )


_SHOWN = (
    *("truth", "positive", "operating_point", "choose_on", "level_of", "rule", "tie", "truth_per_case", "bins"),
    *("binning", "prevalence", "by", "only", "interval", "level", "resamples", "seed"),
)


def _result(name: str, *, settings: dict[str, Any], sections: list[Section], warnings: Sequence[str]) -> StatsResult:
    from osteon.report.result import StatsResult

    plain = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    return StatsResult(
        verb="classify",
        title=f"Classification: {name}",
        inputs=(name,),
        settings=plain,
        sections=tuple(sections),
        warnings=tuple(warnings),
    )


def _from_counts(text: str, prevalences: list[float], *, settings: dict[str, Any], options: Options) -> StatsResult:
    from osteon.cli.stats.sections import confusion_section, prevalence_section
    from osteon.errors import UsageError
    from osteon.evaluation.confusion import Confusion

    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdigit() for part in parts):
        raise UsageError(f"--counts {text!r}: expected four whole numbers TP,FP,FN,TN, such as 47,12,3,128")
    tp, fp, fn, tn = (int(part) for part in parts)
    counts = Confusion(true_positive=tp, false_positive=fp, false_negative=fn, true_negative=tn)
    sections = [
        confusion_section(
            counts, sample=None, unit="cases", rule="as counted", options=options, labels=("positive", "negative")
        )
    ]
    if prevalences:
        sections.append(prevalence_section(counts, prevalences, options=options, unit="cases", rule="as counted"))
    return _result(f"counts TP {tp}, FP {fp}, FN {fn}, TN {tn}", settings=settings, sections=sections, warnings=[])


def _sections(plan: Plan, *, options: Options, prevalences: list[float], labels: tuple[str, str]) -> list[Section]:
    from osteon.cli.stats.sections import confusion_section, prevalence_section, roc_section
    from osteon.evaluation.confusion import confusion_of

    sample, sections = plan.sample, []
    if sample.called is not None:
        counts = confusion_of(sample.truth, sample.called)
        shared: dict[str, Any] = {"options": options, "unit": sample.unit, "rule": plan.rule}
        sections.append(confusion_section(counts, sample=sample, labels=labels, **shared))
        if prevalences:
            sections.append(prevalence_section(counts, prevalences, **shared))
    if sample.score is not None:
        sections.append(roc_section(sample, options=options))
    return sections
