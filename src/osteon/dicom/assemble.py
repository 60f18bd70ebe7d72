"""One SeriesInstanceUID's instances become the series records that a user sees: volumes, problems, other objects."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from osteon.dicom.header import frames_of, is_encapsulated, number_of_frames
from osteon.dicom.pixels import LOSSY, check_fragments, layout_of, padding_of
from osteon.dicom.planes import Plane, difference, group_planes, plane_of
from osteon.dicom.rescale import rescale_of
from osteon.dicom.stack import Stack, build_stacks
from osteon.errors import InputError, OsteonError
from osteon.records import Series

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from osteon.dicom.header import Instance
    from osteon.dicom.limits import Limits
    from osteon.geometry import Grid

CT_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"})
"""CT, Enhanced CT, Legacy Converted Enhanced CT Image Storage."""
MR_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"})
"""MR, Enhanced MR, Legacy Converted Enhanced MR Image Storage."""
ATTRIBUTES = ("SeriesNumber", "StudyDescription", "ProtocolName", "BodyPartExamined", "Manufacturer",
    "ManufacturerModelName", "ImageType", "FrameType", "PatientPosition", "SliceThickness", "SpacingBetweenSlices",
    "ConvolutionKernel", "KVP", "XRayTubeCurrent", "Exposure", "GantryDetectorTilt", "ContrastBolusAgent",
    "ScanningSequence", "SequenceVariant", "ScanOptions", "SequenceName", "MRAcquisitionType",
    "MagneticFieldStrength", "RepetitionTime", "EchoTime", "EffectiveEchoTime", "InversionTime", "FlipAngle",
    "DiffusionBValue")  # fmt: skip
"""Keywords that go to ``Series.attributes``."""
_NUMERIC = frozenset({"SeriesNumber", "SliceThickness", "SpacingBetweenSlices", "KVP", "XRayTubeCurrent", "Exposure",
    "GantryDetectorTilt", "MagneticFieldStrength", "RepetitionTime", "EchoTime", "EffectiveEchoTime",
    "InversionTime", "FlipAngle", "DiffusionBValue"})  # fmt: skip
_MULTIPLE = frozenset({"ImageType", "FrameType", "ScanningSequence", "SequenceVariant", "ScanOptions"})
_FREE = frozenset({"StudyDescription", "ProtocolName", "ContrastBolusAgent"})
_CUT_OFF = "the file ends inside its pixel data; it is truncated: send it again"


def series_of(instances: Sequence[Instance], *, limits: Limits) -> tuple[list[Series], dict[Path, str]]:
    """Make the records of one SeriesInstanceUID.

    Returns:
        Series (one for each geometric stack, one for what is no volume) and file -> why for files that are damaged.
    """
    images = [instance for instance in instances if _image_modality(instance) is not None]
    objects = [instance for instance in instances if _image_modality(instance) is None]
    failures = {instance.path: _CUT_OFF for instance in objects if _is_cut_off(instance)}
    objects = [instance for instance in objects if instance.path not in failures]
    made = [_object_series(objects)] if objects else []
    sound: list[Instance] = []
    for instance in images:
        try:
            if not _colour(instance):
                check_fragments(instance, layout_of(instance, limits=limits), limits=limits)
            sound.append(instance)
        except OsteonError as error:
            failures[instance.path] = str(error)
    lost = len(images) - len(sound)
    sound, copies = _without_copies(sound)
    made += _image_series(sound, limits=limits, lost=lost, copies=copies)
    return made, failures


def _is_cut_off(instance: Instance) -> bool:
    """Whether uncompressed pixel data go on beyond the end of the file."""
    header = instance.header
    stated = header.pixel_length if header.pixel_tag and not (is_encapsulated(header) or header.deflated) else 0
    return header.pixel_offset + stated > header.size and not header.deflated


def _image_modality(instance: Instance) -> str | None:
    """CT or MR by SOP class, None for every other object."""
    sop_class = instance.text("SOPClassUID")
    return "CT" if sop_class in CT_CLASSES else "MR" if sop_class in MR_CLASSES else None


def _colour(instance: Instance) -> bool:
    samples, photometric = instance.whole("SamplesPerPixel"), instance.text("PhotometricInterpretation")
    return (samples or 1) > 1 or (photometric or "").startswith(("RGB", "YBR", "PALETTE"))


def _object_series(objects: Sequence[Instance]) -> Series:
    """A series of anything but CT and MR images: listed, never read as a volume."""
    from pydicom.uid import UID

    first = objects[0]
    name = UID(first.text("SOPClassUID") or "").name
    colour = "of colour " if _colour(first) else ""
    return _record(
        objects,
        modality=first.text("Modality") or "OT",
        warnings=[f"{name} {colour}is not a CT or MR image; it is listed, not read as a volume."],
    )


def _record(
    instances: Sequence[Instance],
    *,
    modality: str,
    grid: Grid | None = None,
    frames: tuple[tuple[int, int], ...] = (),
    more: dict[str, Any] | None = None,
    problems: Iterable[str] = (),
    warnings: Iterable[str] = (),
) -> Series:
    first = instances[0]
    uid = first.text("SeriesInstanceUID") or ""
    return Series(
        uid=uid,
        study_uid=first.text("StudyInstanceUID") or "",
        modality=modality,
        files=tuple(dict.fromkeys(instance.path for instance in instances)),
        frames=frames,
        grid=grid,
        description=first.free_text("SeriesDescription"),
        frame_of_reference_uid=first.text("FrameOfReferenceUID"),
        attributes={**_attributes(first), **(more or {})},
        problems=tuple(f"Series {uid}: {problem}" for problem in problems),
        warnings=tuple(f"Series {uid}: {warning}" for warning in warnings),
    )


def _attributes(instance: Instance) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for keyword in ATTRIBUTES:
        value: Any
        if keyword in _NUMERIC:
            try:
                value = instance.number(keyword)
            except InputError:
                value = None
        elif keyword in _FREE:
            value = instance.free_text(keyword)
        else:
            value = instance.texts(keyword) if keyword in _MULTIPLE else instance.text(keyword)
        if value not in (None, ()):
            found[keyword] = value
    return found


def _without_copies(instances: Sequence[Instance]) -> tuple[list[Instance], int]:
    """Leave out files that are byte for byte the same instance as another."""
    by_uid = Counter(instance.text("SOPInstanceUID") for instance in instances)
    kept: list[Instance] = []
    seen: set[tuple[str | None, bytes]] = set()
    for instance in instances:
        uid = instance.text("SOPInstanceUID")
        if by_uid[uid] > 1:
            with instance.path.open("rb") as file:
                key = (uid, hashlib.file_digest(file, "sha256").digest())
            if key in seen:
                continue
            seen.add(key)
        kept.append(instance)
    return kept, len(instances) - len(kept)


def _image_series(images: Sequence[Instance], *, limits: Limits, lost: int, copies: int) -> list[Series]:
    if not images:
        return []
    common = []
    if lost:
        common.append(f"{lost} file(s) of this series are damaged and left out; the volume may be incomplete.")
    if copies:
        common.append(f"{copies} file(s) are exact copies of others and left out.")
    plain = [image for image in images if not _colour(image) and not _is_localizer(image)]
    made = [_apart(apart, common) for apart in _aparts(images)]
    planes, unplaced = _planes(plain, limits)
    if unplaced:
        made.append(_unplaced_series(unplaced))
    groups = group_planes(planes)
    if len(groups) > 1 and all(len(group) == 1 for group in groups):
        reason = f"{len(groups)} images that differ in {difference(groups)} (a survey, or turned planes); not a volume."
        return [*made, _apart((reason, [group[0].instance for group in groups]), common)]
    stacks = [(stack, difference(groups)) for group in groups for stack in build_stacks(group)]
    return made + [
        _stack_series(stack, told_by=told_by, count=len(stacks), common=common, limits=limits)
        for stack, told_by in stacks
    ]


def _unplaced_series(unplaced: Sequence[tuple[Instance, str]]) -> Series:
    """Images of which something that geometry or values need is missing."""
    reasons = Counter(why for _, why in unplaced)
    instances = [instance for instance, _ in unplaced]
    return _record(
        instances,
        modality=_image_modality(instances[0]) or "OT",
        problems=[f"{count} file(s): {why}" for why, count in reasons.most_common(5)],
    )


def _is_localizer(instance: Instance) -> bool:
    return any(part.upper() in ("LOCALIZER", "SCOUT", "TOPOGRAM") for part in instance.texts("ImageType")[2:])


def _aparts(images: Sequence[Instance]) -> list[tuple[str, list[Instance]]]:
    """Images of a series that are no slices of anything, with the reason."""
    colour = [image for image in images if _colour(image)]
    localizers = [image for image in images if not _colour(image) and _is_localizer(image)]
    pairs = [
        ("Colour images (a screen capture or overlay) hold no values that can be measured; not a volume.", colour),
        ("Localizer (scout): single projections or survey planes; not a volume.", localizers),
    ]
    return [(reason, members) for reason, members in pairs if members]


def _apart(apart: tuple[str, list[Instance]], common: Sequence[str]) -> Series:
    reason, members = apart
    return _record(members, modality=_image_modality(members[0]) or "OT", warnings=[reason, *common])


def _planes(images: Sequence[Instance], limits: Limits) -> tuple[list[Plane], list[tuple[Instance, str]]]:
    planes: list[Plane] = []
    unplaced: list[tuple[Instance, str]] = []
    for image in images:
        try:
            if number_of_frames(image) > 1 and not image.has("PerFrameFunctionalGroupsSequence"):
                raise InputError("several frames without PerFrameFunctionalGroupsSequence; their places are unknown.")
            views = frames_of(image, limits=limits)
            modality = _modality(image)
            for view in views:
                rescale_of(view, modality=modality, padding=None)
            planes += [plane_of(view) for view in views]
        except OsteonError as error:
            unplaced.append((image, str(error)))
    return planes, unplaced


def _modality(image: Instance) -> str:
    """Modality as stated, which must agree with the SOP class.

    Raises:
        InputError: absent or different.
    """
    stated, meant = image.text("Modality"), _image_modality(image)
    if stated != meant or meant is None:
        raise InputError(f"Modality is {stated!r}, the SOP class is that of {meant} images; correct the file.")
    if image.text("PhotometricInterpretation") == "MONOCHROME1" and meant == "MR":
        raise InputError("MONOCHROME1 on MR: whether the signal is inverted cannot be known; send MONOCHROME2.")
    return meant


def _stack_series(stack: Stack, *, told_by: str, count: int, common: Sequence[str], limits: Limits) -> Series:
    instances = [plane.instance for plane in stack.planes]
    files = {path: index for index, path in enumerate(dict.fromkeys(instance.path for instance in instances))}
    single = len(files) == len(instances) and all(instance.frame == 0 for instance in instances)
    problems = list(stack.problems)
    warnings = [*stack.warnings, *common, *_value_warnings(stack, limits)]
    if count > 1:
        what = ", ".join(part for part in (told_by, stack.label) if part) or "no single attribute"
        warnings.insert(
            0, f"The series holds {count} stacks; this one, of {len(instances)} slice(s), is told apart by {what}."
        )
    needed = math.prod(stack.grid.shape) * 2 if stack.grid else 0
    if needed > limits.max_volume_bytes:
        problems.append(
            f"The volume asks for {needed} bytes, allowed are {limits.max_volume_bytes}; raise max_volume_bytes only "
            "if you trust it."
        )
    return _record(
        instances,
        modality=_image_modality(instances[0]) or "OT",
        grid=None if problems else stack.grid,
        frames=() if single else tuple((files[instance.path], instance.frame) for instance in instances),
        more={} if stack.tilt_deg is None else {"tilt_deg": stack.tilt_deg},
        problems=problems,
        warnings=warnings,
    )


def _value_warnings(stack: Stack, limits: Limits) -> list[str]:
    """What is unusual about the values of a stack."""
    images = [plane.instance for plane in stack.planes]
    modality = _image_modality(images[0]) or ""
    found = []
    if any(image.text("PhotometricInterpretation") == "MONOCHROME1" for image in images):
        found.append("MONOCHROME1: values are taken as they are; only their display is meant to be inverted.")
    rescales = {(image.number("RescaleSlope"), image.number("RescaleIntercept")) for image in images}
    if len(rescales) > 1:
        found.append("RescaleSlope or RescaleIntercept differ between slices; each slice is rescaled by its own.")
    layout = layout_of(images[0], limits=limits)
    padding = padding_of(images[0], layout)
    if padding and rescale_of(images[0], modality=modality, padding=padding).padding:
        found.append(f"Voxels with PixelPaddingValue {padding[0]} hold no data and become -1024 HU (air).")
    if len({image.text("SOPInstanceUID") for image in images}) < len({image.path for image in images}):
        found.append("Different files carry one SOPInstanceUID; results cannot refer to single slices.")
    if layout.transfer_syntax in LOSSY or any(image.text("LossyImageCompression") == "01" for image in images):
        found.append("Lossy compression: values differ from those that were measured.")
    if images[0].header.stated_otherwise:
        found.append("The file is not encoded as its transfer syntax says; it was read as found.")
    return found
