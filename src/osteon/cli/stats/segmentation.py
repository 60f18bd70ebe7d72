"""`osteon stats segmentation`: how well predicted masks fit the true ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osteon.cli.stats.output import HtmlPath, JsonFlag, Level, Resamples, Seed, emit

if TYPE_CHECKING:
    from osteon.cli.stats.segmentation_sections import Measured

HELP = """Dice, IoU, recall, precision, surface distances, lesion-wise overlap, with intervals by patient.

TRUTH and PREDICTED are two NIfTI files, or two folders with files of the same names. Truth is a label map; predictions
are label maps or probabilities.

Example: osteon stats segmentation truth/ predicted/ --tolerance 2 --html out.html
"""


def register(app: typer.Typer) -> None:
    """Add `segmentation` to `osteon stats`."""
    app.command("segmentation", help=HELP)(segmentation)


def segmentation(
    truth: Annotated[Path, typer.Argument(help="NIfTI label map, or a folder of them.")],
    predicted: Annotated[Path, typer.Argument(help="NIfTI label map or probabilities, or a folder of them.")],
    label: Annotated[int | None, typer.Option(help="Value that counts (default: all above 0).")] = None,
    cut: Annotated[float | None, typer.Option(help="Probability from which a voxel is inside (0.5).")] = None,
    both_empty: Annotated[
        str, typer.Option(help="Dice and IoU of two empty masks: 'leave-out', or a number such as 1.")
    ] = "leave-out",
    tolerance: Annotated[str, typer.Option(help="Tolerances of the surface Dice, mm.")] = "2",
    percentile: Annotated[float, typer.Option(help="Of the surface distances.", min=0, max=100)] = 95.0,
    slice_axis: Annotated[
        str, typer.Option(help="Axis along which slices lie: x, y, z, or auto (the largest spacing).")
    ] = "auto",
    connectivity: Annotated[str, typer.Option(help="Lesion voxels connected by 'full' or by 'faces'.")] = "full",
    lesion_iou: Annotated[float | None, typer.Option(help="IoU that pairs two lesions (any overlap).")] = None,
    cases: Annotated[Path | None, typer.Option(help="CSV of case, patient.")] = None,
    level: Level = 0.95,
    resamples: Resamples = 2000,
    seed: Seed = 0,
    as_json: JsonFlag = False,
    html: HtmlPath = None,
) -> None:
    """Read, measure, show."""
    settings: dict[str, Any] = {
        name: value.name if isinstance(value, Path) else value
        for name, value in locals().items()
        if name not in ("truth", "predicted", "as_json", "html")
    }
    from osteon.cli.stats import segmentation_sections as show
    from osteon.cli.stats.detection import numbers
    from osteon.cli.stats.mask_overlap import OverlapOptions
    from osteon.cli.stats.sections import Options
    from osteon.report.result import StatsResult

    overlap = OverlapOptions(
        label=label,
        cut=cut,
        slice_axis=slice_axis,
        percentile=percentile,
        tolerances_mm=numbers(tolerance, "--tolerance"),
        connectivity=connectivity,
        lesion_iou=lesion_iou,
    )
    options = Options(level=level, resamples=resamples, seed=seed)
    value = float("nan") if both_empty == "leave-out" else numbers(both_empty, "--both-empty")[0]
    data = _measure(truth, predicted, overlap=overlap, options=options, cases=cases, both_empty=value)
    sections = (
        show.case_section(data),
        show.pooled_section(data),
        show.slice_section(data),
        show.surface_section(data),
        show.lesion_section(data),
        show.table_section(data),
    )
    result = StatsResult(
        verb="segmentation",
        title=f"Segmentation: {predicted.name} against {truth.name}",
        inputs=(truth.name, predicted.name),
        settings=settings,
        sections=sections,
        warnings=data.info.warnings,
    )
    emit(result, as_json=as_json, html=html)


def _measure(
    truth: Path, predicted: Path, *, overlap: Any, options: Any, cases: Path | None, both_empty: float
) -> Measured:
    from osteon.cli.stats.detection_set import case_info
    from osteon.cli.stats.mask_files import pair_files
    from osteon.cli.stats.mask_overlap import measure_case
    from osteon.cli.stats.segmentation_sections import Measured
    from osteon.formats.tables import read_table

    files = pair_files(truth, predicted)
    table = read_table(cases, required=("case", "patient")) if cases else None
    info = case_info([one.case for one in files], table=table, word="case")
    return Measured(
        cases=tuple(measure_case(one, overlap) for one in files),
        info=info,
        overlap=overlap,
        options=options,
        both_empty=both_empty,
    )
