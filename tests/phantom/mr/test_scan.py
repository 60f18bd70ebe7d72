from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.geometry import Grid
from osteon.phantom.mr.scan import MrScan, at_matrix, resize_labels, scan_patient, spine_curve
from osteon.phantom.painter import SITES

if TYPE_CHECKING:
    from osteon.phantom.anatomy.shapes import Solid
    from osteon.phantom.mr.patient import MrPatient
    from osteon.phantom.mr.protocol import Protocol


def inside(solid: Solid, grid: Grid, depth_mm: float) -> np.ndarray:
    """Voxels deeper than ``depth_mm`` in a solid; measured only in a box around it, whatever the grid's direction."""
    found = np.zeros(grid.shape, dtype=bool)
    low, high = (np.asarray(corner) for corner in solid.bounds())
    corners = np.array([[(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]] for i, j, k in np.ndindex(2, 2, 2)])
    index = grid.to_index(corners)
    first = np.clip(np.floor(index.min(axis=0)).astype(int) - 1, 0, None)
    last = np.minimum(np.ceil(index.max(axis=0)).astype(int) + 2, grid.shape[::-1])
    if (last <= first).any():
        return found
    x, y, z = np.meshgrid(*(np.arange(a, b) for a, b in zip(first, last, strict=True)), indexing="ij")
    points = grid.to_mm(np.stack([x, y, z], axis=-1)).astype(np.float32)
    deep = solid.distance(points[..., 0], points[..., 1], points[..., 2]) < -depth_mm
    found[z[deep], y[deep], x[deep]] = True
    return found


def organ(scan: MrScan, name: str, depth_mm: float) -> np.ndarray:
    """Voxels deep inside any part of an organ."""
    grid = scan.stations[0].grid
    parts = [one.solid for one in scan.patient.scene.organs if one.name.startswith(name)]
    return np.asarray(np.any([inside(part, grid, depth_mm) for part in parts], axis=0))


def level(scan: MrScan, role: str, where: np.ndarray) -> float:
    """Median grey level; the coil's shading is left in."""
    series = next(one for one in scan.stations[0].series if one.sequence.role == role)
    assert where.sum() > 8
    return float(np.median(series.volume.array[where]))


def marrow(scan: MrScan) -> np.ndarray:
    station = scan.stations[0]
    bodies = [bone.solids[0] for bone in scan.patient.bones if bone.name in ("L2", "L4", "L5")]
    deep = np.any([inside(body, station.grid, 4.0) for body in bodies], axis=0)
    return np.asarray(deep & (station.lesions == 0))


def lesion(scan: MrScan) -> np.ndarray:
    return inside(scan.patient.lesions[0].solid, scan.stations[0].grid, 2.5)


def test_t1_fat_over_marrow_over_muscle_over_fluid(mr_scan: MrScan) -> None:
    cord_or_sac = organ(mr_scan, "csf", 2.0) & ~organ(mr_scan, "root", -1.5) & ~organ(mr_scan, "cord", -1.5)
    muscle = organ(mr_scan, "muscle", 6.0) & (mr_scan.stations[0].sites == 0)
    looks = [
        level(mr_scan, "t1", where)
        for where in (organ(mr_scan, "epidural fat", 2.5) & ~organ(mr_scan, "csf", -2), marrow(mr_scan), muscle)
    ]
    assert looks == sorted(looks, reverse=True)
    assert level(mr_scan, "t1", cord_or_sac) < 0.6 * looks[1]
    assert level(mr_scan, "t1", lesion(mr_scan)) < 0.85 * looks[1]


def test_contrast_enhanced_lesions_are_brightest_and_fat_is_dark(mr_scan: MrScan) -> None:
    fat = organ(mr_scan, "epidural fat", 2.5) & ~organ(mr_scan, "csf", -2)
    shown = level(mr_scan, "ce", lesion(mr_scan))
    assert shown > 1.3 * level(mr_scan, "ce", marrow(mr_scan))
    assert shown > 1.8 * level(mr_scan, "ce", fat)


def test_fat_only_pictures_show_fat_only(mr_scan: MrScan) -> None:
    fat = level(mr_scan, "fo", organ(mr_scan, "epidural fat", 2.5) & ~organ(mr_scan, "csf", -2))
    assert 0.2 * fat < level(mr_scan, "fo", marrow(mr_scan)) < 0.9 * fat
    assert level(mr_scan, "fo", lesion(mr_scan)) < 0.5 * level(mr_scan, "fo", marrow(mr_scan))


def test_t2_fluid_is_brightest_and_lesions_stand_out_without_fat(t2_scan: MrScan) -> None:
    sac = organ(t2_scan, "csf", 2.0) & ~organ(t2_scan, "root", -1.5) & ~organ(t2_scan, "cord", -1.5)
    sac &= t2_scan.stations[0].lesions == 0
    muscle = organ(t2_scan, "muscle", 6.0) & (t2_scan.stations[0].sites == 0)
    for role in ("t2", "fs-t2"):
        assert level(t2_scan, role, sac) > 1.5 * level(t2_scan, role, marrow(t2_scan))
        assert level(t2_scan, role, sac) > 2.5 * level(t2_scan, role, muscle)
    assert level(t2_scan, "fs-t2", lesion(t2_scan)) > 1.5 * level(t2_scan, "fs-t2", marrow(t2_scan))


def test_masks_lie_where_the_lesions_were_drawn(mr_scan: MrScan) -> None:
    station = mr_scan.stations[0]
    inner, outer = mr_scan.patient.lesions
    drawn = inside(inner.solid, station.grid, 0.0)
    overlap = 2 * (drawn & (station.lesions == 1)).sum() / (drawn.sum() + (station.lesions == 1).sum())
    assert overlap > 0.9
    assert (station.sites[station.lesions == 1] == SITES.index("vertebra")).all()
    beyond = (station.lesions == 2) & (station.sites == 0)  # its part in the canal
    assert beyond.sum() > 0.15 * (station.lesions == 2).sum()
    drawn = inside(outer.solid, station.grid, 0.0)
    assert 2 * (drawn & (station.lesions == 2)).sum() / (drawn.sum() + (station.lesions == 2).sum()) > 0.9


def test_vertebrae_have_their_verse_numbers(mr_scan: MrScan) -> None:
    station = mr_scan.stations[0]
    for bone in mr_scan.patient.bones:
        if bone.name in ("L1", "L2", "L3", "L4", "L5"):
            x, y, z = (round(v) for v in station.grid.to_index(bone.centre))
            assert station.vertebrae[z, y, x] == bone.label


def test_slices_stand_along_the_spine_and_rows_run_to_the_feet(mr_scan: MrScan) -> None:
    axes = mr_scan.stations[0].grid.axes
    assert np.linalg.det(axes) == pytest.approx(1)
    assert axes[1, 0] > 0.98  # columns to the back
    assert axes[2, 1] < -0.98  # rows to the feet
    assert axes[0, 2] < -0.98  # slices to the right
    person = mr_scan.patient.person
    lean = np.rad2deg(np.arcsin(-axes[0, 1]))
    assert abs(lean - person.roll_deg) < 4


def test_the_same_patient_gives_the_same_pictures(mr_patient: MrPatient, protocols: dict[str, Protocol]) -> None:
    quick = replace(protocols["metastasis"], slices=2)
    one, two = (scan_patient(mr_patient, quick, range_mm=(40.0, 130.0)) for _ in range(2))
    other = scan_patient(replace(mr_patient, texture_seed=5), quick, range_mm=(40.0, 130.0))
    for a, b, c in zip(one.stations[0].series, two.stations[0].series, other.stations[0].series, strict=True):
        np.testing.assert_array_equal(a.volume.array, b.volume.array)
        assert (a.volume.array != c.volume.array).any()


def test_stations_overlap_and_cover_the_spine(mr_patient: MrPatient, protocols: dict[str, Protocol]) -> None:
    protocol = replace(protocols["metastasis"], slices=1, stations=3, fov_mm=330.0)
    protocol = replace(
        protocol, sequences=tuple(replace(q, acquired=(48, 48), matrix=48) for q in protocol.sequences[:1])
    )
    stations = scan_patient(mr_patient, protocol).stations
    tops = [float(s.grid.to_mm((24, 0, 0))[2]) for s in stations]
    ends = [float(s.grid.to_mm((24, 47, 0))[2]) for s in stations]
    assert tops == sorted(tops, reverse=True)
    assert all(top > end for top, end in zip(tops[1:], ends[:-1], strict=True))
    curve = spine_curve(mr_patient)
    assert tops[0] > curve[:, 2].max()
    assert ends[-1] < curve[:, 2].min() - 30


def test_a_target_is_in_the_middle(mr_patient: MrPatient, protocols: dict[str, Protocol]) -> None:
    bone = next(one for one in mr_patient.bones if one.name == "T8")
    protocol = replace(protocols["tumor"], stations=1, slices=3)
    protocol = replace(
        protocol, sequences=tuple(replace(q, acquired=(48, 48), matrix=48) for q in protocol.sequences[:1])
    )
    x, y, z = (float(v) for v in bone.centre)
    station = scan_patient(mr_patient, protocol, target_mm=(x, y, z)).stations[0]
    index = station.grid.to_index(bone.centre)
    assert 12 < index[1] < 36


def test_another_matrix_covers_the_same_field() -> None:
    direction = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
    grid = Grid(shape=(3, 100, 100), spacing_mm=(2.0, 2.0, 4.0), origin_mm=(5.0, -80.0, 60.0), direction=direction)
    fine = at_matrix(grid, 250)
    assert fine.size_mm == pytest.approx(grid.size_mm)
    np.testing.assert_allclose(fine.to_mm((-0.5, -0.5, 0)), grid.to_mm((-0.5, -0.5, 0)))
    np.testing.assert_allclose(fine.to_mm((249.5, 249.5, 2)), grid.to_mm((99.5, 99.5, 2)))


def test_resized_labels_keep_place_and_area() -> None:
    y, x = np.mgrid[:40, :40]
    labels = np.zeros((1, 40, 40), np.uint16)
    labels[0][(y - 15) ** 2 + (x - 20) ** 2 < 64] = 7
    labels[0][(y - 31) ** 2 + (x - 20) ** 2 < 36] = 300
    fine = resize_labels(labels, 100)
    assert set(np.unique(fine)) == {0, 7, 300}
    for value in (7, 300):
        assert (fine == value).sum() / 6.25 == pytest.approx((labels == value).sum(), rel=0.06)
        rows = (np.nonzero(fine[0] == value)[0].mean() + 0.5) / 2.5
        assert rows == pytest.approx(np.nonzero(labels[0] == value)[0].mean() + 0.5, abs=0.1)
    assert resize_labels(labels, 40) is labels
