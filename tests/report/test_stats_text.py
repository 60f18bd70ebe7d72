from __future__ import annotations

import io

import pytest
from rich.console import Console

from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import proportion
from osteon.report.result import Figure
from osteon.report.stats_text import figure_table, interval_text, number_text, p_text, print_result
from tests.report.results import TRICKY, small_result


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.94, "0.940"),
        (0.0, "0.000"),
        (1.0, "1.000"),
        (12.3456, "12.346"),
        (-0.5, "-0.500"),
        (0.0001, "0.0001"),
        (1234567.0, "1.23e+06"),
        (float("nan"), "not defined"),
        (float("inf"), "∞"),
        (float("-inf"), "-∞"),
    ],
)
def test_numbers(value, text):
    assert number_text(value) == text


def test_p_values():
    assert [p_text(p) for p in (0.0499, 0.001, 0.00099, 1.0, float("nan"))] == [
        "0.050",
        "0.001",
        "<0.001",
        "1.000",
        "not defined",
    ]


def test_intervals():
    assert interval_text(proportion(47, 50)) == "0.838 to 0.979"
    assert interval_text(Estimate(value=1.0, n=1, unit="cases", method="none")) == "none"


def test_a_table_names_rule_and_method_once_below():
    figures = tuple(
        Figure(name=name, estimate=proportion(5, 9, interval=interval), rule="score >= 0.5")
        for name, interval in (("a", "wilson"), ("b", "wilson"), ("c", "clopper-pearson"))
    )
    table = figure_table(figures)
    assert table.columns == ("figure", "value", "95 % interval", "n", "by")
    assert [row[-1] for row in table.rows] == ["a", "a", "b"]
    assert table.note == "a: score >= 0.5; Wilson\nb: score >= 0.5; Clopper-Pearson"


def test_levels_that_differ_stand_in_the_rows():
    figures = (
        Figure(name="a", estimate=proportion(5, 9)),
        Figure(name="b", estimate=proportion(5, 9, level=0.9)),
    )
    table = figure_table(figures)
    assert "interval" in table.columns
    assert [row[2][:4] for row in table.rows] == ["95 %", "90 %"]


def test_printing_shows_everything_and_reads_no_markup_in_names():
    stream = io.StringIO()
    print_result(small_result(), Console(file=stream, width=200))
    text = stream.getvalue()
    for part in ("0.940", "0.838 to 0.979", "47/50 cases", "<0.001", "not defined", "1e-07", "warning:", "Second"):
        assert part in text
    assert text.count(TRICKY) >= 4
