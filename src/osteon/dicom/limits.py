"""How much one input may ask for before it is refused."""

from __future__ import annotations

from dataclasses import dataclass, fields

from osteon.errors import UsageError

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds that hold before memory or disk is spent; raise one only for an input that you trust.

    Attributes:
        max_files: files looked at in one input.
        max_header_bytes: everything in front of the pixel data of one file.
        max_items: sequence items in one file's header.
        max_depth: sequences inside sequences.
        max_frame_bytes: one decoded frame.
        max_volume_bytes: one decoded volume, and one deflated file once inflated.
        max_unpacked_bytes: all members of a ZIP archive, or one gzip-compressed NIfTI file, once inflated.
        max_unpacked_ratio: inflated over compressed size; asked only of archives above ``min_ratio_bytes``.
        min_ratio_bytes: see ``max_unpacked_ratio``.
    """

    max_files: int = 200_000
    max_header_bytes: int = 64 * MIB
    max_items: int = 200_000
    max_depth: int = 32
    max_frame_bytes: int = 256 * MIB
    max_volume_bytes: int = 8 * GIB
    max_unpacked_bytes: int = 16 * GIB
    max_unpacked_ratio: float = 100.0
    min_ratio_bytes: int = 256 * MIB

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise UsageError(f"limit {field.name} is {value}: expected a positive number")
