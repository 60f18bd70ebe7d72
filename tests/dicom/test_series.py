from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from osteon.dicom.limits import Limits
from osteon.dicom.scan import scan
from osteon.dicom.series import load_headers, load_volume
from osteon.errors import GeometryError, InputError, LimitError
from tests.dicom.make import OBLIQUE, Scheme, stored_values, write_enhanced, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.records import Series, Volume

SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def only_series(path: Path) -> Series:
    result = scan(path)
    assert not result.failures
    (series,) = result.series
    return series


def read_simpleitk(paths: list[Path]) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    return reader.Execute()


def assert_same_as_simpleitk(volume: Volume, image: sitk.Image) -> None:
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(image))
    corners = [(x, y, z) for x in (0, 5) for y in (0, 7) for z in (0, volume.array.shape[0] - 1)]
    theirs = [image.TransformContinuousIndexToPhysicalPoint([float(i) for i in corner]) for corner in corners]
    assert np.allclose(volume.grid.to_mm(corners), theirs, atol=1e-4)


@pytest.mark.parametrize("orientation", [Scheme.orientation, OBLIQUE, SAGITTAL, FLIPPED])
def test_values_and_places_are_those_of_simpleitk(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    paths = write_series(tmp_path, stored_values(), Scheme(orientation=orientation))
    series = only_series(tmp_path)
    assert list(series.files) == paths
    assert not series.problems
    volume = load_volume(series)
    assert volume.array.dtype == np.int16
    assert_same_as_simpleitk(volume, read_simpleitk(paths))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_uncompressed_transfer_syntax(tmp_path: Path, syntax: str) -> None:
    values = stored_values()

    def swap(index: int, ds: pydicom.FileDataset) -> None:
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = values[index].astype(">i2").tobytes()

    write_series(tmp_path, values, Scheme(syntax=syntax), change=swap)
    assert np.array_equal(load_volume(only_series(tmp_path)).array, values - 1024)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("signed", [True, False])
def test_lossless_compression_gives_back_every_value(tmp_path: Path, syntax: str, signed: bool) -> None:
    values = stored_values((4, 33, 47)) - (500 if signed else 0)

    def pack(_: int, ds: pydicom.FileDataset) -> None:
        ds.compress(syntax, generate_instance_uid=False)

    write_series(tmp_path, values, Scheme(signed=signed), change=pack)
    assert np.array_equal(load_volume(only_series(tmp_path), jobs=2).array, values - 1024)


@pytest.mark.parametrize("kind", [JPEG_LOSSLESS, "1.2.840.10008.1.2.4.57"])
def test_jpeg_lossless_written_by_gdcm(tmp_path: Path, kind: str) -> None:
    import gdcm

    values = stored_values((3, 33, 47))
    for path in write_series(tmp_path, values):
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(kind)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(path))
        assert writer.Write()
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == kind
    assert np.array_equal(load_volume(only_series(tmp_path)).array, values - 1024)


def test_more_threads_read_the_same_volume(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values((20, 12, 10)))
    series = only_series(tmp_path)
    assert np.array_equal(load_volume(series, jobs=1).array, load_volume(series, jobs=4).array)


def test_twelve_bits_with_sign_and_with_rubbish_above(tmp_path: Path) -> None:
    values = stored_values(top=2000) - 1000

    def dirty(index: int, ds: pydicom.FileDataset) -> None:
        ds.PixelData = ((values[index] & 0x0FFF) | 0x5000).astype("<i2").tobytes()

    write_series(tmp_path, values, Scheme(bits_stored=12, intercept=0.0), change=dirty)
    assert np.array_equal(load_volume(only_series(tmp_path)).array, values)


def test_unsigned_twelve_bits_drop_an_overlay_above(tmp_path: Path) -> None:
    values = stored_values()

    def overlay(index: int, ds: pydicom.FileDataset) -> None:
        ds.PixelData = (values[index].astype("<u2") | 0x8000).tobytes()

    write_series(tmp_path, values, Scheme(bits_stored=12, signed=False), change=overlay)
    assert np.array_equal(load_volume(only_series(tmp_path)).array, values - 1024)


def test_eight_bit_values(tmp_path: Path) -> None:
    values = stored_values(top=255).astype(np.uint8)
    write_series(tmp_path, values, Scheme(signed=False))
    assert np.array_equal(load_volume(only_series(tmp_path)).array, values.astype(np.int16) - 1024)


def test_values_beyond_int16_become_float32(tmp_path: Path) -> None:
    values = stored_values().astype(np.uint16)
    values[2, 3, 4] = 60000
    write_series(tmp_path, values, Scheme(signed=False))
    volume = load_volume(only_series(tmp_path))
    assert volume.array.dtype == np.float32
    assert np.array_equal(volume.array, values.astype(np.float32) - 1024)


def test_fractional_slope_becomes_float32(tmp_path: Path) -> None:
    values = stored_values()
    write_series(tmp_path, values, Scheme(slope=0.25, intercept=-7.5))
    volume = load_volume(only_series(tmp_path))
    assert volume.array.dtype == np.float32
    assert np.allclose(volume.array, values * 0.25 - 7.5)


def test_each_slice_is_rescaled_by_its_own_slope_and_intercept(tmp_path: Path) -> None:
    values = stored_values()

    def own(index: int, ds: pydicom.FileDataset) -> None:
        ds.RescaleSlope, ds.RescaleIntercept = index + 1, -100 * index

    write_series(tmp_path, values, change=own)
    series = only_series(tmp_path)
    assert any("differ between slices" in warning for warning in series.warnings)
    index = np.arange(5)[:, None, None]
    assert np.array_equal(load_volume(series).array, values * (index + 1) - 100 * index)


def test_mr_without_rescale_is_as_stored(tmp_path: Path) -> None:
    values = stored_values()
    write_series(tmp_path, values, Scheme(modality="MR", slope=None, intercept=None))
    volume = load_volume(only_series(tmp_path))
    assert volume.modality == "MR"
    assert np.array_equal(volume.array, values)


@pytest.mark.parametrize("keyword_vr", ["SS", "US"])
def test_padding_becomes_air_on_ct_and_is_said(tmp_path: Path, keyword_vr: str) -> None:
    values = stored_values()
    values[:, 0, :] = -2000

    def pad(_: int, ds: pydicom.FileDataset) -> None:
        # a common fault: the value written as unsigned although pixels are signed
        ds.add_new("PixelPaddingValue", keyword_vr, -2000 if keyword_vr == "SS" else 63536)

    write_series(tmp_path, values, change=pad)
    series = only_series(tmp_path)
    volume = load_volume(series)
    assert (volume.array[:, 0, :] == -1024).all()
    assert np.array_equal(volume.array[:, 1:], values[:, 1:] - 1024)
    assert any("PixelPaddingValue -2000" in warning for warning in series.warnings)
    assert any(warning.startswith("50 voxels carry PixelPaddingValue") for warning in volume.warnings)


def test_padding_range(tmp_path: Path) -> None:
    values = stored_values()
    values[:, 0, :5], values[:, 0, 5:] = -3000, -2500

    def pad(_: int, ds: pydicom.FileDataset) -> None:
        ds.add_new("PixelPaddingValue", "SS", -3000)
        ds.add_new("PixelPaddingRangeLimit", "SS", -2500)

    write_series(tmp_path, values, change=pad)
    assert (load_volume(only_series(tmp_path)).array[:, 0, :] == -1024).all()


def test_padding_that_could_be_tissue_is_left_alone(tmp_path: Path) -> None:
    values = stored_values()
    values[:, 0, :] = 1064

    def pad(_: int, ds: pydicom.FileDataset) -> None:
        ds.add_new("PixelPaddingValue", "SS", 1064)

    write_series(tmp_path, values, change=pad)
    assert (load_volume(only_series(tmp_path)).array[:, 0, :] == 40).all()


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_enhanced_multiframe_in_any_order_of_frames(tmp_path: Path, modality: str) -> None:
    values = stored_values((6, 12, 10))
    scheme = Scheme(modality=modality, orientation=OBLIQUE)
    classic = write_series(tmp_path / "classic", values, scheme)
    write_enhanced(tmp_path / "enhanced.dcm", values, scheme, order=[3, 0, 5, 1, 4, 2])
    series = only_series(tmp_path / "enhanced.dcm")
    assert series.frames == ((0, 1), (0, 3), (0, 5), (0, 0), (0, 4), (0, 2))
    volume = load_volume(series)
    assert np.array_equal(volume.array, values - 1024)
    assert np.allclose(volume.grid.affine, load_volume(only_series(classic[0].parent)).grid.affine)


def test_compressed_enhanced_multiframe(tmp_path: Path) -> None:
    values = stored_values((6, 12, 10))
    write_enhanced(tmp_path / "a.dcm", values, change=lambda ds: ds.compress(RLELossless))
    assert np.array_equal(load_volume(only_series(tmp_path)).array, values - 1024)


def test_headers_come_in_slice_order_without_pixels(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values(), Scheme(syntax=DeflatedExplicitVRLittleEndian))
    headers = load_headers(only_series(tmp_path))
    assert [float(ds.ImagePositionPatient[2]) for ds in headers] == [-30.0, -27.5, -25.0, -22.5, -20.0]
    assert all("PixelData" not in ds and ds.PatientID == "SECRET-ID" for ds in headers)
    assert headers[0].file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian


def test_a_series_with_problems_is_refused_with_its_reasons(tmp_path: Path) -> None:
    paths = write_series(tmp_path, stored_values())
    paths[2].unlink()
    with pytest.raises(GeometryError, match=r"series [\d.]+ cannot be read as a volume.*1 slice\(s\) are missing"):
        load_volume(only_series(tmp_path))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _remove(path: Path) -> None:
    path.unlink()


def _move(path: Path) -> None:
    ds = pydicom.dcmread(path)
    ds.ImagePositionPatient[2] += 1
    ds.save_as(path)


@pytest.mark.parametrize("damage", [_truncate, _remove, _move])
def test_files_that_changed_since_the_scan_are_noticed(tmp_path: Path, damage: Any) -> None:
    paths = write_series(tmp_path, stored_values())
    series = only_series(tmp_path)
    damage(paths[2])
    with pytest.raises((InputError, GeometryError), match=series.uid):
        load_volume(series)
    if damage is _remove:
        with pytest.raises(InputError, match=series.uid):
            load_headers(series)


def test_volume_larger_than_allowed(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values())
    with pytest.raises(LimitError, match="max_volume_bytes"):
        load_volume(only_series(tmp_path), limits=Limits(max_volume_bytes=1000))


def test_a_volume_is_read_only_and_outlives_its_files(tmp_path: Path) -> None:
    values = stored_values()
    write_series(tmp_path / "a", values)
    volume = load_volume(only_series(tmp_path / "a"))
    shutil.rmtree(tmp_path / "a")
    assert np.array_equal(volume.array, values - 1024)
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 1


def test_headers_of_a_nifti_series_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values())
    with pytest.raises(InputError, match="NIfTI"):
        load_headers(replace(only_series(tmp_path), source="nifti"))


def test_real_abdomen_is_the_volume_that_simpleitk_reads(real_data: Path) -> None:
    series = only_series(real_data / "ct_abdomen_cb001")
    volume = load_volume(series)
    assert volume.array.shape == (134, 512, 512)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(real_data / "ct_abdomen_cb001"))
    assert_same_as_simpleitk(volume, read_simpleitk(list(names)))


def test_headers_nested_too_deeply_are_refused(tmp_path: Path) -> None:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    def nest(_: int, ds: pydicom.FileDataset) -> None:
        inner: Dataset = ds
        for _ in range(60):
            inner.ReferencedImageSequence = Sequence([Dataset()])
            inner = inner.ReferencedImageSequence[0]

    write_series(tmp_path, stored_values((1, 4, 4)), change=nest)
    series = only_series(tmp_path)
    assert load_volume(series).array.shape == (1, 4, 4)  # sequences of stated length are not opened for that
    with pytest.raises(InputError, match="nested more than 32 deep"):
        load_headers(series)
