"""Training ``lytic``: bone network, detectors, then calibration and operating point on the validation patients.

Each stage keeps its own run folder under ``<out>.run``, so that a killed training goes on where it stopped and a stage
that is complete is not trained again.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from osteon.errors import CohortError
from osteon.evaluation.froc import froc
from osteon.systems.lytic import bone as bone_stage
from osteon.systems.lytic import detector as detector_stage
from osteon.systems.lytic.bundle import save_model
from osteon.systems.lytic.calibrate import (
    candidate_pairs,
    choose_threshold,
    fit_calibration,
    match_candidates,
    probability,
)
from osteon.systems.lytic.cases import prepare_cases
from osteon.systems.lytic.infer import FEATURES, find_candidates
from osteon.training.config import LoopConfig
from osteon.training.loop import fit
from osteon.training.yolo_loss import YoloLossConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from osteon.cohort.manifest import Cohort
    from osteon.networks.yolov5 import YOLOv5
    from osteon.systems.lytic.cases import TrainingCase
    from osteon.systems.lytic.config import LyticConfig
    from osteon.training.bundle import ModelBundle


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
        CohortError: a patient is on both sides, or one side is empty.
    """
    if validation:
        both = {case.patient for case in cases} & {case.patient for case in validation}
        both = both if _same_source(cases, validation) else set()
        if both:
            raise CohortError(f"patients {sorted(both)[:5]} are in training and validation; take them out of one")
        return tuple(cases), tuple(validation)
    patients = sorted({case.patient for case in cases})
    if len(patients) < 2:
        raise CohortError(f"{len(patients)} patient to train on; expected at least 2, or a validation cohort")
    order = np.random.default_rng([seed, 1]).permutation(len(patients))
    kept = {patients[k] for k in order[: max(1, round(share * len(patients)))]}
    return tuple(c for c in cases if c.patient not in kept), tuple(c for c in cases if c.patient in kept)


def _same_source(a: Sequence[TrainingCase], b: Sequence[TrainingCase]) -> bool:
    """Whether two lists come from one cohort, so that equal patient names mean the same patient."""
    return bool({case.cohort for case in a} & {case.cohort for case in b})


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
    return Fold(train=train, validation=valid, fingerprint=digest.hexdigest())


def train_bone(
    fold: Fold, *, config: LyticConfig, out: Path, resume: bool, on_progress: Callable[[Any], None]
) -> tuple[nn.Module, dict[str, Any]]:
    """Train the bone network; returns it in evaluation mode, and its history's best line."""
    stage = config.bone
    torch.manual_seed(config.seed)
    network = bone_stage.build_bone_network(stage)
    loop = LoopConfig(
        epochs=stage.epochs,
        optimizer="adam",
        learning_rate=stage.learning_rate,
        warmup_epochs=1,
        ema_decay=0.995,
        monitor="dice",
        seed=config.seed,
        precision=config.precision,
        device=config.device,
        prefetch=4,
    )
    result = fit(
        network,
        config=loop,
        batches=bone_stage.batches(fold.train, config=stage),
        steps=max(1, stage.samples // stage.batch),
        loss=lambda net, batch: bone_stage.bone_loss(net, batch, dice_only=stage.dice_only),
        out=out,
        validate=lambda net, _: bone_stage.validation_metrics(net, fold.validation, config=stage),
        on_progress=on_progress,
        resume=resume,
        identity=f"bone|{fold.fingerprint}|{asdict(stage)}",
    )
    return network.eval(), {"epoch": result.best_epoch, **result.history[result.best_epoch - 1]["val"]}


def train_detector(
    fold: Fold, member: int, *, config: LyticConfig, out: Path, resume: bool, on_progress: Callable[[Any], None]
) -> YOLOv5:
    """Train ensemble member ``member`` (from 0), on its own shuffle and starting weights."""
    stage = config.detector
    torch.manual_seed(config.seed + 1000 * (member + 1))
    model = detector_stage.build_detector(stage, detector_stage.anchors_of(fold.train, config=stage))
    loss = YoloLossConfig(objectness=stage.objectness_gain, image_size=640)
    loop = LoopConfig(
        epochs=stage.epochs,
        optimizer="adamw",
        learning_rate=stage.learning_rate,
        weight_decay=5e-4,
        warmup_epochs=2,
        ema_decay=0.998,
        monitor="",
        seed=config.seed + 1000 * (member + 1),
        precision=config.precision,
        device=config.device,
        prefetch=4,
    )
    fit(
        model,
        config=loop,
        batches=detector_stage.batches(fold.train, config=stage),
        steps=max(1, stage.samples // stage.batch),
        loss=lambda net, batch: detector_stage.detector_loss(net, batch, model=model, loss=loss),
        out=out,
        on_progress=on_progress,
        resume=resume,
        identity=f"detector {member}|{fold.fingerprint}|{asdict(stage)}",
    )
    return model.eval()


def calibrate_model(
    fold: Fold,
    *,
    config: LyticConfig,
    bone: nn.Module,
    detectors: Sequence[YOLOv5],
    on_case: Callable[[int, int, str], None],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Fit calibration and operating point on whole volumes of the validation patients.

    The calibration is fitted and judged on the same candidates, so its figures there are optimistic; the test patients
    tell.

    Returns:
        Calibration, operating point and metrics, as the bundle keeps them.
    """
    pairs, features, scores, lesions, patients = [], [], [], [], []
    for number, case in enumerate(fold.validation, start=1):
        found = find_candidates(
            np.asarray(case.hu), spacing_mm=case.spacing_mm, bone_network=bone, detectors=detectors, config=config
        )
        pairs.append(candidate_pairs(found.found, case.lesions))
        features.append(np.stack([c.features for c in found.found]) if found.found else np.zeros((0, len(FEATURES))))
        lesions.append(len(np.unique(case.lesions[case.lesions > 0])))
        patients.append(f"{case.cohort}/{case.patient}")
        on_case(number, len(fold.validation), case.case)
    hits = [np.isin(np.arange(len(f)), p.prediction) for f, p in zip(features, pairs, strict=True)]
    calibration = fit_calibration(np.concatenate(features), np.concatenate(hits))
    scores = [probability(f, calibration) for f in features]
    detections = match_candidates(pairs, scores=scores, lesions=lesions, patients=patients)
    threshold = choose_threshold(detections, false_positives=config.false_positives)
    rates = (0.5, 1.0, 2.0, 4.0)
    curve = froc(detections, rates=rates, unit="scan")
    how = (
        f"logistic regression on {', '.join(FEATURES)}, fitted on {sum(map(len, features))} candidates of "
        f"{len(fold.validation)} validation scans"
    )
    point = {
        "threshold": round(threshold, 4),
        "chosen": f"highest sensitivity at up to {config.false_positives:g} false positives a scan on "
        f"{len(fold.validation)} validation scans",
    }
    metrics = {
        f"validation sensitivity at {p.false_positives:g} false positives a scan": round(p.sensitivity.value, 4)
        for p in curve.points
        if np.isfinite(p.sensitivity.value)
    }
    return (
        {**calibration, "how": how, "features": list(FEATURES)},
        point,
        {**metrics, "validation lesions": sum(lesions)},
    )


def train(
    cohort: Cohort,
    out: Path,
    *,
    config: LyticConfig,
    validation: Cohort | None = None,
    resume: bool = False,
    on_step: Callable[[str, Any], None] = lambda stage, progress: None,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> ModelBundle:
    """Train a ``lytic`` model and write its bundle.

    Args:
        cohort: with CT studies, bone masks and lesion masks.
        out: folder of the bundle; ``<out>.run`` beside it holds caches and checkpoints, and may be deleted afterwards.
        config: of all stages.
        validation: patients for choosing epoch, calibration and threshold; else a share of ``cohort``'s.
        resume: go on with what ``<out>.run`` holds.
        on_step: called with the stage's name and ``training.loop.Progress``.
        on_case: called with (done, total, case) where cases are gone through.

    Raises:
        CohortError: nothing to train on, or patients on both sides.
        UsageError: ``<out>.run`` holds another training, or one and ``resume`` is false.
    """
    run = out.with_name(out.name + ".run")
    fold = prepare_fold(cohort, validation, config=config, cache=run / "cache", on_case=on_case)
    if not any(case.sites.any() for case in fold.train):
        raise CohortError(f"cohort {cohort.name}: no case has a bone mask; add truth.bone to cohort.json")
    bone, bone_metrics = train_bone(
        fold, config=config, out=run / "bone", resume=resume, on_progress=partial(on_step, "bone")
    )
    detectors = []
    for member in range(config.detector.members):
        name = f"detector{member}"
        progress = partial(on_step, f"detector {member + 1} of {config.detector.members}")
        detectors.append(
            train_detector(fold, member, config=config, out=run / name, resume=resume, on_progress=progress)
        )
    calibration, point, metrics = calibrate_model(fold, config=config, bone=bone, detectors=detectors, on_case=on_case)
    metrics = {
        "bone Dice (pooled, validation slices)": round(float(bone_metrics["dice"]), 4),
        "bone site accuracy (validation)": round(float(bone_metrics["site_accuracy"]), 4),
        **metrics,
    }
    return save_model(
        out,
        config=config,
        bone=bone,
        detectors=detectors,
        calibration=calibration,
        operating_point=point,
        training_data=_described(cohort, validation, fold),
        metrics=metrics,
    )


def _described(cohort: Cohort, validation: Cohort | None, fold: Fold) -> dict[str, Any]:
    kind = "phantom" if cohort.name.startswith("phantom-") else "unknown"
    described = (
        f"{len(fold.train)} scans of cohort {cohort.name} to train, {len(fold.validation)} of "
        f"{validation.name if validation else cohort.name} to validate"
    )
    return {"kind": kind, "description": described, "fingerprint": fold.fingerprint}
