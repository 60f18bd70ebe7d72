"""Studies with DICOM Segmentations: each segment that is a lesion's becomes a lesion of the mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.importers.gathering import ImportOptions, gather, pick_labels
from osteon.dicom.scan import scan
from osteon.dicom.seg_read import Segment, is_seg, read_seg, referenced_series
from osteon.dicom.series import load_headers
from osteon.errors import CohortError
from osteon.formats.nifti import write_nifti

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.importers.gathering import Gathering
    from osteon.records import Series


def import_seg(source: Path, out: Path, *, options: ImportOptions) -> tuple[str, ...]:
    """Import DICOM studies with their SEG objects: one case a series that a SEG refers to.

    Cases are numbered in the order of their SeriesInstanceUIDs; cases of one PatientID are one patient, under a
    pseudonym. The DICOM files are copied as they are, identity included.

    Args:
        source: folder with images and SEGs, in any folders.
        out: folder of the cohort.
        options: see there. A segment is known by its label or by its coded property type.

    Raises:
        CohortError: no SEG, or two SEGs that mark one voxel.
        InputError: a file that cannot be read.
    """
    segs = sorted(path for path in source.rglob("*") if path.is_file() and is_seg(path))
    if not segs:
        raise CohortError(f"{source.name}: no DICOM Segmentation in this folder")
    series = {one.uid: one for one in scan(source).series if one.modality == options.modality and not one.problems}
    by_series: dict[str, list[Path]] = {}
    for path in segs:
        for uid in referenced_series(path):
            by_series.setdefault(uid, []).append(path)
    with gather(out, options) as gathering:
        patients: dict[str, str] = {}
        for number, uid in enumerate(sorted(uid for uid in by_series if uid in series)):
            _add_case(gathering, f"s{number:04d}", series[uid], by_series[uid], patients)
        for uid in sorted(by_series.keys() - series.keys()):
            gathering.note(f"a SEG refers to series {uid}, which is not among the readable {options.modality} series")
        gathering.note("DICOM files were copied as they are: a patient's identity in them is still in them")
    return tuple(gathering.notes)


def _add_case(gathering: Gathering, case: str, series: Series, segs: Sequence[Path], patients: dict[str, str]) -> None:
    headers = load_headers(series)
    if series.grid is None or len(headers) != series.grid.shape[0]:
        raise CohortError(f"case {case}: its series has several frames a file; SEGs of these cannot be imported yet")
    folder = gathering.folder(case)
    for number, path in enumerate(series.files, start=1):
        gathering.put(path, f"{folder}/study/{number:05d}.dcm")
    segments = [segment for path in segs for segment in read_seg(path, headers=headers)]
    names = [_name(segment, gathering.options) for segment in segments]
    lesions, bone = pick_labels(names, gathering.options, all_there=False)
    truth: dict[str, str] = {}
    labels: dict[str, Any] = {}
    marked = [segment for segment, name in zip(segments, names, strict=True) if name in lesions]
    if marked:
        truth["lesions"] = f"{folder}/lesions.nii.gz"
        labels["lesions"] = len(marked)
        write_nifti(gathering.root / truth["lesions"], _numbered(marked, case), series.grid)
    inside = [segment.mask for segment, name in zip(segments, names, strict=True) if name in bone]
    if inside:
        truth["bone"] = f"{folder}/bone.nii.gz"
        write_nifti(gathering.root / truth["bone"], np.any(inside, axis=0).astype(np.uint8), series.grid)
    identity = str(headers[0].get("PatientID", "")).strip() or case
    patient = patients.setdefault(identity, f"p{len(patients):04d}")
    gathering.add(case, study=f"{folder}/study", truth=truth, labels=labels, patient=patient)


def _name(segment: Segment, options: ImportOptions) -> str:
    """What a segment is picked by: its label; its coded type where that is what the options name, or says more."""
    named = (*options.lesion_labels, *options.bone_labels)
    if segment.property_type in named and segment.label not in named:
        return segment.property_type
    if segment.label.lower() in ("bone", "bones") or segment.property_type.lower() in ("bone", "bones"):
        return segment.label if segment.label in named else "bone"
    if named or not segment.property_type:
        return segment.label
    return f"{segment.label} ({segment.property_type})"


def _numbered(segments: Sequence[Segment], case: str) -> NDArray[np.uint16]:
    numbers = np.zeros(segments[0].mask.shape, dtype=np.uint16)
    for number, segment in enumerate(segments, start=1):
        if numbers[segment.mask].any():
            raise CohortError(f"case {case}: lesion segment {segment.label!r} overlaps another; lesions must not")
        numbers[segment.mask] = number
    return numbers
