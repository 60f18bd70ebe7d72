"""Synthetic DICOM series for the tests of reading, made with pydicom alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
OBLIQUE = (0.36, 0.48, -0.8, -0.8, 0.6, 0.0)


_COUNT = itertools.count(10**6)  # as many digits for all: as texts they sort in the order they were made


def _new_uid() -> str:
    return f"1.2.826.0.1.3680043.8.498.1.{next(_COUNT)}"


@dataclass
class Scheme:
    """What a series shall be; every test changes what it needs.

    ``step_mm`` is the LPS vector from slice to slice; None means ``gap_mm`` along the normal.
    """

    modality: str = "CT"
    orientation: tuple[float, ...] = AXIAL
    spacing_mm: tuple[float, float] = (0.8, 0.6)
    origin_mm: tuple[float, float, float] = (-10.0, 20.0, -30.0)
    gap_mm: float = 2.5
    step_mm: tuple[float, float, float] | None = None
    slope: float | None = 1.0
    intercept: float | None = -1024.0
    bits_stored: int = 16
    signed: bool = True
    syntax: str = ExplicitVRLittleEndian
    study_uid: str = field(default_factory=_new_uid)
    series_uid: str = field(default_factory=_new_uid)
    frame_of_reference: str = field(default_factory=_new_uid)


def stored_values(shape: tuple[int, int, int] = (5, 12, 10), *, seed: int = 0, top: int = 3000) -> NDArray[np.int16]:
    """Random stored values (z, y, x); every slice is different."""
    return np.random.default_rng(seed).integers(0, top, shape).astype(np.int16)


def positions_mm(scheme: Scheme, count: int) -> NDArray[np.float64]:
    """LPS position of the first pixel of every slice."""
    step = scheme.step_mm
    if step is None:
        step = np.cross(scheme.orientation[:3], scheme.orientation[3:]) * scheme.gap_mm
    return np.asarray(scheme.origin_mm) + np.arange(count)[:, None] * np.asarray(step)


def new_dataset(scheme: Scheme, *, sop_class: str, key: object = 0) -> FileDataset:
    """An empty instance with its identity; a name and an ID that must never be shown.

    Its SOPInstanceUID is made from the series' UID and ``key``.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[scheme.series_uid, str(key)])
    meta.TransferSyntaxUID = scheme.syntax
    syntax = meta.TransferSyntaxUID
    ds = FileDataset(
        "",
        {},
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=syntax.is_implicit_VR,
        is_little_endian=syntax.is_little_endian,
    )
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID = scheme.study_uid
    ds.SeriesInstanceUID = scheme.series_uid
    ds.FrameOfReferenceUID = scheme.frame_of_reference
    ds.PatientName = "Secret^Patient"
    ds.PatientID = "SECRET-ID"
    ds.PatientBirthDate = "19500102"
    ds.PatientSex = "F"
    ds.StudyDate = "20200102"
    ds.Modality = scheme.modality
    ds.SeriesDescription = "Spine"
    ds.SeriesNumber = 3
    return ds


def describe_pixels(ds: Dataset, scheme: Scheme, plane: NDArray[Any]) -> None:
    """Set the image pixel module for planes like ``plane`` (rows, columns)."""
    ds.Rows, ds.Columns = plane.shape
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = plane.dtype.itemsize * 8
    ds.BitsStored = min(scheme.bits_stored, ds.BitsAllocated)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(scheme.signed)


def make_slice(scheme: Scheme, plane: NDArray[Any], position_mm: NDArray[np.float64]) -> FileDataset:
    """One classic CT or MR image."""
    ds = new_dataset(scheme, sop_class=CTImageStorage if scheme.modality == "CT" else MRImageStorage, key=position_mm)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ImagePositionPatient = [f"{value:.6f}" for value in position_mm]
    ds.ImageOrientationPatient = list(scheme.orientation)
    ds.PixelSpacing = list(scheme.spacing_mm)
    ds.SliceThickness = scheme.gap_mm
    if scheme.slope is not None:
        ds.RescaleSlope = scheme.slope
    if scheme.intercept is not None:
        ds.RescaleIntercept = scheme.intercept
    describe_pixels(ds, scheme, plane)
    dtype = np.dtype(plane.dtype).newbyteorder("<")
    ds.PixelData = plane.astype(dtype).tobytes() + b"\0" * (plane.nbytes % 2)
    return ds


def write_series(
    folder: Path,
    values: NDArray[Any],
    scheme: Scheme | None = None,
    *,
    change: Callable[[int, FileDataset], object] = lambda index, ds: None,
    seed: int = 1,
) -> list[Path]:
    """Write one file a slice, under shuffled names and InstanceNumbers; paths are returned in slice order."""
    scheme = scheme or Scheme()
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(seed).permutation(len(values))
    paths = []
    for index, (plane, position) in enumerate(zip(values, positions_mm(scheme, len(values)), strict=True)):
        ds = make_slice(scheme, plane, position)
        ds.InstanceNumber = int(names[index]) + 1
        change(index, ds)
        path = folder / f"image{names[index]:03d}.dcm"
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def write_enhanced(
    path: Path,
    values: NDArray[Any],
    scheme: Scheme | None = None,
    *,
    order: list[int] | None = None,
    change: Callable[[FileDataset], object] = lambda ds: None,
) -> Path:
    """Write one enhanced multi-frame file; frame ``i`` holds slice ``order[i]``."""
    scheme = scheme or Scheme()
    order = order or list(range(len(values)))
    ds = new_dataset(scheme, sop_class=EnhancedCTImageStorage if scheme.modality == "CT" else EnhancedMRImageStorage)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.NumberOfFrames = len(values)
    describe_pixels(ds, scheme, values[0])
    measures, orientation, rescale = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(scheme.spacing_mm), scheme.gap_mm
    orientation.ImageOrientationPatient = list(scheme.orientation)
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = scheme.slope, scheme.intercept, "HU"
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([orientation])
    shared.PixelValueTransformationSequence = Sequence([rescale])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    places = positions_mm(scheme, len(values))
    ds.PerFrameFunctionalGroupsSequence = Sequence([_frame(places[slice_index]) for slice_index in order])
    ds.PixelData = values[order].astype("<i2").tobytes()
    change(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def _frame(position_mm: NDArray[np.float64]) -> Dataset:
    place = Dataset()
    place.ImagePositionPatient = [f"{value:.6f}" for value in position_mm]
    frame = Dataset()
    frame.PlanePositionSequence = Sequence([place])
    return frame
