"""One case of `stats segmentation`: two masks on one grid, and everything that is measured between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cli.stats.mask_files import MaskFiles, check_grids, cut_mask, read_labels, read_map
from osteon.errors import InputError, UsageError
from osteon.evaluation.lesions import LesionwiseOverlap, lesionwise_overlap, number_lesions
from osteon.evaluation.overlap import OverlapCounts, overlap_counts
from osteon.evaluation.surface import hausdorff_mm, mean_surface_mm, surface_dice, surface_distances

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.geometry import Grid

SLICE_AXES = ("auto", "z", "y", "x")


@dataclass(frozen=True, kw_only=True, slots=True)
class OverlapOptions:
    """How two maps are compared.

    Attributes:
        label: value of both label maps that counts; None: every value above 0.
        cut: a voxel of a probability map is inside from here on; None: 0.5.
        slice_axis: index axis along which slices lie, or "auto": the one with the largest spacing, z if none is.
        percentile: of the surface distances.
        tolerances_mm: of the normalised surface Dice.
        connectivity: of lesions, "full" or "faces".
        lesion_iou: a pair of lesions needs this IoU; None: any overlap.
    """

    label: int | None = None
    cut: float | None = None
    slice_axis: str = "auto"
    percentile: float = 95.0
    tolerances_mm: tuple[float, ...] = (2.0,)
    connectivity: str = "full"
    lesion_iou: float | None = None

    def __post_init__(self) -> None:
        if self.slice_axis not in SLICE_AXES:
            raise UsageError(f"--slice-axis {self.slice_axis!r}: expected one of {list(SLICE_AXES)}")
        if self.label is not None and self.label < 1:
            raise UsageError(f"--label {self.label}: expected a whole number from 1; 0 is background")
        if not self.tolerances_mm or not all(np.isfinite(one) and one >= 0 for one in self.tolerances_mm):
            raise UsageError(f"--tolerance {self.tolerances_mm} mm: expected lengths from 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseOverlap:
    """What was measured in one case.

    Attributes:
        case: its name.
        whole: counts of all voxels, one row.
        slices: counts of each slice.
        hausdorff_mm: at the percentile asked for.
        surface_dice: one for each tolerance.
        mean_surface_mm: average symmetric surface distance.
        lesions: lesion-wise overlap.
        voxel_mm3: volume of a voxel.
        slice_axis: along which slices were taken.
    """

    case: str
    whole: OverlapCounts
    slices: OverlapCounts
    hausdorff_mm: float
    surface_dice: tuple[float, ...]
    mean_surface_mm: float
    lesions: LesionwiseOverlap
    voxel_mm3: float
    slice_axis: str


def measure_case(files: MaskFiles, options: OverlapOptions) -> CaseOverlap:
    """Read both maps of a case and measure them.

    Raises:
        InputError: values that cannot be.
        GeometryError: grids that differ.
    """
    true, grid = read_labels(files.truth)
    predicted, predicted_grid = read_map(files.predicted)
    check_grids(grid, predicted_grid, case=files.case)
    inside_true = true > 0 if options.label is None else true == options.label
    inside = _predicted_mask(predicted, files.predicted, options)
    axis = slice_axis(grid, options.slice_axis)
    front = "zyx".index(axis)
    distances = surface_distances(inside_true, inside, spacing_mm=grid.spacing_mm)
    numbered = [number_lesions(mask, connectivity=options.connectivity)[0] for mask in (inside_true, inside)]
    return CaseOverlap(
        case=files.case,
        whole=overlap_counts(inside_true, inside),
        slices=overlap_counts(np.moveaxis(inside_true, front, 0), np.moveaxis(inside, front, 0), by_slice=True),
        hausdorff_mm=hausdorff_mm(distances, percentile=options.percentile),
        surface_dice=tuple(surface_dice(distances, tolerance_mm=one) for one in options.tolerances_mm),
        mean_surface_mm=mean_surface_mm(distances),
        lesions=lesionwise_overlap(*numbered, iou_at_least=options.lesion_iou),
        voxel_mm3=grid.voxel_mm3,
        slice_axis=axis,
    )


def _predicted_mask(predicted: NDArray[Any], path: Path, options: OverlapOptions) -> NDArray[np.bool_]:
    if options.label is None or options.cut is not None:
        return cut_mask(predicted, path, cut=options.cut)
    if predicted.dtype.kind == "f":
        raise InputError(f"{path.name}: values that are no whole numbers; --label expects a label map, or give --cut")
    return np.asarray(predicted == options.label)


def slice_axis(grid: Grid, wanted: str) -> str:
    """Index axis of the slices: as wanted, or the one whose spacing is clearly (1 %) the largest, else z."""
    if wanted != "auto":
        return wanted
    spacing = np.asarray(grid.spacing_mm)
    order = np.argsort(spacing)
    return "xyz"[int(order[2])] if spacing[order[2]] > 1.01 * spacing[order[1]] else "z"
