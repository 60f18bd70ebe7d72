"""A result as one HTML page: no script, no network, plots inside as SVG."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import jinja2

from osteon import __version__
from osteon.report.plots import plot_svg
from osteon.report.stats_text import cell_text, section_tables

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.report.result import StatsResult

TEMPLATE = "stats_page.html.j2"


def page_html(result: StatsResult) -> str:
    """The whole page as text; everything that was received is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("osteon.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections: list[dict[str, Any]] = []
    drawn = 0
    for section in result.sections:
        plots = []
        for plot in section.plots:
            plots.append({"plot": plot, "svg": plot_svg(plot, prefix=f"p{drawn}")})
            drawn += 1
        sections.append({"section": section, "tables": section_tables(section), "plots": plots})
    template = environment.get_template(TEMPLATE)
    return template.render(result=result, sections=sections, cell_text=cell_text, version=__version__)


def write_page(result: StatsResult, path: Path) -> Path:
    """Write the page to ``path``, under a temporary name first."""
    text = page_html(result)
    draft = path.with_name(path.name + ".part")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)  # noqa: PTH105  (atomic)
    return path
