from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from osteon.cli import main as entry
from osteon.cohort.manifest import read_cohort
from osteon.phantom.options import MODALITIES

if TYPE_CHECKING:
    from pathlib import Path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "argv", ["osteon", "phantom", *arguments])
    try:
        entry.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_cohort_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cohort"
    options = ("--patients", "1", "--seed", "3", "--range", "500:520", "--lesions", "0", "--jobs", "1")
    assert run(monkeypatch, "lytic", "--out", str(out), *options) == 0
    cohort = read_cohort(out)
    assert len(cohort.cases) == 1
    assert "lesions: 0" in capsys.readouterr().out
    assert json.loads((out / "phantom.json").read_text())["range_mm"] == [500, 520]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("hair",), "no phantoms for system 'hair' yet; available: lytic"),
        (("lytic", "--range", "abc"), "--range 'abc': expected two numbers with a colon between"),
        (("lytic", "--range", "0:100:200"), "expected two numbers with a colon between"),
        (("lytic", "--range", "0:5"), "at least 20 mm apart"),
        (("lytic", "--range", "500:900"), "expected two heights between -500 and 800 mm from S1"),
        (("lytic", "--profile", "huge"), "profile 'huge'"),
        (("tumor", "--healthy", "0.95"), "share of healthy patients 0.95: expected a number from 0 to 0.9"),
        (("fracture", "--healthy", "0.2"), "healthy patients of system 'fracture': there are none"),
        (("tumor", "--diffuse", "0.2"), "infiltrated patients of system 'tumor': only lytic has them"),
        (("lytic", "--diffuse", "0.8"), "0.25 of the patients healthy and 0.8 infiltrated"),
        (("tumor", "--centre", "ad"), "centres 'ad': expected letters of 'abc', each once at most"),
        (("fracture", "--centre", "aa"), "centres 'aa': expected letters of 'abc', each once at most"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    arguments: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments, "--out", str(tmp_path / "c")) == 2
    error = capsys.readouterr().err
    assert says in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--patients", "0"), ("--seed", "-1"), ("--jobs", "-2"), ("--lesions", "-1")]
)
def test_numbers_out_of_range_are_refused_by_name(
    option: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "lytic", option, value, "--out", str(tmp_path / "c")) == 2
    error = capsys.readouterr().err
    assert option in error
    assert "greater than or equal to" in error
    assert not (tmp_path / "c").exists()


def test_every_system_that_has_phantoms_is_named_in_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    assert all(system in text for system in MODALITIES)


def test_a_folder_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    assert run(monkeypatch, "lytic", "--out", str(tmp_path), "--patients", "1") == 1
    assert "is not empty and holds no phantom.json" in capsys.readouterr().err
