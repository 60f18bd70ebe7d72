from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from osteon.dicom.codestream import check_codestream
from osteon.dicom.scan import scan
from osteon.dicom.series import load_volume
from osteon.errors import InputError, LimitError
from tests.dicom.make import stored_values, write_series

FILES = Path(pydicom.data.__file__).parent / "test_files"
COMPRESSED = ["JPEG-lossy.dcm", "JPEG2000.dcm", "MR_small_jpeg_ls_lossless.dcm",
    "693_J2KI.dcm", "JPGExtended.dcm", "MR_small_RLE.dcm"]  # fmt: skip


@pytest.mark.parametrize("name", COMPRESSED)
def test_sizes_inside_real_files_are_found(name: str) -> None:
    ds = pydicom.dcmread(FILES / name)
    frame = next(iter(generate_frames(ds.PixelData, number_of_frames=1)))
    syntax = str(ds.file_meta.TransferSyntaxUID)
    size = ds.Rows * ds.Columns * 2
    check_codestream(frame, syntax=syntax, shape=(ds.Rows, ds.Columns), frame_bytes=size)
    if syntax != RLELossless:
        with pytest.raises(InputError, match=rf"is {ds.Rows} x {ds.Columns} inside, Rows x Columns is 7 x 5"):
            check_codestream(frame, syntax=syntax, shape=(7, 5), frame_bytes=size)


@pytest.mark.parametrize(
    "frame", [b"", b"no image", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00\x04ab", b"\xff\x4f\xff\x51"]
)
def test_what_is_no_image(frame: bytes) -> None:
    with pytest.raises(InputError, match="compressed image"):
        check_codestream(frame, syntax=JPEGLSLossless, shape=(4, 4), frame_bytes=32)


def test_a_compressed_frame_is_not_far_longer_than_the_decoded_one() -> None:
    with pytest.raises(LimitError, match="decoded it should have 32"):
        check_codestream(bytes(100_000), syntax=RLELossless, shape=(4, 4), frame_bytes=32)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_larger_image_inside_is_not_decoded(tmp_path: Path, syntax: str) -> None:
    def lie(_: int, ds: pydicom.FileDataset) -> None:
        ds.compress(syntax)
        ds.Rows = ds.Columns = 8

    write_series(tmp_path, stored_values((2, 64, 64)), change=lie)
    (series,) = scan(tmp_path).series
    with pytest.raises(InputError, match="is 64 x 64 inside, Rows x Columns is 8 x 8"):
        load_volume(series)


def test_lossy_compression_is_said(tmp_path: Path) -> None:
    write_series(tmp_path, stored_values(), change=lambda _, ds: setattr(ds, "LossyImageCompression", "01"))
    (series,) = scan(tmp_path).series
    assert any("Lossy compression" in warning for warning in series.warnings)


@pytest.mark.parametrize("name", ["J2K_pixelrep_mismatch.dcm", "693_J2KI.dcm", "MR_small_jp2klossless.dcm"])
def test_real_compressed_files_have_the_values_of_pydicom(name: str) -> None:
    ds = pydicom.dcmread(FILES / name)
    (series,) = scan(FILES / name).series
    expected = ds.pixel_array.astype(np.int64)
    slope, intercept = int(ds.get("RescaleSlope", 1)), int(ds.get("RescaleIntercept", 0))
    kept = np.ones(expected.shape, bool)
    if ds.Modality == "CT" and "PixelPaddingValue" in ds:
        kept = expected != ds.PixelPaddingValue
    assert np.array_equal(load_volume(series).array[0][kept], (expected * slope + intercept)[kept])


@pytest.mark.parametrize("name", ["SC_rgb_jpeg_gdcm.dcm", "SC_rgb_gdcm_KY.dcm"])
def test_more_components_than_the_header_has_are_not_decoded(name: str) -> None:
    ds = pydicom.dcmread(FILES / name)
    frame = next(iter(generate_frames(ds.PixelData, number_of_frames=1)))
    with pytest.raises(InputError, match="3 components, SamplesPerPixel is 1"):
        check_codestream(frame, syntax=str(ds.file_meta.TransferSyntaxUID), shape=(100, 100), frame_bytes=20_000)
