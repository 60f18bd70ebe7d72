"""`osteon stats detection`: lesions found and false alarms, from boxes, masks or readings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osteon.cli.stats.output import HtmlPath, JsonFlag, Level, Resamples, Seed, emit

if TYPE_CHECKING:
    from osteon.cli.stats.detection_sections import View
    from osteon.cli.stats.detection_set import DetectionSet
    from osteon.evaluation.pairs import Rule
    from osteon.report.result import Section

HELP = """Sensitivity per lesion, false positives, FROC, average precision, with intervals by patient.

TRUTH and PREDICTED are two COCO files, two NIfTI files or folders (label maps; predictions may be probabilities),
or two folders of reading.json. Cases without a lesion belong in both.

Example: osteon stats detection truth.json predicted.json --rule "iou>=0.5" --per patient --html out.html
"""
DEFAULT_RULES = {"coco": "iou>=0.5", "nifti": "overlap>=10", "readings": "centre-inside"}
DEFAULT_PAIRINGS = {"coco": "one-to-one", "nifti": "many-to-one", "readings": "one-to-one"}


def register(app: typer.Typer) -> None:
    """Add `detection` to `osteon stats`."""
    app.command("detection", help=HELP)(detection)


def detection(
    truth: Annotated[Path, typer.Argument(help="COCO file, NIfTI file or folder, or folder of reading.json.")],
    predicted: Annotated[Path, typer.Argument(help="The same, as predicted.")],
    rule: Annotated[
        str | None,
        typer.Option(help="iou>=T, centre-inside, overlap>=N or any-overlap (iou>=0.5, overlap>=10 for masks)."),
    ] = None,
    pairing: Annotated[
        str | None, typer.Option(help="one-to-one or many-to-one (the default for masks).", show_default=False)
    ] = None,
    duplicates: Annotated[str, typer.Option(help="Further predictions of a found lesion: false or ignore.")] = "false",
    threshold: Annotated[
        float | None, typer.Option(help="Operating point: score >= this (default: every prediction).")
    ] = None,
    per: Annotated[str | None, typer.Option(help="False positives per image, series or patient.")] = None,
    rates: Annotated[
        str, typer.Option(help="False positives at which sensitivity is given.")
    ] = "0.125,0.25,0.5,1,2,4,8",
    negatives: Annotated[
        str, typer.Option(help="Of the per-lesion ROC: 'lesion-free cases' or 'false predictions'.")
    ] = "lesion-free cases",
    volume_edges: Annotated[str, typer.Option(help="Upper edges of the bins of lesion volume, cm3.")] = "0.5,1,2",
    any_class: Annotated[bool, typer.Option("--any-class", help="Let a box find a lesion of another class.")] = False,
    ap_method: Annotated[str, typer.Option("--ap", help="101-point (COCO) or all-point.")] = "101-point",
    most: Annotated[int, typer.Option(help="Boxes kept for AP, an image and class.", min=1)] = 100,
    ap_resamples: Annotated[int, typer.Option(help="Bootstrap resamples for AP; 0 for none.", min=0)] = 500,
    cases: Annotated[Path | None, typer.Option(help="CSV of case, patient[, series, centre, ...].")] = None,
    by: Annotated[list[str] | None, typer.Option(help="Subgroups of this column of --cases; repeatable.")] = None,
    lesions: Annotated[Path | None, typer.Option(help="CSV of case, label, site of true lesions (--numbered).")] = None,
    cut: Annotated[float | None, typer.Option(help="Probability from which a voxel is inside (0.5).")] = None,
    lesion_score: Annotated[str, typer.Option("--score", help="Of a component: max or mean of its voxels.")] = "max",
    scores: Annotated[Path | None, typer.Option(help="Maps that score predicted label maps.")] = None,
    connectivity: Annotated[str, typer.Option(help="Voxels connected by 'full' or by 'faces'.")] = "full",
    numbered: Annotated[bool, typer.Option("--numbered", help="Labels number the lesions.")] = False,
    level: Level = 0.95,
    resamples: Resamples = 2000,
    seed: Seed = 0,
    as_json: JsonFlag = False,
    html: HtmlPath = None,
) -> None:
    """Read, match, show."""
    settings: dict[str, Any] = {
        name: value for name, value in locals().items() if name not in ("truth", "predicted", "as_json", "html")
    }
    from osteon.cli.stats.detection_sections import View
    from osteon.cli.stats.sections import Options
    from osteon.evaluation.pairs import parse_rule
    from osteon.report.result import StatsResult

    kind = input_kind(truth, predicted)
    chosen = parse_rule(rule or DEFAULT_RULES[kind])
    settings |= {"rule": str(chosen), "pairing": pairing or DEFAULT_PAIRINGS[kind], "input": kind}
    test = _read(kind, truth, predicted, rule=chosen, settings=settings)
    unit, units = _counted(test, per)
    view = View(
        test=test,
        detections=test.match(rule=str(chosen), pairing=settings["pairing"], duplicates=duplicates),
        threshold=float("-inf") if threshold is None else threshold,
        unit=unit,
        units=units,
        options=Options(level=level, resamples=resamples, seed=seed),
    )
    result = StatsResult(
        verb="detection",
        title=f"Detection: {predicted.name} against {truth.name}",
        inputs=(truth.name, predicted.name),
        settings={name: _shown(value) for name, value in settings.items()} | {"per": unit},
        sections=tuple(_sections(view, settings)),
        warnings=(*test.warnings, *test.cases.warnings),
    )
    emit(result, as_json=as_json, html=html)


def input_kind(truth: Path, predicted: Path) -> str:
    """What both inputs are: "coco", "nifti" or "readings".

    Raises:
        InputError: missing, of different kinds, or of none of them.
    """
    from osteon.cli.stats.mask_files import is_mask_input
    from osteon.errors import InputError

    kinds = []
    for path in (truth, predicted):
        if not path.exists():
            raise InputError(f"{path.name}: no such file or folder")
        if is_mask_input(path):
            kinds.append("nifti")
        elif path.is_dir() or path.name == "reading.json":
            kinds.append("readings")
        else:
            kinds.append("coco")
    if kinds[0] != kinds[1]:
        raise InputError(
            f"{truth.name} looks like {kinds[0]}, {predicted.name} like {kinds[1]}; expected two COCO files, two NIfTI "
            "files or folders, or two folders of reading.json"
        )
    return kinds[0]


def _shown(value: Any) -> Any:
    return value.name if isinstance(value, Path) else value


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Comma-separated numbers of an option.

    Raises:
        UsageError: one is no number.
    """
    from osteon.errors import UsageError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{option} {text!r}: expected numbers separated by commas, such as 0.5,1,2") from error


def _read(kind: str, truth: Path, predicted: Path, *, rule: Rule, settings: dict[str, Any]) -> DetectionSet:
    from osteon.formats.tables import read_table

    table = read_table(settings["cases"], required=("case", "patient")) if settings["cases"] else None
    if kind == "coco":
        from osteon.cli.stats.coco_boxes import read_coco_test_set

        return read_coco_test_set(truth, predicted, rule=rule, any_class=settings["any_class"], table=table)
    if kind == "readings":
        from osteon.cli.stats.reading_boxes import read_reading_test_set

        return read_reading_test_set(truth, predicted, rule=rule, any_class=settings["any_class"], table=table)
    from osteon.cli.stats.mask_lesions import MaskOptions, read_mask_test_set

    options = MaskOptions(
        cut=settings["cut"],
        score=settings["lesion_score"],
        scores=settings["scores"],
        connectivity=settings["connectivity"],
        numbered=settings["numbered"],
    )
    lesions = settings["lesions"]
    lesion_table = read_table(lesions, required=("case", "label", "site")) if lesions else None
    return read_mask_test_set(truth, predicted, rule=rule, options=options, table=table, lesion_table=lesion_table)


def _counted(test: DetectionSet, per: str | None) -> tuple[str, Any]:
    """What false positives are counted per, and its name for each case (None: cases or patients are counted)."""
    from osteon.errors import UsageError

    unit = per or test.case_word
    if unit not in ("image", "series", "patient"):
        raise UsageError(f"--per {unit!r}: expected image, series or patient")
    if unit in (test.case_word, "patient"):
        return unit, None
    if unit == "series" and test.cases.series is not None:
        return unit, test.cases.series
    raise UsageError(
        f"--per {unit}: a case here is one {test.case_word}; "
        + ("name the series of each image with --cases" if unit == "series" else "expected series or patient")
    )


def _sections(view: View, settings: dict[str, Any]) -> list[Section]:
    from osteon.cli.stats import detection_sections as show
    from osteon.errors import UsageError

    missing = [column for column in settings["by"] or [] if column not in view.test.cases.columns]
    if missing:
        raise UsageError(f"--by {missing[0]}: --cases has the columns {sorted(view.test.cases.columns)}")
    sections: list[Section | None] = [
        show.overview_section(view, duplicates=settings["duplicates"]),
        show.point_section(view),
        show.froc_section(view, rates=numbers(settings["rates"], "--rates")),
        show.precision_section(
            view, method=settings["ap_method"], most=settings["most"], resamples=settings["ap_resamples"]
        ),
        show.volume_section(view, numbers(settings["volume_edges"], "--volume-edges")),
        show.site_section(view),
        *(show.column_section(view, column) for column in settings["by"] or []),
        show.lesion_roc_section(view, negatives=settings["negatives"]),
    ]
    return [section for section in sections if section is not None]
