"""What a CT and an MR series that osteon makes have in common: one single-frame file a slice.

Patient, study, frame of reference, equipment, image plane and image pixel modules (DICOM PS3.3 C.7). The same input
gives the same bytes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from osteon import __version__
from osteon.dicom.uids import make_uid
from osteon.errors import InputError
from osteon.files import whole_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset, FileDataset

    from osteon.geometry import Grid

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
FIXED_DATE, FIXED_TIME = "20000101", "120000"
"""Written in place of a real date: a made-up volume has none, and the files stay the same from run to run."""
Attributes = dict[str, str | int | float | list[str] | None]
"""DICOM keyword -> value; those that are None are left out."""


def decimal_string(value: float) -> str:
    """A number as DICOM DS: at most 16 characters, as many digits as fit.

    Raises:
        InputError: the number is not finite.
    """
    if not np.isfinite(value):
        raise InputError(f"{value} cannot be written as a DICOM decimal string; expected a finite number")
    for digits in range(15, 0, -1):
        text = f"{float(value) + 0.0:.{digits}g}"  # + 0.0 turns -0.0 into 0.0
        if len(text) <= 16:
            return text
    raise AssertionError("a one-digit number always fits")


def patient_age(age_years: float) -> str:
    """Age as DICOM AS in whole years, "061Y".

    Raises:
        InputError: below 0 or above 999.
    """
    if not 0 <= age_years < 1000:
        raise InputError(f"age {age_years} years cannot be written as PatientAge; expected 0 to 999")
    return f"{int(age_years):03d}Y"


def checked_case(case: str) -> str:
    """The case name, if it can stand as PatientID (LO) and as the family name in PatientName (PN).

    Raises:
        InputError: it cannot.
    """
    if not 0 < len(case) <= 63 or not case.isprintable() or case != case.strip() or set(case) & set("\\^="):
        raise InputError(f"case name {case!r}: expected 1 to 63 printable characters without backslash, ^ and =")
    return case


def person_attributes(case: str, *, age_years: float | None, sex: str | None) -> Attributes:
    """Who it is: a pseudonym, age and sex."""
    return {
        "PatientName": f"{checked_case(case)}^",
        "PatientID": case,
        "PatientAge": None if age_years is None else patient_age(age_years),
        "PatientSex": sex or "",
    }


def series_uid_of(array: NDArray[np.generic], grid: Grid, *, attributes: Attributes, seed_uid: str) -> str:
    """A SeriesInstanceUID that depends on everything that the series says and shows."""
    content = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
    return make_uid(seed_uid, "series", repr(sorted(attributes.items())), repr(grid), content)


def write_files(
    planes: Iterable[NDArray[np.generic]],
    grid: Grid,
    folder: Path,
    *,
    sop_class: str,
    attributes: Attributes,
    series_uid: str,
) -> tuple[Path, ...]:
    """Write planes as files ``00001.dcm`` ... in slice order.

    Args:
        planes: stored values that fit 16 bits without sign, (y, x), one a slice of the grid.
        grid: where they are.
        folder: must not exist, or be empty; it appears only when complete.
        sop_class: SOP Class UID.
        attributes: everything but what is the same in all files and what follows from the grid.
        series_uid: SeriesInstanceUID; the instances' UIDs come from it.

    Returns:
        The paths, in slice order.
    """
    template = _template(grid, attributes, sop_class=sop_class, series_uid=series_uid)
    names = [f"{index + 1:05d}.dcm" for index in range(grid.shape[0])]
    with whole_folder(folder) as draft:
        for index, (name, plane) in enumerate(zip(names, planes, strict=True)):
            _set_slice(template, grid, index)
            template.PixelData = plane.astype("<u2").tobytes()
            template.save_as(draft / name, enforce_file_format=True)
    return tuple(folder / name for name in names)


def _template(grid: Grid, attributes: Attributes, *, sop_class: str, series_uid: str) -> FileDataset:
    """Everything that the slices share."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE_ENDIAN)
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.ImplementationClassUID = UID(make_uid("osteon", "implementation class"))
    meta.ImplementationVersionName = f"OSTEON {__version__}"[:16]
    dataset = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SoftwareVersions, dataset.ManufacturerModelName = f"osteon {__version__}", "osteon"
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.SOPClassUID, dataset.SeriesInstanceUID = sop_class, series_uid
    for keyword in ("AccessionNumber", "ReferringPhysicianName", "PatientBirthDate", "PositionReferenceIndicator"):
        setattr(dataset, keyword, "")
    dataset.StudyID, dataset.AcquisitionNumber, dataset.PatientPosition = "1", 1, "HFS"
    for stage in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{stage}Date", FIXED_DATE)
        setattr(dataset, f"{stage}Time", FIXED_TIME)
    dataset.PatientIdentityRemoved, dataset.DeidentificationMethod = "YES", "Case name in place of identity"
    _set_pixel_module(dataset, grid)
    return dataset


def _set_pixel_module(dataset: Dataset, grid: Grid) -> None:
    """Image plane and image pixel modules (DICOM PS3.3 C.7.6.2, C.7.6.3)."""
    axes = grid.axes
    dataset.ImageOrientationPatient = [decimal_string(value) for value in (*axes[:, 0], *axes[:, 1])]
    dataset.PixelSpacing = [decimal_string(grid.spacing_mm[1]), decimal_string(grid.spacing_mm[0])]
    dataset.SpacingBetweenSlices = decimal_string(grid.spacing_mm[2])
    dataset.Rows, dataset.Columns = grid.shape[1], grid.shape[2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"


def _set_slice(dataset: FileDataset, grid: Grid, index: int) -> None:
    """What differs from slice to slice, but for the pixels."""
    from pydicom.uid import UID

    position = grid.to_mm((0, 0, index))
    uid = make_uid(str(dataset.SeriesInstanceUID), str(index))
    dataset.SOPInstanceUID = UID(uid)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    dataset.InstanceNumber = index + 1
    dataset.ImagePositionPatient = [decimal_string(value) for value in position]
    dataset.SliceLocation = decimal_string(float(position @ grid.axes[:, 2]))
