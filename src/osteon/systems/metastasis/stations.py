"""One station of a study as the networks see it: sequences registered onto the reference, at one size, as grey levels.

As published: 256 x 256, minimum to maximum as 0 to 255, then 224 x 224 x 24, then CLAHE. Only the field of view is made
square first (the study's images were), and registration is rigid by mutual information (the study names no method).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.imaging.fixed_size import FixedSize, fixed_size
from osteon.imaging.grey import equalise, to_bytes
from osteon.imaging.register import as_found, covered, register, resample, self_overlap
from osteon.imaging.sagittal import Sagittal, sagittal
from osteon.records import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from osteon.imaging.register import Registration
    from osteon.systems.metastasis.config import InputConfig

SMALLEST_OVERLAP = 0.5
"""A series whose lesions, drawn on T1, lie less than half on another sequence is left out, as published."""
ROUND_LESIONS_MM = 25.0
STUDY_VOXELS = 24 * 224 * 224
HIT_PIXELS = 10
"""As published, in images of 224 x 224 in 24 slices."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedStation:
    """What the networks get, and the way back.

    Attributes:
        images: name of the sequence -> uint8 (slices, rows, columns) of the networks' size.
        view: the reference volume, its sagittal planes first.
        plan: between ``view`` and the networks' size.
        moved: name -> registration onto the reference; the reference's own is the identity.
    """

    images: dict[str, NDArray[np.uint8]]
    view: Sagittal
    plan: FixedSize
    moved: dict[str, Registration]


def prepare_station(volumes: Mapping[str, Volume], config: InputConfig) -> PreparedStation:
    """Bring the sequences of one station onto the first one, and all to the networks' size.

    Args:
        volumes: name of the sequence -> volume, the reference first.
        config: of the input.
    """
    reference, *others = volumes
    view = sagittal(volumes[reference])
    fixed = Volume(array=view.array, grid=view.grid, modality="MR")
    moved = {reference: as_found()}
    arrays: dict[str, NDArray[np.generic]] = {reference: view.array}
    for name in others:
        moving = volumes[name]
        moved[name] = register(fixed, moving, method=config.registration)
        arrays[name] = resample(moving.array, moving.grid, onto=view.grid, matrix=moved[name].matrix)
    plan = fixed_size(view.grid, (config.slices, config.size, config.size))
    images = {name: _grey(array, view, config) for name, array in arrays.items()}
    return PreparedStation(images=images, view=view, plan=plan, moved=moved)


def _grey(array: NDArray[np.generic], view: Sagittal, config: InputConfig) -> NDArray[np.uint8]:
    slices, side = view.grid.shape[0], config.scaled
    scaled = fixed_size(view.grid, (slices, side, side)).to_fixed(array)
    stretched = to_bytes(scaled, percentiles=config.percentiles)
    smaller = FixedSize(
        shape=(slices, side, side), padded=(side, side), size=(config.slices, config.size, config.size)
    ).to_fixed(stretched)
    grey = np.rint(np.clip(smaller, 0, 255)).astype(np.uint8)
    return equalise(grey) if config.clahe else grey


def lesion_overlap(
    lesions: NDArray[np.unsignedinteger], station: PreparedStation, name: str, volume: Volume
) -> tuple[float, str]:
    """How much of the lesions drawn on the reference lies on the same tissue of another sequence, 0 to 1.

    Two things are asked: which part of the lesions the other sequence shows at all, and how far the tissue round them
    still lies beside itself after registration (a second one, by shift, that sees only their surroundings).

    Args:
        lesions: on ``station.view``.
        station: as prepared.
        name: of the sequence.
        volume: of the sequence, as read.

    Returns:
        The smaller of the two parts, and what was found.
    """
    mask = lesions > 0
    if not mask.any():
        return 1.0, "no lesions"
    grid = station.view.grid
    shown = covered(grid, by=volume.grid, matrix=station.moved[name].matrix, mask=mask)
    if shown < SMALLEST_OVERLAP:
        return shown, f"{shown:.0%} of the lesions' voxels lie within it"
    margin = [int(np.ceil(ROUND_LESIONS_MM / spacing)) for spacing in grid.spacing_mm[::-1]]
    region = tuple(
        slice(max(int(axis.min()) - m, 0), int(axis.max()) + m + 1)
        for axis, m in zip(np.nonzero(mask), margin, strict=True)
    )
    fixed = Volume(array=station.view.array, grid=grid, modality="MR")
    aligned = resample(volume.array, volume.grid, onto=grid, matrix=station.moved[name].matrix)
    rest = register(
        fixed,
        Volume(array=aligned, grid=grid, modality="MR"),
        method="shift",
        region=(region[0], region[1], region[2]),
    )
    step = grid.axes.T @ rest.matrix[:3, 3] / np.asarray(grid.spacing_mm)
    part = min(shown, self_overlap(mask, shift_vox=step[::-1]))
    return part, f"{part:.0%} of the lesions' voxels lie on the same tissue ({rest.shift_mm:.1f} mm beside)"


def hit_voxels(shape: tuple[int, int, int]) -> int:
    """How many voxels of this grid are as much of the image as the study's 10 pixels of its 224 x 224 x 24; 1 or more.

    The study counts pixels after resizing; a finer grid has more of them in the same lesion.
    """
    return max(1, round(HIT_PIXELS * float(np.prod(shape)) / STUDY_VOXELS))
