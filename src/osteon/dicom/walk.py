"""The bytes of a DICOM header, element by element, trusting no length in it (PS3.5 section 7).

Nothing here recurses: depth and number of sequence items are counted against limits, and an element that claims more
bytes than the file has is an error. pydicom is not used for this step because it accepts both in silence, and because
a walk that keeps only what is asked for is several times faster over a thousand files.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from osteon.errors import InputError, LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from osteon.dicom.limits import Limits

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""Float, double and integer pixel data; the header ends at the first of them."""

DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
IMPLICIT = "1.2.840.10008.1.2"
UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA = 0x7FE00010
_TRANSFER_SYNTAX = 0x00020010
_PREAMBLE = 132
_FIRST_READ = 16 * 1024
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_RAW_VRS = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV"})
_NO_LIMIT = 1 << 62


class NotDicomError(InputError):
    """The file does not look like DICOM at all."""


class _NeedMore(Exception):  # noqa: N818  (a signal, not an error)
    """The element lies beyond the bytes read so far, though not beyond the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """How elements are written: with their VR or without, low byte first or last."""

    explicit: bool
    little: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What stands in front of the pixel data of one file.

    Attributes:
        transfer_syntax: UID as the file states it; None where it states none.
        encoding: as found, which may differ from what the transfer syntax promises.
        values: top-level elements that were asked for, tag -> raw value (of a sequence: its raw items).
        pixel_tag: tag of the pixel data, 0 if there is none.
        pixel_offset: first byte of its value, in the file or, if deflated, in the inflated stream.
        pixel_length: as stated; ``UNDEFINED`` for encapsulated (compressed) data.
        size: length of the file in bytes.
        deflated: the data set is compressed as a whole.
        stated_otherwise: the transfer syntax promises another encoding than was found.
    """

    transfer_syntax: str | None
    encoding: Encoding
    values: dict[int, bytes]
    pixel_tag: int
    pixel_offset: int
    pixel_length: int
    size: int
    deflated: bool
    stated_otherwise: bool


def read_header(path: Path, *, wanted: frozenset[int], limits: Limits) -> Header:
    """Read the header of one DICOM file, keeping only the elements in ``wanted``.

    Raises:
        NotDicomError: neither the DICM prefix nor anything like a data set is there.
        InputError: broken structure, or an element longer than the file.
        LimitError: header too long, too many items, or nested too deeply.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        amount = min(_FIRST_READ, limits.max_header_bytes)
        while True:
            data = read_at(descriptor, offset=0, count=min(amount, size))
            try:
                return _parse(data, size=size, wanted=wanted, limits=limits)
            except _NeedMore:
                if len(data) >= min(size, limits.max_header_bytes):
                    raise _too_long(limits) from None
                amount = min(amount * 8, limits.max_header_bytes)
    finally:
        os.close(descriptor)


def read_at(descriptor: int, *, offset: int, count: int) -> bytes:
    """Up to ``count`` bytes from ``offset``, however many the system hands out at once."""
    parts = []
    while count > 0:
        part = os.pread(descriptor, min(count, 1 << 30), offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_long(limits: Limits) -> LimitError:
    return LimitError(
        f"header longer than {limits.max_header_bytes} bytes; raise max_header_bytes only if you trust the file"
    )


def _parse(data: bytes, *, size: int, wanted: frozenset[int], limits: Limits) -> Header:
    start, syntax = _file_meta(data, size=size, limits=limits)
    if syntax == DEFLATED:
        inflated, complete = inflate(data[start:], max_bytes=limits.max_header_bytes)
        total = len(inflated) if complete else _NO_LIMIT
        try:
            return _dataset(inflated, pos=0, total=total, size=size, syntax=syntax, wanted=wanted, limits=limits)
        except _NeedMore:
            if len(data) == size and len(inflated) < limits.max_header_bytes:
                raise InputError("deflated data set ends early; the file is truncated: send it again") from None
            raise
    return _dataset(data, pos=start, total=size, size=size, syntax=syntax, wanted=wanted, limits=limits)


def inflate(data: bytes, *, max_bytes: int) -> tuple[bytes, bool]:
    """Inflate a raw deflate stream up to ``max_bytes``.

    Returns:
        The bytes and whether the stream ended within them.

    Raises:
        InputError: not a deflate stream.
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(data, max_bytes)
    except zlib.error as error:
        raise InputError(f"deflated data set is damaged ({error}); send the file again") from error
    return inflated, stream.eof


def _file_meta(data: bytes, *, size: int, limits: Limits) -> tuple[int, str | None]:
    """Offset of the data set and the transfer syntax, from the group 2 elements (PS3.10 section 7.1)."""
    if data[_PREAMBLE - 4 : _PREAMBLE] == b"DICM":
        start = _PREAMBLE
    elif _looks_like_dataset(data):
        start = 0
    else:
        raise NotDicomError("no DICM prefix and nothing like a DICOM data set; not a DICOM file")
    syntax = None
    pos = start
    encoding = _found_encoding(data, pos, little=True)
    while data[pos : pos + 2] == b"\x02\x00":
        tag, _, value, stop = _element(data, pos, total=size, encoding=encoding, limits=limits)
        if tag == _TRANSFER_SYNTAX:
            syntax = data[value:stop].decode("ascii", "replace").strip(" \0") or None
        pos = stop
    if pos + 8 > len(data) and len(data) < size:
        raise _NeedMore
    return pos, syntax


def _looks_like_dataset(data: bytes) -> bool:
    """Whether a file without preamble starts with an element of group 2 or 8, as old archives write them."""
    if len(data) < 16 or data[:2] not in (b"\x02\x00", b"\x08\x00", b"\x00\x08"):
        return False
    little = data[0] != 0
    element = int.from_bytes(data[2:4], "little" if little else "big")
    if element > 0x0100:
        return False
    if data[4:6] in _SHORT_VRS or data[4:6] in _LONG_VRS:
        return True
    return little and int.from_bytes(data[4:8], "little") <= 256


def _found_encoding(data: bytes, pos: int, *, little: bool) -> Encoding:
    vr = data[pos + 4 : pos + 6]
    return Encoding(explicit=vr in _SHORT_VRS or vr in _LONG_VRS, little=little)


def _dataset(
    data: bytes, *, pos: int, total: int, size: int, syntax: str | None, wanted: frozenset[int], limits: Limits
) -> Header:
    little = syntax != BIG_ENDIAN and data[pos : pos + 2] != b"\x00\x08"
    encoding = _found_encoding(data, pos, little=little)
    values: dict[int, bytes] = {}
    pixel_tag = pixel_offset = pixel_length = 0
    while pos < total:
        tag, vr, value, length = _element_head(data, pos, total=total, encoding=encoding)
        if tag in PIXEL_TAGS:
            pixel_tag, pixel_offset, pixel_length = tag, value, length
            break
        stop = _value_end(data, value, length, vr=vr, tag=tag, total=total, encoding=encoding, limits=limits)
        if tag in wanted:
            values[tag] = data[value:stop]
        pos = stop
    return Header(
        transfer_syntax=syntax,
        encoding=encoding,
        values=values,
        pixel_tag=pixel_tag,
        pixel_offset=pixel_offset,
        pixel_length=pixel_length,
        size=size,
        deflated=syntax == DEFLATED,
        stated_otherwise=syntax is not None and encoding.explicit == (syntax == IMPLICIT),
    )


def _element(data: bytes, pos: int, *, total: int, encoding: Encoding, limits: Limits) -> tuple[int, bytes, int, int]:
    """Tag, VR, first byte of the value and first byte after it."""
    tag, vr, value, length = _element_head(data, pos, total=total, encoding=encoding)
    return (
        tag,
        vr,
        value,
        _value_end(data, value, length, vr=vr, tag=tag, total=total, encoding=encoding, limits=limits),
    )


def _element_head(data: bytes, pos: int, *, total: int, encoding: Encoding) -> tuple[int, bytes, int, int]:
    """Tag, VR (empty if implicit), offset of the value and its stated length."""
    if pos + 8 > len(data):
        _short(pos, pos + 8, total=total)
    order = "<" if encoding.little else ">"
    if not encoding.explicit:
        group, element, length = struct.unpack_from(order + "HHI", data, pos)
        return group << 16 | element, b"", pos + 8, length
    group, element, vr, length = struct.unpack_from(order + "HH2sH", data, pos)
    tag = group << 16 | element
    if vr in _SHORT_VRS:
        return tag, vr, pos + 8, length
    if vr in _LONG_VRS:
        if pos + 12 > len(data):
            _short(pos, pos + 12, total=total)
        return tag, vr, pos + 12, struct.unpack_from(order + "I", data, pos + 8)[0]
    if group == 0xFFFE or not vr.isalpha() or not vr.isupper():  # delimiters, and elements written without a VR
        return tag, b"", pos + 8, struct.unpack_from(order + "I", data, pos + 4)[0]
    return tag, vr, pos + 8, length


def _short(pos: int, need: int, *, total: int) -> None:
    if need <= total:
        raise _NeedMore
    raise InputError(f"file ends inside the element at byte {pos}; it is truncated: send it again")


def _value_end(
    data: bytes, value: int, length: int, *, vr: bytes, tag: int, total: int, encoding: Encoding, limits: Limits
) -> int:
    """First byte after a value; walks through sequences of undefined length."""
    if length == UNDEFINED:
        return _skip_sequence(data, value, tag=tag, vr=vr, total=total, encoding=encoding, limits=limits)
    stop = value + length
    if stop > len(data):
        if stop <= total:
            raise _NeedMore
        raise InputError(
            f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) claims {length} bytes, {max(0, total - value)} are left; "
            "the file is truncated or damaged: send it again"
        )
    return stop


def _skip_sequence(
    data: bytes, pos: int, *, tag: int, vr: bytes, total: int, encoding: Encoding, limits: Limits
) -> int:
    """First byte after a sequence of undefined length, found without recursion.

    The stack holds (is a sequence, end or None, encoding, items are raw bytes) of everything that is open.
    """
    stack: list[tuple[bool, int | None, Encoding, bool]] = [(True, None, _inner(encoding, vr), _is_raw(tag, vr))]
    items = 0
    while stack:
        is_sequence, end, inner, raw = stack[-1]
        if end is not None and pos >= end:
            stack.pop()
            continue
        tag, vr, value, length = _element_head(data, pos, total=total, encoding=inner)
        if tag == (_SEQUENCE_END if is_sequence else _ITEM_END):
            stack.pop()
            pos = value
        elif is_sequence:
            items += 1
            _check_item(tag, pos, items=items, depth=len(stack) // 2, limits=limits)
            pos = value + length if raw else value
            if not raw:
                stack.append((False, None if length == UNDEFINED else value + length, inner, False))
        elif length == UNDEFINED:
            stack.append((True, None, _inner(inner, vr), _is_raw(tag, vr)))
            pos = value
        else:
            pos = value + length
        if pos > len(data):
            _short(pos, pos, total=total)
    return pos


def _inner(encoding: Encoding, vr: bytes) -> Encoding:
    """A sequence of VR UN and undefined length is written without VRs inside (PS3.5 section 6.2.2)."""
    return Encoding(explicit=False, little=True) if vr == b"UN" else encoding


def _is_raw(tag: int, vr: bytes) -> bool:
    return vr in _RAW_VRS or tag == _PIXEL_DATA


def _check_item(tag: int, pos: int, *, items: int, depth: int, limits: Limits) -> None:
    if tag != _ITEM:
        raise InputError(f"byte {pos}: expected a sequence item, found {tag:08X}; the file is damaged: send it again")
    if items > limits.max_items:
        raise LimitError(f"more than {limits.max_items} sequence items; raise max_items only if you trust the file")
    if depth >= limits.max_depth:
        raise LimitError(f"sequences nested more than {limits.max_depth} deep; no scan needs that: leave the file out")


def iter_items(data: bytes, *, encoding: Encoding, limits: Limits) -> Iterator[bytes]:
    """The items of one sequence's raw value, each as raw elements.

    Raises:
        InputError: broken structure.
    """
    pos, total = 0, len(data)
    while pos < total:
        tag, _, value, length = _element_head(data, pos, total=total, encoding=encoding)
        if tag == _SEQUENCE_END:
            return
        _check_item(tag, pos, items=0, depth=0, limits=limits)
        if length != UNDEFINED:
            if value + length > total:
                _short(pos, value + length, total=total)
            yield data[value : value + length]
            pos = value + length
            continue
        stop = value
        while True:
            inner_tag, _, after, stop_value = _element(data, stop, total=total, encoding=encoding, limits=limits)
            if inner_tag == _ITEM_END:
                break
            stop = stop_value
        yield data[value:stop]
        pos = after


def iter_elements(data: bytes, *, encoding: Encoding, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """Tags and raw values of one item's elements.

    Raises:
        InputError: broken structure.
    """
    pos, total = 0, len(data)
    while pos < total:
        tag, _, value, stop = _element(data, pos, total=total, encoding=encoding, limits=limits)
        yield tag, data[value:stop]
        pos = stop


def dataset_start(data: bytes, *, limits: Limits) -> int:
    """Offset of the data set behind the file meta information of a whole file in memory."""
    return _file_meta(data, size=len(data), limits=limits)[0]
