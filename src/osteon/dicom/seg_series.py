"""One DICOM Segmentation over several series of a study, such as the stations of a whole spine.

DICOM lets a SEG refer to images of several series in one frame of reference: every frame has its own position, and may
have its own orientation and pixel size (PS3.3 A.51.5). highdicom takes images of one series only, so it gets them under
the first one's SeriesInstanceUID, and what it wrote about series is put right afterwards.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.dicom.frames import SourceFrames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

FAR_MM = 50_000.0
_GEOMETRY = ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "ImageOrientationPatient")


def join_series(
    labels: Sequence[NDArray[np.uint16]], frames: Sequence[SourceFrames]
) -> tuple[NDArray[np.uint16], SourceFrames, dict[str, Dataset]]:
    """Put series behind each other as if they were one.

    Args:
        labels: (z, y, x) of each series.
        frames: single-frame images of each.

    Returns:
        Labels of all slices, with a margin to the largest image; images that all carry the first one's series and size;
        and SOPInstanceUID -> the image as it was.
    """
    rows, columns = (max(part.shape[axis] for part in labels) for axis in (1, 2))
    joined = [np.pad(part, ((0, 0), (0, rows - part.shape[1]), (0, columns - part.shape[2]))) for part in labels]
    first = frames[0].headers[0]
    cosines = np.asarray(first.ImageOrientationPatient, dtype=np.float64)
    away = FAR_MM * np.cross(cosines[:3], cosines[3:])
    images, true = [], {}
    for number, one in enumerate(frames):
        for header in one.headers:
            true[str(header.SOPInstanceUID)] = header
            place = np.asarray(header.ImagePositionPatient, dtype=np.float64) + number * away
            values = {
                0x0020000E: ("UI", first.SeriesInstanceUID),
                0x00280010: ("US", rows),
                0x00280011: ("US", columns),
                0x00200032: ("DS", [f"{value:.4f}" for value in place]),
            }
            images.append(_disguised(header, values))
    return np.concatenate(joined), SourceFrames(headers=tuple(images)), true


def _disguised(header: Dataset, values: Mapping[int, tuple[str, Any]]) -> Dataset:
    from pydicom.dataset import Dataset

    copy = Dataset()
    copy.update(header)
    copy.file_meta = header.file_meta
    for tag, (vr, value) in values.items():
        copy.add_new(tag, vr, value)  # a new element: the original keeps its own
    return copy


def name_series(instance: Any, true: Mapping[str, Dataset]) -> None:
    """Name the true series, and give each frame the place of its own image, in the object itself."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence as Items

    by_series: dict[str, list[Dataset]] = {}
    for item in instance.ReferencedSeriesSequence[0].ReferencedInstanceSequence:
        series = str(true[str(item.ReferencedSOPInstanceUID)].SeriesInstanceUID)
        by_series.setdefault(series, []).append(item)
    referenced = []
    for uid, members in by_series.items():
        one = Dataset()
        one.SeriesInstanceUID = uid
        one.ReferencedInstanceSequence = Items(members)
        referenced.append(one)
    instance.ReferencedSeriesSequence = Items(referenced)
    for groups in instance.PerFrameFunctionalGroupsSequence:
        groups.PlanePositionSequence[0].ImagePositionPatient = _source(groups, true).ImagePositionPatient
    if len({_geometry(header) for header in true.values()}) > 1:
        _geometry_by_frame(instance, true)


def _source(groups: Dataset, true: Mapping[str, Dataset]) -> Dataset:
    """The image that a frame was made from."""
    return true[str(groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID)]


def _geometry(header: Dataset) -> str:
    return repr([header.get(keyword) for keyword in _GEOMETRY])


def _geometry_by_frame(instance: Any, true: Mapping[str, Dataset]) -> None:
    """Move orientation and pixel measures from the shared to the per-frame functional groups (PS3.3 C.7.6.16.1.1)."""
    from pydicom.sequence import Sequence as Items

    shared = instance.SharedFunctionalGroupsSequence[0]
    measures, orientation = shared.PixelMeasuresSequence[0], shared.PlaneOrientationSequence[0]
    for groups in instance.PerFrameFunctionalGroupsSequence:
        header = _source(groups, true)
        own_measures, own_orientation = deepcopy(measures), deepcopy(orientation)
        own_measures.PixelSpacing = header.PixelSpacing
        for keyword in ("SliceThickness", "SpacingBetweenSlices"):
            if header.get(keyword) is not None:
                setattr(own_measures, keyword, header.get(keyword))
            elif keyword in own_measures:
                delattr(own_measures, keyword)
        own_orientation.ImageOrientationPatient = header.ImageOrientationPatient
        groups.PixelMeasuresSequence = Items([own_measures])
        groups.PlaneOrientationSequence = Items([own_orientation])
    del shared.PixelMeasuresSequence
    del shared.PlaneOrientationSequence
