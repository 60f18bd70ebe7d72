from __future__ import annotations

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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_json_cannot_hold_is_not_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(InputError, match=r"a\.json"):
        write_json(tmp_path / "a.json", [value])
    assert list(tmp_path.iterdir()) == []
