from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from osteon.dicom.header import TAGS, read_instance
from osteon.dicom.limits import Limits
from osteon.dicom.walk import Encoding, NotDicomError, iter_elements, iter_items, read_header
from osteon.errors import InputError, LimitError
from tests.dicom.make import Scheme, stored_values, write_series

if TYPE_CHECKING:
    from pathlib import Path

WANTED = frozenset(TAGS.values())
EXPLICIT = Encoding(explicit=True, little=True)
_PREAMBLE = b"\0" * 128 + b"DICM"


def meta(syntax: str) -> bytes:
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    return _PREAMBLE + b"\x02\x00\x10\x00UI" + struct.pack("<H", len(value)) + value


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def undefined_sequence(group: int, number: int, content: bytes) -> bytes:
    return struct.pack("<HH2sHI", group, number, b"SQ", 0, 0xFFFFFFFF) + content + b"\xfe\xff\xdd\xe0\0\0\0\0"


def item(content: bytes, *, defined: bool = False) -> bytes:
    if defined:
        return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content
    return b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + content + b"\xfe\xff\x0d\xe0\0\0\0\0"


def test_values_and_pixel_place_agree_with_pydicom(tmp_path: Path) -> None:
    for syntax in ("1.2.840.10008.1.2.1", ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
        (path,) = write_series(tmp_path, stored_values((1, 6, 5)), Scheme(syntax=syntax))
        instance = read_instance(path, limits=Limits())
        ds = pydicom.dcmread(path)
        assert instance.header.transfer_syntax == syntax
        assert instance.text("SeriesInstanceUID") == ds.SeriesInstanceUID
        assert instance.numbers("ImagePositionPatient") == tuple(float(v) for v in ds.ImagePositionPatient)
        assert instance.whole("Rows") == ds.Rows == 6
        assert instance.header.pixel_length == len(ds.PixelData)
        if syntax != DeflatedExplicitVRLittleEndian:
            raw = path.read_bytes()[instance.header.pixel_offset :]
            assert raw[: len(ds.PixelData)] == ds.PixelData


def test_old_files_without_preamble(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, stored_values((1, 6, 5)), Scheme(syntax=ImplicitVRLittleEndian))
    whole = path.read_bytes()
    at = whole.index(b"\x08\x00", 132 + whole[132:].index(b"1.2.840.10008.1.2"))
    path.write_bytes(whole[at:])
    assert read_instance(path, limits=Limits()).whole("Columns") == 5


@pytest.mark.parametrize("content", [b"", b"x" * 500, b"DICOM" * 100, b"\x89PNG\r\n" * 40, "Straße".encode() * 99])
def test_what_is_no_dicom_is_told_from_damaged_dicom(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(NotDicomError, match="not a DICOM file"):
        read_header(tmp_path / "a", wanted=WANTED, limits=Limits())


def test_encoding_is_what_is_found_not_what_is_promised(tmp_path: Path) -> None:
    body = element(8, 0x60, b"CS", b"CT") + element(0x20, 0xD, b"UI", b"1.2.3\0")
    (tmp_path / "a").write_bytes(meta("1.2.840.10008.1.2") + body)
    header = read_header(tmp_path / "a", wanted=WANTED, limits=Limits())
    assert header.values[TAGS["Modality"]] == b"CT"
    assert header.stated_otherwise


def test_sequences_of_undefined_length_are_stepped_over(tmp_path: Path) -> None:
    inner = undefined_sequence(8, 0x1140, item(element(8, 0x60, b"CS", b"XX")) + item(b"", defined=True))
    unknown = struct.pack("<HH2sHI", 9, 0x1001, b"UN", 0, 0xFFFFFFFF)  # implicit VR inside
    unknown += item(struct.pack("<HHI", 8, 0x60, 2) + b"YY") + b"\xfe\xff\xdd\xe0\0\0\0\0"
    icon = struct.pack("<HH2sHI", 0x88, 0x200, b"OB", 0, 0xFFFFFFFF) + item(b"\xff" * 7, defined=True)
    icon += b"\xfe\xff\xdd\xe0\0\0\0\0"
    body = inner + unknown + element(0x20, 0xD, b"UI", b"1.2\0") + icon + element(0x28, 0x10, b"US", b"\x07\0")
    (tmp_path / "a").write_bytes(meta("1.2.840.10008.1.2.1") + body)
    header = read_header(tmp_path / "a", wanted=WANTED, limits=Limits())
    assert TAGS["Modality"] not in header.values  # those inside items are not the image's
    assert header.values[TAGS["StudyInstanceUID"]] == b"1.2\0"
    assert header.values[TAGS["Rows"]] == b"\x07\0"


def test_deep_nesting_is_refused_and_does_not_recurse(tmp_path: Path) -> None:
    content = b""
    for _ in range(5000):
        content = undefined_sequence(8, 0x1140, item(content))
    (tmp_path / "a").write_bytes(meta("1.2.840.10008.1.2.1") + content)
    with pytest.raises(LimitError, match="nested more than 32 deep"):
        read_header(tmp_path / "a", wanted=WANTED, limits=Limits())


def test_too_many_items(tmp_path: Path) -> None:
    content = undefined_sequence(8, 0x1140, item(b"", defined=True) * 1001)
    (tmp_path / "a").write_bytes(meta("1.2.840.10008.1.2.1") + content)
    with pytest.raises(LimitError, match="more than 1000 sequence items"):
        read_header(tmp_path / "a", wanted=WANTED, limits=Limits(max_items=1000))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (struct.pack("<HH2sHI", 8, 0x3000, b"OB", 0, 0xFFFFFFF0), "claims 4294967280 bytes, 0 are left"),
        (element(8, 0x60, b"CS", b"CT")[:-1], "claims 2 bytes, 1 are left"),
        (b"\x08\x00\x60", "ends inside the element"),
        (undefined_sequence(8, 0x1140, b"")[:-8], "ends inside the element"),
        (undefined_sequence(8, 0x1140, element(8, 0x60, b"CS", b"CT")), "expected a sequence item"),
    ],
)
def test_lengths_are_not_believed(tmp_path: Path, body: bytes, words: str) -> None:
    (tmp_path / "a").write_bytes(meta("1.2.840.10008.1.2.1") + body)
    with pytest.raises(InputError, match=words):
        read_header(tmp_path / "a", wanted=WANTED, limits=Limits())


def deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def test_a_deflate_bomb_is_not_inflated(tmp_path: Path) -> None:
    bomb = struct.pack("<HH2sHI", 8, 0x3000, b"OB", 0, 30_000_000) + bytes(30_000_000)
    data = meta(DeflatedExplicitVRLittleEndian) + deflated(bomb)
    assert len(data) < 50_000
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(LimitError, match="header longer than 1000000 bytes"):
        read_header(tmp_path / "a", wanted=WANTED, limits=Limits(max_header_bytes=1_000_000))


def test_damaged_and_truncated_deflate_streams(tmp_path: Path) -> None:
    whole = deflated(element(8, 0x60, b"CS", b"CT") * 50)
    for body, words in ((b"\xff" * 50, "damaged"), (whole[:-10], "truncated")):
        (tmp_path / "a").write_bytes(meta(DeflatedExplicitVRLittleEndian) + body)
        with pytest.raises(InputError, match=words):
            read_header(tmp_path / "a", wanted=WANTED, limits=Limits())


def test_long_headers_are_read_on(tmp_path: Path) -> None:
    def lengthen(_: int, ds: pydicom.FileDataset) -> None:
        ds.add_new(0x00091001, "OB", bytes(300_000))

    (path,) = write_series(tmp_path, stored_values((1, 6, 5)), change=lengthen)
    assert read_instance(path, limits=Limits()).whole("Rows") == 6


@pytest.mark.parametrize("undefined", [True, False])
def test_items_and_their_elements_agree_with_pydicom(tmp_path: Path, undefined: bool) -> None:
    items = []
    for number in range(3):
        inner, one = Dataset(), Dataset()
        inner.Rows = 10 + number
        inner.is_undefined_length_sequence_item = undefined
        one.ReferencedImageSequence = Sequence([inner])
        one["ReferencedImageSequence"].is_undefined_length = undefined
        one.Modality = "CT"
        one.is_undefined_length_sequence_item = undefined
        items.append(one)

    def change(_: int, ds: pydicom.FileDataset) -> None:
        ds.SharedFunctionalGroupsSequence = Sequence(items)
        ds["SharedFunctionalGroupsSequence"].is_undefined_length = undefined

    (path,) = write_series(tmp_path, stored_values((1, 6, 5)), change=change)
    raw = read_instance(path, limits=Limits()).values[TAGS["SharedFunctionalGroupsSequence"]]
    found = [
        dict(iter_elements(one, encoding=EXPLICIT, limits=Limits()))
        for one in iter_items(raw, encoding=EXPLICIT, limits=Limits())
    ]
    assert [one[TAGS["Modality"]] for one in found] == [b"CT"] * 3
    rows = [
        dict(iter_elements(inner, encoding=EXPLICIT, limits=Limits()))[TAGS["Rows"]]
        for one in found
        for inner in iter_items(one[0x00081140], encoding=EXPLICIT, limits=Limits())
    ]
    assert rows == [b"\x0a\0", b"\x0b\0", b"\x0c\0"]
