"""A detection test set as every input becomes it: cases, lesions, predictions, and who touches whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError
from osteon.evaluation.matching import Detections, match_lesions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.evaluation.average_precision import Boxes
    from osteon.evaluation.pairs import Pairs
    from osteon.formats.tables import CaseTable


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseInfo:
    """What is known of each case.

    Attributes:
        name: (cases,) as in the files.
        patient: (cases,) intervals draw patients whole.
        series: (cases,) the series that a slice belongs to; None where a case is a series.
        columns: further columns of ``--cases``, for subgroups.
        warnings: what was assumed.
    """

    name: tuple[str, ...]
    patient: NDArray[np.str_]
    series: NDArray[np.str_] | None
    columns: dict[str, NDArray[np.str_]]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectionSet:
    """Cases, lesions and predictions, before pairing.

    Attributes:
        cases: in the order of the truth.
        case_word: "image" or "series".
        score: (n,) of each prediction.
        case: (n,) case index of each prediction.
        lesion_case: (m,) case index of each true lesion.
        pairs: who touches whom by the rule.
        boxes: predicted and true boxes, for average precision; None where there are only masks.
        classes: number -> name of the classes of the boxes.
        volume_cm3: (m,) of each true lesion; None where it is not known.
        site: (m,) bone site of each true lesion; None where it is not known.
        notes: how predictions and lesions were made from the input.
        warnings: what the reader of the figures must know.
    """

    cases: CaseInfo
    case_word: str
    score: NDArray[np.float64]
    case: NDArray[np.intp]
    lesion_case: NDArray[np.intp]
    pairs: Pairs
    boxes: tuple[Boxes, Boxes] | None = None
    classes: dict[int, str] | None = None
    volume_cm3: NDArray[np.float64] | None = None
    site: NDArray[np.str_] | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def match(self, *, rule: str, pairing: str, duplicates: str) -> Detections:
        """Decide which lesions are found and which predictions are false."""
        return match_lesions(
            self.pairs,
            score=self.score,
            case=self.case,
            lesion_case=self.lesion_case,
            patient=np.unique(self.cases.patient, return_inverse=True)[1].reshape(-1),
            pairing=pairing,
            duplicates=duplicates,
            rule=rule,
        )


def case_info(
    names: Sequence[str],
    *,
    table: CaseTable | None,
    patients: Sequence[str] | None = None,
    series: Sequence[str] | None = None,
    word: str,
) -> CaseInfo:
    """Patient, series and further columns of each case, from ``--cases`` or from the truth itself.

    Args:
        names: of the cases.
        table: with the columns case and patient; None: ``patients`` and ``series`` count.
        patients: of each case as the truth has it; None: every case is taken for a patient, with a warning.
        series: of each case as the truth has it.
        word: what a case is.

    Raises:
        InputError: a case that the table does not have.
    """
    if table is None:
        return CaseInfo(
            name=tuple(names),
            patient=np.array(names if patients is None else patients, dtype=np.str_),
            series=None if series is None else np.array(series, dtype=np.str_),
            columns={},
            warnings=() if patients is not None else (_no_patients(word),),
        )
    table.unique_on(["case"])
    place = {case: row for row, case in enumerate(table.text("case").tolist())}
    missing = [name for name in names if name not in place]
    if missing:
        raise InputError(
            f"{table.name}: no row for case {missing[0]!r} of the truth ({len(missing)} of {len(names)} are missing); "
            f"expected one row for each {word}, named as in the truth"
        )
    rows = table.select(np.array([place[name] for name in names]))
    others = len(table) - len(rows)
    return CaseInfo(
        name=tuple(names),
        patient=rows.text("patient"),
        series=rows.text("series") if "series" in rows.columns else None,
        columns={name: rows.text(name) for name in rows.columns if name not in ("case", "patient", "series")},
        warnings=(f"{others} rows of {table.name} are no case of the truth.",) if others else (),
    )


def _no_patients(word: str) -> str:
    return (
        f"The patient of each {word} is not known: every {word} was taken for a patient of its own. If patients have "
        "several, intervals are too narrow; name them with --cases."
    )
