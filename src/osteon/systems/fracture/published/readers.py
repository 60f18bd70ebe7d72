"""Three readers beside the network: from a CSV, or simulated with the study's counts.

The simulated specialist and fourth-year resident err at random with the study's sensitivity and specificity. The
first-year resident's false positives depend on three features as the study printed it (6, 20 and 24 of 54): the
logistic model with exactly those expected counts, which among all models assumes least besides. So what this reader's
false positives share on phantoms shows that the analysis works, and finds nothing out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError
from osteon.evaluation.published import load_facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.systems.fracture.published.config import ReaderPart

STUDIED = ("msk_radiologist", "resident_year_4", "resident_year_1")
"""Keys of the published table, in its order."""
JUNIOR = STUDIED[2]
_STEPS, _RIDGE = 200, 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Readings:
    """What the three readers said.

    Attributes:
        names: as they are called, in the order of ``STUDIED``.
        called: (3, n) whether each patient was called malignant.
        simulated: whether no real reader looked.
    """

    names: tuple[str, ...]
    called: NDArray[np.bool_]
    simulated: bool


def given_readers(config: ReaderPart, *, patient: NDArray[np.str_], truth: NDArray[np.bool_]) -> Readings:
    """Readers from a CSV, one row a patient and reader.

    Raises:
        InputError: not three readers who read every patient once, a patient without a call, or another truth than the
            cohort's.
    """
    from osteon.formats.reader_study import read_reader_study

    study = read_reader_study(Path(config.file))
    names = tuple(name for name in config.names if name) or study.readers
    unknown = [name for name in names if name not in study.readers]
    if study.called is None or len(names) != len(STUDIED) or unknown:
        raise InputError(
            f"{study.name}: expected calls (column predicted) of three readers, found {', '.join(study.readers)}"
        )
    if len(study.modalities) > 1 or len(set(study.patient.tolist())) < len(study.patient):
        raise InputError(
            f"{study.name}: {len(study.modalities)} modalities, {len(study.patient)} cases of "
            f"{len(set(study.patient.tolist()))} patients; expected one call a reader and patient: keep one of each"
        )
    place = {name: k for k, name in enumerate(study.patient.tolist())}
    missing = [name for name in patient.tolist() if name not in place]
    if missing:
        raise InputError(f"{study.name}: no calls for {len(missing)} patients of the cohort; add them")
    rows = np.array([place[name] for name in patient.tolist()])
    if (study.truth[rows] != truth).any():
        raise InputError(f"{study.name}: its truth is not the cohort's; check the patients' names")
    order = [study.readers.index(name) for name in names]
    return Readings(names=names, called=study.called[0][order][:, rows], simulated=False)


def simulated_readers(
    config: ReaderPart, *, truth: NDArray[np.bool_], features: dict[str, NDArray[np.bool_]], seed: int
) -> Readings:
    """Readers with the study's counts.

    Args:
        config: how far they agree.
        truth: (n,) whether each patient is malignant.
        features: name -> (n,) whether present; {} where they are not known.
        seed: of the draw.
    """
    from osteon.phantom.verdicts import FRACTURE_READERS, draw_calls

    calls = draw_calls(
        truth, FRACTURE_READERS, seed=seed, correlation=config.correlation, within=config.within
    ).called.copy()
    if features and (~truth).any():
        benign = {name: values[~truth] for name, values in features.items()}
        chance = false_positive_chance(benign)
        calls[2, ~truth] = np.random.default_rng([seed, 17]).random(len(chance)) < chance
    return Readings(names=tuple(reader.name for reader in FRACTURE_READERS), called=calls, simulated=True)


def false_positive_chance(features: dict[str, NDArray[np.bool_]]) -> NDArray[np.float64]:
    """The first-year resident's probability of calling each benign patient malignant.

    Expected false positives, in all and among those with each printed feature, are the study's shares of these
    patients (a very small ridge keeps the model finite where a feature is missing).

    Args:
        features: name -> (n,) of benign patients.

    Returns:
        (n,).
    """
    facts = load_facts("fracture")
    _, tn, _, fp = facts["readers"][JUNIOR]
    printed = {name: row for name, row in facts["resident_year_1_errors_in_benign"].items() if name != "columns"}
    columns = [np.ones(len(next(iter(features.values()))))]
    shares = [fp / (fp + tn)]
    for name, (in_fp, in_tn, _) in printed.items():
        columns.append(features[name].astype(np.float64))
        shares.append(in_fp / (in_fp + in_tn))
    design = np.stack(columns, axis=1)  # (n, 4)
    wanted = design.sum(axis=0) * np.array(shares)
    b = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-design @ b))
        gradient = wanted - design.T @ p - _RIDGE * b
        information = (design * (p * (1 - p))[:, None]).T @ design + _RIDGE * np.eye(len(b))
        step = np.linalg.solve(information, gradient)
        b += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-10:
            break
    return np.asarray(1 / (1 + np.exp(-design @ b)))
