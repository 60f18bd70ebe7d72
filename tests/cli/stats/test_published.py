from __future__ import annotations

import pytest

from osteon.errors import UsageError
from osteon.evaluation.published import NAMES
from tests.cli.stats.running import invoke, run


def rows(document, section, title):
    (found,) = [part for part in document["sections"] if part["title"].startswith(section)]
    return [row for table in found["tables"] if table["title"] == title for row in table["rows"]]


def test_all_studies_with_all_figures():
    document = run("published")
    assert [section["title"].split(":")[0] for section in document["sections"]] == list(NAMES)
    for name in NAMES:
        everything = rows(document, name + ":", "All figures")
        wrong = rows(document, name + ":", "Does not follow")
        assert [row for row in everything if row[4] == "NO"] == wrong


def test_one_study_and_only_its_slips():
    document = run("published", "fracture", "--slips")
    (section,) = document["sections"]
    assert [table["title"] for table in section["tables"]] == ["Does not follow"]
    assert ["Table 1", "homogeneous marrow signal: benign", "41%"] in [row[:3] for row in section["tables"][0]["rows"]]
    assert "75 follow from the counts, 9 do not, 4 stay open" in section["notes"][0]


def test_a_study_without_slips_says_so():
    (section,) = run("published", "lytic", "--slips")["sections"]
    assert section["tables"] == []
    assert "0 do not" in section["notes"][0]


def test_terminal_and_page(tmp_path):
    text = invoke("published", "differential", "--slips", "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for part in ("0.7227", "0.72667", "10.35440/hutfd.1563046"):
        assert part in text
        assert part in page


def test_an_unknown_study():
    with pytest.raises(UsageError, match="'bone'"):
        run("published", "bone")
