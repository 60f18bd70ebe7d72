"""Write a reading as a structured report: Comprehensive 3D SR, TID 1500 Measurement Report (DICOM PS3.16).

Each finding is two measurement groups with one Tracking UID: a rectangle on the key frame with the score, and the
segment of the SEG with volume, diameters and mean value. No value stands in both.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.dicom import codes
from osteon.dicom.authorship import (
    MANUFACTURER,
    algorithm_parameters,
    algorithm_version,
    coded,
    coding_schemes,
    device_uid,
    instance_attributes,
    stamp,
    tracking_identifier,
)
from osteon.dicom.codes import kind_codes, site_codes
from osteon.dicom.frames import further_frames, refusals_as_input_errors, source_frames, without_names_in_logs
from osteon.dicom.uids import make_uid
from osteon.errors import InputError
from osteon.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

    from osteon.dicom.frames import SeriesImages, SourceFrames
    from osteon.geometry import Grid
    from osteon.records import Finding, Reading

SERIES_NUMBER = 9802


def write_sr(
    path: Path,
    *,
    reading: Reading,
    headers: Sequence[Dataset],
    grid: Grid,
    seg: Dataset | None,
    further: Sequence[SeriesImages] = (),
    moment: datetime | None = None,
) -> Dataset:
    """Write the report, UNVERIFIED and preliminary.

    Args:
        path: the file to write.
        reading: with any number of findings; without one the report says that none was found (Absent, 0 lesions).
        headers: the images of the volume in slice order, or one multi-frame image (``series.load_headers``).
        grid: of the volume; boxes and key slices of the findings are on it.
        seg: what ``seg.write_seg`` returned; may be None only if there are no findings.
        further: other series of the study; a finding with ``series_uid`` lies on the one of that UID.
        moment: time of creation; now if not given. With the same moment and input the same file is written.

    Returns:
        The object written.

    Raises:
        InputError: findings without a SEG, or the volume does not lie on its images (NIfTI, resampled), or
            an attribute of the images that the SR repeats is missing or not valid.
    """
    if reading.findings and seg is None:
        raise InputError("a report with findings needs their SEG; write it first and pass what write_seg returned")
    moment = moment or datetime.now()
    with refusals_as_input_errors("SR"), without_names_in_logs():
        first = source_frames(headers, grid)
        more = further_frames(first, further, single=False)
        by_series = {one.uid: frames for one, frames in zip(further, more, strict=True)}
        instance = _report(reading, first, by_series, seg=seg, moment=moment)
        stamp(instance, moment)
        with whole_file(path) as draft:
            instance.save_as(draft)
    return instance  # type: ignore[no-any-return]


def _report(
    reading: Reading,
    first: SourceFrames,
    further: Mapping[str, SourceFrames],
    *,
    seg: Dataset | None,
    moment: datetime,
) -> Any:
    from highdicom.sr import Comprehensive3DSR, MeasurementReport

    images = [further.get(one.series_uid or "", first).header(one.key_slice) for one in reading.findings]
    referenced = _distinct(images or [first.header(0)])
    groups = [_examination(reading)]
    for finding in reading.findings:
        frames = further.get(finding.series_uid or "", first)
        groups.append(_planar_group(finding, reading, frames))
        groups.append(_volumetric_group(finding, reading, frames, seg))
    content = MeasurementReport(
        observation_context=_observer(reading),
        procedure_reported=coded(codes.IMAGING_PROCEDURE),
        imaging_measurements=groups,
        # The image library is optional, and highdicom describes single-frame images only.
        referenced_images=None if first.frame_numbers else referenced,
    )
    key = (reading.study_uid, reading.series_uid, reading.provenance.model_hash, repr(reading.findings))
    return Comprehensive3DSR(
        evidence=referenced + ([seg] if seg is not None else []),
        content=content,
        series_instance_uid=make_uid("sr series", *key, moment.isoformat()),
        series_number=SERIES_NUMBER,
        sop_instance_uid=make_uid("sr", *key, moment.isoformat()),
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=coding_schemes(),
        **instance_attributes(reading, moment, description=f"osteon {reading.system} report (research only)"),
    )


def _distinct(headers: list[Dataset]) -> list[Dataset]:
    return list({str(header.SOPInstanceUID): header for header in headers}.values())


def _observer(reading: Reading) -> Any:
    from highdicom.sr import DeviceObserverIdentifyingAttributes, ObservationContext, ObserverContext
    from pydicom.sr.codedict import codes as dictionary

    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=dictionary.DCM.Device,
            observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
                uid=device_uid(reading),
                name=f"osteon {reading.system}",
                manufacturer_name=MANUFACTURER,
                model_name=reading.provenance.model_name,
                serial_number=reading.provenance.model_hash,
            ),
        )
    )


def _algorithm(reading: Reading) -> Any:
    from highdicom.sr import AlgorithmIdentification

    return AlgorithmIdentification(
        name=reading.provenance.model_name,
        version=algorithm_version(reading),
        parameters=[f"{name}={value}" for name, value in algorithm_parameters(reading).items()] or None,
        family=coded(codes.ARTIFICIAL_INTELLIGENCE),
        manufacturer=MANUFACTURER,
    )


def _examination(reading: Reading) -> Any:
    """TID 1501 group on the whole examination: were there findings, how many, and the coded verdicts."""
    from highdicom.sr import (
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
        TrackingIdentifier,
    )

    answer = codes.PRESENT if reading.findings else codes.ABSENT
    known = [(codes.VERDICTS[key], value) for key, value in reading.verdicts.items() if key in codes.VERDICTS]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=make_uid("examination", reading.series_uid), identifier=f"osteon {reading.system}: whole examination"
        ),
        algorithm_id=_algorithm(reading),
        measurements=[
            Measurement(name=coded(codes.NUMBER_OF_LESIONS), value=len(reading.findings), unit=coded(codes.NO_UNITS)),
            *(
                Measurement(name=coded(one.name), value=round(value * one.scale, 4), unit=coded(one.unit))
                for one, value in known
                if one.unit is not None and value is not None
            ),
        ],
        qualitative_evaluations=[
            QualitativeEvaluation(name=coded(codes.LESION), value=coded(answer)),
            *(
                QualitativeEvaluation(name=coded(one.name), value=coded(one.values[value]))
                for one, value in known
                if one.unit is None and value in one.values
            ),
        ],
    )


def _common(finding: Finding, reading: Reading) -> dict[str, Any]:
    """What both groups of a finding say."""
    from highdicom.sr import FindingSite, TrackingIdentifier

    bone, side = site_codes(finding.site)
    return {
        "tracking_identifier": TrackingIdentifier(uid=finding.tracking_uid, identifier=tracking_identifier(finding)),
        "finding_category": coded(codes.MORPHOLOGIC_ABNORMALITY),
        "finding_type": coded(kind_codes(finding.kind).finding),
        "finding_sites": [FindingSite(coded(bone), laterality=coded(side) if side else None)],
        "algorithm_id": _algorithm(reading),
    }


def _planar_group(finding: Finding, reading: Reading, frames: SourceFrames) -> Any:
    """TID 1410: the rectangle on the key frame, the score, and the appearance where the finding's code lacks it."""
    from highdicom.sr import (
        GraphicTypeValues,
        ImageRegion,
        Measurement,
        PlanarROIMeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
        SourceImageForRegion,
    )

    header, frame = frames.header(finding.key_slice), frames.frame_number(finding.key_slice)
    box, coding = finding.box, kind_codes(finding.kind)
    # SCOORD counts from the outer corner of the first pixel (PS3.3 C.18.6.1.2), as records.Box does.
    corners = [(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1), (box.x0, box.y0)]
    region = ImageRegion(
        graphic_type=GraphicTypeValues.POLYLINE,
        graphic_data=np.array(corners),
        source_image=SourceImageForRegion(
            header.SOPClassUID, header.SOPInstanceUID, referenced_frame_numbers=None if frame is None else [frame]
        ),
    )
    percent = round(100 * finding.score, 4)
    appearance = coding.appearance
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=region,
        measurements=[Measurement(name=coded(coding.probability), value=percent, unit=coded(codes.PERCENT))],
        qualitative_evaluations=[QualitativeEvaluation(name=coded(codes.APPEARANCE), value=coded(appearance))]
        if appearance
        else None,
        **_common(finding, reading),
    )


def _volumetric_group(finding: Finding, reading: Reading, frames: SourceFrames, seg: Dataset | None) -> Any:
    """TID 1411: the segment, with volume, diameters and mean value."""
    from highdicom.sr import (
        Measurement,
        ReferencedSegment,
        SourceSeriesForSegmentation,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    assert seg is not None  # write_sr has refused findings without one
    source = frames.header(finding.key_slice)
    measurements = [
        Measurement(
            name=coded(codes.VOLUME),
            value=round(finding.volume_mm3 / 1000, 6),
            unit=coded(codes.CUBIC_CENTIMETRE),
            method=coded(codes.VOXEL_SUMMING),
        ),
        Measurement(
            name=coded(codes.LONG_AXIS), value=round(finding.longest_diameter_mm, 3), unit=coded(codes.MILLIMETRE)
        ),
        Measurement(
            name=coded(codes.SHORT_AXIS), value=round(finding.short_diameter_mm, 3), unit=coded(codes.MILLIMETRE)
        ),
    ]
    if finding.mean_value is not None:
        hounsfield = source.Modality == "CT"
        measurements.append(
            Measurement(
                name=coded(codes.ATTENUATION if hounsfield else codes.MR_SIGNAL),
                value=round(finding.mean_value, 3),
                unit=coded(codes.HOUNSFIELD if hounsfield else codes.NO_UNITS),
                derivation=coded(codes.MEAN),
            )
        )
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=finding.number,
            source_series=SourceSeriesForSegmentation(source.SeriesInstanceUID),
        ),
        measurements=measurements,
        **_common(finding, reading),
    )
