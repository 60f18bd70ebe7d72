"""Read DICOM Segmentation objects: what is marked on which series, as masks in the order of its slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.dicom.frames import without_names_in_logs
from osteon.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

SEG_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One segment.

    Attributes:
        number: in the object.
        label: SegmentLabel.
        property_type: meaning of the segmented property type; "" if absent.
        mask: bool (z, y, x), in the order of the headers that were given.
    """

    number: int
    label: str
    property_type: str
    mask: NDArray[np.bool_]


def is_seg(path: Path) -> bool:
    """Whether a file is a DICOM Segmentation; anything else, and what cannot be read, is not."""
    from pydicom import dcmread

    try:
        header = dcmread(path, specific_tags=["SOPClassUID"], stop_before_pixels=True)
    except Exception:  # pydicom raises what its parser stumbles over
        return False
    return str(header.get("SOPClassUID", "")) == SEG_STORAGE


def referenced_series(path: Path) -> tuple[str, ...]:
    """SeriesInstanceUIDs that a SEG refers to.

    Raises:
        InputError: it cannot be read.
    """
    header = _open(path)
    return tuple(str(item.SeriesInstanceUID) for item in header.get("ReferencedSeriesSequence", []))


def read_seg(path: Path, *, headers: Sequence[Dataset]) -> tuple[Segment, ...]:
    """The segments of a SEG on the single-frame images of one series.

    Args:
        path: the SEG.
        headers: the images in slice order (``series.load_headers``).

    Raises:
        InputError: not a SEG that can be read, none of its frames refers to these images, or it lies on another grid.
    """
    dataset = _open(path, pixels=True)
    uids = [str(header.SOPInstanceUID) for header in headers]
    try:
        with without_names_in_logs():
            from highdicom.seg import Segmentation

            seg = Segmentation.from_dataset(dataset, copy=False)
            rows, columns = int(headers[0].Rows), int(headers[0].Columns)
            if (int(seg.Rows), int(seg.Columns)) != (rows, columns):
                raise InputError(f"{path.name}: frames of {seg.Rows} x {seg.Columns}, images of {rows} x {columns}")
            pixels = seg.get_pixels_by_source_instance(
                source_sop_instance_uids=uids, assert_missing_frames_are_empty=True, rescale_fractional=True
            )
            described = [_description(seg, number) for number in seg.segment_numbers]
    except InputError:
        raise
    except Exception as error:  # highdicom raises whatever it stumbles over, and may quote values
        raise InputError(
            f"{path.name}: its segments cannot be placed on the series ({type(error).__name__}); "
            "expected a SEG whose frames refer to the images of the series"
        ) from error
    if not np.any(pixels):
        raise InputError(f"{path.name}: no frame of it refers to the images of this series")
    return tuple(
        Segment(number=int(number), label=label, property_type=meaning, mask=np.asarray(pixels[..., k]) > 0.5)
        for k, (number, (label, meaning)) in enumerate(zip(seg.segment_numbers, described, strict=True))
    )


def _description(seg: Any, number: int) -> tuple[str, str]:
    description = seg.get_segment_description(number)
    kind = description.segmented_property_type
    return str(description.segment_label), str(kind.meaning) if kind is not None else ""


def _open(path: Path, *, pixels: bool = False) -> Dataset:
    from pydicom import dcmread

    try:
        return dcmread(path, stop_before_pixels=not pixels)
    except Exception as error:  # pydicom raises what its parser stumbles over
        raise InputError(f"{path.name}: not a DICOM file that can be read ({type(error).__name__})") from error
