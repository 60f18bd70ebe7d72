from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from osteon.errors import InputError
from osteon.files import whole_file, whole_folder

if TYPE_CHECKING:
    from pathlib import Path


def _break_off(draft: Path) -> None:
    draft.write_text("half")
    raise ValueError("disk")


def test_file_appears_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.json"
    with whole_file(target) as draft:
        draft.write_text("done")
        assert not target.exists()
    assert target.read_text() == "done"
    assert [path.name for path in target.parent.iterdir()] == ["a.json"]


def test_failure_keeps_the_old_file_and_leaves_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(ValueError, match="disk"), whole_file(target) as draft:
        _break_off(draft)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_folder_is_all_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "series"
    with pytest.raises(ValueError, match="disk"), whole_folder(target) as draft:
        _break_off(draft / "1")
    assert list(tmp_path.iterdir()) == []
    with whole_folder(target) as draft:
        (draft / "1").write_text("whole")
    assert [path.name for path in target.iterdir()] == ["1"]
    with pytest.raises(InputError, match="series"), whole_folder(target):
        raise AssertionError("must not be entered")
