"""CSV tables of cases: read with the row in every complaint, so that a spreadsheet can be mended.

A table has a header line. Commas, semicolons or tabs separate; the header decides which. A number has a decimal point.
Errors name the file, the line (the header is line 1) and what was expected, but never a patient.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_SEPARATORS = (",", ";", "\t")
MISSING = ("", "na", "nan", "none", "null")
"""Cells that mean "no value", in any case."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseTable:
    """A CSV in memory: text columns of equal length.

    Attributes:
        name: of the file, without its folder.
        columns: name -> (rows,) cells as text, spaces at both ends removed.
        line: (rows,) line number in the file.
    """

    name: str
    columns: dict[str, NDArray[np.str_]]
    line: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.line)

    def text(self, column: str) -> NDArray[np.str_]:
        """One column as text, no cell empty.

        Raises:
            InputError: no such column, or an empty cell.
        """
        if column not in self.columns:
            raise InputError(f"{self.name}: no column {column!r}; it has {list(self.columns)}")
        cells = self.columns[column]
        empty = np.flatnonzero(np.char.str_len(cells) == 0)
        if empty.size:
            raise InputError(
                f"{self.name}, line {self.line[empty[0]]}: column {column!r} is empty in {empty.size} rows; "
                "fill it in, or take the rows out"
            )
        return cells

    def numbers(self, column: str) -> NDArray[np.float64]:
        """One column as finite numbers.

        Raises:
            InputError: no such column, or a cell that is empty, NaN, infinite or no number.
        """
        if column not in self.columns:
            raise InputError(f"{self.name}: no column {column!r}; it has {list(self.columns)}")
        values = np.array([_number(cell) for cell in self.columns[column]], dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            cell = str(self.columns[column][bad[0]])
            raise InputError(
                f"{self.name}, line {self.line[bad[0]]}{self._case(int(bad[0]))}: {column} is {cell!r}; "
                f"expected a finite number ({bad.size} such rows). Take the rows out, or mend them"
            )
        return values

    def classes(self, column: str, *, positive: str | None = None) -> NDArray[np.bool_]:
        """One column of two classes as booleans.

        Args:
            column: its name.
            positive: the label that means True; exactly one other label may occur. None: labels must be 0 and 1.

        Raises:
            InputError: a label outside the set.
        """
        cells = self.text(column)
        found = sorted(set(cells.tolist()))
        if positive is None:
            return self._zero_one(column, cells)
        others = [label for label in found if label != positive]
        if positive not in found or len(others) > 1:
            expected = f"{positive!r} and one other label" if len(others) > 1 else f"{positive!r} in some rows"
            raise InputError(f"{self.name}: column {column!r} holds {found[:6]}; expected {expected}")
        return np.asarray(cells == positive)

    def _zero_one(self, column: str, cells: NDArray[np.str_]) -> NDArray[np.bool_]:
        known = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
        values = [known.get(str(cell).lower()) for cell in cells]
        if None in values:
            row = values.index(None)
            raise InputError(
                f"{self.where(row)}: {column} is {str(cells[row])!r}; expected 0 or 1. "
                "For named classes say which one is positive (--positive LABEL)"
            )
        return np.array(values, dtype=bool)

    def _case(self, row: int) -> str:
        """The case's name for a message, where there is a case column."""
        return f" (case {str(self.columns['case'][row])[:40]})" if "case" in self.columns else ""

    def where(self, row: int) -> str:
        """File, line and case of one row, for a message."""
        return f"{self.name}, line {self.line[row]}{self._case(row)}"

    def select(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> CaseTable:
        """The given rows only (a mask or indices)."""
        columns = {name: cells[rows] for name, cells in self.columns.items()}
        return CaseTable(name=self.name, columns=columns, line=self.line[rows])

    def unique_on(self, columns: Sequence[str]) -> None:
        """Check that no combination of these columns occurs twice.

        Raises:
            InputError: one does; both lines are named.
        """
        seen: dict[tuple[str, ...], int] = {}
        stacks = [self.text(column) for column in columns]
        for row, key in enumerate(zip(*(stack.tolist() for stack in stacks), strict=True)):
            if key in seen:
                raise InputError(
                    f"{self.name}, lines {self.line[seen[key]]} and {self.line[row]}: the same "
                    f"{', '.join(columns)} twice{self._case(row)}; expected each once"
                )
            seen[key] = row


def _number(cell: str) -> float:
    if cell.lower() in MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        return math.nan


def read_table(path: Path, *, required: Iterable[str] = ()) -> CaseTable:
    """Read a CSV.

    Args:
        path: the file, UTF-8 (a byte order mark is fine).
        required: columns that must be there.

    Raises:
        InputError: no such file, not text, no header, a column missing or named twice, a row of another length, no row.
    """
    name = path.name
    if not path.is_file():
        raise InputError(f"{name}: no such file; expected a CSV with a header line")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header_line = stream.readline()
            separator = max(_SEPARATORS, key=header_line.count)
            stream.seek(0)
            rows = list(_lines(csv.reader(stream, delimiter=separator, strict=True)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{name}: not a CSV in UTF-8 ({error}); save it again as comma-separated UTF-8 text"
        ) from error
    if not rows or not any(cell.strip() for cell in rows[0][1]):
        raise InputError(f"{name}: no header line; expected a CSV with named columns")
    header = [cell.strip() for cell in rows[0][1]]
    _check_header(name, header, required)
    body = [(line, cells) for line, cells in rows[1:] if any(cell.strip() for cell in cells)]
    if not body:
        raise InputError(f"{name}: a header but no rows; expected at least one case")
    for line, cells in body:
        if len(cells) != len(header):
            raise InputError(f"{name}, line {line}: {len(cells)} cells under {len(header)} columns; mend the row")
    stripped = np.array([[cell.strip() for cell in cells] for _, cells in body], dtype=np.str_)
    columns = {column: np.ascontiguousarray(stripped[:, index]) for index, column in enumerate(header)}
    return CaseTable(name=name, columns=columns, line=np.array([line for line, _ in body], dtype=np.int64))


def _lines(reader: Any) -> Iterable[tuple[int, list[str]]]:
    for cells in reader:
        yield reader.line_num, cells


def _check_header(name: str, header: list[str], required: Iterable[str]) -> None:
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise InputError(f"{name}: columns {twice} occur twice in the header; rename one of each")
    missing = [column for column in required if column not in header]
    if missing:
        raise InputError(f"{name}: no column {missing}; expected {list(required)}, found {header}")
