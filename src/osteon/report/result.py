"""What a `stats` verb found, as plain data: figures, tests, tables and plots, before anybody prints or draws them.

One structure feeds the terminal table, the JSON and the HTML page, so that the three cannot disagree.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon import __version__

if TYPE_CHECKING:
    from osteon.evaluation.estimate import Estimate
    from osteon.report.pictures import Picture

SCHEMA = "osteon-stats/1"
PLOT_KINDS = ("curves", "confusion", "forest", "reliability", "bland-altman", "bars")
"""Kinds of plot that ``osteon.report.plots`` can draw; it describes the data of each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number to publish.

    Attributes:
        name: e.g. "sensitivity".
        estimate: value, interval, n and the interval's method.
        group: whose number it is: a model, a reader, a subgroup; "" for the whole file.
        counts: the fraction behind it, such as "47/50"; "" if it is none.
        rule: how units were decided or matched, e.g. "score >= 0.5", "IoU >= 0.5, one-to-one".
        printed: the same figure as a study prints it, with what is known to be wrong about it; "" where there is none.
    """

    name: str
    estimate: Estimate
    group: str = ""
    counts: str = ""
    rule: str = ""
    printed: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TestResult:
    """One significance test.

    Attributes:
        name: e.g. "McNemar exact".
        comparison: what is compared, e.g. "sensitivity: A - B".
        p: two-sided p-value; nan where the test is not defined.
        p_holm: after Holm's correction over the family; None where there is none.
        statistic: value of the test statistic, or None.
        detail: degrees of freedom, counts, conventions.
        n: number of units.
        unit: what ``n`` counts.
    """

    __test__ = False  # not a pytest class, whatever its name

    name: str
    comparison: str
    p: float
    n: int
    unit: str
    statistic: float | None = None
    p_holm: float | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TableData:
    """Any further table; cells are text or numbers (numbers are printed with ``digits`` decimals)."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]
    note: str = ""
    digits: int = 3

    def __post_init__(self) -> None:
        wrong = [len(row) for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise ValueError(f"table {self.title!r}: rows of {wrong} cells under {len(self.columns)} columns")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """Data of one plot; ``osteon.report.plots`` draws it.

    Attributes:
        kind: one of ``PLOT_KINDS``.
        title: above the plot.
        data: plain numbers and lists, as the kind wants them; they go into the JSON as they are.
        caption: what a journal would print below: n, rule, interval, method.
    """

    kind: str
    title: str
    data: dict[str, Any]
    caption: str = ""

    def __post_init__(self) -> None:
        if self.kind not in PLOT_KINDS:
            raise ValueError(f"plot {self.title!r} of kind {self.kind!r}: expected one of {list(PLOT_KINDS)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of a result under one heading; of ``gallery``, the JSON has the captions alone."""

    title: str
    figures: tuple[Figure, ...] = ()
    tests: tuple[TestResult, ...] = ()
    tables: tuple[TableData, ...] = ()
    plots: tuple[Plot, ...] = ()
    notes: tuple[str, ...] = ()
    gallery: tuple[Picture, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StatsResult:
    """All that one `osteon stats` verb found.

    Attributes:
        verb: "classify", "detection", ...
        title: heading of the page.
        inputs: file names (no folders) or counts that were read.
        settings: every option that shapes a number: rules, thresholds, resamples, seed, level.
        sections: in the order to show.
        warnings: what a reader must know before trusting the numbers.
    """

    verb: str
    title: str
    inputs: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    warnings: tuple[str, ...] = ()


def to_plain(value: Any) -> Any:
    """Numbers, lists and dicts that JSON can hold: arrays become lists, NaN and infinities become None."""
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def to_document(result: StatsResult) -> dict[str, Any]:
    """The result as a JSON document (schema ``osteon-stats/1``)."""
    document: dict[str, Any] = to_plain(asdict(result))
    for section in document["sections"]:
        section["gallery"] = [picture["caption"] for picture in section["gallery"]]
    return {"schema": SCHEMA, "osteon": __version__, **document}
