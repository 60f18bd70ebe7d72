"""What lesions are put into: the one series of a study that can be, and masks brought into its voxel order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.dicom.series import load_volume
from osteon.errors import GeometryError, InputError
from osteon.formats.nifti import read_nifti
from osteon.geometry import reorient_to_lps
from osteon.phantom.implant.slices import in_slices
from osteon.phantom.painter import SITES
from osteon.records import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.geometry import Grid
    from osteon.records import Series

FEWEST_SLICES = 3
SAME_PLACE_MM = 0.5
VERSE = frozenset({*range(1, 27), 28})
"""Numbers of vertebrae and sacrum in VerSe masks."""


def only_series(series: Sequence[Series], *, uid: str = "") -> Series:
    """The one CT or MR series that can be read as a volume.

    Args:
        series: of the input, all studies.
        uid: SeriesInstanceUID to take; "" if there is only one.

    Raises:
        InputError: there is none, or more than one; the message lists them.
    """
    wanted = [one for one in series if not uid or one.uid == uid]
    fit = [one for one in wanted if one.grid is not None and not one.problems and one.grid.shape[0] >= FEWEST_SLICES]
    known = [one for one in fit if one.modality in ("CT", "MR")]
    if len(known) == 1:
        return known[0]
    if known:
        listed = "; ".join(f"{one.uid} ({one.modality}, {one.grid.shape[0]} slices)" for one in known if one.grid)
        raise InputError(f"{len(known)} series could be used: {listed}. Name one with --series")
    if any(one.modality == "OT" for one in fit):
        raise InputError("the scan does not say whether it is CT or MR; give --modality CT or --modality MR")
    problems = [f"{one.uid} ({one.modality}): {one.problems[0]}" for one in wanted if one.problems]
    kinds = ", ".join(sorted({one.modality for one in series})) or "nothing"
    why = " ".join(problems[:3])
    raise InputError(
        f"no CT or MR series of {FEWEST_SLICES} slices or more that can be read"
        f"{' with the UID that --series names' if uid else ''}; found {kinds}. {why}".strip()
    )


def read_scan(series: Series, *, jobs: int | None = None) -> Volume:
    """The series as a volume; a NIfTI file, which has no slice order of its own, is turned into slices."""
    volume = load_volume(series, jobs=jobs)
    if series.source != "nifti":
        return volume
    array, grid = in_slices(volume.array, volume.grid, sagittal=volume.modality == "MR")
    return Volume(array=np.ascontiguousarray(array), grid=grid, modality=volume.modality, warnings=volume.warnings)


def read_mask(path: Path, grid: Grid) -> NDArray[Any]:
    """Read a NIfTI mask and turn it, without resampling, into the voxel order of a scan.

    Args:
        path: the mask.
        grid: of the scan.

    Returns:
        Whole numbers (z, y, x) on ``grid``.

    Raises:
        InputError: it holds fractions or negative numbers, or nothing.
        GeometryError: it lies on another grid.
    """
    mask = read_nifti(path)
    found, lies = reorient_to_lps(mask.array, mask.grid)
    out = np.zeros(grid.shape, dtype=np.int32)
    view, wanted = reorient_to_lps(out, grid)
    corners = np.array([[0, 0, 0], np.array(wanted.shape[::-1]) - 1])
    off = float(np.abs(lies.to_mm(corners) - wanted.to_mm(corners)).max()) if lies.shape == wanted.shape else np.inf
    if off > SAME_PLACE_MM:
        where = f"{off:.1f} mm away" if np.isfinite(off) else f"{lies.shape} voxels"
        raise GeometryError(
            f"{path.name}: lies on another grid than the scan ({where}; the scan has {wanted.shape} voxels, "
            "both turned to head, back, left); resample it to the scan with nearest neighbours"
        )
    whole = np.rint(found)
    if not np.array_equal(whole, found) or whole.min() < 0:
        raise InputError(f"{path.name}: holds fractions or negative numbers; expected a mask of whole numbers from 0")
    if not whole.any():
        raise InputError(f"{path.name}: is empty; expected a mask of the scan's bones")
    view[...] = whole
    return out


def sites_and_vertebrae(mask: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, bool]:
    """What a bone mask's numbers mean: sites of a cohort's ``bone`` truth, VerSe numbers, or just bone.

    Several numbers up to 10 are sites. VerSe's are told by one that is no site. A lone number is bone.

    Returns:
        Bone mask (its numbers sites where the third value is True), VerSe numbers or None, whether there are sites.
    """
    present = set(np.unique(mask).tolist()) - {0}
    if max(present, default=0) >= len(SITES) and present <= VERSE:
        return (mask > 0).astype(np.uint8), mask.astype(np.uint8), False
    if len(present) > 1 and max(present) < len(SITES):
        return mask.astype(np.uint8), None, True
    return (mask > 0).astype(np.uint8), None, False
