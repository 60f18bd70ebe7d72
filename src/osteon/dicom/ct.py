"""Write a volume as a CT series: one single-frame CT Image Storage file a slice (DICOM PS3.3 A.3).

For volumes that osteon makes itself (phantoms, implanted lesions). The same input gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.dicom.single_frame import (
    Attributes,
    decimal_string,
    patient_age,
    person_attributes,
    series_uid_of,
    write_files,
)
from osteon.dicom.uids import make_uid
from osteon.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.records import Volume

__all__ = ["decimal_string", "patient_age", "write_ct_series"]

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
_INTERCEPT_HU = -1024
_STORED_MAX = 65535
_BONE_WINDOW_HU = (300, 1500)


def write_ct_series(
    volume: Volume,
    folder: Path,
    *,
    case: str,
    seed_uid: str,
    kernel: str,
    slice_thickness_mm: float,
    kvp: float | None,
    exposure_mas: float | None,
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
        kvp: KVP; None where it is not known.
        exposure_mas: Exposure; likewise.
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
    attributes: Attributes = {
        "SeriesDescription": description[:64],
        "SeriesNumber": series_number,
        "BodyPartExamined": body_part,
        "ImageType": list(image_type),
        "Manufacturer": manufacturer[:64],
        "ConvolutionKernel": kernel[:16],
        "SliceThickness": decimal_string(slice_thickness_mm),
        "KVP": "" if kvp is None else decimal_string(kvp),
        "Exposure": None if exposure_mas is None else round(exposure_mas),
        **person_attributes(case, age_years=age_years, sex=sex),
        "StudyInstanceUID": study_uid or make_uid(seed_uid, case, "study"),
        "FrameOfReferenceUID": frame_of_reference_uid or make_uid(seed_uid, case, "frame of reference"),
    }
    series_uid = series_uid_of(volume.array, volume.grid, attributes=attributes, seed_uid=seed_uid)
    pixels: Attributes = {
        "Modality": "CT",
        "RescaleIntercept": str(intercept),
        "RescaleSlope": "1",
        "RescaleType": "HU",
        "WindowCenter": str(_BONE_WINDOW_HU[0]),
        "WindowWidth": str(_BONE_WINDOW_HU[1]),
    }
    return write_files(
        (np.rint(plane).astype(np.int32) - intercept for plane in volume.array),
        volume.grid,
        folder,
        sop_class=CT_IMAGE_STORAGE,
        attributes={**attributes, **pixels},
        series_uid=series_uid,
    )


def _rescale_intercept(array: NDArray[np.generic]) -> int:
    """-1024, or lower where the volume holds lower values (padding outside the scanner's field of view)."""
    low, high = float(np.min(array)), float(np.max(array))
    if not np.isfinite((low, high)).all():
        raise InputError("CT volume holds values that are not finite; expected Hounsfield units")
    intercept = min(_INTERCEPT_HU, round(low))
    if round(high) - intercept > _STORED_MAX or low < -32768:
        raise InputError(f"CT volume runs from {low:.0f} to {high:.0f} HU; expected a range that fits 16 bits")
    return intercept
