"""Run a `stats` verb in this process, and find figures and tests in its JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from osteon.cli.main import build_app

if TYPE_CHECKING:
    from pathlib import Path


def invoke(*arguments: object) -> str:
    """Standard output; an error of osteon comes out as itself, anything else must exit 0."""
    result = CliRunner().invoke(build_app(), ["stats", *(str(argument) for argument in arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def run(*arguments: object) -> dict[str, Any]:
    """The verb's JSON."""
    return json.loads(invoke(*arguments, "--json"))


def figures(document: dict[str, Any], name: str, group: str = "", method: str = "") -> list[dict[str, Any]]:
    """All figures of a name (and a group, and whose method begins so)."""
    return [
        figure
        for section in document["sections"]
        for figure in section["figures"]
        if figure["name"] == name
        and (not group or figure["group"] == group)
        and figure["estimate"]["method"].startswith(method)
    ]


def value(document: dict[str, Any], name: str, group: str = "", method: str = "") -> float:
    """Value of the first such figure."""
    return figures(document, name, group, method)[0]["estimate"]["value"]


def found_tests(document: dict[str, Any], name: str, comparison: str = "") -> list[dict[str, Any]]:
    """All tests of a name (and a comparison)."""
    return [
        test
        for section in document["sections"]
        for test in section["tests"]
        if test["name"] == name and (not comparison or test["comparison"] == comparison)
    ]


def write(path: Path, header: str, rows: list[str]) -> Path:
    """A CSV."""
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path
