"""Training ``fracture``: patches of a cohort, one network, measured on the validation patients."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.leakage import require_by_patient
from osteon.cohort.splits import patient_split
from osteon.errors import CohortError
from osteon.evaluation.confusion import accuracy, indicator_columns
from osteon.evaluation.roc import auc
from osteon.systems.fracture.bundle import save_model
from osteon.systems.fracture.config import THRESHOLD
from osteon.systems.fracture.network import probabilities, train_network
from osteon.systems.fracture.patients import by_patient
from osteon.systems.fracture.samples import cohort_samples, describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Cohort
    from osteon.systems.fracture.config import FractureConfig
    from osteon.systems.fracture.samples import Samples
    from osteon.training.bundle import ModelBundle


def train(
    cohort: Cohort,
    out: Path,
    *,
    config: FractureConfig,
    validation: Cohort | None = None,
    resume: bool = False,
    on_step: Callable[[str, Any], None] = lambda stage, progress: None,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> ModelBundle:
    """Train a ``fracture`` model and write its bundle.

    Args:
        cohort: MR studies with T1, T2, boxes on T2 and the label "malignant".
        out: folder of the bundle; ``<out>.run`` beside it holds caches and checkpoints.
        config: how.
        validation: patients for choosing the epoch; else a share of ``cohort``'s, by patient.
        resume: go on with what ``<out>.run`` holds.
        on_step: called with the stage's name and ``training.loop.Progress``.
        on_case: called with (done, total, case) while scans are read.

    Raises:
        CohortError: nothing to train on, a case that cannot be used, or patients or scans on both sides.
        UsageError: ``<out>.run`` holds another training, or one and ``resume`` is false.
        InputError: the starting weights cannot be had.
    """
    run = out.with_name(out.name + ".run")
    learn, watch = split_samples(cohort, validation, cache=run / "cache", config=config, on_case=on_case)
    trained = train_network(
        learn, watch, config=config, out=run / "network", resume=resume, on_progress=partial(on_step, config.backbone)
    )
    score = probabilities(trained.network, watch.patches, config=config)
    return save_model(
        out,
        config=config,
        network=trained.network,
        started_from=trained.started_from,
        training_data={
            "kind": "phantom" if cohort.is_phantom else cohort.kind,
            "description": f"{_counted(learn)} of cohort {cohort.name} to train, {_counted(watch)} of "
            f"{validation.name if validation else cohort.name} to validate",
            "fingerprint": hashlib.sha256(f"{learn.fingerprint}{watch.fingerprint}".encode()).hexdigest(),
            "fingerprints": sorted({*learn.scan_fingerprints().values(), *watch.scan_fingerprints().values()}),
        },
        metrics={"epoch": trained.best_epoch, **_measured(watch, score)},
    )


def _counted(samples: Samples) -> str:
    counts = describe(samples)
    return f"{counts['slices']} slices of {counts['patients']} patients, {counts['malignant']} of them malignant,"


def split_samples(
    cohort: Cohort,
    validation: Cohort | None,
    *,
    cache: Path,
    config: FractureConfig,
    on_case: Callable[[int, int, str], None],
) -> tuple[Samples, Samples]:
    """Samples to learn from and to watch, no patient and no scan in both.

    Raises:
        CohortError: a patient or a scan is on both sides, or a side is empty.
    """
    samples = cohort_samples(cohort, cache, config=config, on_case=on_case)
    if validation is None:
        share = config.validation_share
        fold = patient_split(cohort, shares=(1 - share, share, 0), seed=config.seed, stratify=["malignant"])
        require_by_patient(cohort, fold)
        learn, watch = samples.of_cases(fold.train), samples.of_cases(fold.val)
    else:
        learn, watch = samples, cohort_samples(validation, cache, config=config, on_case=on_case)
        if not (cohort.is_phantom and validation.is_phantom):  # phantoms of two seeds number their patients alike
            both = sorted(set(learn.patient.tolist()) & set(watch.patient.tolist()))
            if both:
                raise CohortError(f"patients {both[:5]} are in training and validation; take them out of one")
    known = {value: case for case, value in learn.scan_fingerprints().items()}
    twice = sorted(f"{known[value]} = {case}" for case, value in watch.scan_fingerprints().items() if value in known)
    if twice:
        raise CohortError(f"cases {twice[:5]} show the same patches in training and validation; take them out of one")
    return learn, watch


def _measured(watch: Samples, score: NDArray[np.float64]) -> dict[str, Any]:
    """What the validation patients give; no AUROC where they are of one class."""
    patients = by_patient(watch.patient, score, watch.label)
    found: dict[str, Any] = {"validation slices": len(watch), "validation patients": len(patients.name)}
    if len(np.unique(watch.label)) == 2:
        found["AUROC of slices"] = round(auc(watch.label, score), 4)
        found["AUROC of patients"] = round(auc(patients.label, patients.probability), 4)
    columns = indicator_columns(patients.label, patients.probability >= THRESHOLD)
    found["accuracy of patients"] = round(float(accuracy(columns.sum(axis=0))), 4)
    return found
