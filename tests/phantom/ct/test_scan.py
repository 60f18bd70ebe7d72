from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from osteon.geometry import Grid
from osteon.phantom.anatomy.bones import Bone
from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.ct.acquisition import SMOOTH
from osteon.phantom.ct.render import SITES, render
from osteon.phantom.ct.scan import CtScan, draw_ct_scan, lesion_record, scan_patient, slice_profile

if TYPE_CHECKING:
    from osteon.phantom.patient import CtPatient


def test_grids_types_and_ranges(scan: CtScan) -> None:
    grid = scan.volume.grid
    assert grid.shape == (int(60 / scan.scanner.spacing_mm), 384, 384)
    assert grid.spacing_mm == (scan.scanner.pixel_mm, scan.scanner.pixel_mm, scan.scanner.spacing_mm)
    assert grid.origin_mm[2] == 0.0
    for array, kind in ((scan.sites, np.uint8), (scan.lesions, np.uint16), (scan.vertebrae, np.uint8)):
        assert array.shape == grid.shape
        assert array.dtype == kind
    hu = scan.volume.array
    assert hu.dtype == np.int16
    assert hu.min() >= -1024
    assert hu.max() <= 3071
    assert scan.volume.modality == "CT"


def test_the_table_of_lesions_is_the_mask(scan: CtScan) -> None:
    assert scan.truth
    numbers = set(np.unique(scan.lesions)) - {0}
    assert numbers == {lesion.number for lesion in scan.truth}
    for lesion in scan.truth:
        mask = scan.lesions == lesion.number
        assert lesion.volume_mm3 == pytest.approx(mask.sum() * scan.volume.grid.voxel_mm3, abs=0.01)
        middle = scan.volume.grid.to_mm(np.argwhere(mask).mean(axis=0)[::-1])
        assert np.linalg.norm(middle - lesion.centre_mm) < lesion.diameter_mm
        assert 5 <= lesion.diameter_mm <= 30
        sites = {SITES[k] for k in np.unique(scan.sites[mask])}
        assert lesion.site in sites
        if lesion.site == "vertebra":
            assert lesion.label in np.unique(scan.vertebrae[mask])
        ring = ndimage.binary_dilation(mask, iterations=3) & (scan.sites > 0) & (scan.lesions == 0)
        assert np.median(scan.volume.array[mask]) < np.median(scan.volume.array[ring]) - 25


def test_masks_lie_in_bone(scan: CtScan) -> None:
    assert (scan.sites[scan.lesions > 0] > 0).all()
    assert (scan.sites[scan.vertebrae > 0] > 0).all()
    assert 0 < (scan.sites > 0).mean() < 0.1


def test_lesions_that_no_annotator_could_count_are_listed_apart(scan: CtScan) -> None:
    assert scan.unseen
    seen, unseen = ({lesion.number for lesion in group} for group in (scan.truth, scan.unseen))
    assert not seen & unseen
    assert not set(np.unique(scan.lesions)) & unseen
    assert seen | unseen <= set(range(1, len(scan.patient.lesions) + 1))


def test_mimics_are_listed_and_in_no_mask(scan: CtScan) -> None:
    assert len(scan.mimics) == len(scan.patient.mimics) > 0
    assert {mimic["kind"] for mimic in scan.mimics} <= {
        "basivertebral vein",
        "focal osteopenia",
        "schmorl node",
        "haemangioma",
    }
    grid = scan.volume.grid
    for mimic in scan.mimics:
        distances = [np.linalg.norm(np.subtract(mimic["centre_mm"], lesion.centre_mm)) for lesion in scan.truth]
        if min(distances) > 25 and grid.contains(mimic["centre_mm"]):
            index = np.rint(grid.to_index(mimic["centre_mm"])).astype(int)
            assert scan.lesions[tuple(index[::-1])] == 0


def test_a_record_is_plain(scan: CtScan) -> None:
    record = lesion_record(scan.truth[0])
    assert record["number"] == scan.truth[0].number
    assert set(record) == {"number", "kind", "bone", "site", "label", "diameter_mm", "volume_mm3", "centre_mm"}
    assert all(isinstance(value, str | int | float | tuple) for value in record.values())


def scanned(
    patient: CtPatient, *, thickness_mm: float = 5.0, noise_hu: float = 0.0
) -> tuple[Grid, tuple[np.ndarray, ...]]:
    scanner = replace(SMOOTH, matrix=84, pixel_mm=5.0, thickness_mm=thickness_mm, spacing_mm=5.0, noise_hu=noise_hu)
    grid = Grid(shape=(6, 84, 84), spacing_mm=(5.0, 5.0, 5.0), origin_mm=(-210.0, -235.0, 90.0))
    return grid, scan_patient(patient, grid, scanner=scanner, table_mm=None)


def test_masks_are_those_of_the_middle_of_the_slice(patient: CtPatient) -> None:
    grid, (_, sites, lesions, vertebrae) = scanned(patient)
    slab = next(iter(render(patient, grid)))[1]
    # ``blur`` of the finer grid does not touch masks
    np.testing.assert_array_equal(sites, slab.sites)
    np.testing.assert_array_equal(lesions, slab.lesions)
    np.testing.assert_array_equal(vertebrae, slab.labels)


@pytest.mark.parametrize("thickness_mm", [2.0, 3.0, 5.0])
def test_picture_and_mask_of_a_known_solid_lie_at_the_same_height(patient: CtPatient, thickness_mm: float) -> None:
    """A dense ball: centre of mass of its attenuation and of its mask along z are that of the ball."""
    height = 101.3
    ball = Ellipsoid(np.array([0.0, -60.0, height]), np.array([13.0, 13.0, 13.0]))
    bone = Bone(name="ball", site="rib", solids=(ball,), cortex_mm=30.0, cortex_hu=900.0)
    still = tuple(replace(field, lattice=np.zeros_like(field.lattice)) for field in patient.fields)
    bare = replace(patient, bones=(bone,), organs=(), lesions=(), mimics=(), fields=still)
    scanner = replace(SMOOTH, matrix=60, pixel_mm=2.0, thickness_mm=thickness_mm, spacing_mm=2.5, noise_hu=0.0)
    grid = Grid(shape=(22, 60, 60), spacing_mm=(2.0, 2.0, 2.5), origin_mm=(-60.0, -120.0, 75.0))
    hu, sites, *_ = scan_patient(bare, grid, scanner=scanner, table_mm=None)
    empty, *_ = scan_patient(replace(bare, bones=()), grid, scanner=scanner, table_mm=None)
    z = 75.0 + 2.5 * np.arange(22)
    added = (hu.astype(float) - empty).sum(axis=(1, 2))
    assert (added * z).sum() / added.sum() == pytest.approx(height, abs=0.1)
    area = (sites > 0).sum(axis=(1, 2))
    assert (area * z).sum() / area.sum() == pytest.approx(height, abs=0.1)


@pytest.mark.parametrize(
    ("thickness_mm", "step_mm", "weights"),
    [(2.5, 1.25, [1, 2, 1]), (2.0, 0.5, [1, 2, 2, 2, 1]), (3.0, 1.0, [1, 1, 1]), (1.0, 2.0, [1])],
)
def test_the_slice_profile_is_centred_and_as_wide_as_the_slice(
    thickness_mm: float, step_mm: float, weights: list[int]
) -> None:
    np.testing.assert_allclose(slice_profile(thickness_mm, step_mm), np.array(weights) / sum(weights), atol=1e-6)


def test_thick_slices_are_means_of_thin_ones(patient: CtPatient) -> None:
    _, thin = scanned(patient, thickness_mm=2.5)
    _, thick = scanned(patient, thickness_mm=10.0)
    bone = thin[1] > 0
    assert thick[0][bone].std() < thin[0][bone].std()


def test_noise_is_the_patients_own(patient: CtPatient) -> None:
    _, (one, *_) = scanned(patient, noise_hu=20.0)
    _, (two, *_) = scanned(patient, noise_hu=20.0)
    _, (other, *_) = scanned(replace(patient, texture_seed=patient.texture_seed + 1), noise_hu=20.0)
    np.testing.assert_array_equal(one, two)
    assert (one != other).mean() > 0.3


def test_a_table_lies_under_the_patient(patient: CtPatient) -> None:
    scanner = replace(SMOOTH, matrix=84, pixel_mm=5.0, thickness_mm=5.0, spacing_mm=5.0, noise_hu=0.0)
    grid = Grid(shape=(3, 84, 84), spacing_mm=(5.0, 5.0, 5.0), origin_mm=(-210.0, -235.0, 90.0))
    with_table, without = (scan_patient(patient, grid, scanner=scanner, table_mm=t)[0] for t in (130.0, None))
    rows = np.flatnonzero((np.abs(with_table.astype(int) - without) > 30).any(axis=(0, 2)))
    assert -235 + 5 * rows.min() > 90
    assert len(rows) > 4


def test_profile_and_range_make_the_grid() -> None:
    scan = draw_ct_scan(np.random.default_rng(3), profile="small", range_mm=(500.0, 520.0), mean_lesions=0.0)
    assert scan.volume.grid.shape == (int(20 / scan.scanner.spacing_mm), 384, 384)
    assert scan.volume.grid.origin_mm[2] == 500.0
    assert scan.truth == scan.unseen == ()
    assert scan.lesions.max() == 0
