"""A reader study from CSV: every reader reads every case, with every modality.

Columns: ``case``, ``patient``, ``truth``, ``reader``, and ``score`` (a rating) or ``predicted`` (a label); optional
``modality`` (unaided, aided), ``location`` and ``time_s`` (reading time in seconds).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError
from osteon.formats.cases import check_patient_classes, check_two_classes, keep_rows
from osteon.formats.crossed import constant_by_case, cross
from osteon.formats.tables import CaseTable, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SINGLE = "all"
"""Name of the modality where there is no such column."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderStudy:
    """A fully crossed study; arrays are (modalities, readers, cases) unless said otherwise.

    Attributes:
        name: of the file.
        modalities, readers, case: names.
        truth: (cases,) boolean.
        patient: (cases,).
        score: ratings, or None.
        called: boolean labels, or None.
        location: (cases,) text, or None.
        time_s: reading times in seconds, or None.
    """

    name: str
    modalities: tuple[str, ...]
    readers: tuple[str, ...]
    case: tuple[str, ...]
    truth: NDArray[np.bool_]
    patient: NDArray[np.str_]
    score: NDArray[np.float64] | None
    called: NDArray[np.bool_] | None
    location: NDArray[np.str_] | None
    time_s: NDArray[np.float64] | None


def read_reader_study(
    path: Path, *, positive: str | None = None, only: Sequence[str] = (), truth_per_case: bool = False
) -> ReaderStudy:
    """Read and check a reader study.

    Args:
        path: the CSV.
        positive: label of the positive class; None: labels are 0 and 1.
        only: "column=value": keep these rows only.
        truth_per_case: the truth belongs to each case, so that a patient may be in both classes.

    Raises:
        InputError: as ``read_table`` and ``cross``; besides one class only, a patient in two classes, a case with two
            truths, a reading time that is not above 0.
    """
    table = keep_rows(read_table(path, required=("case", "patient", "truth", "reader")), only)
    if "score" not in table.columns and "predicted" not in table.columns:
        raise InputError(f"{table.name}: no column 'score' or 'predicted'; expected one, found {list(table.columns)}")
    if "modality" not in table.columns:
        filled = np.full(len(table), SINGLE)
        table = CaseTable(name=table.name, columns={**table.columns, "modality": filled}, line=table.line)
    grid = cross(table, ["modality", "reader"])
    truth = table.classes("truth", positive=positive)
    for column in ("truth", "patient"):
        constant_by_case(table, grid, column)
    first = grid.row[0, 0]
    check_two_classes(table.select(first), truth[first])
    if not truth_per_case:
        check_patient_classes(table.select(first), truth[first])
    modalities, readers, case = grid.names
    return ReaderStudy(
        name=table.name,
        modalities=modalities,
        readers=readers,
        case=case,
        truth=truth[first],
        patient=table.text("patient")[first],
        score=table.numbers("score")[grid.row] if "score" in table.columns else None,
        called=_labels(table, positive)[grid.row] if "predicted" in table.columns else None,
        location=constant_by_case(table, grid, "location") if "location" in table.columns else None,
        time_s=_times(table)[grid.row] if "time_s" in table.columns else None,
    )


def _labels(table: CaseTable, positive: str | None) -> NDArray[np.bool_]:
    if positive is None:
        return table.classes("predicted")
    cells = table.text("predicted")
    allowed = sorted(set(table.text("truth").tolist()) | {positive})
    unknown = np.flatnonzero(~np.isin(cells, allowed))
    if unknown.size:
        row = int(unknown[0])
        raise InputError(f"{table.where(row)}: predicted is {str(cells[row])!r}; expected one of {allowed}")
    return np.asarray(cells == positive)


def _times(table: CaseTable) -> NDArray[np.float64]:
    times = table.numbers("time_s")
    wrong = np.flatnonzero(times <= 0)
    if wrong.size:
        row = int(wrong[0])
        raise InputError(f"{table.where(row)}: time_s is {times[row]:g}; expected seconds above 0 ({wrong.size} such)")
    return times
