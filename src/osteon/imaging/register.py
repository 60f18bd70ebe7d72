"""Bring one MR sequence onto another: rigid or shift, by mutual information, and refuse what cannot be true.

A patient moves by millimetres between two sequences, rarely by more. The headers are the starting point; the search is
coarse to fine on a smoothed, thinned-out image. SimpleITK does it (Mattes's mutual information, doi:10.1117/12.431046).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.geometry import Grid
    from osteon.records import Volume

METHODS = ("none", "shift", "rigid")
FARTHEST_MM, MOST_DEG = 25.0, 12.0
"""More than that is taken for a search gone astray: a guess."""
FEWEST_VOXELS = 500
COARSE_MM = 2.0
STILL_MM, STILL_DEG = 1.0, 0.5
"""A search that moves less and gains nothing says that the headers are right."""
SEED = 1
"""ITK jitters its sample of voxels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """Where the points of the fixed image are in the moving one.

    Attributes:
        matrix: 4 x 4, from LPS mm of the fixed image to LPS mm of the moving one, read-only.
        shift_mm: how far the middle of the fixed image moves.
        turn_deg: by how much it turns.
        accepted: False where the search found nothing better than the headers or something impossible: then ``matrix``
            is the identity, and shift and turn are those that were refused.
        how: for a report.
    """

    matrix: NDArray[np.float64]
    shift_mm: float
    turn_deg: float
    accepted: bool
    how: str


def as_found(how: str = "as the headers say") -> Registration:
    """No movement at all."""
    return Registration(matrix=_frozen(np.eye(4)), shift_mm=0.0, turn_deg=0.0, accepted=True, how=how)


def register(
    fixed: Volume, moving: Volume, *, method: str = "rigid", region: tuple[slice, slice, slice] | None = None
) -> Registration:
    """Find how the patient moved between two volumes.

    Args:
        fixed: the one that stays.
        moving: the one to be brought onto it.
        method: "none", "shift" (three numbers) or "rigid" (six).
        region: part of the fixed array (z, y, x) to look at; all of it by default.

    Raises:
        UsageError: another method.
    """
    if method not in METHODS:
        raise UsageError(f"registration {method!r}: expected one of {', '.join(METHODS)}")
    if method == "none":
        return as_found()
    part = region or (slice(None), slice(None), slice(None))
    still = fixed.array[part]
    if still.size < FEWEST_VOXELS or still.min() == still.max() or moving.array.min() == moving.array.max():
        return _refused("nothing in the images to go by")
    grid = fixed.grid.cropped(*_corners(part, fixed.grid.shape))
    try:
        return _search(_thinned(still, grid), _thinned(moving.array, moving.grid), grid, method=method)
    except RuntimeError:  # what ITK raises where the images hardly overlap
        return _refused("the images hardly overlap")


def _search(fixed: Any, moving: Any, grid: Grid, *, method: str) -> Registration:
    sitk = _itk()
    middle = grid.to_mm((np.asarray(grid.shape[::-1]) - 1) / 2)
    start = sitk.TranslationTransform(3) if method == "shift" else sitk.Euler3DTransform()
    if method == "rigid":
        start.SetCenter(middle.tolist())
    finder = _finder(fixed)
    finder.SetInitialTransform(start, inPlace=True)
    before = float(finder.MetricEvaluate(fixed, moving))
    finder.Execute(fixed, moving)
    after = float(finder.MetricEvaluate(fixed, moving))
    matrix = np.round(_matrix(start), 6)  # sums over threads differ in the last digits
    shift, turn = _extent(matrix, middle)
    if shift > FARTHEST_MM or turn > MOST_DEG:
        return _refused(f"a movement of {shift:.0f} mm and {turn:.0f} degrees was not believed", shift, turn)
    if not after < before:
        still = shift <= STILL_MM and turn <= STILL_DEG
        return as_found() if still else _refused("no better place was found", shift, turn)
    how = f"{method} by mutual information: {shift:.1f} mm, {turn:.1f} degrees"
    return Registration(matrix=_frozen(matrix), shift_mm=shift, turn_deg=turn, accepted=True, how=how)


def _thinned(array: NDArray[Any], grid: Grid) -> Any:
    """An image of about ``COARSE_MM`` in plane, by the mean over blocks: fine enough, and quick."""
    steps = [max(1, int(COARSE_MM / spacing + 0.25)) for spacing in grid.spacing_mm[1::-1]]  # rows, columns
    rows, columns = (length - length % step for length, step in zip(array.shape[1:], steps, strict=True))
    blocks = array[:, :rows, :columns].astype(np.float32)
    blocks = blocks.reshape(array.shape[0], rows // steps[0], steps[0], columns // steps[1], steps[1]).mean(axis=(2, 4))
    spacing = (grid.spacing_mm[0] * steps[1], grid.spacing_mm[1] * steps[0], grid.spacing_mm[2])
    first = grid.to_mm(((steps[1] - 1) / 2, (steps[0] - 1) / 2, 0))
    image = _itk().GetImageFromArray(blocks)
    image.SetSpacing(spacing)
    image.SetOrigin(first.tolist())
    image.SetDirection(grid.axes.ravel().tolist())
    return image


def _finder(fixed: Any) -> Any:
    """Two levels; a regular part of the voxels, so that the same images give the same answer."""
    sitk = _itk()
    finder = sitk.ImageRegistrationMethod()
    finder.SetMetricAsMattesMutualInformation(numberOfHistogramBins=32)
    finder.SetMetricSamplingStrategy(finder.REGULAR)
    finder.SetMetricSamplingPercentage(min(1.0, 40_000 / fixed.GetNumberOfPixels()), SEED)
    finder.SetInterpolator(sitk.sitkLinear)
    finder.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=0.03, numberOfIterations=50, relaxationFactor=0.6
    )
    finder.SetOptimizerScalesFromPhysicalShift()
    finder.SetShrinkFactorsPerLevel([2, 1])
    finder.SetSmoothingSigmasPerLevel([3.0, 0.0])
    finder.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    finder.SetNumberOfThreads(1)  # the order of a sum over threads would change the last digits
    return finder


def resample(
    array: NDArray[Any], grid: Grid, *, onto: Grid, matrix: NDArray[np.float64] | None = None, nearest: bool = False
) -> NDArray[Any]:
    """Values of a volume at the voxels of another grid; 0 outside it.

    Args:
        array: (z, y, x) on ``grid``.
        grid: of the array.
        onto: where values are wanted.
        matrix: 4 x 4 from LPS mm of ``onto`` to LPS mm of ``grid``; the identity by default.
        nearest: for labels; the type is kept. Otherwise linear, float32.
    """
    sitk = _itk()
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(length) for length in onto.shape[::-1]])
    resampler.SetOutputSpacing(onto.spacing_mm)
    resampler.SetOutputOrigin(onto.origin_mm)
    resampler.SetOutputDirection(onto.axes.ravel().tolist())
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear)
    if matrix is not None:
        moved = sitk.AffineTransform(3)
        moved.SetMatrix(np.asarray(matrix)[:3, :3].ravel().tolist())
        moved.SetTranslation(np.asarray(matrix)[:3, 3].tolist())
        resampler.SetTransform(moved)
    image = _image(array, grid, kind=array.dtype if nearest else np.float32)
    return np.asarray(sitk.GetArrayFromImage(resampler.Execute(image)))


def covered(grid: Grid, *, by: Grid, matrix: NDArray[np.float64], mask: NDArray[np.bool_] | None = None) -> float:
    """Which part of a grid's voxels (of those in ``mask``, if given) lies within another grid after a movement.

    Args:
        grid: whose voxels are asked.
        by: the other one.
        matrix: 4 x 4 from LPS mm of ``grid`` to those of ``by``.
        mask: (z, y, x) on ``grid``.
    """
    if mask is None:
        steps = [np.linspace(0, length - 1, min(length, 24)) for length in grid.shape[::-1]]
        points = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    else:
        points = np.argwhere(mask)[:, ::-1].astype(np.float64)
    if not len(points):
        return 1.0
    mm = grid.to_mm(points) @ np.asarray(matrix)[:3, :3].T + np.asarray(matrix)[:3, 3]
    return float(by.contains(mm).mean())


def self_overlap(mask: NDArray[np.bool_], *, shift_vox: NDArray[np.float64]) -> float:
    """Which part of a mask still lies on itself after a shift of (z, y, x) voxels; 1 for an empty mask."""
    places = np.argwhere(mask)
    if not len(places):
        return 1.0
    moved = np.rint(places + np.asarray(shift_vox)).astype(int)
    inside = ((moved >= 0) & (moved < np.asarray(mask.shape))).all(axis=1)
    return float(np.count_nonzero(mask[tuple(moved[inside].T)]) / len(places))


def _itk() -> Any:
    """SimpleITK, which takes a while to load."""
    import SimpleITK

    return SimpleITK


def _image(array: NDArray[Any], grid: Grid, *, kind: Any = np.float32) -> Any:
    sitk = _itk()
    image = sitk.GetImageFromArray(np.ascontiguousarray(array, dtype=kind))
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.axes.ravel().tolist())
    return image


def _matrix(transform: Any) -> NDArray[np.float64]:
    """4 x 4 from where the transform puts four points."""
    origin = np.asarray(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, 3] = origin
    for axis, unit in enumerate(np.eye(3)):
        matrix[:3, axis] = np.asarray(transform.TransformPoint(unit.tolist())) - origin
    return matrix


def _extent(matrix: NDArray[np.float64], middle: NDArray[np.float64]) -> tuple[float, float]:
    moved = matrix[:3, :3] @ middle + matrix[:3, 3] - middle
    cosine = np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1, 1)
    return float(np.linalg.norm(moved)), float(np.rad2deg(np.arccos(cosine)))


def _refused(why: str, shift_mm: float = 0.0, turn_deg: float = 0.0) -> Registration:
    return Registration(
        matrix=_frozen(np.eye(4)), shift_mm=shift_mm, turn_deg=turn_deg, accepted=False, how=f"not registered: {why}"
    )


def _frozen(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix.flags.writeable = False
    return matrix


def _corners(
    part: tuple[slice, slice, slice], shape: tuple[int, int, int]
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    ends = [piece.indices(length)[:2] for piece, length in zip(part, shape, strict=True)]
    (z0, z1), (y0, y1), (x0, x1) = ends
    return (z0, y0, x0), (z1, y1, x1)
