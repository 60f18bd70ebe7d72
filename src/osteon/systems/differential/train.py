"""Training ``differential``: pictures, one network, then calibration on the validation patients."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.healthy import without_healthy
from osteon.cohort.leakage import require_by_patient
from osteon.cohort.splits import Fold, patient_split
from osteon.errors import CohortError
from osteon.evaluation.confusion import accuracy, indicator_columns
from osteon.evaluation.roc import auc
from osteon.systems.differential.bundle import save_model
from osteon.systems.differential.images import cohort_pictures
from osteon.systems.differential.network import myeloma_logits, side_of, train_network
from osteon.systems.differential.patients import THRESHOLD, by_patient, calibrated, fit_calibration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.systems.differential.config import DifferentialConfig
    from osteon.systems.differential.images import Pictures
    from osteon.systems.differential.patients import PatientScores
    from osteon.training.bundle import ModelBundle


def train(
    cohort: Cohort,
    out: Path,
    *,
    config: DifferentialConfig,
    validation: Cohort | None = None,
    resume: bool = False,
    on_step: Callable[[str, Any], None] = lambda stage, progress: None,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> ModelBundle:
    """Train a ``differential`` model and write its bundle.

    Args:
        cohort: CT studies with lesion masks and the label "diagnosis"; healthy patients are left out and counted.
        out: folder of the bundle; ``<out>.run`` beside it holds caches and checkpoints.
        config: how.
        validation: patients for choosing the epoch and the calibration; else a share of ``cohort``'s, by patient.
        resume: go on with what ``<out>.run`` holds.
        on_step: called with the stage's name and ``training.loop.Progress``.
        on_case: called with (done, total, case) while scans are read.

    Raises:
        CohortError: nothing to train on, a case without diagnosis or mask, or patients or scans on both sides.
        UsageError: ``<out>.run`` holds another training, or one and ``resume`` is false.
        InputError: the starting weights cannot be had.
    """
    run = out.with_name(out.name + ".run")
    cohort, healthy = without_healthy(cohort)
    if validation is not None:
        validation, more = without_healthy(validation)
        healthy += more
    learn, watch = split_pictures(cohort, validation, cache=run / "cache", config=config, on_case=on_case)
    trained = train_network(
        learn, watch, config=config, out=run / "network", resume=resume, on_progress=partial(on_step, config.backbone)
    )
    logits = myeloma_logits(trained.network, watch.pixels)
    scores = by_patient(watch.patient, logits, watch.label)
    calibration = fit_calibration(scores)
    return save_model(
        out,
        config=config,
        network=trained.network,
        started_from=trained.started_from,
        calibration=calibration,
        training_data={
            "kind": "phantom" if cohort.is_phantom else cohort.kind,
            "description": f"{_counted(learn)} of cohort {cohort.name} to train, {_counted(watch)} of "
            f"{validation.name if validation else cohort.name} to validate",
            "fingerprint": hashlib.sha256(f"{learn.fingerprint}{watch.fingerprint}".encode()).hexdigest(),
            "fingerprints": sorted({*scan_fingerprints(learn).values(), *scan_fingerprints(watch).values()}),
        },
        metrics={
            "epoch": trained.best_epoch,
            **({"healthy cases left out": healthy} if healthy else {}),
            **_measured(watch, logits, scores, calibration),
        },
    )


def _counted(pictures: Pictures) -> str:
    return f"{len(pictures)} slices of {len(np.unique(pictures.patient))} patients"


def split_pictures(
    cohort: Cohort,
    validation: Cohort | None,
    *,
    cache: Path,
    config: DifferentialConfig,
    on_case: Callable[[int, int, str], None],
) -> tuple[Pictures, Pictures]:
    """Pictures to learn from and to watch, no patient and no scan in both.

    Raises:
        CohortError: a patient or a scan is on both sides, or a side is empty.
    """
    pictures = cohort_pictures(cohort, cache, config=config, side=side_of(config), on_case=on_case)
    if validation is None:
        share = config.validation_share
        fold = patient_split(cohort, shares=(1 - share, share, 0), seed=config.seed, stratify=["diagnosis"])
        require_by_patient(cohort, fold)
        learn, watch = of_cases(pictures, fold.train), of_cases(pictures, fold.val)
    else:
        learn = pictures
        watch = cohort_pictures(validation, cache, config=config, side=side_of(config), on_case=on_case)
        if not (cohort.is_phantom and validation.is_phantom):  # phantoms of two seeds number their patients alike
            both = sorted(set(learn.patient.tolist()) & set(watch.patient.tolist()))
            if both:
                raise CohortError(f"patients {both[:5]} are in training and validation; take them out of one")
    known = {value: case for case, value in scan_fingerprints(learn).items()}
    twice = sorted(f"{known[value]} = {case}" for case, value in scan_fingerprints(watch).items() if value in known)
    if twice:
        raise CohortError(f"cases {twice[:5]} show the same slices in training and validation; take them out of one")
    return learn, watch


def of_cases(pictures: Pictures, cases: tuple[str, ...]) -> Pictures:
    """Pictures of some cases."""
    return pictures.take(np.isin(pictures.case, cases))


def of_fold(pictures: Pictures, fold: Fold, part: str) -> Pictures:
    """Pictures of one part of a fold, by case or, where the fold is by image, by image."""
    names = fold.parts.get(part, ())
    if fold.leaks:
        return pictures.take(np.isin(np.array(pictures.names), names))
    return of_cases(pictures, names)


def scan_fingerprints(pictures: Pictures) -> dict[str, str]:
    """Case -> first 16 hex digits of SHA-256 of its pictures: the same scan is known by it."""
    return {
        str(case): hashlib.sha256(np.ascontiguousarray(pictures.pixels[pictures.case == case]).data).hexdigest()[:16]
        for case in np.unique(pictures.case)
    }


def _measured(
    watch: Pictures, logits: np.ndarray[Any, Any], scores: PatientScores, calibration: dict[str, Any]
) -> dict[str, Any]:
    """What the validation patients give; nothing where they have one diagnosis only."""
    found: dict[str, Any] = {"validation slices": len(watch), "validation patients": len(scores.name)}
    if len(np.unique(scores.label)) == 2:
        found["AUROC of slices"] = round(auc(watch.label, logits), 4)
        found["AUROC of patients"] = round(auc(scores.label, scores.logit), 4)
    called = calibrated(scores.logit, calibration) >= THRESHOLD
    found["accuracy of patients"] = round(float(accuracy(indicator_columns(scores.label, called).sum(axis=0))), 4)
    return found
