"""Compressed frames to values: RLE here, everything else in decoder processes that may die without harm."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Full, LifoQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

RLE = "1.2.840.10008.1.2.5"
TIMEOUT_S = 120.0
"""Longest time for one frame, start of the process included."""
_PROGRAM = Path(__file__).with_name("decoder_process.py")
_MOST_IDLE = 8


class _DecoderProcess:
    """One running decoder process."""

    def __init__(self) -> None:
        self._expired = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def ask(self, options: bytes, frame: bytes) -> tuple[int, bytes]:
        """Status and answer.

        Raises:
            TimeoutError: no answer in time; the process has been killed.
            EOFError, OSError: the process died.
        """
        clock = threading.Timer(TIMEOUT_S, self._expire)
        clock.start()
        try:
            return self._exchange(options, frame)
        except (EOFError, OSError):
            if self._expired:
                raise TimeoutError from None
            raise
        finally:
            clock.cancel()

    def _expire(self) -> None:
        """Free a blocked write as well as a blocked read."""
        self._expired = True
        self._process.kill()

    def _exchange(self, options: bytes, frame: bytes) -> tuple[int, bytes]:
        source, target = self._process.stdout, self._process.stdin
        assert source is not None
        assert target is not None
        target.write(struct.pack("<II", len(options), len(frame)) + options)
        target.write(frame)
        target.flush()
        head = source.read(5)
        if len(head) < 5:
            raise EOFError
        status, length = struct.unpack("<BI", head)
        answer = source.read(length)
        if len(answer) < length:
            raise EOFError
        return status, answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        with contextlib.suppress(OSError):  # what was still to be written
            self._process.communicate()


_idle: LifoQueue[_DecoderProcess] = LifoQueue(maxsize=_MOST_IDLE)
"""Processes that wait for the next frame; starting one takes about as long as decoding thirty frames."""


def _close_all() -> None:
    while True:
        try:
            _idle.get_nowait().close()
        except Empty:
            return


def _forget() -> None:
    """In a forked child: the processes belong to the parent, which may be talking to them."""
    global _idle
    _idle = LifoQueue(maxsize=_MOST_IDLE)


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget)


def decode_frame(
    frame: bytes, *, dtype: np.dtype[Any], shape: tuple[int, int], options: dict[str, Any]
) -> NDArray[Any]:
    """Decode one frame whose codestream has been checked.

    Args:
        frame: one complete compressed frame.
        dtype: type of the stored values.
        shape: rows, columns.
        options: ``syntax`` and the keywords of pydicom's decoders.

    Raises:
        InputError: it cannot be decoded.
    """
    raw = _decode_here(frame, options) if options["syntax"] == RLE else _decode_apart(frame, options)
    if len(raw) != dtype.itemsize * shape[0] * shape[1]:
        raise InputError(
            f"decoded frame has {len(raw)} bytes: expected {shape[0]} x {shape[1]} of {dtype}; send it again"
        )
    return np.frombuffer(raw, dtype=dtype).reshape(shape)


def _decode_here(frame: bytes, options: dict[str, Any]) -> bytes:
    from osteon.dicom.decoder_process import decode

    try:
        return decode(dict(options), frame)
    except Exception as error:  # third-party parser on damaged bytes
        raise _refused(options, str(error)) from error


def _decode_apart(frame: bytes, options: dict[str, Any]) -> bytes:
    try:
        process = _idle.get_nowait()
    except Empty:
        process = _DecoderProcess()
    try:
        status, answer = process.ask(json.dumps(options).encode(), frame)
    except TimeoutError:
        process.close()
        raise _refused(options, f"no answer within {TIMEOUT_S:.0f} s") from None
    except (EOFError, OSError):
        process.close()
        raise _refused(options, "the decoder crashed") from None
    except BaseException:
        process.close()
        raise
    try:
        _idle.put_nowait(process)
    except Full:
        process.close()
    if status:
        raise _refused(options, answer.decode("utf-8", "replace"))
    return answer


def _refused(options: dict[str, Any], reason: str) -> InputError:
    shown = " ".join(reason.split())[:200]
    return InputError(
        f"pixel data of transfer syntax {options['syntax']} cannot be decoded ({shown}); send the file again"
    )
