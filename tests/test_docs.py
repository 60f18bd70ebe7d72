"""What the documentation says must be so: links, examples of file formats, keys, and the messages that it quotes."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from osteon.cohort.manifest import TRUTH_KINDS, read_cohort
from osteon.dicom.limits import Limits
from osteon.evaluation.estimate import Estimate
from osteon.formats.reading_json import read_reading
from osteon.report.result import Figure, Section, StatsResult, to_document

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FORMATS = (ROOT / "docs" / "file-formats.md").read_text(encoding="utf-8")
DICOM_INPUT = (ROOT / "docs" / "dicom-input.md").read_text(encoding="utf-8")
TOPS = (ROOT, ROOT / "src" / "osteon", ROOT / "src" / "osteon" / "systems" / "lytic")
LEAST_QUOTED = 40


def example(name: str) -> str:
    found = re.search(rf"^```json {name}\n(.*?)^```$", FORMATS, re.MULTILINE | re.DOTALL)
    assert found, f"docs/file-formats.md: no example {name!r}"
    return found[1]


def part(text: str, heading: str) -> str:
    """What stands under one heading, up to the next of the same or a higher level."""
    level = heading.split(" ")[0]
    after = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"\n#{{1,{len(level)}}} ", after)[0]


def quoted(text: str) -> set[str]:
    """Everything in backticks in the first column of the tables."""
    first = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return {code for cell in first for code in re.findall(r"`([^`]+)`", cell)}


def slug(heading: str) -> str:
    """The anchor that Markdown viewers make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        text = file.read_text(encoding="utf-8") if file.suffix == ".md" and file.is_file() else ""
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        if not file.exists() or (anchor and anchor not in map(slug, headings)):
            broken.append(target)
    assert not broken


def test_files_that_the_documentation_names_exist() -> None:
    """`dir/name.py`, from the repository or from the package; `<system>` stands for lytic."""
    named = {
        (page.name, name.replace("<system>", "lytic"))
        for page in PAGES
        for name in re.findall(r"`([\w./<>-]+\.(?:py|md|toml|txt))`", page.read_text(encoding="utf-8"))
        if "/" in name
    }
    assert len(named) >= 10
    assert not {(page, name) for page, name in named if not any((top / name).exists() for top in TOPS)}


def test_cohort_example_is_a_cohort(tmp_path: Path) -> None:
    (tmp_path / "cohort.json").write_text(example("cohort"), encoding="utf-8")
    cohort = read_cohort(tmp_path)
    assert [case.case for case in cohort.cases] == ["p0000", "p0001"]


def test_reading_example_follows_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "reading.json"
    path.write_text(example("reading"), encoding="utf-8")
    assert [finding.number for finding in read_reading(path).findings] == [1]


def test_every_kind_of_truth_is_described() -> None:
    assert set(TRUTH_KINDS) <= quoted(part(FORMATS, "## Cohort: `cohort.json`"))


def test_every_site_number_is_described() -> None:
    from osteon.systems.lytic.config import SITES

    assert ", ".join(f"{number} {site}" for number, site in enumerate(SITES, start=1)) in FORMATS


def test_every_key_of_the_bundle_is_described() -> None:
    from osteon.training.bundle import ModelFacts

    described = quoted(part(FORMATS, "## Model bundle"))
    assert {one.name for one in fields(ModelFacts)} | {"schema", "weights"} <= described


def test_every_key_of_an_evaluation_is_described() -> None:
    text = part(FORMATS, "## Evaluation: `evaluation.json`")
    document = to_document(StatsResult(verb="evaluate", title="t", inputs=()))
    estimate = {one.name for one in fields(Estimate)}
    inner = {one.name for record in (Figure, Section) for one in fields(record)} - {"title"}
    assert set(document) | estimate <= quoted(text)
    assert not {name for name in inner if f"`{name}`" not in text}


@cache
def messages() -> str:
    """Every text in the source that reads input, with a gap where a value is put in; one a line."""
    texts = []
    for path in (*(ROOT / "src/osteon/dicom").glob("*.py"), ROOT / "src/osteon/formats/nifti.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                pieces = [one.value if isinstance(one, ast.Constant) else "\0" for one in node.values]
                texts.append("".join(map(str, pieces)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_quoted_messages_are_those_of_the_program() -> None:
    """A message that was reworded must be reworded in the documentation too."""
    phrases = quoted(part(DICOM_INPUT, "## What you may see, and what to do"))
    assert len(phrases) >= LEAST_QUOTED
    pieces = [(phrase, piece.strip()) for phrase in phrases for piece in phrase.split("…") if piece.strip()]
    assert not [phrase for phrase, piece in pieces if piece not in messages()]


def test_limits_are_those_of_the_program() -> None:
    text = part(DICOM_INPUT, "### Limits")
    limits = Limits()
    shown = {
        f"{limits.max_files:,}".replace(",", " "),
        f"{limits.max_header_bytes // 2**20} MiB",
        f"{limits.max_items:,}".replace(",", " ") + " sequence items",
        f"{limits.max_depth} levels",
        f"{limits.max_frame_bytes // 2**20} MiB",
        f"{limits.max_volume_bytes // 2**30} GiB",
        f"{limits.max_unpacked_bytes // 2**30} GiB",
        f"{limits.max_unpacked_ratio:g} times",
        f"above {limits.min_ratio_bytes // 2**20} MiB",
    }
    assert not {value for value in shown if value not in text}
