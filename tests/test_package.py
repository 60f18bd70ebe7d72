"""The package as it is installed: the wheel holds every file of the source, and finds its data from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path

import pytest

from osteon.training.bundle import read_bundle

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MOST_MODEL_BYTES = 12 * 10**6


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel, built from this checkout without network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def data_files() -> set[str]:
    """Everything in the package that is not code, relative to ``src``."""
    found = (path for path in (SOURCE / "osteon").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(SOURCE).as_posix() for path in found if path.suffix != ".py"}


def test_wheel_holds_every_file_of_the_source(installed: Path) -> None:
    code = {path.relative_to(SOURCE).as_posix() for path in (SOURCE / "osteon").rglob("*.py")}
    packed = {path.relative_to(installed).as_posix() for path in (installed / "osteon").rglob("*") if path.is_file()}
    assert packed == code | data_files()


def test_data_are_found_in_the_installed_package(installed: Path) -> None:
    code = (
        "import json, osteon\n"
        "from importlib.resources import files\n"
        "from osteon.evaluation.published.facts import NAMES, load_facts\n"
        "from osteon.formats.reading_json import reading_schema\n"
        "pages = [one.name for one in (files('osteon.report') / 'templates').iterdir()]\n"
        "print(json.dumps([osteon.__file__, reading_schema()['$id'], [len(load_facts(one)) for one in NAMES], pages]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=installed
    )
    where, schema, facts, pages = json.loads(done.stdout)
    assert Path(where).is_relative_to(installed)
    assert schema.startswith("urn:osteon:schema:reading")
    assert len(facts) == 5
    assert min(facts) > 0
    assert set(pages) == {Path(name).name for name in data_files() if "/templates/" in name}


def test_shipped_model_is_whole_small_and_says_what_it_is() -> None:
    folder = Path(str(resources.files("osteon") / "models" / "lytic"))
    bundle = read_bundle(folder)  # checks every file against its hash
    assert bundle.facts.system == "lytic"
    assert bundle.facts.training_data["kind"] == "phantom"
    assert "phantoms only" in bundle.card
    assert "Not for clinical use" in bundle.card
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_MODEL_BYTES
