from __future__ import annotations

import re
from html.parser import HTMLParser

from osteon.report.stats_page import page_html, write_page
from tests.report.results import small_result

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Reader(HTMLParser):
    """Checks that elements close in order, and gathers ids and outside addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.outside, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.outside.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(text):
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def test_the_page_stands_alone_and_runs_nothing():
    text = page_html(small_result())
    found = read(text)
    assert found.outside == []
    assert "script" not in found.tags
    assert not re.search(r"@import|url\((?!#)", text)
    assert "default-src 'none'" in text
    assert text.count("<svg") == 8


def test_ids_of_several_plots_do_not_clash():
    ids = read(page_html(small_result())).ids
    assert len(ids) > 50
    assert len(ids) == len(set(ids))


def test_references_inside_a_plot_still_point_somewhere():
    text = page_html(small_result())
    ids = set(read(text).ids)
    pointed = set(re.findall(r'(?:xlink:href="|url\()#([^")]+)', text))
    assert pointed
    assert pointed <= ids


def test_received_names_are_escaped():
    text = page_html(small_result())
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_every_number_has_interval_n_rule_and_method():
    text = page_html(small_result())
    for part in ("0.940", "0.838 to 0.979", "47/50 cases", "a: score &gt;= 0.5; Wilson", "seed", "not defined"):
        assert part in text


def test_the_same_result_makes_the_same_page(tmp_path):
    assert page_html(small_result()) == page_html(small_result())
    path = write_page(small_result(), tmp_path / "page.html")
    assert path.read_text(encoding="utf-8") == page_html(small_result())
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]
