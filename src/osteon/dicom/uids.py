"""UIDs of our own: the same parts give the same UID, on every machine.

DICOM PS3.5 B.2 allows ``2.25.`` followed by a UUID as a decimal number. The UUID here is of version 8 (RFC 9562 5.8,
"custom"): the first 122 free bits of the SHA-256 of the parts.
"""

from __future__ import annotations

import hashlib
import json


def make_uid(*parts: str) -> str:
    """Make a UID from strings; ``("a", "bc")`` and ``("ab", "c")`` differ.

    Returns:
        ``2.25.`` and at most 39 digits, 44 characters in all (DICOM allows 64).
    """
    digest = bytearray(hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode("ascii")).digest()[:16])
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return f"2.25.{int.from_bytes(digest, 'big')}"
