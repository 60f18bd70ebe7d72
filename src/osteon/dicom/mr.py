"""Write a volume as an MR series: one single-frame MR Image Storage file a slice (DICOM PS3.3 A.4).

For volumes that osteon makes itself (phantoms, implanted lesions). The same input gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.dicom.single_frame import Attributes, decimal_string, person_attributes, series_uid_of, write_files
from osteon.dicom.uids import make_uid
from osteon.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.records import Volume

MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
_STORED_MAX = 65535
_HYDROGEN_MHZ_PER_T = 42.577


@dataclass(frozen=True, kw_only=True, slots=True)
class MrHeader:
    """What an MR series says of itself, by DICOM keyword (PS3.3 C.8.3.1).

    Attributes:
        series_description, protocol_name: free text.
        manufacturer, model: Manufacturer, ManufacturerModelName.
        image_type: ImageType, at least two values.
        scanning_sequence: "SE", "IR", ...
        sequence_variant: "SK", "SP", ...
        scan_options: "FS", "SP", ...; may be empty.
        sequence_name: SequenceName; None where the vendor writes none.
        repetition_time_ms, echo_time_ms, inversion_time_ms: times.
        echo_train: EchoTrainLength.
        flip_angle_deg: FlipAngle.
        field_t: MagneticFieldStrength.
        pixel_bandwidth_hz: PixelBandwidth.
        phase_encoding: InPlanePhaseEncodingDirection, "ROW" or "COL".
        slice_thickness_mm: SliceThickness.
        contrast_agent: ContrastBolusAgent; None without one.
        series_number: SeriesNumber.
        body_part: BodyPartExamined.
    """

    series_description: str
    protocol_name: str
    manufacturer: str
    model: str
    image_type: tuple[str, ...]
    scanning_sequence: tuple[str, ...]
    sequence_variant: tuple[str, ...]
    scan_options: tuple[str, ...]
    sequence_name: str | None
    repetition_time_ms: float
    echo_time_ms: float
    inversion_time_ms: float | None
    echo_train: int
    flip_angle_deg: float
    field_t: float
    pixel_bandwidth_hz: float
    phase_encoding: str
    slice_thickness_mm: float
    contrast_agent: str | None
    series_number: int
    body_part: str = "SPINE"


def write_mr_series(
    volume: Volume,
    folder: Path,
    *,
    header: MrHeader,
    case: str,
    seed_uid: str,
    age_years: float | None = None,
    sex: str | None = None,
    study_uid: str | None = None,
    frame_of_reference_uid: str | None = None,
) -> tuple[Path, ...]:
    """Write ``volume`` as files ``00001.dcm`` ... in ``folder``, in slice order (first = index 0 of the array).

    Calls with one ``seed_uid`` and ``case`` share StudyInstanceUID and FrameOfReferenceUID; the SeriesInstanceUID also
    depends on every other argument and on the voxels.

    Args:
        volume: grey levels from 0, (z, y, x), any orientation. Floats are rounded.
        folder: must not exist, or be empty; it appears only when complete.
        header: what the series says of itself.
        case: pseudonym, written as PatientID and PatientName.
        seed_uid: any string; where the UIDs come from.
        age_years: PatientAge.
        sex: PatientSex, "M", "F" or "O".
        study_uid: StudyInstanceUID to use instead of one made from the seed.
        frame_of_reference_uid: the same for FrameOfReferenceUID.

    Returns:
        The paths, in slice order.

    Raises:
        InputError: values not finite or out of range, or the folder is not empty.
    """
    low, high = float(np.min(volume.array)), float(np.max(volume.array))
    if not (np.isfinite((low, high)).all() and round(low) >= 0 and round(high) <= _STORED_MAX):
        raise InputError(
            f"MR volume runs from {low:g} to {high:g}; expected finite grey levels from 0 to {_STORED_MAX}"
        )
    attributes: Attributes = {
        **_attributes(header),
        **person_attributes(case, age_years=age_years, sex=sex),
        "StudyInstanceUID": study_uid or make_uid(seed_uid, case, "study"),
        "FrameOfReferenceUID": frame_of_reference_uid or make_uid(seed_uid, case, "frame of reference"),
    }
    top = max(float(np.percentile(volume.array[::2, ::2, ::2], 99.0)), 1.0)
    window: Attributes = {"WindowCenter": str(round(top / 2)), "WindowWidth": str(max(round(top), 1))}
    return write_files(
        (np.rint(plane).astype(np.int32) for plane in volume.array),
        volume.grid,
        folder,
        sop_class=MR_IMAGE_STORAGE,
        attributes={**attributes, **window},
        series_uid=series_uid_of(volume.array, volume.grid, attributes=attributes, seed_uid=seed_uid),
    )


def _attributes(header: MrHeader) -> Attributes:
    inversion = header.inversion_time_ms
    return {
        "Modality": "MR",
        "SeriesDescription": header.series_description[:64],
        "ProtocolName": header.protocol_name[:64],
        "SeriesNumber": header.series_number,
        "BodyPartExamined": header.body_part,
        "Manufacturer": header.manufacturer[:64],
        "ManufacturerModelName": header.model[:64],
        "ImageType": list(header.image_type),
        "ScanningSequence": list(header.scanning_sequence),
        "SequenceVariant": list(header.sequence_variant),
        "ScanOptions": list(header.scan_options),
        "SequenceName": header.sequence_name,
        "MRAcquisitionType": "2D",
        "RepetitionTime": decimal_string(header.repetition_time_ms),
        "EchoTime": decimal_string(header.echo_time_ms),
        "InversionTime": None if inversion is None else decimal_string(inversion),
        "EchoTrainLength": header.echo_train,
        "FlipAngle": decimal_string(header.flip_angle_deg),
        "MagneticFieldStrength": decimal_string(header.field_t),
        "ImagingFrequency": decimal_string(round(header.field_t * _HYDROGEN_MHZ_PER_T, 4)),
        "ImagedNucleus": "1H",
        "NumberOfAverages": "1",
        "PixelBandwidth": decimal_string(header.pixel_bandwidth_hz),
        "InPlanePhaseEncodingDirection": header.phase_encoding,
        "SliceThickness": decimal_string(header.slice_thickness_mm),
        "ContrastBolusAgent": header.contrast_agent,
    }
