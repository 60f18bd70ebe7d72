"""Plots for the page, as SVG: readable in grey, safe for colour-blind eyes, the same bytes for the same data.

Series differ by colour (Okabe and Ito's, in an order whose lightness differs), by dash and by marker at once. Text
stays text, so that a journal can set it in its own type. What ``Plot.data`` holds, by kind:

- ``curves``: ``series`` [{``name``, ``x``, ``y``, optional ``label``, ``low`` and ``high`` (a band along ``band_x``, or
  along ``x``), ``step`` (bool), ``style`` ("line" or "point"), ``x_interval`` and ``y_interval`` (of points)}],
  ``x_label``, ``y_label``, optional ``x_limits``, ``y_limits``, ``x_log`` (bool), ``diagonal`` (bool). ROC, FROC and
  precision-recall curves are this kind.
- ``confusion``: ``counts`` rows x columns, ``row_names`` (ground truth), ``column_names`` (called), optional
  ``x_label`` and ``y_label``.
- ``forest``: ``rows`` [{``name``, ``value``, ``low``, ``high``, ``text``}], ``x_label``, optional ``reference`` and
  ``x_log``.
- ``reliability``: ``predicted``, ``observed``, ``low``, ``high``, ``n`` per bin.
- ``bland-altman``: ``mean``, ``difference``, ``bias``, ``lower``, ``upper`` (each [value, low, high]), ``unit``.
- ``bars``: ``categories``, ``series`` [{``name``, ``value``, ``low``, ``high``}], ``y_label``.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from osteon.report.plot_kinds import DRAWERS, STYLE

if TYPE_CHECKING:
    from osteon.report.result import Plot


def plot_svg(plot: Plot, *, prefix: str = "p") -> str:
    """Draw one plot as an ``<svg>`` element.

    Args:
        plot: what to draw.
        prefix: put before every id, so that several plots can stand in one page.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = STYLE
    with matplotlib.rc_context(style):
        canvas_figure = Figure(layout="constrained")
        FigureCanvasSVG(canvas_figure)
        _draw(plot, canvas_figure)
        buffer = io.StringIO()
        no_metadata: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        canvas_figure.savefig(buffer, format="svg", metadata=no_metadata)
    return _inline(buffer.getvalue(), title=plot.title, prefix=prefix)


def _draw(plot: Plot, canvas_figure: Any) -> None:
    for kind, draw in DRAWERS:
        if kind == plot.kind:
            draw(plot.data, canvas_figure)


def _inline(svg: str, *, title: str, prefix: str) -> str:
    """Cut the XML head, make ids unique in the page, and name the drawing for a screen reader."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'href="#', f'href="#{prefix}-', body)
    body = body.replace("url(#", f"url(#{prefix}-")
    text = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return body.replace("<svg", f'<svg role="img" aria-label="{text}"', 1)
