"""On a real CT: a sharp-kernel lumbar spine with vertebra masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from osteon.dicom.scan import scan
from osteon.phantom.implant.implant import ImplantOptions, implant
from osteon.phantom.implant.inputs import only_series, read_mask, read_scan, sites_and_vertebrae

if TYPE_CHECKING:
    from pathlib import Path


def differences(array: np.ndarray, mask: np.ndarray) -> float:
    """Spread of neighbours' differences in the plane inside a mask, as one voxel's noise."""
    pairs = [
        (array[:, 1:] - array[:, :-1])[mask[:, 1:] & mask[:, :-1]],
        (array[:, :, 1:] - array[:, :, :-1])[mask[:, :, 1:] & mask[:, :, :-1]],
    ]
    return float(np.concatenate(pairs).std() / np.sqrt(2))


def test_large_lesions_in_a_real_spine_have_its_muscle_s_noise(real_data: Path) -> None:
    folder = real_data / "ct_lumbar_verse014"
    found = scan(folder / "sub-verse014_ct.nii.gz", modality="CT")
    volume = read_scan(only_series(found.series))
    mask = read_mask(folder / "sub-verse014_seg-vert_msk.nii.gz", volume.grid)
    bone, vertebrae, named = sites_and_vertebrae(mask)
    assert vertebrae is not None
    options = ImplantOptions(kind="blastic metastasis", lesions=6, seed=3)
    made = implant(volume, bone, options=options, vertebrae=vertebrae, named=named)
    assert len(made.truth) >= 4
    assert {one.bone for one in made.truth} <= {"L1", "L2", "L3", "L4", "L5"}
    array = made.volume.array.astype(np.float32)
    inside = np.zeros(array.shape, bool)
    for one in made.truth:
        core = np.stack([ndimage.binary_erosion(plane, iterations=2) for plane in made.lesions == one.number])
        inside |= core
    assert inside.sum() > 100
    away = ndimage.distance_transform_edt(mask == 0, sampling=volume.grid.spacing_mm[::-1])
    even = ndimage.uniform_filter(array, (1, 7, 7))
    muscle = (away > 8) & (even > 30) & (even < 80)
    muscle = np.stack([ndimage.binary_erosion(plane, iterations=3) for plane in muscle])
    assert muscle.sum() > 1000
    assert differences(array, inside) == pytest.approx(differences(array, muscle), rel=0.25)
    far = ndimage.distance_transform_edt(made.lesions == 0, sampling=volume.grid.spacing_mm[::-1]) > 8
    unseen = {one.number for one in made.unseen}
    if not unseen:
        assert (made.volume.array[far] == volume.array[far]).all()
