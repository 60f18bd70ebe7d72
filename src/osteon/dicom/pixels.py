"""Stored pixels of one frame: what the header says of them, whether that can be true, and their values."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.dicom.codestream import check_codestream
from osteon.dicom.decoding import decode_frame
from osteon.dicom.header import TAGS, is_encapsulated, number_of_frames
from osteon.dicom.walk import BIG_ENDIAN, DEFLATED, IMPLICIT, dataset_start, inflate, read_at
from osteon.errors import InputError, LimitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.dicom.header import Instance
    from osteon.dicom.limits import Limits

NATIVE = frozenset({IMPLICIT, "1.2.840.10008.1.2.1", BIG_ENDIAN, DEFLATED})
LOSSY = frozenset("1.2.840.10008.1.2.4." + end for end in ("50", "51", "81", "91", "93", "203", "112"))
"""Transfer syntaxes that lose information, or may have."""
COMPRESSED_SLACK_BYTES = 1024 * 1024
_INTEGER_PIXELS = 0x7FE00010
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How the stored values of one instance lie in its pixel data (PS3.5 section 8).

    Attributes:
        rows, columns, frames: lengths.
        bits_allocated, bits_stored: of one value; the high bit is the one below ``bits_stored``.
        signed: two's complement.
        little: low byte first.
        transfer_syntax: UID, or None where the file states none.
        encapsulated: compressed frame by frame.
        deflated: the whole data set is compressed.
        offset, length: of the pixel data's value in the file (or inflated stream); length -1 if encapsulated.
    """

    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    little: bool
    transfer_syntax: str | None
    encapsulated: bool
    deflated: bool
    offset: int
    length: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one stored value, in the machine's byte order."""
        return np.dtype(f"{'i' if self.signed else 'u'}{self.bits_allocated // 8}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame."""
        return self.rows * self.columns * self.bits_allocated // 8

    @property
    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value that ``bits_stored`` can hold."""
        if self.signed:
            return -(1 << self.bits_stored - 1), (1 << self.bits_stored - 1) - 1
        return 0, (1 << self.bits_stored) - 1


def layout_of(instance: Instance, *, limits: Limits) -> Layout:
    """Read and check how the pixel data lie in the file, without decoding anything.

    Raises:
        InputError: pixel data missing, too short, truncated, or of an impossible description.
        LimitError: decoding would ask for more memory than allowed.
    """
    header = instance.header
    if header.pixel_tag != _INTEGER_PIXELS:
        what = "PixelData is missing" if not header.pixel_tag else "pixel data are floating-point"
        raise InputError(f"{what}: expected integer PixelData; the file is truncated or no image: send it again")
    needed = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    numbers = {keyword: instance.whole(keyword) for keyword in needed}
    missing = [keyword for keyword, number in numbers.items() if number is None]
    if missing:
        raise InputError(f"{', '.join(missing)} missing: expected a complete pixel description; send the file again")
    rows, columns, allocated, stored, high, signed = (number or 0 for number in numbers.values())
    if rows < 1 or columns < 1:
        raise InputError(f"Rows x Columns is {rows} x {columns}: expected both positive; send the file again")
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated or high != stored - 1 or signed not in (0, 1):
        raise InputError(
            f"BitsAllocated {allocated}, BitsStored {stored}, HighBit {high}, PixelRepresentation {signed}: expected "
            "8, 16 or 32 bits with HighBit = BitsStored - 1 and PixelRepresentation 0 or 1; convert the file"
        )
    layout = Layout(
        rows=rows,
        columns=columns,
        frames=number_of_frames(instance),
        bits_allocated=allocated,
        bits_stored=stored,
        signed=signed == 1,
        little=header.encoding.little,
        transfer_syntax=header.transfer_syntax,
        encapsulated=is_encapsulated(header),
        deflated=header.deflated,
        offset=header.pixel_offset,
        length=-1 if is_encapsulated(header) else header.pixel_length,
    )
    _check_size(layout, limits)
    _check_length(layout, size=header.size)
    return layout


def _check_size(layout: Layout, limits: Limits) -> None:
    if layout.frame_bytes > limits.max_frame_bytes:
        raise LimitError(
            f"one frame of {layout.rows} x {layout.columns} asks for {layout.frame_bytes} bytes, allowed are "
            f"{limits.max_frame_bytes}; raise max_frame_bytes only if you trust the file"
        )
    if layout.frame_bytes * layout.frames > limits.max_volume_bytes:
        raise LimitError(
            f"{layout.frames} frames of {layout.rows} x {layout.columns} ask for {layout.frame_bytes * layout.frames} "
            f"bytes, allowed are {limits.max_volume_bytes}; raise max_volume_bytes only if you trust the file"
        )


def _check_length(layout: Layout, *, size: int) -> None:
    syntax = layout.transfer_syntax
    native = syntax is None or syntax in NATIVE
    if native == layout.encapsulated:
        found = "compressed in fragments" if layout.encapsulated else "not compressed"
        raise InputError(f"transfer syntax {syntax} does not fit pixel data that are {found}; send the file again")
    if layout.encapsulated:
        if layout.offset >= size:
            raise InputError("PixelData is empty; the file is truncated: send it again")
        return
    expected = layout.frame_bytes * layout.frames
    if layout.length < expected:
        raise InputError(
            f"PixelData has {layout.length} bytes: expected {expected} for {layout.frames} frame(s) of {layout.rows} x "
            f"{layout.columns} x {layout.bits_allocated} bits; send the file again"
        )
    if not layout.deflated and layout.offset + expected > size:
        raise InputError(
            f"PixelData claims {layout.length} bytes, the file holds {max(0, size - layout.offset)} of them; "
            "it is truncated: send it again"
        )


def check_fragments(instance: Instance, layout: Layout, *, limits: Limits) -> None:
    """Walk from fragment to fragment of compressed pixel data, reading only their lengths (PS3.5 A.4).

    Raises:
        InputError: the file ends inside the pixel data, or they are no fragments.
        LimitError: far more compressed bytes than the decoded frames have, or too many fragments.
    """
    if not layout.encapsulated:
        return
    size, position = instance.header.size, layout.offset
    if size - position > 2 * layout.frame_bytes * layout.frames + COMPRESSED_SLACK_BYTES:
        raise LimitError(
            f"{size - position} compressed bytes for {layout.frame_bytes * layout.frames} decoded ones; no codec needs "
            "that: leave the file out"
        )
    descriptor = os.open(instance.path, os.O_RDONLY)
    try:
        for _ in range(limits.max_items):
            head = read_at(descriptor, offset=position, count=8)
            if head[:4] == _SEQUENCE_END:
                return
            if head[:4] != _ITEM or len(head) < 8:
                raise InputError("compressed pixel data end early or are damaged; send the file again")
            position += 8 + int.from_bytes(head[4:], "little")
            if position > size:
                raise InputError("the file ends inside its compressed pixel data; it is truncated: send it again")
    finally:
        os.close(descriptor)
    raise LimitError(f"more than {limits.max_items} fragments; raise max_items only if you trust the file")


def padding_of(instance: Instance, layout: Layout) -> tuple[int, int] | None:
    """Smallest and largest stored value that mean "no data here" (PS3.3 C.7.5.1.1.2), or None."""
    ends = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        raw = instance.values.get(TAGS[keyword], b"")[:2]
        if len(raw) == 2:
            order = "little" if layout.little else "big"
            ends.append(int.from_bytes(raw, order, signed=layout.signed))  # type: ignore[arg-type]
    if not ends or (not instance.has("PixelPaddingValue") and ends[0] != 0):
        return None
    return min(ends), max(ends)


class FrameReader:
    """An open file whose frames can be read one by one; use as a context manager.

    ``read`` may be called from several threads at once.
    """

    def __init__(self, instance: Instance, layout: Layout, *, limits: Limits) -> None:
        self._layout = layout
        self._photometric = instance.text("PhotometricInterpretation") or "MONOCHROME2"
        self._header = instance.header
        self._descriptor = os.open(instance.path, os.O_RDONLY)
        self._stream: bytes | None = None
        self._frames: list[bytes] | None = None
        try:
            if os.fstat(self._descriptor).st_size != instance.header.size:
                raise InputError("the file has changed since its header was read; scan again")
            if layout.deflated:
                self._stream = self._inflate(limits)
            if layout.encapsulated:
                self._frames = self._fragments()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def read(self, frame: int, *, into: NDArray[np.int16] | None = None) -> NDArray[Any]:
        """Stored values (rows, columns) of one frame.

        Args:
            frame: number of the frame, from 0.
            into: where 16-bit values may be put, in C order; the result is then a view of it.

        Raises:
            InputError: the data cannot be decoded as described.
        """
        layout = self._layout
        if self._frames is not None:
            return _clean(self._decode(self._frames[frame]), layout)
        start = layout.offset + frame * layout.frame_bytes
        if self._stream is not None:
            raw = np.frombuffer(self._stream, dtype=layout.dtype, count=layout.rows * layout.columns, offset=start)
            values = raw.reshape(layout.rows, layout.columns).copy()
        elif into is not None and layout.bits_allocated == 16:
            self._read_exactly(into, start)
            values = into.view(layout.dtype)
        else:
            values = np.empty((layout.rows, layout.columns), dtype=layout.dtype)
            self._read_exactly(values, start)
        if not layout.little and layout.bits_allocated > 8:
            values.byteswap(inplace=True)
        return _clean(values, layout)

    def _read_exactly(self, values: NDArray[Any], start: int) -> None:
        target = memoryview(values.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        done = 0
        while done < len(target):
            count = os.preadv(self._descriptor, [target[done:]], start + done)
            if not count:
                raise InputError("the file ends inside its pixel data; it is truncated: send it again")
            done += count

    def _inflate(self, limits: Limits) -> bytes:
        layout = self._layout
        need = layout.offset + layout.frame_bytes * layout.frames
        raw = read_at(self._descriptor, offset=0, count=self._header.size)
        stream, _ = inflate(raw[dataset_start(raw, limits=limits) :], max_bytes=min(need, limits.max_volume_bytes))
        if len(stream) < need:
            raise InputError("deflated pixel data end early; the file is truncated: send it again")
        return stream

    def _fragments(self) -> list[bytes]:
        from pydicom.encaps import generate_frames

        layout = self._layout
        raw = read_at(self._descriptor, offset=layout.offset, count=self._header.size - layout.offset)
        try:
            frames = list(generate_frames(raw, number_of_frames=layout.frames))
        except Exception as error:  # third-party parser on hostile bytes
            raise InputError(f"compressed pixel data cannot be split into frames ({error}); send the file") from error
        if len(frames) < layout.frames:
            raise InputError(
                f"compressed pixel data hold {len(frames)} frames: expected {layout.frames}; send the file again"
            )
        return frames

    def _decode(self, frame: bytes) -> NDArray[Any]:
        layout = self._layout
        syntax = layout.transfer_syntax or ""
        shape = (layout.rows, layout.columns)
        check_codestream(frame, syntax=syntax, shape=shape, frame_bytes=layout.frame_bytes)
        options = {
            "syntax": syntax,
            "rows": layout.rows,
            "columns": layout.columns,
            "number_of_frames": 1,
            "samples_per_pixel": 1,
            "bits_allocated": layout.bits_allocated,
            "bits_stored": layout.bits_stored,
            "photometric_interpretation": self._photometric,
            "pixel_representation": int(layout.signed),
            "pixel_keyword": "PixelData",
        }
        return decode_frame(frame, dtype=layout.dtype, shape=shape, options=options)


def _clean(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Drop what lies above ``bits_stored`` (old overlays) and extend the sign of signed values, in place."""
    if layout.bits_stored == layout.bits_allocated:
        return values
    low, high = layout.bounds
    if values.min() >= low and values.max() <= high:
        return values
    if not values.flags.writeable:
        values = values.copy()
    if not layout.signed:
        values &= values.dtype.type(high)
        return values
    unused = values.dtype.itemsize * 8 - layout.bits_stored
    np.left_shift(values, unused, out=values)
    np.right_shift(values, unused, out=values)
    return values
