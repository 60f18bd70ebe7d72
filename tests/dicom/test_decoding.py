from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from osteon.dicom import decoding
from osteon.dicom.decoding import decode_frame
from osteon.errors import InputError
from tests.dicom.make import Scheme, make_slice, positions_mm, stored_values

if TYPE_CHECKING:
    from pathlib import Path

VALUES = stored_values((1, 400, 360))[0]


def frame_and_options(syntax: str) -> tuple[bytes, dict[str, object]]:
    scheme = Scheme()
    ds = make_slice(scheme, VALUES, positions_mm(scheme, 1)[0])
    ds.compress(syntax)
    options = {
        "syntax": syntax,
        "rows": 400,
        "columns": 360,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "bits_allocated": 16,
        "bits_stored": 16,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_representation": 1,
        "pixel_keyword": "PixelData",
    }
    return next(iter(generate_frames(ds.PixelData, number_of_frames=1))), options


def decode(syntax: str, *, cut: int = 0) -> np.ndarray:
    frame, options = frame_and_options(syntax)
    return decode_frame(frame[: len(frame) - cut], dtype=np.dtype("int16"), shape=(400, 360), options=options)


@pytest.fixture
def no_idle_process() -> None:
    decoding._close_all()


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_values_come_back(syntax: str) -> None:
    assert np.array_equal(decode(syntax), VALUES)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_a_damaged_frame_is_an_error_and_the_next_is_decoded(syntax: str) -> None:
    with pytest.raises(InputError, match=f"transfer syntax {syntax} cannot be decoded"):
        decode(syntax, cut=300)
    assert np.array_equal(decode(syntax), VALUES)


@pytest.mark.usefixtures("no_idle_process")
@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.abort()", "the decoder crashed"),
        ("import sys; sys.stdin.buffer.read(8); sys.exit(3)", "the decoder crashed"),
        ("import time; time.sleep(60)", "no answer within 1 s"),  # a frame larger than a pipe holds
        ("import sys, time; sys.stdin.buffer.read(8); time.sleep(60)", "no answer within 1 s"),
        ("import sys; sys.stdin.buffer.read(8); sys.stdout.buffer.write(b'\\0\\2\\0\\0\\0ab'); sys.stdout.flush();"
         "sys.stdin.buffer.read()", "decoded frame has 2 bytes"),
    ],
)  # fmt: skip
def test_a_decoder_that_dies_or_hangs_costs_one_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    (tmp_path / "decoder.py").write_text(program)
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_PROGRAM", tmp_path / "decoder.py")
        patch.setattr(decoding, "TIMEOUT_S", 1.0)
        with pytest.raises(InputError, match=words):
            decode(JPEGLSLossless)
    decoding._close_all()
    assert np.array_equal(decode(JPEGLSLossless), VALUES)


@pytest.mark.usefixtures("no_idle_process")
def test_a_process_is_used_again_and_not_by_a_forked_child() -> None:
    decode(JPEGLSLossless)
    decode(JPEGLSLossless)
    assert decoding._idle.qsize() == 1
    waiting = decoding._idle.get_nowait()
    decoding._idle.put(waiting)
    decoding._forget()
    assert decoding._idle.qsize() == 0
    waiting.close()
