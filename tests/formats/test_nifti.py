from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from osteon.errors import GeometryError, InputError, LimitError, OsteonError, UsageError
from osteon.formats.nifti import nifti_series, read_nifti, write_nifti
from osteon.geometry import Grid

if TYPE_CHECKING:
    from pathlib import Path

OBLIQUE = ((0.36, -0.8, 0.48), (0.48, 0.6, 0.64), (-0.8, 0.0, 0.6))
GRIDS = [
    Grid(shape=(4, 5, 6)),
    Grid(shape=(4, 5, 6), spacing_mm=(0.7, 0.9, 3.0), origin_mm=(-12.5, 40.0, -800.25), direction=OBLIQUE),
    Grid(shape=(4, 5, 6), spacing_mm=(2.0, 1.0, 0.5), direction=((-1.0, 0, 0), (0, -1.0, 0), (0, 0, 1.0))),
    Grid(shape=(4, 5, 6), spacing_mm=(1.0, 2.0, 3.0), direction=((0.0, 0, -1.0), (1.0, 0, 0), (0, 1.0, 0))),
]


def values(dtype: str = "int16", *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 100, (4, 5, 6)).astype(dtype)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_written_files_are_read_alike_by_simpleitk_nibabel_and_osteon(tmp_path: Path, grid: Grid, name: str) -> None:
    array = values()
    path = write_nifti(tmp_path / name, array, grid)
    image = sitk.ReadImage(str(path))
    assert np.array_equal(sitk.GetArrayFromImage(image), array)
    corners = [(0, 0, 0), (5, 0, 0), (0, 4, 0), (0, 0, 3), (5, 4, 3)]
    theirs = [image.TransformIndexToPhysicalPoint(corner) for corner in corners]
    assert np.allclose(theirs, grid.to_mm(corners), atol=1e-4)  # ITK speaks LPS too
    loaded = nibabel.load(path)
    assert np.array_equal(np.asarray(loaded.dataobj).transpose(2, 1, 0), array)
    ras = nibabel.affines.apply_affine(loaded.affine, corners)
    assert np.allclose(ras * [-1, -1, 1], grid.to_mm(corners), atol=1e-4)
    volume = read_nifti(path, modality="MR")
    assert np.array_equal(volume.array, array)
    assert np.allclose(volume.grid.affine, grid.affine, atol=1e-4)
    assert (volume.modality, volume.warnings) == ("MR", ())


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "bool"])
def test_every_type_comes_back_with_its_values(tmp_path: Path, dtype: str) -> None:
    array = values(dtype)
    volume = read_nifti(write_nifti(tmp_path / "a.nii.gz", array, GRIDS[1]))
    assert np.array_equal(volume.array, array)
    assert volume.array.dtype == (np.float32 if dtype == "float32" else np.int16)


def test_large_labels_keep_their_integer_type(tmp_path: Path) -> None:
    array = values("uint16")
    array[0, 0, 0] = 60000
    assert read_nifti(write_nifti(tmp_path / "a.nii", array, GRIDS[0])).array.dtype == np.uint16


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one = write_nifti(tmp_path / "one.nii.gz", values(), GRIDS[1]).read_bytes()
    two = write_nifti(tmp_path / "two.nii.gz", values(), GRIDS[1]).read_bytes()
    assert one == two
    assert one[4:8] == bytes(4)  # no time of writing in the gzip header


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="shape"):
        write_nifti(tmp_path / "a.nii", values()[1:], GRIDS[0])
    with pytest.raises(UsageError, match=r"\.nii"):
        write_nifti(tmp_path / "a.img", values(), GRIDS[0])
    with pytest.raises(Exception, match="not supported"):
        write_nifti(tmp_path / "a.nii", values().astype("U3"), GRIDS[0])
    assert not list(tmp_path.iterdir())


def save(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def test_scaled_integers(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(values().transpose(2, 1, 0), np.eye(4))
    for slope, intercept, dtype in ((2.0, -1024.0, np.int16), (0.5, 0.0, np.float32), (1000.0, 0.0, np.float32)):
        path = tmp_path / "a.nii"
        raw = bytearray(image.to_bytes())
        raw[112:120] = struct.pack("<ff", slope, intercept)  # scl_slope, scl_inter as other writers set them
        path.write_bytes(bytes(raw))
        volume = read_nifti(path)
        assert volume.array.dtype == dtype
        assert np.allclose(volume.array, values() * slope + intercept)
        assert np.allclose(volume.array, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))


def test_big_endian_and_nifti_2(tmp_path: Path) -> None:
    data = values().transpose(2, 1, 0)
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    big = nibabel.Nifti1Image(data.astype(">i2"), np.eye(4), header=header)
    nibabel.save(big, tmp_path / "big.nii.gz")
    nibabel.save(nibabel.Nifti2Image(data, np.eye(4)), tmp_path / "two.nii.gz")
    for name in ("big.nii.gz", "two.nii.gz"):
        array = read_nifti(tmp_path / name).array
        assert array.dtype == np.dtype("int16")
        assert array.dtype.isnative
        assert np.array_equal(array, values())


def test_a_single_volume_in_four_dimensions_is_one_volume(tmp_path: Path) -> None:
    assert read_nifti(save(tmp_path / "a.nii", np.ones((6, 5, 4, 1), np.int16))).array.shape == (4, 5, 6)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.ones((6, 5, 4, 2), np.int16), "one three-dimensional volume"),
        (np.ones((6, 5), np.int16), "one three-dimensional volume"),
        (np.ones((6, 5, 4), np.complex64), "not colours or complex"),
        (np.ones((6, 5, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "not colours or complex"),
    ],
)
def test_what_is_no_volume_is_refused(tmp_path: Path, data: np.ndarray, words: str) -> None:
    path = save(tmp_path / "a.nii", data)
    with pytest.raises(InputError, match=f"a.nii.*{words}"):
        read_nifti(path)
    with pytest.raises(InputError, match=words):
        nifti_series(path)


def test_conflicting_forms_are_said_and_sform_wins(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(values().transpose(2, 1, 0), None)
    moved = np.diag([1.0, 1, 1, 1])
    moved[0, 3] = 12
    image.set_sform(moved, code=1)
    image.set_qform(np.eye(4), code=1)
    nibabel.save(image, tmp_path / "a.nii")
    volume = read_nifti(tmp_path / "a.nii")
    assert "sform and qform differ by up to 12.0 mm; sform was used" in volume.warnings[0]
    assert volume.grid.origin_mm[0] == -12.0
    assert nifti_series(tmp_path / "a.nii").warnings[0] == volume.warnings[0]


def test_qform_alone_is_used(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(values().transpose(2, 1, 0), None)
    turned = np.array([[0, -2.0, 0, 5], [3.0, 0, 0, 6], [0, 0, 4.0, 7], [0, 0, 0, 1]])
    image.set_qform(turned, code=1)
    image.set_sform(None, code=0)
    nibabel.save(image, tmp_path / "a.nii")
    affine = read_nifti(tmp_path / "a.nii").grid.affine
    assert np.allclose(np.diag([-1, -1, 1, 1]) @ affine, turned, atol=1e-5)


def test_geometry_that_is_missing_sheared_or_not_finite(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(values().transpose(2, 1, 0), None)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nibabel.save(image, tmp_path / "none.nii")
    shear = np.eye(4)
    shear[0, 1] = 0.5
    save(tmp_path / "shear.nii", values(), shear)
    raw = bytearray(save(tmp_path / "nan.nii", values()).read_bytes())
    raw[280:284] = struct.pack("<f", np.nan)  # srow_x
    (tmp_path / "nan.nii").write_bytes(bytes(raw))
    for name, words in (("none", "neither sform nor qform"), ("shear", "sheared"), ("nan", "not finite")):
        with pytest.raises(GeometryError, match=f"{name}.nii.*{words}"):
            read_nifti(tmp_path / f"{name}.nii")


def test_gzip_bombs_and_large_claims_are_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "bomb.nii.gz", "wb") as file:
        file.write(bytes(20_000_000))
    with pytest.raises(LimitError, match="more than 1000000 bytes once inflated"):
        read_nifti(tmp_path / "bomb.nii.gz", max_bytes=1_000_000)
    raw = bytearray(save(tmp_path / "claim.nii", values()).read_bytes())
    raw[42:48] = struct.pack("<hhh", 32000, 32000, 32000)  # dim
    (tmp_path / "claim.nii").write_bytes(bytes(raw))
    with pytest.raises(LimitError, match=r"claim.nii.*allowed are"):
        read_nifti(tmp_path / "claim.nii")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_raise_nothing_but_our_errors(tmp_path: Path, name: str) -> None:
    whole = write_nifti(tmp_path / name, values(), GRIDS[1]).read_bytes()
    rng = np.random.default_rng(7)
    refused = 0
    for trial in range(200):
        data = bytearray(whole)
        if trial % 2:
            for place in rng.integers(0, min(len(data), 400), rng.integers(1, 6)):
                data[place] = rng.integers(0, 256)
        else:
            del data[rng.integers(0, len(data)) :]
        (tmp_path / name).write_bytes(bytes(data))
        try:
            assert read_nifti(tmp_path / name, max_bytes=10_000_000).array.ndim == 3
        except OsteonError:
            refused += 1
    assert refused >= 100  # every truncation, at least


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("sub-verse014_ct.nii.gz", "CT"),
        ("sub-1_acq-sag_T2w.nii.gz", "MR"),
        ("t2_a1.nii", "MR"),
        ("t2_seg-manual.nii", "OT"),
        ("sub-ct_seg-vert_msk.nii", "OT"),
        ("scan.nii", "OT"),
    ],
)
def test_modality_from_names_is_said_to_be_a_guess(tmp_path: Path, name: str, modality: str) -> None:
    path = write_nifti(tmp_path / name, values(), GRIDS[0])
    series = nifti_series(path)
    assert series.modality == modality
    assert "does not state the modality" in series.warnings[-1]
    stated = nifti_series(path, modality="CT")
    assert (stated.modality, stated.warnings) == ("CT", ())
    assert stated.uid == series.uid
    assert series.uid.startswith("2.25.")


def test_real_masks_lie_on_their_scan(real_data: Path) -> None:
    folder = real_data / "ct_lumbar_verse014"
    scan, mask = (read_nifti(folder / f"sub-verse014_{kind}.nii.gz") for kind in ("ct", "seg-vert_msk"))
    assert scan.array.shape == mask.array.shape
    assert np.allclose(scan.grid.affine, mask.grid.affine, atol=1e-3)
    assert scan.array[mask.array > 0].mean() > scan.array[mask.array == 0].mean() + 100  # bone is bright
    image = sitk.ReadImage(str(folder / "sub-verse014_ct.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(image), scan.array)
    assert np.allclose(image.TransformIndexToPhysicalPoint((3, 4, 5)), scan.grid.to_mm((3, 4, 5)), atol=1e-3)


def test_truncated_files_are_noticed_by_their_header_alone(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", values(), GRIDS[0])
    assert nifti_series(path).grid == read_nifti(path).grid
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="truncated"):
        nifti_series(path)


def test_the_files_name_is_in_no_description_or_warning(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(values().transpose(2, 1, 0), np.eye(4))
    image.set_qform(np.diag([1.0, 1.0, 1.0, 1.0]) + np.array([[0, 0, 0, 9.0], *np.zeros((3, 4))]), code=1)
    image.set_sform(np.eye(4), code=1)
    path = tmp_path / "Doe_John_ct.nii"
    nibabel.save(image, path)
    series = nifti_series(path)
    assert series.description is None
    assert series.warnings[0] == "The file: sform and qform differ by up to 9.0 mm; sform was used."
    assert len(series.warnings) == 2
    assert read_nifti(path).warnings == series.warnings[:1]
    assert not [warning for warning in series.warnings if "Doe" in warning]
