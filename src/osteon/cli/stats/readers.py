"""`osteon stats readers`: a multi-reader multi-case study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osteon.cli.stats.output import HtmlPath, JsonFlag, Level, Resamples, Seed, check_choice, emit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.formats.reader_study import ReaderStudy
    from osteon.report.result import Section

METRICS = ("auc", "sensitivity", "specificity", "accuracy")
COVARIANCES = ("jackknife", "delong", "bootstrap")
CHOICES = ("random", "fixed")
HELP = """Multi-reader multi-case analysis (Obuchowski-Rockette, Hillis' degrees of freedom): are readers better aided?

FILE is a CSV with case, patient, truth, reader, score (a rating) or predicted (a label), and modality (unaided, aided)
where there are several; location and time_s (seconds) are used if present. Every reader reads every case.

Example: osteon stats readers study.csv --metric auc --covariance delong --html readers.html
"""


def register(app: typer.Typer) -> None:
    """Add `readers` to `osteon stats`."""
    app.command("readers", help=HELP)(readers)


def readers(
    file: Annotated[Path, typer.Argument(help="CSV of readings.", show_default=False)],
    metric: Annotated[
        list[str] | None, typer.Option(help="auc, sensitivity, specificity, accuracy; repeat (default: all possible).")
    ] = None,
    positive: Annotated[str | None, typer.Option(help="Label of the positive class (default: 1).")] = None,
    threshold: Annotated[float | None, typer.Option(help="A rating >= this is positive.")] = None,
    covariance: Annotated[str, typer.Option(help="By jackknife, delong or bootstrap.")] = "jackknife",
    reader_factor: Annotated[str, typer.Option("--readers", help="Readers are random or fixed.")] = "random",
    case_factor: Annotated[str, typer.Option("--cases", help="Cases are random or fixed.")] = "random",
    only: Annotated[list[str] | None, typer.Option(help="Keep rows where COLUMN=VALUE; repeatable.")] = None,
    truth_per_case: Annotated[bool, typer.Option(help="Truth belongs to images: a patient may be in both.")] = False,
    level: Level = 0.95,
    resamples: Resamples = 2000,
    seed: Seed = 0,
    as_json: JsonFlag = False,
    html: HtmlPath = None,
) -> None:
    """Read, analyse, show."""
    from osteon.cli.stats.reader_sections import Design, location_section, metric_sections, roc_section, time_sections
    from osteon.cli.stats.sections import Options
    from osteon.formats.reader_study import read_reader_study
    from osteon.report.result import StatsResult

    for name in metric or []:
        check_choice("--metric", name, METRICS)
    check_choice("--covariance", covariance, COVARIANCES)
    check_choice("--readers", reader_factor, CHOICES)
    check_choice("--cases", case_factor, CHOICES)
    study = read_reader_study(file, positive=positive, only=only or [], truth_per_case=truth_per_case)
    options = Options(level=level, resamples=resamples, seed=seed)
    design = Design(
        random_readers=reader_factor == "random", random_cases=case_factor == "random", covariance=covariance
    )
    called = calls(study, threshold)
    wanted = metric or [name for name in METRICS if (study.score if name == "auc" else called) is not None]
    sections: list[Section] = []
    for name in wanted:
        sections += metric_sections(study, called, metric=name, design=design, options=options)
    if study.score is not None:
        sections += [roc_section(study, called)]
    if study.location is not None and called is not None:
        sections.append(location_section(study, called, options=options))
    if study.time_s is not None:
        sections += time_sections(study, design, options=options)
    result = StatsResult(
        verb="readers",
        title=f"Reader study: {study.name}",
        inputs=(study.name,),
        settings={
            **{"modalities": list(study.modalities), "readers": list(study.readers), "cases": len(study.case)},
            **{"metrics": wanted, "threshold": threshold, "covariance": covariance, "reader factor": reader_factor},
            **{"case factor": case_factor, "level": level, "resamples": resamples, "seed": seed},
        },
        sections=tuple(sections),
        warnings=_warnings(study, called),
    )
    emit(result, as_json=as_json, html=html)


def calls(study: ReaderStudy, threshold: float | None) -> NDArray[Any] | None:
    """Positive calls: ratings from the threshold on, else labels, else none."""
    from osteon.errors import UsageError

    if threshold is None:
        return study.called
    if study.score is None:
        raise UsageError(f"--threshold {threshold:g}: {study.name} has no score column")
    return study.score >= threshold


def _warnings(study: ReaderStudy, called: NDArray[Any] | None) -> tuple[str, ...]:
    found = []
    if called is None:
        found.append("No predicted labels and no --threshold: sensitivity, specificity and error rates are left out.")
    if len(study.readers) < 4:
        found.append(
            f"{len(study.readers)} readers: a small sample of a population; intervals with random readers are wide."
        )
    return tuple(found)
