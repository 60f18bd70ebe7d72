"""The bones of a CT by a model's bone network alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError
from osteon.imaging.canonical import canonical
from osteon.systems.lytic.bone import bone_stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from osteon.records import Volume
    from osteon.systems.lytic.bundle import LyticModel


def bone_sites(
    volume: Volume, model: LyticModel, *, on_slice: Callable[[int, int], None] = lambda done, total: None
) -> NDArray[np.uint8]:
    """Site of every bone voxel, (z, y, x) in the volume's own voxel order, 0 elsewhere.

    Args:
        volume: CT in HU, any orientation.
        model: from ``bundle.load_model``.
        on_slice: called with (done, total).

    Raises:
        InputError: no bone was found.
    """
    axial = canonical(volume)
    sites = bone_stage(model.config.bone).bone_masks(
        model.bone, axial.array, spacing_mm=axial.grid.spacing_mm, config=model.config.bone, on_slice=on_slice
    )
    if not sites.any():
        raise InputError(
            "the network finds no bone in the scan; is it CT in Hounsfield units? Else give a mask (--bone)"
        )
    return np.asarray(axial.to_source(sites), dtype=np.uint8)
