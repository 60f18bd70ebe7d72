from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from osteon.errors import InputError, LimitError
from osteon.formats.json_file import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path


def test_round_trip_and_bounds(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"ä": [1, 2.5, None]})
    assert read_json(path) == {"ä": [1, 2.5, None]}
    with pytest.raises(LimitError, match=r"a\.json"):
        read_json(path, max_bytes=3)
    with pytest.raises(InputError, match=r"b\.json"):
        read_json(tmp_path / "b.json")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"a\.json"):
        read_json(path)


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (DEEP, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("9" * 5000, "a number of thousands of digits"),
        ("{", "Expecting"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ("1e999", "too large a number"),
    ],
)
def test_hostile_json_is_one_clear_error(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"^a\.json: not a JSON document \(.*{why}.*\); export it again$"):
        read_json(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for name, why in (("pipe.json", "no file"), (".", "no file"), ("none.json", "missing")):
        with pytest.raises(InputError, match=f"{why}; expected JSON"):
            read_json(tmp_path / name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_json_cannot_hold_is_not_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(InputError, match=r"a\.json"):
        write_json(tmp_path / "a.json", [value])
    assert list(tmp_path.iterdir()) == []
