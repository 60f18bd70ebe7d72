"""From slices to the patient: mean log-odds, calibrated on the validation patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.systems.differential.network import to_probability

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLD = 0.5
"""A patient is called myeloma from this probability on: more likely than not. Chosen by no data."""
_MOST_LOGIT = 6.0
"""A single slice counts at most so much: one picture that a network is absurdly sure of must not outvote the rest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientScores:
    """Patients, or scans, with their mean log-odds.

    Attributes:
        name: (n,) in alphabetical order.
        logit: (n,) mean over the slices.
        label: (n,) index into ``config.CLASSES``; of a patient with both, that of most slices.
        slices: (n,) how many.
    """

    name: NDArray[np.str_]
    logit: NDArray[np.float64]
    label: NDArray[np.int64]
    slices: NDArray[np.int64]


def by_patient(names: NDArray[np.str_], logits: NDArray[np.float64], labels: NDArray[np.int64]) -> PatientScores:
    """Gather slices (n,) into patients."""
    unique, codes = np.unique(names, return_inverse=True)
    counts = np.bincount(codes, minlength=len(unique))
    share = np.bincount(codes, weights=labels, minlength=len(unique)) / np.maximum(counts, 1)
    total = np.bincount(codes, weights=np.clip(logits, -_MOST_LOGIT, _MOST_LOGIT), minlength=len(unique))
    return PatientScores(
        name=unique, logit=total / np.maximum(counts, 1), label=(share > 0.5).astype(np.int64), slices=counts
    )


def mean_logit(logits: NDArray[np.float64]) -> float:
    """Of one patient's slices (n,), n at least 1."""
    return float(np.clip(logits, -_MOST_LOGIT, _MOST_LOGIT).mean())


def fit_calibration(scores: PatientScores) -> dict[str, Any]:
    """Logistic line from mean log-odds to the probability of myeloma (Platt), with a ridge penalty.

    With one diagnosis only, or fewer than four patients, the log-odds are taken as they are, and the text says so.

    Returns:
        "slope", "intercept", "how": for the bundle.
    """
    patients = len(scores.name)
    if len(np.unique(scores.label)) < 2 or patients < 4:
        return {"slope": 1.0, "intercept": 0.0, "how": f"not calibrated: {patients} validation patients are too few"}
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0).fit(scores.logit[:, None], scores.label)
    slope = max(float(model.coef_[0, 0]), 0.0)  # a model that ranks the wrong way round is not turned round
    return {
        "slope": slope,
        "intercept": float(model.intercept_[0]),
        "how": f"logistic line on the mean log-odds of a patient's slices, fitted on {patients} validation patients",
    }


def calibrated(logit: NDArray[np.float64] | float, calibration: dict[str, Any]) -> NDArray[np.float64]:
    """Probability of myeloma of patients whose mean log-odds are given."""
    line = calibration["slope"] * np.asarray(logit, dtype=np.float64) + calibration["intercept"]
    return to_probability(line)
