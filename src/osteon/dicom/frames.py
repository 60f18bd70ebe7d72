"""Which frame of the source images each slice of a volume is: what SEG and SR objects refer to."""

from __future__ import annotations

import contextlib
import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import InputError, OsteonError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from osteon.geometry import Grid

_POSITION_TOLERANCE_MM = 0.1
_DIRECTION_TOLERANCE = 1e-2
_TYPE_2 = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate"),
    *("StudyTime", "ReferringPhysicianName", "SliceThickness"),
)
_REFUSALS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_CANNOT = "so no SEG or SR can refer to its frames; reading.json and the page are not affected"


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFrames:
    """The frames behind a volume's slices.

    Attributes:
        headers: one dataset a slice in slice order, or a single multi-frame one; copies with every type-2 attribute of
            patient and study present (empty where unknown), as highdicom wants them.
        frame_numbers: for a multi-frame image the frame (from 1) of each slice; None for single-frame images.
    """

    headers: tuple[Dataset, ...]
    frame_numbers: tuple[int, ...] | None = None

    def header(self, index: int) -> Dataset:
        """Dataset that holds slice ``index``."""
        return self.headers[0] if self.frame_numbers else self.headers[index]

    def frame_number(self, index: int) -> int | None:
        """Frame number of slice ``index``; None where the image has one frame only."""
        return self.frame_numbers[index] if self.frame_numbers else None


def source_frames(headers: Sequence[Dataset], grid: Grid) -> SourceFrames:
    """Match a volume with the images it was read from.

    Args:
        headers: single-frame datasets in slice order, or one multi-frame dataset.
        grid: of the volume.

    Raises:
        InputError: there are no images (NIfTI), or the volume does not lie slice by slice on their frames (resampled
            from a gantry tilt, say), or the images do not share one FrameOfReferenceUID.
    """
    if not headers:
        raise InputError(f"the volume was not read from DICOM images, {_CANNOT}")
    _check_frame_of_reference(headers)
    multi_frame = len(headers) == 1 and "PerFrameFunctionalGroupsSequence" in headers[0]
    places = _multi_frame_places(headers[0]) if multi_frame else np.array([_place(header) for header in headers])
    rows, columns = int(headers[0].Rows), int(headers[0].Columns)
    if (len(places), rows, columns) != grid.shape:
        raise InputError(
            f"the volume has {grid.shape} voxels (z, y, x), its images {(len(places), rows, columns)}, {_CANNOT}"
        )
    order = _order(places[:, :3], grid) if multi_frame else np.arange(len(places))
    slices = np.stack([np.zeros(len(places)), np.zeros(len(places)), np.arange(len(places))], axis=1)
    off_mm = np.linalg.norm(places[order, :3] - grid.to_mm(slices), axis=1).max()
    turned = np.abs(places[:, 3:] - np.concatenate([grid.axes[:, 0], grid.axes[:, 1]])).max()
    if off_mm > max(_POSITION_TOLERANCE_MM, 0.1 * grid.spacing_mm[2]) or turned > _DIRECTION_TOLERANCE:
        raise InputError(f"the volume was resampled (slices lie up to {off_mm:.1f} mm beside their images), {_CANNOT}")
    if multi_frame:
        return SourceFrames(headers=(_completed(headers[0]),), frame_numbers=tuple(int(k) + 1 for k in order))
    return SourceFrames(headers=tuple(_completed(header) for header in headers))


def _check_frame_of_reference(headers: Sequence[Dataset]) -> None:
    """Positions mean something in a frame of reference only, and SEG and SR must name it (DICOM PS3.3 C.7.4.1)."""
    found = {str(header.get("FrameOfReferenceUID") or "") for header in headers}
    if "" in found:
        raise InputError(f"an image has no FrameOfReferenceUID, {_CANNOT}")
    if len(found) > 1:
        raise InputError(f"the images have {len(found)} FrameOfReferenceUIDs, expected one, {_CANNOT}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesImages:
    """A further series that findings lie on, where a study was read from several.

    Attributes:
        uid: its SeriesInstanceUID, as in ``Finding.series_uid``.
        headers: the images in slice order (``series.load_headers``); for a SEG, single-frame ones.
        grid: of its volume.
        masks: labels (z, y, x) on ``grid``; value k marks finding number k, wherever else that finding lies.
    """

    uid: str
    headers: Sequence[Dataset]
    grid: Grid
    masks: NDArray[np.unsignedinteger[Any]]


def further_frames(first: SourceFrames, further: Sequence[SeriesImages], *, single: bool) -> list[SourceFrames]:
    """The frames of further series of the same study.

    Args:
        first: of the first series.
        further: the others.
        single: refuse multi-frame images, one of which cannot stand beside others in a SEG.

    Raises:
        InputError: as ``source_frames``, or another study or FrameOfReferenceUID than the first's.
    """
    found = [source_frames(one.headers, one.grid) for one in further]
    for one, frames in zip(further, found, strict=True):
        for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
            if frames.headers[0].get(keyword) != first.headers[0].get(keyword):
                raise InputError(f"series {one.uid} has another {keyword} than the series before it, {_CANNOT}")
        if single and (frames.frame_numbers or first.frame_numbers):
            raise InputError(f"series {one.uid}: multi-frame images beside others of one reading, {_CANNOT}")
    return found


@contextlib.contextmanager
def refusals_as_input_errors(what: str) -> Iterator[None]:
    """Raise what highdicom and pydicom stumble over in the images' attributes as an error of this input.

    The libraries' own words are left out: they may quote a value, the patient's name among them.

    Args:
        what: the object that is being made, e.g. "SEG".

    Raises:
        InputError: instead of the exceptions with which the libraries refuse attributes.
    """
    try:
        yield
    except OsteonError:
        raise
    except _REFUSALS as error:
        raise InputError(
            f"the images have an attribute that the {what} would have to repeat and that is missing or not valid "
            f"({type(error).__name__}); check the series with a DICOM validator"
        ) from error


@contextlib.contextmanager
def without_names_in_logs() -> Iterator[None]:
    """Keep highdicom and pydicom from printing values, patients' names among them, in warnings and log lines."""
    loggers = [logging.getLogger(name) for name in ("highdicom", "pydicom")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _place(header: Dataset) -> list[float]:
    """ImagePositionPatient and ImageOrientationPatient as nine numbers."""
    try:
        return [float(value) for value in (*header.ImagePositionPatient, *header.ImageOrientationPatient)]
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"an image has no valid position and orientation, {_CANNOT}") from error


def _multi_frame_places(header: Dataset) -> NDArray[np.float64]:
    """The same of every frame, from the functional groups (DICOM PS3.3 C.7.6.16)."""
    try:
        shared = header.SharedFunctionalGroupsSequence[0]
        places = []
        for groups in header.PerFrameFunctionalGroupsSequence:
            orientation = groups.get("PlaneOrientationSequence") or shared.PlaneOrientationSequence
            position = groups.get("PlanePositionSequence") or shared.PlanePositionSequence
            numbers = (*position[0].ImagePositionPatient, *orientation[0].ImageOrientationPatient)
            places.append([float(value) for value in numbers])
        return np.array(places)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"a multi-frame image without a position for every frame, {_CANNOT}") from error


def _order(positions: NDArray[np.float64], grid: Grid) -> NDArray[np.intp]:
    """Frame index of each slice, by position along the slice axis."""
    return np.argsort(positions @ grid.axes[:, 2], kind="stable")


def _completed(header: Dataset) -> Dataset:
    """A shallow copy in which highdicom finds what it asks for."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian
    from pydicom.valuerep import DA, TM

    copy = Dataset()
    copy.update(header)
    copy.file_meta = getattr(header, "file_meta", FileMetaDataset())
    if "TransferSyntaxUID" not in copy.file_meta:
        copy.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in _TYPE_2:
        if keyword not in copy:
            _put(copy, keyword)
    if copy.PatientSex not in ("M", "F", "O", "", None):
        _put(copy, "PatientSex")
    for keyword, parse in (("PatientBirthDate", DA), ("StudyDate", DA), ("StudyTime", TM)):
        try:
            parse(copy[keyword].value)
        except (ValueError, TypeError):
            _put(copy, keyword)  # not a date: highdicom would refuse the whole object
    return copy


def _put(copy: Dataset, keyword: str) -> None:
    """Set an attribute to "unknown" in a new element: assigning to the old one would reach into the original."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    tag = tag_for_keyword(keyword)
    assert tag is not None
    copy.add_new(tag, dictionary_VR(tag), None if keyword == "SliceThickness" else "")
