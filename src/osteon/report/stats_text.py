"""Numbers as text, and a result as Rich tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from osteon.report.result import Figure, Section, StatsResult, TableData, TestResult

if TYPE_CHECKING:
    from rich.console import Console

    from osteon.evaluation.estimate import Estimate

UNDEFINED = "not defined"


def number_text(value: float, *, digits: int = 3) -> str:
    """A number with ``digits`` decimals; very large or small ones with as many significant digits."""
    if math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value != 0 and (abs(value) >= 1e5 or abs(value) < 10**-digits / 2):
        return f"{value:.{digits}g}"
    return f"{value:.{digits}f}"


def p_text(p: float) -> str:
    """A p-value as journals print it: three decimals, "<0.001" below."""
    if math.isnan(p):
        return UNDEFINED
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def interval_text(estimate: Estimate, *, digits: int = 3) -> str:
    """Interval as "low to high", or "none" where there is none."""
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return "none"
    return f"{number_text(estimate.low, digits=digits)} to {number_text(estimate.high, digits=digits)}"


def cell_text(cell: str | int | float, *, digits: int) -> str:
    """One table cell: floats rounded, the rest as it is."""
    return number_text(cell, digits=digits) if isinstance(cell, float) else str(cell)


def figure_table(figures: tuple[Figure, ...]) -> TableData:
    """Figures as one table; how units were decided and which interval it is stand below, under a letter each."""
    levels = sorted({figure.estimate.level for figure in figures})
    heading = f"{100 * levels[0]:g} % interval" if len(levels) == 1 else "interval"
    bases: list[str] = []
    rows = []
    for figure in figures:
        estimate = figure.estimate
        basis = "; ".join(part for part in (figure.rule, estimate.method) if part)
        if basis not in bases:
            bases.append(basis)
        interval = interval_text(estimate)
        if len(levels) > 1 and interval != "none":
            interval = f"{100 * estimate.level:g} %: {interval}"
        amount = figure.counts or str(estimate.n)
        letter = _letter(bases.index(basis))
        value = number_text(estimate.value)
        rows.append((figure.group, figure.name, figure.printed, value, interval, f"{amount} {estimate.unit}", letter))
    note = "\n".join(f"{_letter(index)}: {basis}" for index, basis in enumerate(bases))
    ours = "ours" if any(figure.printed for figure in figures) else "value"
    columns = ("group", "figure", "printed", ours, heading, "n", "by")
    return _without_empty(TableData(title="", columns=columns, rows=tuple(rows), note=note))


def _letter(index: int) -> str:
    """0 is a, 25 is z, 26 is aa."""
    letters = ""
    while index >= 0:
        letters = chr(ord("a") + index % 26) + letters
        index = index // 26 - 1
    return letters


TEST_COLUMNS = ("comparison", "test", "statistic", "p", "p (Holm)", "n", "detail")


def test_cells(test: TestResult) -> tuple[str, ...]:
    """Cells of one significance test, in the order of ``TEST_COLUMNS``."""
    return (
        test.comparison,
        test.name,
        "" if test.statistic is None else number_text(test.statistic),
        p_text(test.p),
        "" if test.p_holm is None else p_text(test.p_holm),
        f"{test.n} {test.unit}",
        test.detail,
    )


def section_tables(section: Section) -> list[TableData]:
    """Everything in a section as tables of text, empty columns left out."""
    tables = []
    if section.figures:
        tables.append(figure_table(section.figures))
    if section.tests:
        rows = tuple(test_cells(test) for test in section.tests)
        tables.append(_without_empty(TableData(title="", columns=TEST_COLUMNS, rows=rows)))
    return [*tables, *section.tables]


def _without_empty(table: TableData) -> TableData:
    kept = [index for index in range(len(table.columns)) if any(row[index] != "" for row in table.rows)]
    return TableData(
        title=table.title,
        columns=tuple(table.columns[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in table.rows),
        note=table.note,
    )


def print_result(result: StatsResult, console: Console) -> None:
    """Print a result: a heading, then each section's tables and notes, warnings last."""
    console.print(f"[bold]{escape(result.title)}[/]")
    console.print(f"input: {escape(', '.join(result.inputs))}", style="dim", soft_wrap=True)
    for section in result.sections:
        console.print(f"\n[bold]{escape(section.title)}[/]")
        for data in section_tables(section):
            _print_table(data, console)
        for note in section.notes:
            console.print(f"- {escape(note)}")
    for warning in result.warnings:
        console.print(f"[bold yellow]warning:[/] {escape(warning)}")


def _print_table(data: TableData, console: Console) -> None:
    table = Table(title=escape(data.title) or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    numeric = [all(not isinstance(row[index], str) for row in data.rows) for index in range(len(data.columns))]
    for name, right in zip(data.columns, numeric, strict=True):
        table.add_column(escape(name), justify="right" if right else "left", overflow="fold")
    for row in data.rows:
        table.add_row(*(escape(cell_text(cell, digits=data.digits)) for cell in row))
    console.print(table)
    if data.note:
        console.print(escape(data.note), style="dim")
