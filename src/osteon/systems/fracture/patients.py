"""From slices to the patient, as published: the highest probability of malignancy of any slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientScores:
    """Patients, or scans, with their highest slice.

    Attributes:
        name: (n,) in alphabetical order.
        probability: (n,) of malignancy.
        label: (n,) 0 or 1; a patient with any malignant slice is malignant.
        slices: (n,) how many there were.
    """

    name: NDArray[np.str_]
    probability: NDArray[np.float64]
    label: NDArray[np.int64]
    slices: NDArray[np.int64]


def by_patient(names: NDArray[np.str_], probability: NDArray[np.float64], label: NDArray[np.int64]) -> PatientScores:
    """Gather slices (n,) into patients."""
    unique, codes = np.unique(names, return_inverse=True)
    highest = np.full(len(unique), -np.inf)
    malignant = np.zeros(len(unique), dtype=np.int64)
    np.maximum.at(highest, codes, probability)
    np.maximum.at(malignant, codes, label)
    return PatientScores(
        name=unique, probability=highest, label=malignant, slices=np.bincount(codes, minlength=len(unique))
    )
