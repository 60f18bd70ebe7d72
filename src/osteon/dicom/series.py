"""A series from disk to memory: one array in slice order, in Hounsfield units on CT."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.dicom.header import frames_of, read_instance
from osteon.dicom.limits import Limits
from osteon.dicom.pixels import FrameReader, Layout, layout_of, padding_of
from osteon.dicom.planes import plane_of
from osteon.dicom.rescale import Rescale, apply_rescale, rescale_of
from osteon.dicom.stack import Stack, arrange
from osteon.dicom.tilt import straighten
from osteon.dicom.walk import PIXEL_TAGS, dataset_start, inflate
from osteon.errors import GeometryError, InputError, LimitError, OsteonError
from osteon.records import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

    from osteon.dicom.header import Instance
    from osteon.records import Series

AIR_HU = -1024


@dataclass(frozen=True, kw_only=True, slots=True)
class _Slice:
    """One slice to be read: where its pixels are and what its stored values mean."""

    instance: Instance
    layout: Layout
    rescale: Rescale


def load_volume(series: Series, *, jobs: int | None = None, limits: Limits | None = None) -> Volume:
    """Read a series as one volume.

    The volume lives in memory: it stays valid after the temporary folder of a ZIP archive is gone, but must be read
    while ``open_source`` is open.

    Args:
        series: from ``osteon.dicom.scan.scan``, without problems.
        jobs: threads that decode; by default as many as processors, at most 8.
        limits: what the series may ask for.

    Returns:
        Array (z, y, x) on ``series.grid``. CT: Hounsfield units, int16 where every value fits, else float32. MR: values
        after RescaleSlope and RescaleIntercept, as stored where there are none. Padding on CT becomes -1024 HU.

    Raises:
        GeometryError: the series cannot be read as a volume; the message says why.
        InputError: a file is damaged, or has changed since the scan.
        LimitError: the volume asks for more memory than allowed.
    """
    limits = limits or Limits()
    if series.problems or series.grid is None:
        reasons = " ".join(series.problems or series.warnings) or "it holds no volume"
        raise GeometryError(f"series {series.uid} cannot be read as a volume. {reasons}")
    if series.source == "nifti":
        from osteon.formats.nifti import read_nifti

        return read_nifti(series.files[0], modality=series.modality, max_bytes=limits.max_volume_bytes)
    try:
        stack, slices = _plan(series, limits)
        array, warnings = _fill(
            slices, modality=series.modality, jobs=jobs or min(os.cpu_count() or 1, 8), limits=limits
        )
    except OsteonError as error:
        raise type(error)(f"series {series.uid}: {error}") from error
    except OSError as error:
        raise InputError(f"series {series.uid}: a file cannot be read ({error.strerror}); scan again") from error
    if any(stack.shear_px):
        array = straighten(array, stack.shear_px, fill=AIR_HU if series.modality == "CT" else 0)
    return Volume(array=array, grid=series.grid, modality=series.modality, warnings=(*series.warnings, *warnings))


def load_headers(series: Series) -> list[Dataset]:
    """The files of a series as pydicom data sets without pixel data, in slice order.

    Raises:
        InputError: a file cannot be read any more.
    """
    if series.source != "dicom":
        raise InputError(f"series {series.uid} comes from NIfTI, which has no DICOM headers; give the DICOM series")
    return [_load_header(series, path) for path in series.files]


def _load_header(series: Series, path: Path) -> Dataset:
    from pydicom import dcmread

    try:
        instance = read_instance(path, limits=Limits())  # holds the limits that pydicom does not know
        if instance.header.deflated:
            header = _load_deflated_header(path, instance.header.pixel_offset)
        else:
            header = dcmread(path, stop_before_pixels=True, force=True)
        _check_depth(header, Limits().max_depth)
    except (OsteonError, OSError) as error:
        raise InputError(f"series {series.uid}: {error}") from error
    except Exception as error:  # pydicom raises what its parser stumbles over, RecursionError included
        reason = type(error).__name__
        raise InputError(f"series {series.uid}: a header cannot be read ({reason}); send it again") from error
    return header


def _check_depth(header: Dataset, max_depth: int) -> None:
    """Open every sequence, which pydicom does on demand, so that whoever copies the header meets no surprise."""
    level = [header]
    for _ in range(max_depth):
        level = [item for dataset in level for element in dataset if element.VR == "SQ" for item in element.value]
        if not level:
            return
    raise LimitError(f"sequences nested more than {max_depth} deep; no scan needs that: leave the file out")


def _load_deflated_header(path: Path, pixel_offset: int) -> Dataset:
    """As ``dcmread``, which would inflate the whole file however long it becomes."""
    from pydicom.filereader import read_dataset, read_file_meta_info

    limits = Limits()
    raw = path.read_bytes()
    stream, _ = inflate(raw[dataset_start(raw, limits=limits) :], max_bytes=pixel_offset or limits.max_header_bytes)
    header = read_dataset(
        io.BytesIO(stream), is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag in PIXEL_TAGS
    )
    header.file_meta = read_file_meta_info(path)
    return header


def _plan(series: Series, limits: Limits) -> tuple[Stack, list[_Slice]]:
    """Read the headers again and check that they still make the scanned grid."""
    by_file = [frames_of(read_instance(path, limits=limits), limits=limits) for path in series.files]
    chosen = [by_file[file][frame] for file, frame in series.frames] if series.frames else [f[0] for f in by_file]
    stack = arrange([plane_of(instance) for instance in chosen])
    if stack.grid != series.grid:
        raise InputError("the files have changed since they were scanned; scan again")
    slices = []
    for plane in stack.planes:
        layout = layout_of(plane.instance, limits=limits)
        rescale = rescale_of(plane.instance, modality=series.modality, padding=padding_of(plane.instance, layout))
        slices.append(_Slice(instance=plane.instance, layout=layout, rescale=rescale))
    return stack, slices


def _fill(slices: list[_Slice], *, modality: str, jobs: int, limits: Limits) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Decode every slice into one array; int16 first, float32 if a value does not fit."""
    kinds = [np.int16, np.float32] if all(piece.rescale.integral for piece in slices) else [np.float32]
    shape = (len(slices), slices[0].layout.rows, slices[0].layout.columns)
    for kind in kinds:
        needed = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        if needed > limits.max_volume_bytes:
            raise LimitError(
                f"the volume asks for {needed} bytes, allowed are {limits.max_volume_bytes}; raise max_volume_bytes "
                "only if you trust the series"
            )
        array = np.empty(shape, dtype=kind)
        results = _run(slices, array, modality=modality, jobs=jobs, limits=limits)
        if results is not None:
            return array, _padding_warnings(results, slices)
        del array  # before the next, larger one is made
    raise InputError("values do not fit 32-bit floating point; RescaleSlope or RescaleIntercept is wrong")


def _run(slices: list[_Slice], array: NDArray[Any], *, modality: str, jobs: int, limits: Limits) -> list[int] | None:
    """Padding count of every slice, or None if a value does not fit the array's type."""
    air = AIR_HU if modality == "CT" else None

    def one_slice(index: int, reader: FrameReader) -> int | None:
        piece, target = slices[index], array[index]
        raw = reader.read(piece.instance.frame, into=target if target.dtype == np.int16 else None)
        return apply_rescale(raw, piece.rescale, out=target, air=air)

    def open_file(members: list[int]) -> FrameReader:
        first = slices[members[0]]
        return FrameReader(first.instance, first.layout, limits=limits)

    def one_file(members: list[int]) -> list[int | None]:
        with open_file(members) as reader:
            return [one_slice(index, reader) for index in members]

    batches = list(_by_file(slices))
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        if len(batches) > 1:
            counts = [count for batch in pool.map(one_file, batches) for count in batch]
        else:
            with open_file(batches[0]) as reader:
                counts = list(pool.map(lambda index: one_slice(index, reader), batches[0]))
    fitting = [count for count in counts if count is not None]
    return fitting if len(fitting) == len(counts) else None


def _by_file(slices: list[_Slice]) -> Iterator[list[int]]:
    """Indices of the slices of each file."""
    members: dict[object, list[int]] = {}
    for index, piece in enumerate(slices):
        members.setdefault(piece.instance.path, []).append(index)
    yield from members.values()


def _padding_warnings(counts: list[int], slices: list[_Slice]) -> tuple[str, ...]:
    total = sum(counts)
    if not total:
        return ()
    values = sorted({piece.rescale.padding[0] for piece in slices if piece.rescale.padding})
    return (f"{total} voxels carry PixelPaddingValue {values} and were set to {AIR_HU} HU (air).",)
