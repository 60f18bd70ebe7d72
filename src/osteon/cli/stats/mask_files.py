"""Masks as files: which prediction belongs to which truth, and whether both lie on the same grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import GeometryError, InputError
from osteon.formats.nifti import read_nifti

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.geometry import Grid

ENDINGS = (".nii.gz", ".nii")
TOLERANCE_MM = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskFiles:
    """The files of one case; its name is that of the truth's file, without the ending."""

    case: str
    truth: Path
    predicted: Path


def is_mask_input(path: Path) -> bool:
    """Whether a path is a NIfTI file, or a folder that holds some."""
    if path.is_dir():
        return any(entry.name.endswith(ENDINGS) for entry in path.iterdir())
    return path.name.endswith(ENDINGS)


def case_name(path: Path) -> str:
    """File name without .nii or .nii.gz."""
    for ending in ENDINGS:
        if path.name.endswith(ending):
            return path.name.removesuffix(ending)
    return path.name


def pair_files(truth: Path, predicted: Path) -> list[MaskFiles]:
    """Pair two NIfTI files, or the files of the same name in two folders.

    Raises:
        InputError: nothing there, a file and a folder, a truth without a prediction or the other way round.
    """
    for path in (truth, predicted):
        if not path.exists():
            raise InputError(f"{path.name}: no such file or folder; expected NIfTI masks (.nii or .nii.gz)")
    if truth.is_dir() != predicted.is_dir():
        raise InputError(f"{truth.name} and {predicted.name}: expected two files or two folders, found one of each")
    if not truth.is_dir():
        return [MaskFiles(case=case_name(truth), truth=truth, predicted=predicted)]
    left, right = mask_folder(truth), mask_folder(predicted)
    if missing := sorted(set(left) - set(right)):
        raise InputError(
            f"{predicted.name}: no prediction for case {missing[0]!r} ({len(missing)} of {len(left)} are missing); "
            "expected a file of the same name for each truth, an empty mask where nothing was found"
        )
    if unknown := sorted(set(right) - set(left)):
        raise InputError(f"{predicted.name}: a prediction for {unknown[0]!r}, which {truth.name} does not have")
    return [MaskFiles(case=case, truth=left[case], predicted=right[case]) for case in sorted(left)]


def mask_folder(folder: Path) -> dict[str, Path]:
    """NIfTI files of a folder by case name.

    Raises:
        InputError: none there, or one case twice.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.endswith(ENDINGS) and not path.name.startswith("."):
            if case_name(path) in found:
                raise InputError(f"{folder.name}: both {case_name(path)}.nii and .nii.gz; keep one of them")
            found[case_name(path)] = path
    if not found:
        raise InputError(f"{folder.name}: no NIfTI file (.nii or .nii.gz) in this folder")
    return found


def read_labels(path: Path) -> tuple[NDArray[Any], Grid]:
    """A label map (z, y, x) of whole numbers from 0, and its grid.

    Raises:
        InputError: values that are not whole or are negative; or as ``read_nifti``.
    """
    array, grid = read_map(path)
    if array.dtype.kind == "f":
        raise InputError(f"{path.name}: values that are no whole numbers; expected a label map, 0 for background")
    if array.size and int(array.min()) < 0:
        raise InputError(f"{path.name}: values down to {int(array.min())}; expected a label map, 0 for background")
    return array, grid


def read_map(path: Path) -> tuple[NDArray[Any], Grid]:
    """A map (z, y, x) and its grid: integers where all values are whole, else float32.

    Raises:
        InputError: values that are not finite; or as ``read_nifti``.
    """
    volume = read_nifti(path, modality="OT")
    array = volume.array
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            place = tuple(int(index) for index in np.argwhere(~np.isfinite(array))[0])
            raise InputError(f"{path.name}: voxel (z, y, x) {place} is {array[place]}; expected finite numbers")
        if (array == np.rint(array)).all():
            array = array.astype(np.int32)
    return array, volume.grid


def cut_mask(array: NDArray[Any], path: Path, *, cut: float | None) -> NDArray[np.bool_]:
    """Inside of a predicted map: labels above 0, or probabilities from ``cut`` (0.5 by default).

    Raises:
        InputError: scores outside 0 to 1 without a ``cut``.
    """
    if array.dtype.kind != "f":
        return np.asarray(array > 0) if cut is None else np.asarray(array >= cut)
    if cut is None and (array.min() < 0 or array.max() > 1):
        raise InputError(
            f"{path.name}: values from {array.min():g} to {array.max():g} are no probabilities; say with --cut from "
            "where on a voxel is inside"
        )
    return np.asarray(array >= (0.5 if cut is None else cut))


def check_grids(truth: Grid, predicted: Grid, *, case: str) -> None:
    """Both maps of one case must lie on the same voxels.

    Raises:
        GeometryError: another shape, or a corner that lies elsewhere.
    """
    if truth.shape != predicted.shape:
        raise GeometryError(
            f"case {case}: truth of {truth.shape} voxels (z, y, x), prediction of {predicted.shape}; expected the same "
            "grid. Resample the prediction onto the truth's grid"
        )
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(truth.shape[::-1]) - 1)
    distance = float(np.abs(truth.to_mm(corners) - predicted.to_mm(corners)).max())
    if distance > TOLERANCE_MM:
        raise GeometryError(
            f"case {case}: truth and prediction lie up to {distance:.1f} mm apart; expected the same grid within "
            f"{TOLERANCE_MM} mm. Resample the prediction onto the truth's grid"
        )
