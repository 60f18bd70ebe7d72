"""The command as a user or a program meets it: help, exit codes, errors in one line, nothing heavy loaded for help."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from osteon import __version__
from osteon.cli import main as entry
from osteon.cli.stats import VERBS as STATS_VERBS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAVY = ("torch", "torchvision", "monai", "scipy", "pydicom", "matplotlib", "highdicom", "SimpleITK", "nibabel", "cv2")
COMMANDS = (*((verb,) for verb in entry.VERBS), *(("stats", verb) for verb in STATS_VERBS))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Call ``osteon`` with arguments in this process; returns the exit code."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):  # make typer and rich colour what is no terminal
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["osteon", *arguments])
        try:
            entry.main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return call


@pytest.mark.parametrize("arguments", [[], ["stats"], ["stats", "classify"], ["read"]], ids=" ".join)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom osteon.cli.main import main\ntry:\n main()\nexcept SystemExit:\n pass\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "Usage" in done.stdout
    assert "osteon" in loaded
    assert not loaded & set(HEAVY)


def test_help_lists_every_verb(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == entry.EXIT_DONE
    words = capsys.readouterr().out.split()
    assert not [verb for verb in entry.VERBS if verb not in words]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(
    command: tuple[str, ...], run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*command, "--help") == entry.EXIT_DONE
    text = capsys.readouterr().out
    assert f"osteon {' '.join(command)}" in text
    if command != ("stats",):  # its verbs have one each
        assert "Example" in text


def test_version(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == entry.EXIT_DONE
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-verb"],
        ["info"],
        ["info", "--no-such-option", "x"],
        ["phantom", "lytic", "--out", "x", "--range", "5"],
        ["read", "no-such-model", "x", "--out", "y"],
        ["train", "no-such-system", "x", "--out", "y"],
        ["stats", "classify", "--counts", "1,2,3"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2(
    arguments: list[str],
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == entry.EXIT_USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "rror" in shown.err
    assert not list(tmp_path.iterdir())


def test_an_input_that_cannot_be_read_is_exit_1_and_one_line(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = tmp_path / "scan [bold] of [nobody]"
    assert run("info", str(missing)) == entry.EXIT_FAILED
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: scan [bold] of [nobody]: ")  # the name as it is, brackets included
    assert shown.err.count("\n") == 1


def test_a_path_that_the_system_refuses_is_one_line_without_the_folders(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("info", str(tmp_path / ("x" * 300))) == entry.EXIT_FAILED
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {'x' * 100}: File name too long")
    assert shown.count("\n") == 1


def test_json_alone_goes_to_stdout(run: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("not a scan", encoding="utf-8")
    assert run("--verbose", "info", str(tmp_path), "--json") == entry.EXIT_DONE
    document = json.loads(capsys.readouterr().out)
    assert document["studies"] == []
    assert document["ignored_files"] == 1


def test_a_fault_of_osteon_itself_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only errors raised on purpose become one line; anything else must be seen with its traceback."""

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(entry, "build_app", lambda: broken)
    with pytest.raises(ZeroDivisionError):
        entry.main()
