from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from osteon.report.plot_kinds import COLOURS, DASHES, DRAWERS, MARKERS, series_style
from osteon.report.plots import plot_svg
from osteon.report.result import PLOT_KINDS
from tests.report.results import every_plot


def texts(svg):
    root = ElementTree.fromstring(svg)
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("plot", every_plot(), ids=lambda plot: plot.title)
def test_every_kind_is_drawn_as_well_formed_svg(plot):
    svg = plot_svg(plot, prefix="q7")
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert root.attrib["aria-label"] == plot.title
    assert svg == plot_svg(plot, prefix="q7")
    assert texts(svg)  # text stays text


def test_every_kind_can_be_drawn_and_no_other():
    assert tuple(kind for kind, _ in DRAWERS) == PLOT_KINDS
    assert {plot.kind for plot in every_plot()} == set(PLOT_KINDS)


def test_names_are_drawn_letter_by_letter():
    svg = plot_svg(every_plot()[0])
    assert any("$x^2$" in text for text in texts(svg))
    assert "<script" not in svg


def test_numbers_on_a_logarithmic_axis_are_plain():
    assert {"0.5", "1", "2"} <= set(texts(plot_svg(every_plot()[3])))
    assert {"0.1", "1", "10"} <= set(texts(plot_svg(every_plot()[1])))


def test_counts_and_shares_stand_in_the_confusion_matrix():
    found = texts(plot_svg(every_plot()[2]))
    assert {"47", "94.0 %", "3", "6.0 %"} <= set(found)


def luminance(colour):
    r, g, b = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (r, g, b)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_series_can_be_told_apart_in_grey():
    """Two series differ in dash and marker, and neighbours in lightness as well; all are dark enough on white."""
    styles = [series_style(index) for index in range(8)]
    signs = [(str(style["linestyle"]), style["marker"]) for style in styles]
    assert len(set(signs)) == 8
    assert len(set(DASHES)) == len(DASHES)
    assert len(set(MARKERS)) == len(MARKERS)
    greys = [luminance(colour) for colour in COLOURS]
    assert abs(greys[0] - greys[1]) > 0.1
    assert max(greys) < 0.5
