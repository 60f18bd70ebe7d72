"""Write a volume as a CT series: one single-frame CT Image Storage file a slice (DICOM PS3.3 A.3).

For volumes that osteon makes itself (phantoms, implanted lesions). The same input gives the same bytes.
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
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset, FileDataset

    from osteon.geometry import Grid
    from osteon.records import Volume

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
FIXED_DATE, FIXED_TIME = "20000101", "120000"
"""Written in place of a real date: a made-up volume has none, and the files stay the same from run to run."""
_INTERCEPT_HU = -1024
_STORED_MAX = 65535
_BONE_WINDOW_HU = (300, 1500)


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


def write_ct_series(
    volume: Volume,
    folder: Path,
    *,
    case: str,
    seed_uid: str,
    kernel: str,
    slice_thickness_mm: float,
    kvp: float,
    exposure_mas: float,
    manufacturer: str,
    description: str,
    age_years: float | None = None,
    sex: str | None = None,
    body_part: str = "WHOLEBODY",
    series_number: int = 1,
    image_type: tuple[str, str, str] = ("ORIGINAL", "PRIMARY", "AXIAL"),
    study_uid: str | None = None,
    frame_of_reference_uid: str | None = None,
) -> tuple[Path, ...]:
    """Write ``volume`` as files ``00001.dcm`` ... in ``folder``, in slice order (first = index 0 of the array).

    Calls with one ``seed_uid`` and ``case`` share StudyInstanceUID and FrameOfReferenceUID (several kernels of one
    acquisition, say); the SeriesInstanceUID also depends on every other argument and on the voxels.

    Args:
        volume: Hounsfield units, (z, y, x), any orientation. Floats are rounded.
        folder: must not exist, or be empty; it appears only when complete.
        case: pseudonym, written as PatientID and PatientName.
        seed_uid: any string; where the UIDs come from.
        kernel: ConvolutionKernel.
        slice_thickness_mm: SliceThickness; SpacingBetweenSlices comes from the grid.
        kvp: KVP.
        exposure_mas: Exposure.
        manufacturer: Manufacturer.
        description: SeriesDescription.
        age_years: PatientAge.
        sex: PatientSex, "M", "F" or "O".
        body_part: BodyPartExamined.
        series_number: SeriesNumber.
        image_type: ImageType.
        study_uid: StudyInstanceUID to use instead of one made from the seed.
        frame_of_reference_uid: the same for FrameOfReferenceUID.

    Returns:
        The paths, in slice order.

    Raises:
        InputError: values not finite or out of range, or the folder is not empty.
    """
    intercept = _rescale_intercept(volume.array)
    attributes: dict[str, str | int | list[str] | None] = {
        "SeriesDescription": description[:64],
        "SeriesNumber": series_number,
        "BodyPartExamined": body_part,
        "ImageType": list(image_type),
        "Manufacturer": manufacturer[:64],
        "ConvolutionKernel": kernel[:16],
        "SliceThickness": decimal_string(slice_thickness_mm),
        "KVP": decimal_string(kvp),
        "Exposure": round(exposure_mas),
        "PatientAge": None if age_years is None else patient_age(age_years),
        "PatientSex": sex or "",
        "PatientName": f"{_checked_case(case)}^",
        "PatientID": case,
        "StudyInstanceUID": study_uid or make_uid(seed_uid, case, "study"),
        "FrameOfReferenceUID": frame_of_reference_uid or make_uid(seed_uid, case, "frame of reference"),
    }
    content = hashlib.sha256(np.ascontiguousarray(volume.array).data).hexdigest()
    series_uid = make_uid(seed_uid, "series", repr(sorted(attributes.items())), repr(volume.grid), content)
    template = _template(volume.grid, attributes, intercept=intercept, series_uid=series_uid)
    names = [f"{index + 1:05d}.dcm" for index in range(len(volume.array))]
    with whole_folder(folder) as draft:
        for index, name in enumerate(names):
            _set_slice(template, volume.grid, index)
            stored = np.rint(volume.array[index]).astype(np.int32) - intercept
            template.PixelData = stored.astype("<u2").tobytes()
            template.save_as(draft / name, enforce_file_format=True)
    return tuple(folder / name for name in names)


def _checked_case(case: str) -> str:
    """The case name, if it can stand as PatientID (LO) and as the family name in PatientName (PN)."""
    if not 0 < len(case) <= 63 or not case.isprintable() or case != case.strip() or set(case) & set("\\^="):
        raise InputError(f"case name {case!r}: expected 1 to 63 printable characters without backslash, ^ and =")
    return case


def _rescale_intercept(array: NDArray[np.generic]) -> int:
    """-1024, or lower where the volume holds lower values (padding outside the scanner's field of view)."""
    low, high = float(np.min(array)), float(np.max(array))
    if not np.isfinite((low, high)).all():
        raise InputError("CT volume holds values that are not finite; expected Hounsfield units")
    intercept = min(_INTERCEPT_HU, round(low))
    if round(high) - intercept > _STORED_MAX or low < -32768:
        raise InputError(f"CT volume runs from {low:.0f} to {high:.0f} HU; expected a range that fits 16 bits")
    return intercept


def _template(
    grid: Grid, attributes: dict[str, str | int | list[str] | None], *, intercept: int, series_uid: str
) -> FileDataset:
    """Everything that the slices share."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE_ENDIAN)
    meta.MediaStorageSOPClassUID = UID(CT_IMAGE_STORAGE)
    meta.ImplementationClassUID = UID(make_uid("osteon", "implementation class"))
    meta.ImplementationVersionName = f"OSTEON {__version__}"[:16]
    dataset = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.SOPClassUID, dataset.SeriesInstanceUID, dataset.Modality = CT_IMAGE_STORAGE, series_uid, "CT"
    for keyword in ("AccessionNumber", "ReferringPhysicianName", "PatientBirthDate", "PositionReferenceIndicator"):
        setattr(dataset, keyword, "")
    dataset.StudyID, dataset.AcquisitionNumber, dataset.PatientPosition = "1", 1, "HFS"
    for stage in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{stage}Date", FIXED_DATE)
        setattr(dataset, f"{stage}Time", FIXED_TIME)
    dataset.PatientIdentityRemoved, dataset.DeidentificationMethod = "YES", "Case name in place of identity"
    dataset.SoftwareVersions, dataset.ManufacturerModelName = f"osteon {__version__}", "osteon"
    _set_pixel_module(dataset, grid, intercept)
    return dataset


def _set_pixel_module(dataset: Dataset, grid: Grid, intercept: int) -> None:
    """Image plane, image pixel and CT image modules (DICOM PS3.3 C.7.6.2, C.7.6.3, C.8.2.1)."""
    axes = grid.axes
    dataset.ImageOrientationPatient = [decimal_string(value) for value in (*axes[:, 0], *axes[:, 1])]
    dataset.PixelSpacing = [decimal_string(grid.spacing_mm[1]), decimal_string(grid.spacing_mm[0])]
    dataset.SpacingBetweenSlices = decimal_string(grid.spacing_mm[2])
    dataset.Rows, dataset.Columns = grid.shape[1], grid.shape[2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = str(intercept), "1", "HU"
    dataset.WindowCenter, dataset.WindowWidth = (str(value) for value in _BONE_WINDOW_HU)
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
