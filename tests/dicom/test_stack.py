"""Which slices make a volume. Every fault is a clear problem or warning of the series, never a wrong volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813

from osteon.dicom.limits import Limits
from osteon.dicom.scan import scan
from osteon.dicom.series import load_volume
from tests.dicom.make import AXIAL, OBLIQUE, Scheme, positions_mm, stored_values, write_enhanced, write_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.records import Series

    Change = Callable[[int, pydicom.FileDataset], object]


def at_heights(heights: list[float], scheme: Scheme) -> Change:
    """Put slice ``i`` at ``heights[i]`` millimetres along the normal."""
    normal = np.cross(scheme.orientation[:3], scheme.orientation[3:])

    def change(index: int, ds: pydicom.FileDataset) -> None:
        place = np.asarray(scheme.origin_mm) + heights[index] * normal
        ds.ImagePositionPatient = [f"{value:.4f}" for value in place]

    return change


def write_at(folder: Path, heights: list[float], scheme: Scheme | None = None, more: Change | None = None) -> None:
    scheme = scheme or Scheme()
    place = at_heights(heights, scheme)

    def change(index: int, ds: pydicom.FileDataset) -> None:
        place(index, ds)
        if more:
            more(index, ds)

    write_series(folder, stored_values((len(heights), 12, 10)), scheme, change=change)


def problem_of(path: Path) -> str:
    (series,) = scan(path).series
    assert series.grid is None
    (problem,) = series.problems
    assert problem.startswith(f"Series {series.uid}: ")
    return problem


def depths(series: tuple[Series, ...]) -> list[int]:
    return sorted(one.grid.shape[0] for one in series if one.grid)


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE])
@pytest.mark.parametrize(("missing", "count"), [([3], 1), ([3, 4], 2), ([2, 5], 2)])
def test_missing_slices(tmp_path: Path, orientation: tuple[float, ...], missing: list[int], count: int) -> None:
    heights = [2.5 * index for index in range(12) if index not in missing]
    write_at(tmp_path, heights, Scheme(orientation=orientation))
    problem = problem_of(tmp_path)
    assert f"{count} slice(s) are missing, the first after slice {missing[0]}" in problem
    assert "2.50 to" in problem
    assert "send the series again" in problem


def test_uneven_gaps(tmp_path: Path) -> None:
    write_at(tmp_path, [0, 2, 4.4, 6, 8.9, 10, 12])
    assert "slice gaps from 1.10 to 2.90 mm" in problem_of(tmp_path)


def test_rounded_positions_are_even_enough(tmp_path: Path) -> None:
    write_at(tmp_path, [round(index * 0.7001, 2) for index in range(30)])
    (series,) = scan(tmp_path).series
    assert series.grid
    assert series.grid.spacing_mm[2] == pytest.approx(0.7, abs=1e-3)


def test_slow_drift_of_the_spacing(tmp_path: Path) -> None:
    gaps = np.linspace(0.96, 1.04, 60)
    write_at(tmp_path, [0.0, *np.cumsum(gaps).tolist()])
    assert "drift away from a regular grid" in problem_of(tmp_path)


def test_two_slices_at_one_place(tmp_path: Path) -> None:
    write_at(tmp_path, [0, 2, 4, 4, 6, 8])
    assert "1 of 6 slices lie at the position of another" in problem_of(tmp_path)


def test_exact_copies_are_left_out(tmp_path: Path) -> None:
    paths = write_series(tmp_path, stored_values())
    (tmp_path / "again.dcm").write_bytes(paths[1].read_bytes())
    (series,) = scan(tmp_path).series
    assert depths((series,)) == [5]
    assert any("1 file(s) are exact copies" in warning for warning in series.warnings)


def test_one_instance_uid_on_different_files_is_said(tmp_path: Path) -> None:
    uids: list[str] = []

    def same(_: int, ds: pydicom.FileDataset) -> None:
        uids.append(ds.SOPInstanceUID)
        ds.SOPInstanceUID = uids[0]

    write_series(tmp_path, stored_values(), change=same)
    (series,) = scan(tmp_path).series
    assert depths((series,)) == [5]
    assert any("carry one SOPInstanceUID" in warning for warning in series.warnings)


def test_two_spacings_in_one_series_become_two_stacks(tmp_path: Path) -> None:
    write_at(tmp_path, [0, 4, 8, 12, 13.1, 20.1, 27.1])
    series = scan(tmp_path).series
    assert depths(series) == [3, 4]
    assert sorted(round(one.grid.spacing_mm[2]) for one in series if one.grid) == [4, 7]
    assert all("holds 2 stacks" in one.warnings[0] for one in series)
    values = np.concatenate([load_volume(one).array for one in sorted(series, key=lambda s: -len(s.files))])
    assert np.array_equal(values, stored_values((7, 12, 10)) - 1024)


def test_two_stretches_of_one_spacing_far_apart(tmp_path: Path) -> None:
    write_at(tmp_path, [0, 4, 8, 14.3, 18.3, 22.3])
    assert depths(scan(tmp_path).series) == [3, 3]


def test_a_slice_that_could_belong_to_either_stretch_is_a_problem(tmp_path: Path) -> None:
    write_at(tmp_path, [0, 5, 10, 15, 18, 21, 24])
    assert "expected uniform spacing" in problem_of(tmp_path)


def test_interleaved_acquisitions_are_told_apart(tmp_path: Path) -> None:
    def number(index: int, ds: pydicom.FileDataset) -> None:
        ds.AcquisitionNumber = 1 + index // 4

    write_at(tmp_path, [0, 5, 10, 15, 12, 17, 22, 27], more=number)
    series = scan(tmp_path).series
    assert depths(series) == [4, 4]
    assert all("AcquisitionNumber" in one.warnings[0] for one in series)


def test_dixon_images_in_one_series_are_told_apart(tmp_path: Path) -> None:
    kinds = ["IN_PHASE", "OUT_PHASE", "FAT", "WATER"]

    def dixon(index: int, ds: pydicom.FileDataset) -> None:
        ds.ImageType = ["DERIVED", "PRIMARY", "DIXON", kinds[index % 4]]
        ds.EchoTime = 2.4 if index % 2 else 1.2

    write_at(tmp_path, [3.0 * (index // 4) for index in range(20)], Scheme(modality="MR"), dixon)
    series = scan(tmp_path).series
    assert depths(series) == [5, 5, 5, 5]
    assert {one.attributes["ImageType"][3] for one in series} == set(kinds)
    assert all(kind in " ".join(w for one in series for w in one.warnings) for kind in kinds)


def test_an_echo_with_a_missing_slice_is_a_problem_of_that_echo_only(tmp_path: Path) -> None:
    heights = [0, 3, 6, 9, 12, 0, 3, 9, 12]

    def echo(index: int, ds: pydicom.FileDataset) -> None:
        ds.EchoTime = 10 if index < 5 else 90

    write_at(tmp_path, [float(h) for h in heights], Scheme(modality="MR"), echo)
    series = scan(tmp_path).series
    assert depths(series) == [5]
    assert sorted(len(one.problems) for one in series) == [0, 1]


def test_orientation_changes_within_a_series(tmp_path: Path) -> None:
    def turn(index: int, ds: pydicom.FileDataset) -> None:
        if index >= 3:
            ds.ImageOrientationPatient = list(OBLIQUE)
            ds.ImagePositionPatient = [f"{v:.5f}" for v in positions_mm(Scheme(orientation=OBLIQUE), 7)[index]]

    write_series(tmp_path, stored_values((7, 12, 10)), change=turn)
    series = scan(tmp_path).series
    assert depths(series) == [3, 4]
    assert all("told apart by orientation" in one.warnings[0] for one in series)


def test_a_survey_of_single_planes_is_no_volume(tmp_path: Path) -> None:
    turned = [AXIAL, OBLIQUE, (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)]

    def turn(index: int, ds: pydicom.FileDataset) -> None:
        ds.ImageOrientationPatient = list(turned[index])

    write_series(tmp_path, stored_values((3, 12, 10)), Scheme(modality="MR"), change=turn)
    (series,) = scan(tmp_path).series
    assert series.grid is None
    assert not series.problems
    assert "not a volume" in series.warnings[0]


def test_other_frame_of_reference_or_matrix_is_another_stack(tmp_path: Path) -> None:
    def change(index: int, ds: pydicom.FileDataset) -> None:
        if index >= 4:
            ds.FrameOfReferenceUID = "1.2.3"

    write_series(tmp_path, stored_values((8, 12, 10)), change=change)
    series = scan(tmp_path).series
    assert depths(series) == [4, 4]
    assert all("frame of reference" in one.warnings[0] for one in series)


@pytest.mark.parametrize("value", ["LOCALIZER", "SCOUT"])
def test_localizers_are_set_apart(tmp_path: Path, value: str) -> None:
    def scout(index: int, ds: pydicom.FileDataset) -> None:
        if index == 0:
            ds.ImageType = ["ORIGINAL", "PRIMARY", value]

    write_series(tmp_path, stored_values((6, 12, 10)), change=scout)
    series = scan(tmp_path).series
    assert depths(series) == [5]
    (localizer,) = [one for one in series if one.grid is None]
    assert "Localizer" in localizer.warnings[0]
    assert not localizer.problems


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"])
def test_missing_geometry_is_a_problem_that_names_the_attribute(tmp_path: Path, keyword: str) -> None:
    write_series(tmp_path, stored_values(), change=lambda _, ds: delattr(ds, keyword))
    problem = problem_of(tmp_path)
    assert f"5 file(s): {keyword} is missing" in problem


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("PixelSpacing", [0.0, 0.6], "expected 0.001 to 100 mm"),
        ("PixelSpacing", [0.8, 1e9], "expected 0.001 to 100 mm"),
        ("ImagePositionPatient", [0, 0, 1e12], "no scanner is so large"),
        ("PixelSpacing", [0.6], "expected 2"),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "perpendicular"),
        ("ImageOrientationPatient", [0, 0, 0, 0, 0, 0], "perpendicular"),
        ("RescaleSlope", 0, "RescaleSlope is 0"),
        ("RescaleType", "MGML", "expected HU"),
        ("Modality", "MR", "SOP class is that of CT"),
    ],
)
def test_impossible_values_are_problems(tmp_path: Path, keyword: str, value: object, words: str) -> None:
    write_series(tmp_path, stored_values(), change=lambda _, ds: setattr(ds, keyword, value))
    assert words in problem_of(tmp_path)


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_ct_without_rescale_is_no_hounsfield_volume(tmp_path: Path, keyword: str) -> None:
    write_series(tmp_path, stored_values(), change=lambda _, ds: delattr(ds, keyword))
    assert "stored values have no unit" in problem_of(tmp_path)


def test_monochrome1(tmp_path: Path) -> None:
    def invert(_: int, ds: pydicom.FileDataset) -> None:
        ds.PhotometricInterpretation = "MONOCHROME1"

    values = stored_values()
    write_series(tmp_path / "ct", values, change=invert)
    (series,) = scan(tmp_path / "ct").series
    assert any("MONOCHROME1" in warning for warning in series.warnings)
    assert np.array_equal(load_volume(series).array, values - 1024)
    write_series(tmp_path / "mr", values, Scheme(modality="MR"), change=invert)
    assert "MONOCHROME1 on MR" in problem_of(tmp_path / "mr")


def test_colour_images_are_no_volume(tmp_path: Path) -> None:
    def colour(_: int, ds: pydicom.FileDataset) -> None:
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
        ds.PixelData = bytes(12 * 10 * 3)

    write_series(tmp_path, stored_values(), change=colour)
    (series,) = scan(tmp_path).series
    assert series.grid is None
    assert not series.problems
    assert "Colour images" in series.warnings[0]


def test_one_slice_uses_its_thickness_and_says_so(tmp_path: Path) -> None:
    write_series(tmp_path / "a", stored_values((1, 12, 10)))
    (series,) = scan(tmp_path / "a").series
    assert series.grid
    assert series.grid.spacing_mm == (0.6, 0.8, 2.5)
    assert any("one slice only" in warning for warning in series.warnings)
    write_series(tmp_path / "b", stored_values((1, 12, 10)), change=lambda _, ds: delattr(ds, "SliceThickness"))
    assert "no SliceThickness" in problem_of(tmp_path / "b")


def test_sideways_steps_are_a_problem(tmp_path: Path) -> None:
    def jump(index: int, ds: pydicom.FileDataset) -> None:
        ds.ImagePositionPatient[0] += 3.0 * (index % 2)

    write_series(tmp_path, stored_values(), change=jump)
    assert "displaced sideways" in problem_of(tmp_path)


def test_classic_multiframe_without_places(tmp_path: Path) -> None:
    def multi(_: int, ds: pydicom.FileDataset) -> None:
        ds.NumberOfFrames = 2
        ds.PixelData = ds.PixelData * 2

    write_series(tmp_path, stored_values((1, 12, 10)), change=multi)
    assert "their places are unknown" in problem_of(tmp_path)


def test_enhanced_frames_and_functional_groups_must_agree(tmp_path: Path) -> None:
    def drop(ds: pydicom.FileDataset) -> None:
        del ds.PerFrameFunctionalGroupsSequence[-1]

    write_enhanced(tmp_path / "a.dcm", stored_values(), change=drop)
    assert "NumberOfFrames is 5, PerFrameFunctionalGroupsSequence has 4 items" in problem_of(tmp_path)


def test_stated_tilt_without_geometry_is_said(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values(), change=lambda _, ds: setattr(ds, "GantryDetectorTilt", 12.0))
    (series,) = scan(tmp_path).series
    assert any("GantryDetectorTilt is 12 degrees" in warning for warning in series.warnings)


def resampled_by_simpleitk(
    series: Series, step_mm: np.ndarray, stored: np.ndarray, first: pydicom.Dataset
) -> np.ndarray:
    """The sheared stack as ITK sees it, resampled onto the series' grid: an independent tilt correction."""
    assert series.grid
    orientation = np.asarray(first.ImageOrientationPatient, dtype=float)
    sheared = sitk.GetImageFromArray((stored - 1024).astype(np.float32))
    length = np.linalg.norm(step_mm)
    sheared.SetOrigin([float(v) for v in first.ImagePositionPatient])
    sheared.SetSpacing([float(first.PixelSpacing[1]), float(first.PixelSpacing[0]), float(length)])
    sheared.SetDirection(np.stack([orientation[:3], orientation[3:], step_mm / length], axis=1).ravel().tolist())
    grid = series.grid
    target = sitk.Image(*(int(n) for n in grid.shape[::-1]), sitk.sitkFloat32)
    target.SetOrigin(grid.origin_mm)
    target.SetSpacing(grid.spacing_mm)
    target.SetDirection(grid.axes.ravel().tolist())
    return sitk.GetArrayFromImage(sitk.Resample(sheared, target, sitk.Transform(), sitk.sitkLinear, -1024.0))


@pytest.mark.parametrize("step_mm", [(0.0, 0.37, 2.0), (-0.71, -0.31, 2.0), (0.47, 0.0, 3.0)])
def test_gantry_tilt_is_resampled_as_simpleitk_does(tmp_path: Path, step_mm: tuple[float, float, float]) -> None:
    values = np.random.default_rng(3).integers(0, 2000, (9, 14, 11)).astype(np.int16)
    paths = write_series(tmp_path, values, Scheme(step_mm=step_mm))
    (series,) = scan(tmp_path).series
    tilt = np.degrees(np.arctan2(np.hypot(*step_mm[:2]), step_mm[2]))
    assert series.attributes["tilt_deg"] == pytest.approx(tilt, abs=0.01)
    assert any(f"by {tilt:.1f} degrees" in warning for warning in series.warnings)
    ours = load_volume(series).array
    theirs = resampled_by_simpleitk(series, np.asarray(step_mm), values, pydicom.dcmread(paths[0]))
    assert np.abs(ours - theirs).max() <= 0.51  # rounding to whole HU
    assert ((ours != -1024).sum(axis=(1, 2)) >= values[0].size).all()  # nothing of a slice is lost


def test_real_tilted_head_becomes_two_straight_stacks(real_data: Path) -> None:
    series = scan(real_data / "ct_head_tilted").series
    assert depths(series) == [14, 14]
    for one, spacing in zip(sorted(series, key=lambda s: s.grid.spacing_mm[2] if s.grid else 0), (4, 7), strict=True):
        assert one.grid
        assert one.grid.spacing_mm[2] == pytest.approx(spacing, abs=0.01)
        assert one.attributes["tilt_deg"] == pytest.approx(18.5, abs=0.05)
        first, second = (pydicom.dcmread(path) for path in one.files[:2])
        step = np.subtract(second.ImagePositionPatient, first.ImagePositionPatient).astype(float)
        stored = np.stack([pydicom.dcmread(path).pixel_array for path in one.files])
        stored = np.where(stored == -1500, 0, stored + 1024)  # padding as air; RescaleIntercept is 0
        theirs = resampled_by_simpleitk(one, step, stored, first)
        assert np.abs(load_volume(one).array - theirs).max() <= 1


def test_a_shear_that_no_gantry_has_is_a_problem_and_not_a_huge_grid(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values(), Scheme(step_mm=(0.0, 900.0, 1.0)))
    assert "The positions cannot be right" in problem_of(tmp_path)


def test_a_shear_that_makes_a_volume_too_large_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values(), Scheme(step_mm=(0.0, 900.0, 1000.0)))
    (series,) = scan(tmp_path, limits=Limits(max_volume_bytes=400_000)).series
    assert "max_volume_bytes" in series.problems[0]
