from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from osteon.cli.arguments import check_out
from osteon.cli.main import build_app
from osteon.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

VERBS = {
    "demo": ("demo",),
    "train": ("train", "lytic", "cohort"),
    "evaluate": ("evaluate", "lytic", "cohort"),
    "read": ("read", "lytic", "study"),
}


def test_out_may_be_missing_or_empty(tmp_path: Path) -> None:
    assert check_out(tmp_path) == tmp_path
    assert check_out(tmp_path / "a" / "b") == tmp_path / "a" / "b"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("out", ["file", "file/below", "full"])
def test_out_that_holds_something_is_wrong_usage(tmp_path: Path, verb: str, out: str) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("kept")
    with pytest.raises(UsageError, match="--out"):
        CliRunner().invoke(build_app(), [*VERBS[verb], "--out", str(tmp_path / out)], catch_exceptions=False)
    assert (tmp_path / "file").read_text() == (tmp_path / "full" / "file").read_text() == "kept"
