"""What `stats segmentation` shows, section by section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.cli.stats.sections import Options, forest_plot
from osteon.evaluation.intervals import bootstrap_totals
from osteon.evaluation.overlap import MEASURES, OverlapCounts, join_counts, mean_estimate, measure, pooled_estimate
from osteon.report.result import Figure, Plot, Section, TableData

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.cli.stats.detection_set import CaseInfo
    from osteon.cli.stats.mask_overlap import CaseOverlap, OverlapOptions

NAMES = {"dice": "Dice", "iou": "IoU", "recall": "recall", "precision": "precision"}
EMPTY_NOTE = (
    "Empty masks: both empty, nothing is defined and the {what} is left out of the mean; only the true one empty: "
    "Dice, IoU and precision 0, recall not defined; only the predicted one empty: Dice, IoU and recall 0, precision "
    "not defined."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """All cases, measured.

    Attributes:
        cases: in the order of the truth.
        info: their patients.
        overlap: how they were compared.
        options: of the intervals.
        both_empty: value of Dice and IoU where both masks are empty; nan leaves them out.
    """

    cases: tuple[CaseOverlap, ...]
    info: CaseInfo
    overlap: OverlapOptions
    options: Options
    both_empty: float = float("nan")

    @property
    def rule(self) -> str:
        """Which voxels count, in words."""
        inside = "label > 0" if self.overlap.label is None else f"label {self.overlap.label}"
        cut = 0.5 if self.overlap.cut is None else self.overlap.cut
        return f"truth: {inside}; probabilities from {cut:g}"


def case_section(data: Measured) -> Section:
    """Mean of each measure over cases."""
    counts = join_counts([case.whole for case in data.cases])
    return _mean_section(data, counts, patients=data.info.patient, what="case")


def slice_section(data: Measured) -> Section:
    """Mean of each measure over slices."""
    counts = join_counts([case.slices for case in data.cases])
    patients = np.repeat(data.info.patient, [case.slices.both.size for case in data.cases])
    axes = sorted({case.slice_axis for case in data.cases})
    return _mean_section(data, counts, patients=patients, what="slice", note=f"Slices lie along {', '.join(axes)}.")


def _mean_section(
    data: Measured, counts: OverlapCounts, *, patients: NDArray[np.str_], what: str, note: str = ""
) -> Section:
    figures, rows = [], []
    for name in MEASURES:
        values = measure(counts, name, both_empty=data.both_empty)
        estimate = mean_estimate(values, patients=patients, unit=f"{what}s", **data.options.bootstrap)
        figures.append(Figure(name=f"{NAMES[name]} per {what}", estimate=estimate, rule=data.rule))
        rows.append((NAMES[name], *spread(values)))
    plots = [forest_plot(figures, title=f"Overlap per {what}", x_label="mean", options=data.options)]
    if what == "case":
        plots.append(_dice_plot(data, counts))
    empty_note = EMPTY_NOTE.format(what=what)
    if not np.isnan(data.both_empty):
        empty_note += f" Here Dice and IoU of two empty masks were set to {data.both_empty:g} (--both-empty)."
    return Section(
        title=f"Per {what}",
        figures=tuple(figures),
        tables=(TableData(title="Spread", columns=("measure", *SPREAD), rows=tuple(rows)),),
        plots=tuple(plots),
        notes=tuple(text for text in (empty_note, note) if text),
    )


SPREAD = ("mean", "SD", "median", "Q1", "Q3", "min", "max", "n", "left out")


def spread(values: NDArray[np.float64]) -> tuple[float | int, ...]:
    """Mean, SD (n - 1), median, quartiles and extremes of what is finite; how many are, and how many are not."""
    kept = values[np.isfinite(values)]
    undefined = int(values.size - kept.size)
    if not kept.size:
        return (*(float("nan"),) * 7, 0, undefined)
    deviation = float(kept.std(ddof=1)) if kept.size > 1 else float("nan")
    low, middle, high = (float(part) for part in np.percentile(kept, [25, 50, 75]))
    return (
        float(kept.mean()),
        deviation,
        middle,
        low,
        high,
        float(kept.min()),
        float(kept.max()),
        kept.size,
        undefined,
    )


def _dice_plot(data: Measured, counts: OverlapCounts) -> Plot:
    values = np.sort(measure(counts, "dice", both_empty=data.both_empty))
    values = values[~np.isnan(values)]
    return Plot(
        kind="curves",
        title="Dice of the cases",
        data={
            "series": [
                {
                    "name": "share of cases with a lower or equal Dice",
                    "x": np.concatenate([[0.0], values, [1.0]]),
                    "y": np.concatenate([np.arange(values.size + 1), [values.size]]) / max(values.size, 1),
                    "step": True,
                }
            ],
            "x_label": "Dice per case",
            "y_label": "share of cases",
            "x_limits": [0, 1],
            "y_limits": [0, 1.02],
        },
        caption=f"{values.size} cases where Dice is defined; {data.rule}.",
    )


def pooled_section(data: Measured) -> Section:
    """Each measure of all voxels put together."""
    counts = join_counts([case.whole for case in data.cases])
    figures = [
        Figure(
            name=f"{NAMES[name]}, pooled",
            estimate=pooled_estimate(counts, name, patients=data.info.patient, **data.options.bootstrap),
            rule=data.rule,
        )
        for name in MEASURES
    ]
    table = TableData(
        title="Voxels",
        columns=("in both", "truth only", "prediction only"),
        rows=((int(counts.both.sum()), int(counts.missed.sum()), int(counts.extra.sum())),),
    )
    note = "All voxels of all cases together: large lesions and large cases weigh more; empty masks need no rule."
    return Section(title="Pooled", figures=tuple(figures), tables=(table,), notes=(note,))


def surface_section(data: Measured) -> Section:
    """Surface distances in millimetres."""
    percentile = data.overlap.percentile
    columns = {f"HD{percentile:g} (mm)": [case.hausdorff_mm for case in data.cases]}
    for number, tolerance in enumerate(data.overlap.tolerances_mm):
        columns[f"NSD at {tolerance:g} mm"] = [case.surface_dice[number] for case in data.cases]
    columns["mean surface distance (mm)"] = [case.mean_surface_mm for case in data.cases]
    figures, rows = [], []
    for name, values in columns.items():
        array = np.array(values, dtype=np.float64)
        finite = np.where(np.isfinite(array), array, np.nan)
        estimate = mean_estimate(finite, patients=data.info.patient, unit="cases", **data.options.bootstrap)
        figures.append(Figure(name=f"mean {name}", estimate=estimate, rule=data.rule))
        rows.append((name, *spread(array)))
    infinite = sum(np.isinf(case.hausdorff_mm) for case in data.cases)
    notes = (
        "Surface: voxels with a face neighbour outside the mask; distances run between voxel centres, in millimetres. "
        f"HD{percentile:g}: the larger of both directed percentiles. NSD: share of both surfaces' voxels within the "
        "tolerance of the other surface. Both masks empty: not defined. One empty: NSD 0, distances infinite.",
        f"{infinite} cases with an infinite distance are left out of the means of distances; quote their number.",
    )
    table = TableData(title="Spread", columns=("measure", *SPREAD), rows=tuple(rows))
    return Section(title="Surfaces", figures=tuple(figures), tables=(table,), notes=notes)


def lesion_section(data: Measured) -> Section:
    """Lesion-wise overlap, pooled over cases and as a mean over cases."""
    parts = [case.lesions for case in data.cases]
    totals = np.array([[part.dice.sum(), part.dice.size, part.extra, part.missed] for part in parts], dtype=np.float64)
    found, extra, missed = (int(value) for value in totals[:, 1:].sum(axis=0))
    fit = "any overlap" if data.overlap.lesion_iou is None else f"IoU >= {data.overlap.lesion_iou:g}"
    rule = f"connected components, paired one-to-one in falling IoU, {fit}"
    figures = [
        Figure(
            name=f"{name}, pooled",
            estimate=bootstrap_totals(statistic, totals, data.info.patient, unit="cases", **data.options.bootstrap),
            rule=rule,
        )
        for name, statistic in (
            ("lesion-wise Dice", _lesionwise_dice),
            ("mean Dice of found lesions (SQ)", _segmentation_quality),
            ("recognition quality (RQ, F1)", _recognition_quality),
            ("panoptic quality (PQ)", _panoptic_quality),
        )
    ]
    for name, values in (
        ("lesion-wise Dice per case", [part.lesionwise_dice for part in parts]),
        ("PQ per case", [part.panoptic_quality for part in parts]),
    ):
        estimate = mean_estimate(values, patients=data.info.patient, unit="cases", **data.options.bootstrap)
        figures.append(Figure(name=name, estimate=estimate, rule=rule))
    table = TableData(title="Lesions", columns=("found", "missed", "invented"), rows=((found, missed, extra),))
    note = (
        "TP pairs, FP and FN lesions in no pair: lesion-wise Dice = sum of the pairs' Dice / (TP + FP + FN); RQ = TP / "
        "(TP + FP/2 + FN/2); PQ = RQ x SQ. A split lesion pairs with its best part, the other parts are invented. "
        "Cases without any lesion are not defined and left out of means."
    )
    return Section(title="Lesion-wise overlap", figures=tuple(figures), tables=(table,), notes=(note,))


def _divide(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0))


def _lesionwise_dice(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    return _divide(totals[..., 0], totals[..., 1] + totals[..., 2] + totals[..., 3])


def _segmentation_quality(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    return _divide(totals[..., 0], totals[..., 1])


def _recognition_quality(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    return _divide(totals[..., 1], totals[..., 1] + (totals[..., 2] + totals[..., 3]) / 2)


def _panoptic_quality(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """RQ x SQ = sum of Dice / (TP + FP/2 + FN/2)."""
    return _divide(totals[..., 0], totals[..., 1] + (totals[..., 2] + totals[..., 3]) / 2)


def table_section(data: Measured) -> Section:
    """One row a case, voxels and lesions apart."""
    columns = (
        *("case", "true ml", "pred. ml", *NAMES.values(), f"HD{data.overlap.percentile:g}"),
        *(f"NSD{tolerance:g}" for tolerance in data.overlap.tolerances_mm),
    )
    rows: list[tuple[str | int | float, ...]] = []
    lesions: list[tuple[str | int | float, ...]] = []
    for case in data.cases:
        both, missed, extra = (int(part[0]) for part in (case.whole.both, case.whole.missed, case.whole.extra))
        volumes = [voxels * case.voxel_mm3 / 1000 for voxels in (both + missed, both + extra)]
        fits = [float(measure(case.whole, name, both_empty=data.both_empty)[0]) for name in MEASURES]
        part = case.lesions
        rows.append((case.case, *volumes, *fits, case.hausdorff_mm, *case.surface_dice))
        quality = (part.lesionwise_dice, part.segmentation_quality, part.recognition_quality, part.panoptic_quality)
        lesions.append((case.case, part.dice.size, part.missed, part.extra, *quality))
    lesion_columns = ("case", "found", "missed", "invented", "lesion-wise Dice", "SQ", "RQ", "PQ")
    return Section(
        title="Every case",
        tables=(
            TableData(title="Voxels and surfaces (mm)", columns=columns, rows=tuple(rows), digits=2),
            TableData(title="Lesions", columns=lesion_columns, rows=tuple(lesions), digits=2),
        ),
    )
