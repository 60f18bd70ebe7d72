from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.errors import GeometryError, InputError
from osteon.formats.nifti import write_nifti
from osteon.geometry import Grid, reorient_to_lps
from osteon.phantom.implant.inputs import only_series, read_mask, sites_and_vertebrae
from osteon.phantom.implant.slices import in_slices
from osteon.records import Series

if TYPE_CHECKING:
    from pathlib import Path

GRID = Grid(shape=(6, 8, 10), spacing_mm=(0.5, 0.6, 3.0), origin_mm=(1, 2, 3))


def series(uid: str, **changes: object) -> Series:
    made = Series(uid=uid, study_uid="1", modality="CT", files=(), grid=GRID)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_only_series_is_taken_and_others_are_named() -> None:
    one, two = series("1.1"), series("1.2")
    other = series("1.3", modality="SR", grid=None)
    assert only_series([one, other]) is one
    assert only_series([one, two], uid="1.2") is two
    with pytest.raises(
        InputError, match=r"2 series could be used: 1\.1 \(CT, 6 slices\); 1\.2 .* Name one with --series"
    ):
        only_series([one, two])


def test_what_is_no_scan_is_told() -> None:
    with pytest.raises(InputError, match="does not say whether it is CT or MR; give --modality"):
        only_series([series("1", modality="OT")])
    broken = series("1", problems=("a slice is missing",))
    with pytest.raises(InputError, match=r"no CT or MR series .* found CT\. 1 \(CT\): a slice is missing"):
        only_series([broken])
    with pytest.raises(InputError, match="with the UID that --series names"):
        only_series([series("1")], uid="2")
    with pytest.raises(InputError, match="found nothing"):
        only_series([])
    with pytest.raises(InputError, match="of 3 slices or more"):
        only_series([series("1", grid=GRID.cropped((0, 0, 0), (2, 8, 10)))])


def test_a_mask_stored_in_another_order_is_turned(tmp_path: Path) -> None:
    """The same voxels, stored from head to foot and right to left."""
    mask = np.random.default_rng(0).integers(0, 3, GRID.shape)
    flipped = mask[::-1, :, ::-1]
    far = GRID.to_mm((9, 0, 5))
    stored = Grid(
        shape=GRID.shape,
        spacing_mm=GRID.spacing_mm,
        origin_mm=(float(far[0]), float(far[1]), float(far[2])),
        direction=((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    )
    write_nifti(tmp_path / "m.nii.gz", flipped.astype(np.uint8), stored)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.nii.gz", GRID), mask)


def test_a_mask_that_does_not_fit_is_told(tmp_path: Path) -> None:
    path = tmp_path / "m.nii.gz"
    ones = np.ones(GRID.shape, np.float32)
    write_nifti(path, ones, replace(GRID, origin_mm=(1, 2, 9)))
    with pytest.raises(GeometryError, match=r"another grid than the scan \(6\.0 mm away; the scan has"):
        read_mask(path, GRID)
    write_nifti(path, ones[:4], replace(GRID, shape=(4, 8, 10)))
    with pytest.raises(GeometryError, match=r"another grid than the scan \(\(4, 8, 10\) voxels"):
        read_mask(path, GRID)
    write_nifti(path, ones * 0.5, GRID)
    with pytest.raises(InputError, match="holds fractions"):
        read_mask(path, GRID)
    write_nifti(path, ones * 0, GRID)
    with pytest.raises(InputError, match="is empty"):
        read_mask(path, GRID)


@pytest.mark.parametrize(
    ("numbers", "verse", "named"),
    [((1,), False, False), ((1, 2, 7), False, True), ((19, 20, 28), True, False), ((255,), False, False)],
)
def test_what_the_numbers_of_a_mask_mean(numbers: tuple[int, ...], verse: bool, named: bool) -> None:
    mask = np.array([0, *numbers]).reshape(1, 1, -1)
    sites, vertebrae, has_sites = sites_and_vertebrae(mask)
    assert (sites > 0).sum() == len(numbers)
    assert has_sites == named
    assert (vertebrae is not None) == verse
    if verse:
        assert vertebrae is not None
        np.testing.assert_array_equal(vertebrae, mask)
    if named:
        np.testing.assert_array_equal(sites, mask)


@pytest.mark.parametrize("spacing", [(3.0, 0.5, 0.6), (0.6, 3.0, 0.5), (0.5, 0.6, 3.0), (1.0, 1.0, 1.0)])
@pytest.mark.parametrize("sagittal", [True, False])
def test_slices_run_across_the_coarsest_axis_and_no_voxel_moves(
    spacing: tuple[float, float, float], sagittal: bool
) -> None:
    rng = np.random.default_rng(1)
    grid = Grid(shape=(5, 6, 7), spacing_mm=spacing, origin_mm=(3, 4, 5), direction=((0, 0, -1), (1, 0, 0), (0, -1, 0)))
    array = rng.normal(size=grid.shape)
    view, turned = in_slices(array, grid, sagittal=sagittal)
    assert view.shape == turned.shape
    back = [np.asarray(one[0]) for one in (reorient_to_lps(array, grid), reorient_to_lps(view, turned))]
    np.testing.assert_array_equal(back[0], back[1])
    lps = [one[1] for one in (reorient_to_lps(array, grid), reorient_to_lps(view, turned))]
    np.testing.assert_allclose(lps[0].affine, lps[1].affine, atol=1e-9)
    if len(set(spacing)) > 1:
        assert turned.spacing_mm[2] == 3.0
    else:
        across = turned.axes[:, 2]
        assert abs(across[0 if sagittal else 2]) == 1
    if abs(turned.axes[2, 2]) < 1:
        assert turned.axes[2, 1] == -1  # rows run to the feet
