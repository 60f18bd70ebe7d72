"""Write findings as a DICOM Segmentation: BINARY, one segment a finding, frames without voxels left out."""

from __future__ import annotations

import hashlib
import itertools
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.dicom import codes
from osteon.dicom.authorship import (
    MANUFACTURER,
    algorithm_parameters,
    algorithm_version,
    coded,
    instance_attributes,
    stamp,
    tracking_identifier,
)
from osteon.dicom.codes import kind_codes, site_codes
from osteon.dicom.frames import further_frames, refusals_as_input_errors, source_frames, without_names_in_logs
from osteon.dicom.seg_series import join_series, name_series
from osteon.dicom.uids import make_uid
from osteon.errors import InputError
from osteon.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from osteon.dicom.frames import SeriesImages, SourceFrames
    from osteon.geometry import Grid
    from osteon.records import Finding, Reading

SERIES_NUMBER = 9801
_LABEL_LENGTH = 64  # SegmentLabel is LO


def write_seg(
    path: Path,
    *,
    masks: NDArray[np.unsignedinteger[Any]],
    reading: Reading,
    headers: Sequence[Dataset],
    grid: Grid,
    bone_mask: NDArray[np.bool_] | None = None,
    further: Sequence[SeriesImages] = (),
    moment: datetime | None = None,
) -> Dataset | None:
    """Write one segment a finding; segment number, tracking ID and UID are those of the finding.

    Args:
        path: the file to write.
        masks: labels (z, y, x) on ``grid``; value k marks finding number k.
        reading: its findings, numbered 1 ... n.
        headers: the images of the volume in slice order, or one multi-frame image (``series.load_headers``).
        grid: where ``masks`` lies.
        bone_mask: (z, y, x); written as segment n + 1 without the voxels of findings (segments never overlap).
        further: other series of the study, in the same frame of reference, that findings lie on; a finding may lie on
            several. Needs single-frame images; images of fewer rows or columns get a margin at the lower right.
        moment: time of creation; now if not given. With the same moment and input the same file is written.

    Returns:
        The object written. None, and no file, if there is nothing to mark: a SEG needs at least one segment, so a
        reading without findings (and without ``bone_mask``) has no SEG, and its SR says that nothing was found.

    Raises:
        InputError: the masks do not fit the findings, or the volume does not lie on its images (NIfTI, resampled), or
            an attribute of the images that the SEG repeats is missing or not valid.
    """
    moment = moment or datetime.now()
    if not reading.findings and bone_mask is None:
        return None
    labels = _labels(masks, reading.findings, bone_mask, grid)
    others = [_labels(one.masks, reading.findings, None, one.grid) for one in further]
    _check_labels([labels, *others], reading.findings, bone=bone_mask is not None)
    with refusals_as_input_errors("SEG"), without_names_in_logs():
        frames = source_frames(headers, grid)
        if further:
            more = further_frames(frames, further, single=True)
            labels, frames, true_series = join_series([labels, *others], [frames, *more])
        instance = _segmentation(labels, reading, frames, bone=bone_mask is not None, moment=moment)
        if further:
            name_series(instance, true_series)
        stamp(instance, moment)
        with whole_file(path) as draft:
            instance.save_as(draft)
    return instance  # type: ignore[no-any-return]


def _labels(
    masks: NDArray[np.unsignedinteger[Any]],
    findings: Sequence[Finding],
    bone_mask: NDArray[np.bool_] | None,
    grid: Grid,
) -> NDArray[np.uint16]:
    """Check shapes and numbers, and add bone as the last label."""
    numbers = [finding.number for finding in findings]
    if numbers != list(range(1, len(numbers) + 1)) or len(numbers) > 60_000:
        raise InputError(f"finding numbers {numbers[:10]}: a SEG needs 1, 2, 3, ... in this order")
    for name, array in (("masks", masks), ("bone_mask", bone_mask)):
        if array is not None and array.shape != grid.shape:
            raise InputError(f"{name} has shape {array.shape}; expected that of the volume, {grid.shape}")
    if bone_mask is None:
        return masks.astype(np.uint16, copy=False)
    labels = masks.astype(np.uint16)
    labels[(labels == 0) & bone_mask] = len(numbers) + 1
    return labels


def _check_labels(volumes: Sequence[NDArray[np.uint16]], findings: Sequence[Finding], *, bone: bool) -> None:
    """Every label has a finding (or is bone) and every finding has voxels."""
    present: set[int] = set()
    for plane in itertools.chain(*volumes):  # slice by slice: most are empty, and no wide copy of the volume is made
        if plane.any():
            present.update(np.unique(plane[plane > 0]).tolist())
    expected = set(range(1, len(findings) + 1 + bone))
    if present != expected:
        raise InputError(
            f"masks: labels without a finding {sorted(present - expected)[:10]}, "
            f"findings (or bone, the last) without voxels {sorted(expected - present)[:10]}; they must agree"
        )


def _segmentation(
    labels: NDArray[np.uint16], reading: Reading, frames: SourceFrames, *, bone: bool, moment: datetime
) -> Any:
    """The highdicom object. Single-frame images without any label are left out: they would only cost time."""
    from highdicom.seg import Segmentation, SegmentationTypeValues

    used = [index for index, plane in enumerate(labels) if plane.any()]
    digest = hashlib.sha256(repr(used).encode() + np.ascontiguousarray(labels[used]).tobytes()).hexdigest()
    key = (reading.study_uid, reading.series_uid, reading.provenance.model_hash, digest, moment.isoformat())
    sources: list[Dataset] = list(frames.headers)
    if frames.frame_numbers:
        stored = np.empty_like(labels)
        stored[np.asarray(frames.frame_numbers) - 1] = labels
    else:
        sources, stored = [sources[index] for index in used], labels[used]
    return Segmentation(
        source_images=sources,
        pixel_array=stored,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=_descriptions(reading, bone=bone),
        series_instance_uid=make_uid("seg series", *key),
        series_number=SERIES_NUMBER,
        sop_instance_uid=make_uid("seg", *key),
        content_label="FINDINGS",
        content_description=f"osteon {reading.system} findings"[:_LABEL_LENGTH],
        omit_empty_frames=True,
        **instance_attributes(reading, moment, description=f"osteon {reading.system} findings (research only)"),
    )


def _descriptions(reading: Reading, *, bone: bool) -> list[Any]:
    """Segment descriptions: the findings, then bone."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription

    algorithm = AlgorithmIdentificationSequence(
        name=reading.provenance.model_name[:_LABEL_LENGTH],
        family=coded(codes.ARTIFICIAL_INTELLIGENCE),
        version=algorithm_version(reading),
        source=MANUFACTURER,
        parameters=algorithm_parameters(reading),
    )
    common: dict[str, Any] = {
        "algorithm_type": SegmentAlgorithmTypeValues.AUTOMATIC,
        "algorithm_identification": algorithm,
    }
    described = [
        SegmentDescription(
            segment_number=finding.number,
            segment_label=_segment_label(finding),
            segmented_property_category=coded(codes.MORPHOLOGIC_ABNORMALITY),
            segmented_property_type=coded(kind_codes(finding.kind).finding),
            tracking_uid=finding.tracking_uid,
            tracking_id=tracking_identifier(finding),
            anatomic_regions=[coded(site_codes(finding.site)[0])],
            **common,
        )
        for finding in reading.findings
    ]
    if bone:
        described.append(
            SegmentDescription(
                segment_number=len(described) + 1,
                segment_label="Bone without findings",
                segmented_property_category=coded(codes.ANATOMICAL_STRUCTURE),
                segmented_property_type=coded(codes.BONE),
                tracking_uid=make_uid("bone", reading.series_uid),
                tracking_id="Bone",
                **common,
            )
        )
    return described


def _segment_label(finding: Finding) -> str:
    site = f", {finding.site}" if finding.site else ""
    return f"{finding.number} {finding.kind}{site}"[:_LABEL_LENGTH]
