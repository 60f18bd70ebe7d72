"""One DICOM instance as the rest of osteon sees it: typed values of the few attributes that matter, and its frames."""

from __future__ import annotations

import math
import struct
import unicodedata
from collections import ChainMap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from osteon.dicom.free_text import without_identity
from osteon.dicom.walk import UNDEFINED, Encoding, Header, iter_elements, iter_items, read_header
from osteon.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping
    from pathlib import Path

    from osteon.dicom.limits import Limits

TAGS: dict[str, int] = {
    "SpecificCharacterSet": 0x00080005,
    "ImageType": 0x00080008,
    "SOPClassUID": 0x00080016,
    "SOPInstanceUID": 0x00080018,
    "StudyDate": 0x00080020,
    "AcquisitionTime": 0x00080032,
    "Modality": 0x00080060,
    "Manufacturer": 0x00080070,
    "StudyDescription": 0x00081030,
    "SeriesDescription": 0x0008103E,
    "ManufacturerModelName": 0x00081090,
    "PatientBirthDate": 0x00100030,
    "PatientSex": 0x00100040,
    "PatientAge": 0x00101010,
    "ContrastBolusAgent": 0x00180010,
    "BodyPartExamined": 0x00180015,
    "ScanningSequence": 0x00180020,
    "SequenceVariant": 0x00180021,
    "ScanOptions": 0x00180022,
    "MRAcquisitionType": 0x00180023,
    "SequenceName": 0x00180024,
    "SliceThickness": 0x00180050,
    "KVP": 0x00180060,
    "RepetitionTime": 0x00180080,
    "EchoTime": 0x00180081,
    "InversionTime": 0x00180082,
    "EchoNumbers": 0x00180086,
    "MagneticFieldStrength": 0x00180087,
    "SpacingBetweenSlices": 0x00180088,
    "ProtocolName": 0x00181030,
    "GantryDetectorTilt": 0x00181120,
    "XRayTubeCurrent": 0x00181151,
    "Exposure": 0x00181152,
    "ConvolutionKernel": 0x00181210,
    "FlipAngle": 0x00181314,
    "PatientPosition": 0x00185100,
    "FrameType": 0x00089007,
    "EffectiveEchoTime": 0x00189082,
    "DiffusionBValue": 0x00189087,
    "StudyInstanceUID": 0x0020000D,
    "SeriesInstanceUID": 0x0020000E,
    "SeriesNumber": 0x00200011,
    "AcquisitionNumber": 0x00200012,
    "InstanceNumber": 0x00200013,
    "ImagePositionPatient": 0x00200032,
    "ImageOrientationPatient": 0x00200037,
    "FrameOfReferenceUID": 0x00200052,
    "TemporalPositionIdentifier": 0x00200100,
    "StackID": 0x00209056,
    "TemporalPositionIndex": 0x00209128,
    "SamplesPerPixel": 0x00280002,
    "PhotometricInterpretation": 0x00280004,
    "PlanarConfiguration": 0x00280006,
    "NumberOfFrames": 0x00280008,
    "Rows": 0x00280010,
    "Columns": 0x00280011,
    "PixelSpacing": 0x00280030,
    "BitsAllocated": 0x00280100,
    "BitsStored": 0x00280101,
    "HighBit": 0x00280102,
    "PixelRepresentation": 0x00280103,
    "PixelPaddingValue": 0x00280120,
    "PixelPaddingRangeLimit": 0x00280121,
    "RescaleIntercept": 0x00281052,
    "RescaleSlope": 0x00281053,
    "RescaleType": 0x00281054,
    "LossyImageCompression": 0x00282110,
    "SharedFunctionalGroupsSequence": 0x52009229,
    "PerFrameFunctionalGroupsSequence": 0x52009230,
}
"""The attributes that are handed on, by DICOM keyword. The patient's name and ID are not among them."""

_WANTED = frozenset(TAGS.values())
_IDENTITY = (0x00100010, 0x00100020, 0x00101000, 0x00101001, 0x00101005)
"""PatientName, PatientID, OtherPatientIDs, OtherPatientNames, PatientBirthName: read to be taken out of free text."""
_FUNCTIONAL_GROUPS = frozenset(
    {
        0x00189112,  # MRTimingAndRelatedParametersSequence
        0x00189114,  # MREchoSequence
        0x00189117,  # MRDiffusionSequence
        0x00189226,  # MRImageFrameTypeSequence
        0x00189314,  # CTReconstructionSequence
        0x00189325,  # CTXRayDetailsSequence
        0x00189329,  # CTImageFrameTypeSequence
        0x00209111,  # FrameContentSequence
        0x00209113,  # PlanePositionSequence
        0x00209116,  # PlaneOrientationSequence
        0x00289110,  # PixelMeasuresSequence
        0x00289145,  # PixelValueTransformationSequence
    }
)
_UNSIGNED_SHORT = frozenset(
    {"SamplesPerPixel", "PlanarConfiguration", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"}
    | {"PixelRepresentation"}
)
_DOUBLE = frozenset({"EffectiveEchoTime", "DiffusionBValue"})
_UNSIGNED_LONG = frozenset({"TemporalPositionIndex"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One file's header, its values still raw.

    Attributes:
        path: the file.
        header: structure and raw values.
        values: raw values by tag; for one frame of an enhanced object, its functional groups come first.
        frame: number of the frame these values belong to, from 0.
    """

    path: Path
    header: Header
    values: MutableMapping[int, bytes]
    frame: int = 0

    def has(self, keyword: str) -> bool:
        """Whether the attribute is there and not empty."""
        return bool(self.values.get(TAGS[keyword], b"").strip(b" \0"))

    def text(self, keyword: str) -> str | None:
        """The attribute as one line of text without control characters; None if absent or empty."""
        raw = self.values.get(TAGS[keyword])
        if raw is None:
            return None
        decoded = _decode(raw, self.values.get(TAGS["SpecificCharacterSet"], b""))
        line = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in decoded)
        return " ".join(line.split()) or None

    def free_text(self, keyword: str) -> str | None:
        """As ``text``, without what names the patient: people type that into descriptions."""
        line = self.text(keyword)
        charset = self.values.get(TAGS["SpecificCharacterSet"], b"")
        identity = (_decode(self.values[tag], charset).strip(" \0") for tag in _IDENTITY if tag in self.values)
        return line and without_identity(line, identity=identity)

    def texts(self, keyword: str) -> tuple[str, ...]:
        """The values of a multi-valued text attribute; empty if absent."""
        line = self.text(keyword)
        return tuple(part.strip() for part in line.split("\\")) if line else ()

    def numbers(self, keyword: str) -> tuple[float, ...] | None:
        """The attribute as numbers; None if absent or empty.

        Raises:
            InputError: a value is not a finite number.
        """
        if not self.has(keyword) and keyword not in _UNSIGNED_SHORT | _UNSIGNED_LONG | _DOUBLE:
            return None
        raw = self.values.get(TAGS[keyword], b"")
        if not raw:
            return None
        try:
            found = tuple(self._parse_numbers(keyword, raw))
        except ValueError:
            found = (math.nan,)
        if not all(math.isfinite(number) for number in found):
            shown = raw[:40].decode("latin-1", "replace")
            raise InputError(f"{keyword} is {shown!r}: expected finite numbers; correct the file or leave it out")
        return found

    def shown(self, keyword: str) -> str:
        """The attribute as a person would read it, "absent" where it is."""
        if keyword not in _DOUBLE | _UNSIGNED_LONG:
            return self.text(keyword) or "absent"
        try:
            return "\\".join(f"{number:g}" for number in self.numbers(keyword) or ()) or "absent"
        except InputError:
            return "unreadable"

    def number(self, keyword: str) -> float | None:
        """The first value of a numeric attribute; None if absent or empty."""
        found = self.numbers(keyword)
        return found[0] if found else None

    def whole(self, keyword: str) -> int | None:
        """A numeric attribute that must be a whole number.

        Raises:
            InputError: it is not.
        """
        found = self.number(keyword)
        if found is None:
            return None
        if found != int(found):
            raise InputError(f"{keyword} is {found}: expected a whole number; correct the file or leave it out")
        return int(found)

    def _parse_numbers(self, keyword: str, raw: bytes) -> Iterator[float]:
        order = "little" if self.header.encoding.little else "big"
        if keyword in _UNSIGNED_SHORT:
            yield float(int.from_bytes(raw[:2], order))  # type: ignore[arg-type]
        elif keyword in _UNSIGNED_LONG:
            yield float(int.from_bytes(raw[:4], order))  # type: ignore[arg-type]
        elif keyword in _DOUBLE:
            if len(raw) < 8:
                raise ValueError(keyword)
            yield struct.unpack("<d" if order == "little" else ">d", raw[:8])[0]
        else:
            for part in raw.decode("ascii").strip(" \0").split("\\"):
                yield float(part.strip(" \0"))


def read_instance(path: Path, *, limits: Limits) -> Instance:
    """Read one file's header.

    Raises:
        NotDicomError: not a DICOM file.
        InputError: broken, or not to be identified (no SOP class, SOP instance, study or series UID).
        LimitError: asks for too much.
    """
    header = read_header(path, wanted=_WANTED.union(_IDENTITY), limits=limits)
    return Instance(path=path, header=header, values=header.values)


def frames_of(instance: Instance, *, limits: Limits) -> list[Instance]:
    """One view of the instance for each frame, functional groups resolved (PS3.3 C.7.6.16).

    Raises:
        InputError: the number of frames and of per-frame functional groups differ.
    """
    count = number_of_frames(instance)
    per_frame = instance.values.get(TAGS["PerFrameFunctionalGroupsSequence"])
    if per_frame is None:
        return [
            Instance(path=instance.path, header=instance.header, values=instance.values, frame=i) for i in range(count)
        ]
    encoding = instance.header.encoding
    shared_raw = instance.values.get(TAGS["SharedFunctionalGroupsSequence"], b"")
    shared: dict[int, bytes] = {}
    for item in iter_items(shared_raw, encoding=encoding, limits=limits):
        shared.update(_flatten(item, encoding=encoding, limits=limits))
    own = [
        _flatten(item, encoding=encoding, limits=limits)
        for item in iter_items(per_frame, encoding=encoding, limits=limits)
    ]
    if len(own) != count:
        raise InputError(
            f"NumberOfFrames is {count}, PerFrameFunctionalGroupsSequence has {len(own)} items: "
            "expected one for each frame; send the file again"
        )
    return [
        Instance(
            path=instance.path,
            header=instance.header,
            values=ChainMap(groups, shared, instance.values),
            frame=index,
        )
        for index, groups in enumerate(own)
    ]


def _flatten(item: bytes, *, encoding: Encoding, limits: Limits) -> dict[int, bytes]:
    """The wanted attributes of all functional groups of one item; every group is a sequence of one item."""
    found: dict[int, bytes] = {}
    for group_tag, group in iter_elements(item, encoding=encoding, limits=limits):
        if group_tag not in _FUNCTIONAL_GROUPS:
            continue
        for inner in iter_items(group, encoding=encoding, limits=limits):
            found.update(
                (tag, raw) for tag, raw in iter_elements(inner, encoding=encoding, limits=limits) if tag in _WANTED
            )
            break
    return found


def number_of_frames(instance: Instance) -> int:
    """NumberOfFrames, 1 where the attribute is absent (single-frame objects have none).

    Raises:
        InputError: not a positive whole number.
    """
    count = instance.whole("NumberOfFrames")
    if count is None:
        return 1
    if count < 1:
        raise InputError(f"NumberOfFrames is {count}: expected 1 or more; correct the file or leave it out")
    return count


def is_encapsulated(header: Header) -> bool:
    """Whether the pixel data are compressed frame by frame."""
    return header.pixel_length == UNDEFINED


def _decode(raw: bytes, charset: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        from pydicom.charset import convert_encodings, decode_bytes

        names = [part.strip() for part in charset.decode("ascii", "replace").split("\\")]
        try:
            return decode_bytes(raw, convert_encodings(names), set())
        except (LookupError, UnicodeError, ValueError):
            return raw.decode("latin-1")
