"""A process of its own for JPEG, JPEG-LS and JPEG 2000, run by its path; it imports nothing of osteon.

Native decoders can abort or hang on damaged data; here they take only this process with them. It reads requests from
standard input and answers on standard output, in a fixed binary form without pickles:

    request: length of options, length of frame (both uint32, little-endian), options as JSON, one compressed frame
    answer:  status (0 decoded, 1 refused; one byte), length (uint32), the values or the reason
"""

import contextlib
import json
import resource
import struct
import sys
import warnings

MEMORY_BYTES = 4 * 1024**3


def decode(options: dict[str, object], frame: bytes) -> bytes:
    """Values of one frame, as they lie in memory."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    decoder = get_decoder(UID(str(options.pop("syntax"))))
    values, _ = decoder.as_array(encapsulate([frame], has_bot=False), index=0, raw=True, **options)  # type: ignore[arg-type]
    return values.tobytes()


def main() -> None:
    """Answer requests until standard input ends."""
    warnings.simplefilter("ignore")
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(8):
        options_length, frame_length = struct.unpack("<II", head)
        options, frame = json.loads(source.read(options_length)), source.read(frame_length)
        try:
            status, answer = 0, decode(options, frame)
        except Exception as error:  # each library has its own
            status, answer = 1, " ".join(str(error).split())[:200].encode()
        target.write(struct.pack("<BI", status, len(answer)) + answer)
        target.flush()


if __name__ == "__main__":
    main()
