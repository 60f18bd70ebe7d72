"""Which patients train and which validate, and whether their truth is enough for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import CohortError
from osteon.systems.lytic.cases import prepare_cases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.systems.lytic.cases import TrainingCase
    from osteon.systems.lytic.config import LyticConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """Training and validation cases, never of the same patient."""

    train: tuple[TrainingCase, ...]
    validation: tuple[TrainingCase, ...]
    fingerprint: str


def split_cases(
    cases: Sequence[TrainingCase], validation: Sequence[TrainingCase], *, share: float, seed: int
) -> tuple[tuple[TrainingCase, ...], tuple[TrainingCase, ...]]:
    """Keep a share of the patients for validation, unless validation cases are given.

    Raises:
        CohortError: a patient or a scan is on both sides, or one side is empty.
    """
    if validation:
        split = tuple(cases), tuple(validation)
        both = sorted({a.patient for a in cases for b in validation if _same_patient(a, b)})
        if both:
            raise CohortError(f"patients {both[:5]} are in training and validation; take them out of one")
    else:
        patients = sorted({case.patient for case in cases})
        if len(patients) < 2:
            raise CohortError(f"{len(patients)} patient to train on; expected at least 2, or a validation cohort")
        order = np.random.default_rng([seed, 1]).permutation(len(patients))
        kept = {patients[k] for k in order[: min(max(1, round(share * len(patients))), len(patients) - 1)]}
        split = tuple(c for c in cases if c.patient not in kept), tuple(c for c in cases if c.patient in kept)
    shared = {case.voxels for case in split[0]} & {case.voxels for case in split[1]}
    if shared:
        names = sorted({case.case for part in split for case in part if case.voxels in shared})
        raise CohortError(
            f"cases {names[:5]} are one scan, voxel by voxel, in training and validation; take them out of one, or "
            "give them one patient name"
        )
    return split


def _same_patient(a: TrainingCase, b: TrainingCase) -> bool:
    """Equal names mean one patient, but in phantoms of different seeds, which number their patients alike."""
    return a.patient == b.patient and not (a.phantom and b.phantom and a.cohort != b.cohort)


def prepare_fold(
    cohort: Cohort,
    validation: Cohort | None,
    *,
    config: LyticConfig,
    cache: Path,
    on_case: Callable[[int, int, str], None],
) -> Fold:
    """Read the cohorts into ``cache`` and split them."""
    cases = prepare_cases(cohort, cache, on_case=on_case)
    kept = prepare_cases(validation, cache, on_case=on_case) if validation else []
    train, valid = split_cases(cases, kept, share=config.validation_share, seed=config.seed)
    digest = hashlib.sha256("|".join(sorted(c.fingerprint for c in train)).encode())
    digest.update(("|" + "|".join(sorted(c.fingerprint for c in valid))).encode())
    unknown = sorted(f"{c.fingerprint} {c.has_bone} {c.has_lesions}" for c in cases + kept if not is_complete(c))
    if unknown:  # the same arrays teach something else where a mask is not known
        digest.update(("|" + "|".join(unknown)).encode())
    fold = Fold(train=train, validation=valid, fingerprint=digest.hexdigest())
    _check_truth(fold)
    return fold


def is_complete(case: TrainingCase) -> bool:
    """Whether bone and lesions are both known."""
    return case.has_bone and case.has_lesions


def _check_truth(fold: Fold) -> None:
    """Refuse at once what a later stage could not be made from."""
    advice = "add truth.bone and truth.lesions to cohort.json; an empty lesion mask says that there are none"
    if not any(case.has_bone and case.sites.any() for case in fold.train):
        raise CohortError(f"none of {len(fold.train)} training cases has a bone mask; {advice}")
    if not any(map(is_complete, fold.train)):
        raise CohortError(f"none of {len(fold.train)} training cases has both a bone and a lesion mask; {advice}")
    for kind, known in (
        ("bone", [c.has_bone for c in fold.validation]),
        ("lesion", [c.has_lesions for c in fold.validation]),
    ):
        if not any(known):
            raise CohortError(f"none of {len(known)} validation cases has a {kind} mask; {advice}")


def sites_known(fold: Fold) -> tuple[bool, bool]:
    """Whether any training, and any validation case, tells bone sites apart."""
    return any(c.has_sites for c in fold.train), any(c.has_sites for c in fold.validation)
