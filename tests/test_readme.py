"""README's example, run unedited in an empty folder, as a new user would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[1] / "README.md"
pytestmark = pytest.mark.xdist_group("readme")  # the example runs once, in one process
BLOCK = re.compile(r"<!-- example: [^\n]* -->\n```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(language: str, code: str, folder: Path) -> str:
    """Run one block in ``folder``; returns its standard output."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
    shell = ["bash", "-euo", "pipefail", "-c", code]
    command = shell if language == "bash" else [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder after every block of the example has run, and what each printed."""
    folder = tmp_path_factory.mktemp("readme")
    blocks = BLOCK.findall(README.read_text(encoding="utf-8"))
    return folder, [run(language, code, folder) for language, code in blocks]


def test_example_has_its_blocks() -> None:
    languages = [language for language, _ in BLOCK.findall(README.read_text(encoding="utf-8"))]
    assert languages == ["bash", "python", "bash"]


def test_example_makes_what_it_says(example: tuple[Path, list[str]]) -> None:
    folder, _ = example
    made = {path.name for path in (folder / "result").iterdir()}
    assert {"reading.json", "findings.sr.dcm", "report.html"} <= made
    assert {path.name for path in (folder / "evaluation").iterdir()} == {
        "evaluation.json",
        "per_case.csv",
        "report.html",
    }


def test_example_shows_findings_and_figures(example: tuple[Path, list[str]]) -> None:
    """With the shipped model a phantom full of lesions has findings, and their segmentation is written."""
    folder, (first, listed, statistics) = example
    reading = json.loads((folder / "result" / "reading.json").read_text(encoding="utf-8"))
    assert reading["findings"]
    assert (folder / "result" / "findings.seg.dcm").is_file()
    assert len(listed.splitlines()) == len(reading["findings"]) + 1
    assert "report.html" in first
    assert "sensitivity" in statistics


def test_most_findings_lie_on_a_lesion_of_the_phantom(example: tuple[Path, list[str]]) -> None:
    """The example is one of a model that works; the truth is read without osteon."""
    import nibabel

    folder, _ = example
    reading = json.loads((folder / "result" / "reading.json").read_text(encoding="utf-8"))
    truth = np.asarray(nibabel.load(folder / "cohort/cases/p0000/lesions.nii.gz").dataobj)  # (x, y, z)
    boxes = [finding["box"] for finding in reading["findings"]]
    windows = [tuple(slice(int(box[f"{axis}0"]), int(box[f"{axis}1"])) for axis in "xyz") for box in boxes]
    assert sum(bool(truth[window].any()) for window in windows) >= len(windows) / 2
