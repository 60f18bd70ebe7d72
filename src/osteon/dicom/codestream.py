"""Does a compressed frame hold what its header promises? Asked before any decoder is let loose on it."""

from __future__ import annotations

from osteon.errors import InputError, LimitError

_RLE = "1.2.840.10008.1.2.5"
_JPEG_2000 = b"\xff\x4f\xff\x51"
_SLACK_BYTES = 64 * 1024


def check_codestream(frame: bytes, *, syntax: str, shape: tuple[int, int], frame_bytes: int) -> None:
    """Compare the size inside a compressed frame of one component with Rows x Columns.

    Args:
        frame: one complete compressed frame.
        syntax: transfer syntax UID.
        shape: rows, columns as in the header.
        frame_bytes: bytes of the decoded frame.

    Raises:
        InputError: the codestream is of another size, or states none.
        LimitError: the compressed frame is far longer than the decoded one.
    """
    if len(frame) > 2 * frame_bytes + _SLACK_BYTES:
        raise LimitError(
            f"a compressed frame has {len(frame)} bytes, decoded it should have {frame_bytes}; leave the file out"
        )
    if syntax == _RLE:
        return
    *found, components = _jpeg_2000_size(frame) if _JPEG_2000 in frame[:4096] else _jpeg_size(frame)
    if components != 1:
        raise InputError(f"compressed image has {components} components, SamplesPerPixel is 1; send the file again")
    if tuple(found) != shape:
        raise InputError(
            f"compressed image is {found[0]} x {found[1]} inside, Rows x Columns is {shape[0]} x {shape[1]}; "
            "send the file again"
        )


def _jpeg_2000_size(frame: bytes) -> tuple[int, int, int]:
    """Rows, columns, components of the SIZ marker segment (ISO/IEC 15444-1 A.5.1)."""
    at = frame.index(_JPEG_2000) + 8
    if len(frame) < at + 34:
        raise InputError("compressed image ends inside its header; the file is truncated: send it again")
    x1, y1, x0, y0 = (int.from_bytes(frame[at + 4 * i : at + 4 * i + 4], "big") for i in range(4))
    return y1 - y0, x1 - x0, int.from_bytes(frame[at + 32 : at + 34], "big")


def _jpeg_size(frame: bytes) -> tuple[int, int, int]:
    """Rows, columns, components of the first frame header (ISO/IEC 10918-1 B.2.2; SOF55 is JPEG-LS)."""
    pos = frame.find(b"\xff\xd8") + 2
    if pos < 2:
        raise InputError("compressed image does not start as JPEG, JPEG-LS or JPEG 2000; send the file again")
    while pos + 10 <= len(frame) and frame[pos] == 0xFF:
        marker = frame[pos + 1]
        if marker == 0xFF:  # fill byte
            pos += 1
        elif marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns = (int.from_bytes(frame[pos + at : pos + at + 2], "big") for at in (5, 7))
            return rows, columns, frame[pos + 9]
        else:
            pos += 2 + int.from_bytes(frame[pos + 2 : pos + 4], "big")
    raise InputError("compressed image has no frame header; the file is truncated or damaged: send it again")
