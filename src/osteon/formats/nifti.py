"""NIfTI-1 and NIfTI-2 in and out. The only place where RAS is spoken: everything else is LPS.

The voxel order stays as stored: storage (x, y, z) becomes an array (z, y, x), and the grid says where it lies.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import GeometryError, InputError, LimitError, UsageError
from osteon.files import whole_file
from osteon.geometry import LPS_FROM_RAS, Grid
from osteon.records import Series, Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BYTES = 8 * 1024**3
_CHUNK = 1024 * 1024
_HEADER_BYTES = 64 * 1024  # header and the extensions behind it
_AFFINE_TOLERANCE_MM = 0.1
_SHEAR_TOLERANCE = 1e-3
_MODALITY_ENDINGS = {
    "CT": ("ct",),
    "MR": ("t1", "t2", "t1w", "t2w", "pdw", "flair", "stir", "dixon", "mr", "mri", "t2star", "inv2", "uni"),
}
_MASK_NAMES = frozenset({"msk", "mask", "seg", "dseg", "label", "labels", "probseg"})


def read_nifti(path: Path | str, *, modality: str = "CT", max_bytes: int = MAX_BYTES) -> Volume:
    """Read one three-dimensional NIfTI file (.nii or .nii.gz).

    Args:
        path: the file.
        modality: DICOM Modality of the result; NIfTI does not state it.
        max_bytes: of the inflated file and of the array.

    Returns:
        Array (z, y, x), int16 where scaled values are whole and fit, the stored type if it is another integer and
        unscaled, else float32; grid in LPS. Conflicts of the file's two geometries are in ``warnings``.

    Raises:
        InputError: not a NIfTI file, truncated, colour, complex, or more than one volume.
        GeometryError: no usable or a non-finite or sheared affine.
        LimitError: more bytes than allowed.
    """
    path = Path(path)
    image = _open(path, max_bytes=max_bytes)
    grid, warnings = _grid(image.header, path.name)
    _check_values(image.header, path.name, max_bytes=max_bytes)
    slope, intercept = _scaling(image.dataobj, path.name)
    try:
        stored = np.asarray(image.dataobj.get_unscaled())
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            f"{path.name}: voxels cannot be read ({error}); the file is truncated: copy it again"
        ) from error
    array = _scaled(stored.reshape(stored.shape[:3]), slope, intercept).transpose(2, 1, 0)
    return Volume(array=array, grid=grid, modality=modality, warnings=warnings)


def nifti_series(path: Path, *, modality: str | None = None, name: str = "", max_bytes: int = MAX_BYTES) -> Series:
    """Describe one NIfTI file as a series, from its header; its UID is made from the file's content.

    The file's name, which may be a patient's, goes into errors only: not into the description and warnings, which end
    up in reports.

    Args:
        path: the file.
        modality: Modality if known; otherwise taken from a BIDS-like ending of ``name``, or "OT".
        name: how the file is called to the user, in errors.
        max_bytes: see ``read_nifti``.

    Raises:
        As ``read_nifti``, except for voxels that cannot be read.
    """
    name = name or path.name
    header = _header(path)
    grid, warnings = _grid(header, name)
    _check_values(header, name, max_bytes=max_bytes)
    found = modality or _guess_modality(name)
    if modality is None:
        how = f"taken as {found} from its name" if found else "its name does not tell either"
        warnings = (*warnings, f"NIfTI does not state the modality; {how}.")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    uid = f"2.25.{int.from_bytes(digest[:16], 'big')}"
    return Series(
        uid=uid,
        study_uid=uid,
        modality=found or "OT",
        files=(path,),
        source="nifti",
        grid=grid,
        warnings=warnings,
    )


def write_nifti(path: Path | str, array: NDArray[Any], grid: Grid) -> Path:
    """Write an array (z, y, x) on its LPS grid; the same content gives the same bytes.

    Written to a temporary name beside ``path`` and renamed when complete.

    Raises:
        UsageError: the name does not end in .nii or .nii.gz.
        GeometryError: array and grid differ in shape.
    """
    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise UsageError(f"{path.name}: expected a name that ends in .nii or .nii.gz")
    if tuple(array.shape) != grid.shape:
        raise GeometryError(f"{path.name}: array of shape {array.shape} on a grid of shape {grid.shape}")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    image = _image(array, grid)
    with whole_file(path) as draft, draft.open("wb") as file:
        _write_stream(image, file, compress=path.name.endswith(".gz"))
    return path


def _image(array: NDArray[Any], grid: Grid) -> Any:
    nibabel: Any = importlib.import_module("nibabel")  # untyped
    image = nibabel.Nifti1Image(array.transpose(2, 1, 0), LPS_FROM_RAS @ grid.affine, dtype=array.dtype)
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=1)
    image.header.set_xyzt_units("mm")
    return image


def _write_stream(image: Any, file: io.BufferedWriter, *, compress: bool) -> None:
    if not compress:
        image.to_stream(file)
        return
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as stream:
        image.to_stream(stream)


def _open(path: Path, *, max_bytes: int) -> Any:
    """A nibabel image whose bytes are known to be within bounds."""
    import nibabel

    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        if path.stat().st_size > max_bytes:
            raise LimitError(f"{path.name}: {path.stat().st_size} bytes, allowed are {max_bytes}")
        if compressed:
            raw = _inflate(path, max_bytes=max_bytes)
            kind = nibabel.Nifti2Image if _is_nifti_2(raw) else nibabel.Nifti1Image
            return kind.from_bytes(raw)
        return nibabel.load(path)
    except (LimitError, InputError):
        raise
    except Exception as error:  # nibabel raises a dozen kinds on damaged headers
        raise InputError(f"{path.name}: not a readable NIfTI file ({' '.join(str(error).split())[:200]})") from error


def _header(path: Path) -> Any:
    """The header alone, from the first bytes of the file."""
    nibabel: Any = importlib.import_module("nibabel")
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if compressed else path.open("rb") as stream:
            head = stream.read(_HEADER_BYTES)
        kind = nibabel.Nifti2Header if _is_nifti_2(head) else nibabel.Nifti1Header
        header = kind.from_fileobj(io.BytesIO(head))
    except Exception as error:  # nibabel raises a dozen kinds on damaged headers
        raise InputError(f"{path.name}: not a readable NIfTI file ({' '.join(str(error).split())[:200]})") from error
    if not compressed:
        needed = int(header.get_data_offset()) + int(np.prod(header.get_data_shape(), dtype=object)) * int(
            header.get_data_dtype().itemsize
        )
        if path.stat().st_size < needed:
            raise InputError(
                f"{path.name}: {path.stat().st_size} bytes, expected {needed}; it is truncated: copy it again"
            )
    return header


def _is_nifti_2(head: bytes) -> bool:
    return head[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c")


def _inflate(path: Path, *, max_bytes: int) -> bytes:
    parts, total = [], 0
    try:
        with gzip.open(path, "rb") as stream:
            while part := stream.read(_CHUNK):
                total += len(part)
                if total > max_bytes:
                    raise LimitError(f"{path.name}: more than {max_bytes} bytes once inflated; allow more to read it")
                parts.append(part)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path.name}: gzip data end early or are damaged ({error}); copy it again") from error
    return b"".join(parts)


def _check_values(header: Any, name: str, *, max_bytes: int) -> None:
    shape = tuple(int(length) for length in header.get_data_shape())
    if len(shape) < 3 or min(shape) < 1 or any(length > 1 for length in shape[3:]):
        raise InputError(f"{name}: shape {shape}: expected one three-dimensional volume; split it")
    dtype = header.get_data_dtype()
    if dtype.names or dtype.kind not in "iuf":
        raise InputError(f"{name}: values of type {dtype}: expected numbers, not colours or complex values")
    needed = int(np.prod(shape, dtype=object)) * max(dtype.itemsize, 4)
    if needed > max_bytes:
        raise LimitError(f"{name}: {needed} bytes once read, allowed are {max_bytes}; allow more to read it")


def _scaling(stored: Any, name: str) -> tuple[float, float]:
    """scl_slope and scl_inter; nibabel keeps them with the data and empties them in the header."""
    slope, intercept = float(stored.slope), float(stored.inter)
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise InputError(f"{name}: scl_slope {slope} and scl_inter {intercept}: expected finite numbers; correct it")
    return slope, intercept


def _scaled(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    unscaled = slope == 1 and intercept == 0
    if stored.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer():
        ends = sorted(
            (int(stored.min()) * int(slope) + int(intercept), int(stored.max()) * int(slope) + int(intercept))
        )
        if ends[0] >= -32768 and ends[1] <= 32767:
            wide = stored if unscaled else stored.astype(np.int64) * int(slope) + int(intercept)
            return wide.astype(np.int16)
        if unscaled and stored.dtype.itemsize <= 4:
            return stored.astype(stored.dtype.newbyteorder("="))
    values = stored.astype(np.float32)
    return values if unscaled else values * np.float32(slope) + np.float32(intercept)


def _grid(header: Any, name: str) -> tuple[Grid, tuple[str, ...]]:
    """Grid in LPS and what is odd about the file's geometry (sform goes before qform, as in nibabel)."""
    lengths = header.get_data_shape()[:3]
    if len(lengths) < 3:
        raise InputError(f"{name}: shape {tuple(lengths)}: expected one three-dimensional volume; split it")
    sform, sform_code = header.get_sform(coded=True)
    qform, qform_code = _qform(header, name)
    warnings = []
    if sform_code == 0 and qform_code == 0:
        raise GeometryError(
            f"{name}: neither sform nor qform is set; where the voxels are is unknown: convert it again"
        )
    if sform_code > 0 and qform_code > 0:
        distance = _largest_distance(sform, qform, lengths)
        if not distance <= _AFFINE_TOLERANCE_MM:
            warnings.append(f"The file: sform and qform differ by up to {distance:.1f} mm; sform was used.")
    affine = np.asarray(sform if sform_code > 0 else qform, dtype=np.float64)
    if not np.isfinite(affine).all():
        raise GeometryError(f"{name}: affine is not finite; where the voxels are is unknown: convert the file again")
    shape = (int(lengths[2]), int(lengths[1]), int(lengths[0]))
    try:
        return Grid.from_affine(LPS_FROM_RAS @ affine, shape), tuple(warnings)
    except GeometryError as error:
        raise GeometryError(f"{name}: {error}") from error


def _qform(header: Any, name: str) -> tuple[Any, int]:
    try:
        affine, code = header.get_qform(coded=True)
    except Exception as error:  # nibabel raises on an impossible quaternion
        if int(header["sform_code"]) > 0:
            return None, 0
        raise GeometryError(f"{name}: qform is impossible ({error}); convert the file again") from error
    return affine, int(code)


def _largest_distance(one: Any, two: Any, lengths: tuple[int, ...]) -> float:
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)], dtype=np.float64)
    corners[:, :3] *= np.asarray(lengths) - 1
    return float(np.abs((corners @ np.asarray(one).T - corners @ np.asarray(two).T)[:, :3]).max())


def _guess_modality(name: str) -> str | None:
    stem = Path(name).name.lower().split(".")[0]
    parts = stem.replace("-", "_").split("_")
    if _MASK_NAMES.intersection(parts):
        return None
    for modality, endings in _MODALITY_ENDINGS.items():
        if parts[-1] in endings or parts[0] in endings:
            return modality
    return None
