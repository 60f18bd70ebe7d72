"""Patients into two parts, so that lesions are shared out as patients are: by number and by labelled area.

The study split 8:2 at random, with the number and the area of metastases taken into account
(doi:10.3348/kjr.2023.0671); how, it does not say. Here many random splits by patient are drawn, and the one nearest to
the wanted share is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.systems.metastasis.cases import StationCase

DRAWS = 2000


def patient_of(station: StationCase) -> str:
    """A patient's name that is unique over cohorts: phantoms of different seeds number their patients alike."""
    return f"{station.cohort}/{station.patient}" if station.phantom else station.patient


def balanced_split(
    stations: Sequence[StationCase], *, share: float, seed: int
) -> tuple[tuple[StationCase, ...], tuple[StationCase, ...]]:
    """Split stations by patient: the larger part, and about ``share`` for the other.

    Of ``DRAWS`` random splits with the right number of patients the one is taken whose share of lesions, of labelled
    area and of series is nearest to ``share`` in the worst of the three.

    Raises:
        CohortError: fewer than two patients.
    """
    patients = sorted({patient_of(one) for one in stations})
    if len(patients) < 2:
        raise CohortError(f"{len(patients)} patient to split; expected at least 2")
    place = {name: k for k, name in enumerate(patients)}
    sums = np.zeros((len(patients), 3))
    for one in stations:
        sums[place[patient_of(one)]] += (len(one.numbers), sum(one.volumes_cm3), 1.0)
    wanted = min(max(1, round(share * len(patients))), len(patients) - 1)
    rng = np.random.default_rng([seed, 1])
    total = np.maximum(sums.sum(axis=0), 1e-9)
    best: tuple[float, frozenset[str]] = (np.inf, frozenset())
    for _ in range(DRAWS):
        drawn = rng.permutation(len(patients))[:wanted]
        off = float(np.abs(sums[drawn].sum(axis=0) / total - wanted / len(patients))[total > 1e-6].max())
        if off < best[0]:
            best = (off, frozenset(patients[k] for k in drawn))
    kept = best[1]
    return (
        tuple(one for one in stations if patient_of(one) not in kept),
        tuple(one for one in stations if patient_of(one) in kept),
    )
