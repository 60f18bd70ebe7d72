"""`osteon stats agreement`: do readers or annotators agree with each other?"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osteon.cli.stats.output import HtmlPath, JsonFlag, Level, Resamples, Seed, check_choice, emit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.cli.stats.sections import Options
    from osteon.evaluation.agreement import BlandAltman
    from osteon.report.result import Figure, Section

KINDS = ("category", "measurement")
HELP = """Agreement of readers: kappa of categories, Bland-Altman of measurements, Dice of masks.

FILE is a CSV with case, patient, reader and rating: every case once for every reader. Or give two or more folders of
NIfTI masks, files of the same name, with --masks.

Example: osteon stats agreement ratings.csv --weights quadratic
"""


def register(app: typer.Typer) -> None:
    """Add `agreement` to `osteon stats`."""
    app.command("agreement", help=HELP)(agreement)


def agreement(
    file: Annotated[Path | None, typer.Argument(help="CSV of ratings.", show_default=False)] = None,
    masks: Annotated[list[Path] | None, typer.Option(help="Folder of one annotator's masks; repeat.")] = None,
    kind: Annotated[str, typer.Option(help="Ratings are of a category or a measurement.")] = "category",
    column: Annotated[str, typer.Option(help="The column that is compared.")] = "rating",
    weights: Annotated[str, typer.Option(help="Of kappa, for ordered categories: none, linear, quadratic.")] = "none",
    order: Annotated[str | None, typer.Option(help="Categories from low to high, with commas.")] = None,
    unit: Annotated[str, typer.Option(help="Of the measurement, for the axes: mm, cm3, ...")] = "",
    level: Level = 0.95,
    resamples: Resamples = 2000,
    seed: Seed = 0,
    as_json: JsonFlag = False,
    html: HtmlPath = None,
) -> None:
    """Read, compute, show."""
    from osteon.cli.stats.sections import Options
    from osteon.errors import UsageError
    from osteon.evaluation.agreement import WEIGHTS
    from osteon.report.result import StatsResult

    if (file is None) == (not masks):
        raise UsageError("stats agreement: expected either FILE or --masks FOLDER --masks FOLDER")
    check_choice("--kind", kind, KINDS)
    check_choice("--weights", weights, WEIGHTS)
    options = Options(level=level, resamples=resamples, seed=seed)
    if masks:
        sections, inputs = mask_sections(masks, options=options), tuple(folder.name for folder in masks)
    else:
        assert file is not None  # one of both is given
        how: dict[str, Any] = {"kind": kind, "column": column, "weights": weights, "order": order, "unit": unit}
        sections, inputs = rating_sections(file, options=options, **how), (file.name,)
    result = StatsResult(
        verb="agreement",
        title="Agreement: " + ", ".join(inputs),
        inputs=inputs,
        settings={
            **{"kind": "masks" if masks else kind, "column": column, "weights": weights, "order": order},
            **{"level": level, "resamples": resamples, "seed": seed},
        },
        sections=tuple(sections),
    )
    emit(result, as_json=as_json, html=html)


def rating_sections(
    file: Path, *, options: Options, kind: str, column: str, weights: str, order: str | None, unit: str
) -> list[Section]:
    """Ratings of a CSV: (cases, readers), then one section by kind."""
    import numpy as np

    from osteon.errors import InputError
    from osteon.formats.crossed import constant_by_case, cross
    from osteon.formats.tables import read_table

    table = read_table(file, required=("case", "patient", "reader", column))
    grid = cross(table, ["reader"])
    readers = grid.names[0]
    if len(readers) < 2:
        raise InputError(f"{table.name}: one reader only; expected at least two to agree or not")
    patients = constant_by_case(table, grid, "patient")
    if kind == "measurement":
        values = table.numbers(column)[grid.row]
        return measurement_sections(values, readers, unit=unit, options=options)
    cells = table.text(column)
    categories = ordered_categories(sorted(set(cells.tolist())), order=order, weights=weights, name=table.name)
    place = {name: index for index, name in enumerate(categories)}
    codes = np.array([place[cell] for cell in cells.tolist()])[grid.row]
    return kappa_sections(codes, readers, patients=patients, categories=categories, weights=weights, options=options)


def ordered_categories(found: list[str], *, order: str | None, weights: str, name: str) -> list[str]:
    """Categories in order: as given, else by number, else (only where no weights need an order) by name.

    Raises:
        UsageError: weights for names without ``order``. InputError: a category outside the given order.
    """
    from osteon.errors import InputError, UsageError

    if order is not None:
        given = [part.strip() for part in order.split(",")]
        unknown = [label for label in found if label not in given]
        if unknown:
            raise InputError(f"{name}: rating {unknown[0]!r}; expected one of {given}")
        return given
    try:
        return sorted(found, key=float)
    except ValueError:
        if weights != "none":
            raise UsageError(
                f"--weights {weights}: the categories {found[:6]} have no order; give it with --order"
            ) from None
        return found


def kappa_sections(
    codes: NDArray[Any],
    readers: tuple[str, ...],
    *,
    patients: NDArray[Any],
    categories: list[str],
    weights: str,
    options: Options,
) -> list[Section]:
    """Cohen's kappa of every pair and Fleiss' of all; ``codes`` is (readers, cases)."""
    import numpy as np

    from osteon.evaluation import agreement as measures
    from osteon.report.result import Figure, Plot, Section

    figures: list[Figure] = []
    plots: list[Plot] = []
    for first, second in combinations(range(len(readers)), 2):
        pair = f"{readers[first]} v {readers[second]}"
        both = codes[[first, second]]
        figures += _pair_figures(both, pair, patients=patients, count=len(categories), weights=weights, options=options)
        table = measures.pair_table(both[0], both[1], len(categories))
        data = {"counts": table, "row_names": categories, "column_names": categories}
        data |= {"x_label": readers[second], "y_label": readers[first]}
        plots.append(Plot(kind="confusion", title=pair, data=data, caption=f"{codes.shape[1]} cases."))
    sections = [Section(title="Pairs of readers", figures=tuple(figures), plots=tuple(plots))]
    if len(readers) > 2:
        counts = measures.category_counts(np.asarray(codes).T, len(categories))
        boot = measures.fleiss_kappa_bootstrap(counts, patients, **options.bootstrap)
        together = (
            Figure(name="Fleiss' kappa", estimate=measures.fleiss_kappa(counts, level=options.level)),
            Figure(name="Fleiss' kappa", estimate=boot),
        )
        notes = ("Fleiss' kappa takes categories as unordered.",) if weights != "none" else ()
        sections.append(Section(title="All readers", figures=together, notes=notes))
    return sections


def _pair_figures(
    both: NDArray[Any], pair: str, *, patients: NDArray[Any], count: int, weights: str, options: Options
) -> list[Figure]:
    """Observed agreement, and kappa with its asymptotic interval and that over patients; ``both`` is (2, cases)."""
    from osteon.evaluation import agreement as measures
    from osteon.evaluation.intervals import proportion
    from osteon.report.result import Figure

    a, b = both
    shared: dict[str, Any] = {"categories": count, "weights": weights}
    name = "Cohen's kappa" if weights == "none" else f"Cohen's kappa, {weights} weights"
    same = int((a == b).sum())
    return [
        Figure(
            name="observed agreement",
            estimate=proportion(same, len(a), unit="cases", level=options.level),
            counts=f"{same}/{len(a)}",
            group=pair,
        ),
        Figure(name=name, estimate=measures.cohen_kappa(a, b, level=options.level, **shared), group=pair),
        Figure(
            name=name,
            estimate=measures.cohen_kappa_bootstrap(a, b, patients, **shared, **options.bootstrap),
            group=pair,
        ),
    ]


def measurement_sections(
    values: NDArray[Any], readers: tuple[str, ...], *, unit: str, options: Options, cases: str = "cases"
) -> list[Section]:
    """Bland and Altman for every pair of readers; ``values`` is (readers, cases)."""
    from osteon.evaluation.agreement import bland_altman

    return [
        _limits_section(
            values[[first, second]],
            bland_altman(values[first], values[second], level=options.level, unit=cases),
            pair=f"{readers[first]} - {readers[second]}",
            unit=unit,
        )
        for first, second in combinations(range(len(readers)), 2)
    ]


def _limits_section(both: NDArray[Any], found: BlandAltman, *, pair: str, unit: str) -> Section:
    """Bias, limits of agreement and the plot of one pair; ``both`` is (2, cases)."""
    from osteon.report.result import Figure, Plot, Section, TestResult

    n, cases = found.bias.n, found.bias.unit
    data: dict[str, Any] = {"mean": both.mean(axis=0), "difference": both[0] - both[1], "unit": unit}
    for key in ("bias", "lower", "upper"):
        estimate = getattr(found, key)
        data[key] = [estimate.value, estimate.low, estimate.high]
    level = f"{100 * found.bias.level:g} %"
    caption = f"{n} {cases}; SD of the differences {found.deviation:.4g}. Bands: {level} intervals."
    named = (
        ("bias", found.bias),
        ("lower limit of agreement", found.lower),
        ("upper limit of agreement", found.upper),
        ("slope of difference on mean", found.slope),
    )
    test = TestResult(name="proportional bias", comparison=pair, p=found.slope_p, n=n, unit=cases, detail="slope = 0")
    return Section(
        title=f"Bland-Altman: {pair}",
        figures=tuple(Figure(name=name, estimate=estimate, group=pair) for name, estimate in named),
        tests=(test,),
        plots=(Plot(kind="bland-altman", title=pair, data=data, caption=caption),),
        notes=("Limits of agreement take the cases as independent and the differences as normal.",),
    )


def mask_sections(folders: list[Path], *, options: Options) -> list[Section]:
    """Dice of every pair of annotators, per case and pooled, and Bland-Altman of their volumes in cm3."""
    import numpy as np

    from osteon.errors import UsageError
    from osteon.evaluation import overlap
    from osteon.report.result import Figure, Section, TableData

    if len(folders) < 2 or len({folder.name for folder in folders}) < len(folders):
        raise UsageError("--masks: expected at least two folders of different names, one an annotator")
    sections = []
    for first, second in combinations(folders, 2):
        cases, counts, volumes = _count_pair(first, second)
        pair = f"{first.name} v {second.name}"
        dice = overlap.measure(counts, "dice")
        names = np.array(cases)
        empty = int(np.isnan(dice).sum())
        figures = (
            Figure(
                name="mean Dice per case",
                estimate=overlap.mean_estimate(dice, patients=names, **options.bootstrap),
                group=pair,
                rule="cases that both left empty are not counted",
            ),
            Figure(
                name="Dice of all voxels",
                estimate=overlap.pooled_estimate(counts, "dice", patients=names, **options.bootstrap),
                group=pair,
            ),
        )
        rows = tuple(
            (case, float(value), float(a), float(b)) for case, value, a, b in zip(cases, dice, *volumes, strict=True)
        )
        columns = ("case", "Dice", f"{first.name}, cm3", f"{second.name}, cm3")
        note = f"{empty} of {len(cases)} cases are empty for both: Dice is not defined." if empty else ""
        table = TableData(title=pair, columns=columns, rows=rows, note=note)
        sections.append(Section(title=f"Dice: {pair}", figures=figures, tables=(table,)))
        if len(cases) >= 3:
            annotators = (first.name, second.name)
            sections += measurement_sections(volumes, annotators, unit="cm3", options=options)
    return sections


def _count_pair(first: Path, second: Path) -> tuple[list[str], Any, NDArray[Any]]:
    """Case names, overlap counts and volumes (2, cases) in cm3 of two annotators' folders."""
    import numpy as np

    from osteon.cli.stats.mask_files import check_grids, pair_files, read_labels
    from osteon.evaluation import overlap

    cases, parts, volumes = [], [], []
    for files in pair_files(first, second):
        one, grid = read_labels(files.truth)
        other, other_grid = read_labels(files.predicted)
        check_grids(grid, other_grid, case=files.case)
        cases.append(files.case)
        parts.append(overlap.overlap_counts(one, other))
        volumes.append([np.count_nonzero(mask) * grid.voxel_mm3 / 1000 for mask in (one, other)])
    return cases, overlap.join_counts(parts), np.asarray(volumes).T
