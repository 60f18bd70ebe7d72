"""Cases of one test: ground truth and a score or a call for each image or patient, from CSV.

Columns: ``case`` (unique), ``patient``, ``truth``, and ``score`` (any ordered number), ``predicted`` (a label) or both.
``sequence`` is read where images are gathered into sequences. Any further column is a subgroup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError, UsageError
from osteon.formats.tables import CaseTable, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Cases:
    """One test on a set of cases, in the order of the file.

    Attributes:
        table: all columns as text.
        case, patient: (n,) names.
        truth: (n,) boolean.
        score: (n,) or None.
        called: (n,) boolean from the ``predicted`` column, or None.
        positive: label of the positive class, "1" where labels are 0 and 1.
    """

    table: CaseTable
    case: NDArray[np.str_]
    patient: NDArray[np.str_]
    truth: NDArray[np.bool_]
    score: NDArray[np.float64] | None
    called: NDArray[np.bool_] | None
    positive: str

    def __len__(self) -> int:
        return len(self.truth)


def read_cases(
    path: Path,
    *,
    positive: str | None = None,
    truth_path: Path | None = None,
    only: Sequence[str] = (),
    truth_per_case: bool = False,
) -> Cases:
    """Read and check the cases of one test.

    Args:
        path: CSV of predictions, with the truth unless ``truth_path`` is given.
        positive: label of the positive class; None: labels are 0 and 1.
        truth_path: CSV of ``case, patient, truth`` to join by ``case``.
        only: "column=value": keep these rows only.
        truth_per_case: the truth belongs to each case, so that a patient may be in both classes.

    Raises:
        InputError: as ``read_table``; besides a case twice, a prediction for an unknown case, a case without a
            prediction, a label outside the set, one class only, a patient in two classes.
        UsageError: ``only`` is not "column=value".
    """
    table = read_table(path, required=("case",) if truth_path else ("case", "patient", "truth"))
    if "score" not in table.columns and "predicted" not in table.columns:
        raise InputError(f"{table.name}: no column 'score' or 'predicted'; expected one, found {list(table.columns)}")
    if truth_path is not None:
        table = join_truth(table, read_table(truth_path, required=("case", "patient", "truth")))
    table = keep_rows(table, only)
    table.unique_on(["case"])
    cases = Cases(
        table=table,
        case=table.text("case"),
        patient=table.text("patient"),
        truth=table.classes("truth", positive=positive),
        score=table.numbers("score") if "score" in table.columns else None,
        called=_calls(table, positive) if "predicted" in table.columns else None,
        positive=positive or "1",
    )
    check_two_classes(table, cases.truth)
    if not truth_per_case:
        check_patient_classes(table, cases.truth)
    return cases


def _calls(table: CaseTable, positive: str | None) -> NDArray[np.bool_]:
    """The ``predicted`` column; it may hold one label only (a test may always say no), but none that truth has not."""
    if positive is None:
        return table.classes("predicted")
    cells = table.text("predicted")
    allowed = set(table.text("truth").tolist()) | {positive}
    unknown = np.flatnonzero(~np.isin(cells, sorted(allowed)))
    if unknown.size:
        row = int(unknown[0])
        raise InputError(
            f"{table.where(row)}: predicted is {str(cells[row])!r}; expected one of {sorted(allowed)} "
            f"({unknown.size} such rows)"
        )
    return np.asarray(cells == positive)


def join_truth(predictions: CaseTable, truth: CaseTable) -> CaseTable:
    """Add the columns of ``truth`` to the predictions, case by case.

    Raises:
        InputError: a prediction for an unknown case, or a case of the truth without a prediction.
    """
    truth.unique_on(["case"])
    place = {case: row for row, case in enumerate(truth.text("case").tolist())}
    names = predictions.text("case").tolist()
    for row, case in enumerate(names):
        if case not in place:
            raise InputError(f"{predictions.where(row)}: a prediction for a case that {truth.name} does not have")
    missing = sorted(set(place) - set(names))
    if missing:
        raise InputError(
            f"{truth.name}: {len(missing)} of {len(place)} cases have no prediction in {predictions.name}, "
            f"the first {missing[0][:40]!r}; score them, or take them out of the truth"
        )
    rows = np.array([place[case] for case in names])
    added = {name: cells[rows] for name, cells in truth.columns.items() if name not in predictions.columns}
    return CaseTable(name=predictions.name, columns={**predictions.columns, **added}, line=predictions.line)


def keep_rows(table: CaseTable, only: Sequence[str]) -> CaseTable:
    """The rows where every "column=value" of ``only`` holds.

    Raises:
        UsageError: not "column=value". InputError: no such column, or no row left.
    """
    for condition in only:
        column, separator, value = condition.partition("=")
        if not separator or not column:
            raise UsageError(f"--only {condition!r}: expected COLUMN=VALUE")
        cells = table.text(column.strip())
        kept = cells == value.strip()
        if not kept.any():
            there = "" if column.strip() == "patient" else f"; {column} holds {sorted(set(cells.tolist()))[:8]}"
            raise InputError(f"{table.name}: no row has {condition}{there}")
        table = table.select(kept)
    return table


def check_two_classes(table: CaseTable, truth: NDArray[np.bool_]) -> None:
    """Both classes must occur.

    Raises:
        InputError: one class only.
    """
    positive = int(truth.sum())
    if positive in (0, len(truth)):
        found = "positive" if positive else "negative"
        raise InputError(
            f"{table.name}: all {len(truth)} cases are {found}; expected both classes. "
            "Sensitivity and specificity cannot both be measured: add cases of the other class"
        )


def check_patient_classes(table: CaseTable, truth: NDArray[np.bool_]) -> None:
    """A patient must be in one class.

    Raises:
        InputError: one is in two; the lines are named, the patient is not.
    """
    first: dict[str, int] = {}
    for row, patient in enumerate(table.text("patient").tolist()):
        earlier = first.setdefault(patient, row)
        if truth[earlier] != truth[row]:
            raise InputError(
                f"{table.name}, lines {table.line[earlier]} and {table.line[row]}: one patient in two classes; "
                "expected one class a patient. If the truth belongs to each image (with and without a lesion), say "
                "--truth-per-case"
            )
