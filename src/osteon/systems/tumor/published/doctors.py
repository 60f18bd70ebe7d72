"""Doctors on the test patients, with and without age: real ones from a CSV, or simulated with printed figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError
from osteon.formats.reader_study import read_reader_study
from osteon.phantom.verdicts import TUMOR_DOCTORS, draw_calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.systems.tumor.answers import PatientAnswer

MODALITIES = ("images", "images+age")


@dataclass(frozen=True, kw_only=True, slots=True)
class Doctor:
    """One doctor with what was shown.

    Attributes:
        name: "D1 images", as the study's Table 4 names them.
        called: (n,) malignant, in the order of the test patients.
        seconds: mean time a patient; nan where not known.
        simulated: whether the calls are drawn.
    """

    name: str
    called: NDArray[np.bool_]
    seconds: float
    simulated: bool


def read_doctors(path: str, answers: Sequence[PatientAnswer], *, seed: int) -> list[Doctor]:
    """Doctors who judged these patients.

    Args:
        path: of the CSV, or "" for simulated ones.
        answers: the test patients, with their truth.
        seed: of the simulated ones.

    Raises:
        InputError: the CSV cannot be read, lacks a test patient or calls, or has another truth.
    """
    truth = np.array([bool(one.malignant) for one in answers])
    if not path:
        calls = draw_calls(truth, TUMOR_DOCTORS, seed=seed)
        return [
            Doctor(name=f"{one.name} {one.modality}", called=row, seconds=float("nan"), simulated=True)
            for one, row in zip(TUMOR_DOCTORS, calls.called, strict=True)
        ]
    study = read_reader_study(Path(path))
    where = {name: k for k, name in enumerate(study.case)}
    missing = [one.case for one in answers if one.case not in where]
    if missing or study.called is None or set(study.modalities) - set(MODALITIES):
        raise InputError(
            f"{study.name}: {len(missing)} test patients missing {missing[:3]}, modalities {list(study.modalities)}; "
            f"expected every test patient, a column 'predicted', and modalities of {list(MODALITIES)}"
        )
    columns = [where[one.case] for one in answers]
    if (study.truth[columns] != truth).any():
        raise InputError(f"{study.name}: the truth differs from the cohort's labels; correct one of them")
    return [
        Doctor(
            name=f"{reader} {modality}",
            called=study.called[m, r, columns],
            seconds=float("nan") if study.time_s is None else float(study.time_s[m, r, columns].mean()),
            simulated=False,
        )
        for m, modality in enumerate(study.modalities)
        for r, reader in enumerate(study.readers)
    ]
