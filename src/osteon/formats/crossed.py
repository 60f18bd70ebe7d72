"""Crossed tables: every case judged by every reader (with every modality), from long CSVs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.formats.tables import CaseTable


@dataclass(frozen=True, kw_only=True, slots=True)
class Crossed:
    """Rows of a table put into a full grid.

    Attributes:
        names: per factor (the last is "case"), its sorted levels.
        row: (levels of factor 1, ..., cases) row number in the table of each combination.
    """

    names: tuple[tuple[str, ...], ...]
    row: NDArray[np.intp]


def cross(table: CaseTable, factors: Sequence[str]) -> Crossed:
    """Arrange rows by ``factors`` and case; every combination must occur exactly once.

    Args:
        table: long table with a ``case`` column.
        factors: columns such as "modality" and "reader".

    Raises:
        InputError: a combination is missing or occurs twice.
    """
    columns = [*factors, "case"]
    table.unique_on(columns)
    names = tuple(tuple(sorted(set(table.text(column).tolist()))) for column in columns)
    places = [{name: index for index, name in enumerate(levels)} for levels in names]
    row = np.full([len(levels) for levels in names], -1, dtype=np.intp)
    keys = [[places[axis][name] for name in table.text(column).tolist()] for axis, column in enumerate(columns)]
    row[tuple(np.asarray(key) for key in keys)] = np.arange(len(table))
    missing = np.argwhere(row < 0)
    if len(missing):
        what = ", ".join(
            f"{column} {levels[index][:40]!r}" for column, levels, index in zip(columns, names, missing[0], strict=True)
        )
        raise InputError(
            f"{table.name}: {len(missing)} of {row.size} judgements are missing, the first: {what}. Expected every "
            f"case once for every {' and '.join(factors)}"
        )
    return Crossed(names=names, row=row)


def constant_by_case(table: CaseTable, crossed: Crossed, column: str) -> NDArray[np.str_]:
    """A column that belongs to the case (truth, patient, location): (cases,) text.

    Raises:
        InputError: one case has two values.
    """
    cells = table.text(column)
    first = crossed.row[(0,) * (crossed.row.ndim - 1)]
    for position in product(*(range(size) for size in crossed.row.shape[:-1])):
        rows = crossed.row[position]
        differ = np.flatnonzero(cells[rows] != cells[first])
        if differ.size:
            one, other = first[differ[0]], rows[differ[0]]
            raise InputError(
                f"{table.name}, lines {table.line[one]} and {table.line[other]}: one case with two values of {column}; "
                "expected the same in every row of a case"
            )
    return np.asarray(cells[first])
