"""Training ``lytic``: bone network, detectors, then calibration and operating point on the validation patients.

Each stage keeps its own run folder under ``<out>.run``, so that a killed training goes on where it stopped and a stage
that is complete is not trained again.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from osteon.errors import CohortError
from osteon.evaluation.froc import froc
from osteon.systems.lytic import detector as detector_stage
from osteon.systems.lytic.bone import bone_stage
from osteon.systems.lytic.bundle import as_shipped, save_model
from osteon.systems.lytic.calibrate import (
    candidate_pairs,
    choose_threshold,
    fit_calibration,
    match_candidates,
    probability,
)
from osteon.systems.lytic.cases import prepare_cases
from osteon.systems.lytic.infer import FEATURES, find_candidates
from osteon.systems.lytic.predicted_bone import with_predicted_bone
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
    unknown = sorted(f"{c.fingerprint} {c.has_bone} {c.has_lesions}" for c in cases + kept if not _complete(c))
    if unknown:  # the same arrays teach something else where a mask is not known
        digest.update(("|" + "|".join(unknown)).encode())
    fold = Fold(train=train, validation=valid, fingerprint=digest.hexdigest())
    _check_truth(fold)
    return fold


def _complete(case: TrainingCase) -> bool:
    return case.has_bone and case.has_lesions


def _check_truth(fold: Fold) -> None:
    """Refuse at once what a later stage could not be made from."""
    advice = "add truth.bone and truth.lesions to cohort.json; an empty lesion mask says that there are none"
    if not any(case.has_bone and case.sites.any() for case in fold.train):
        raise CohortError(f"none of {len(fold.train)} training cases has a bone mask; {advice}")
    if not any(map(_complete, fold.train)):
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


def train_bone(
    fold: Fold, *, config: LyticConfig, out: Path, resume: bool, on_progress: Callable[[Any], None]
) -> tuple[nn.Module, dict[str, Any]]:
    """Train the bone network on the cases whose bone is known.

    Returns:
        The network in evaluation mode, and its history's best line.
    """
    stage = config.bone
    train, validation = ([case for case in part if case.has_bone] for part in (fold.train, fold.validation))
    torch.manual_seed(config.seed)
    module = bone_stage(stage)
    network = module.build_bone_network(stage)
    loop = LoopConfig(
        epochs=stage.epochs,
        optimizer="adam",
        learning_rate=stage.learning_rate,
        # A falling rate sharpens the masks on phantoms and loses marrow on real scans; the average settles them
        # instead.
        schedule="constant",
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
        batches=module.batches(train, config=stage),
        steps=max(1, stage.samples // stage.batch),
        loss=lambda net, batch: module.bone_loss(net, batch, dice_only=stage.dice_only),
        out=out,
        validate=lambda net, _: module.validation_metrics(net, validation, config=stage),
        on_progress=on_progress,
        resume=resume,
        identity=f"bone|{fold.fingerprint}|{asdict(stage)}",
    )
    return network.eval(), {"epoch": result.best_epoch, **result.history[result.best_epoch - 1]["val"]}


def train_detector(
    cases: Sequence[TrainingCase],
    member: int,
    *,
    config: LyticConfig,
    identity: str,
    out: Path,
    resume: bool,
    on_progress: Callable[[Any], None],
) -> YOLOv5:
    """Train ensemble member ``member`` (from 0), on its own shuffle and starting weights.

    Args:
        cases: with the bone masks to learn on; bone and lesions of all are known, since a lesion that is not marked
            would be taught as healthy.
        member: number.
        config: of all stages.
        identity: what is trained on what.
        out: folder of the run; this and the rest as for ``training.loop.fit``.
        resume: go on with what it holds.
        on_progress: is told of every step and epoch.
    """
    stage = config.detector
    torch.manual_seed(config.seed + 1000 * (member + 1))
    model = detector_stage.build_detector(stage, detector_stage.anchors_of(cases, config=stage))
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
        batches=detector_stage.batches(cases, config=stage),
        steps=max(1, stage.samples // stage.batch),
        loss=lambda net, batch: detector_stage.detector_loss(net, batch, model=model, loss=loss),
        out=out,
        on_progress=on_progress,
        resume=resume,
        identity=identity,
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
    """Fit calibration and operating point on whole volumes of the validation patients whose lesions are known.

    The calibration is fitted and judged on the same candidates, so its figures there are optimistic; the test patients
    tell.

    Returns:
        Calibration, operating point and metrics, as the bundle keeps them.
    """
    cases = [case for case in fold.validation if case.has_lesions]
    pairs, features, scores, lesions, patients = [], [], [], [], []
    for number, case in enumerate(cases, start=1):
        found = find_candidates(
            np.asarray(case.hu), spacing_mm=case.spacing_mm, bone_network=bone, detectors=detectors, config=config
        )
        pairs.append(candidate_pairs(found.found, case.lesions))
        features.append(np.stack([c.features for c in found.found]) if found.found else np.zeros((0, len(FEATURES))))
        lesions.append(len(np.unique(case.lesions[case.lesions > 0])))
        patients.append(f"{case.cohort}/{case.patient}")
        on_case(number, len(cases), case.case)
    hits = [np.isin(np.arange(len(f)), p.prediction) for f, p in zip(features, pairs, strict=True)]
    calibration = fit_calibration(np.concatenate(features), np.concatenate(hits))
    scores = [probability(f, calibration) for f in features]
    detections = match_candidates(pairs, scores=scores, lesions=lesions, patients=patients)
    threshold = choose_threshold(detections, false_positives=config.false_positives)
    rates = (0.5, 1.0, 2.0, 4.0)
    curve = froc(detections, rates=rates, unit="scan")
    how = (
        f"logistic regression on {', '.join(FEATURES)}, fitted on {sum(map(len, features))} candidates of "
        f"{len(cases)} validation scans"
    )
    chosen = _how_chosen(config, scans=len(cases), lesions=sum(lesions), candidates=sum(map(len, features)))
    # rounded down, so that the candidate whose probability it is stays above it
    point = {"threshold": math.floor(threshold * 10_000) / 10_000, "chosen": chosen}
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


def _how_chosen(config: LyticConfig, *, scans: int, lesions: int, candidates: int) -> str:
    """Where the threshold comes from; with nothing to choose it by, that is said."""
    absent = [name for name, count in (("lesion", lesions), ("candidate", candidates)) if not count]
    if absent:
        return (
            f"not chosen by data: no {' and no '.join(absent)} on {scans} validation scans; choose a threshold on "
            "patients with lesions before use"
        )
    return f"highest sensitivity at up to {config.false_positives:g} false positives a scan on {scans} validation scans"


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
        cohort: with CT studies, bone masks and lesion masks; a case without one of them teaches what it can.
        out: folder of the bundle; ``<out>.run`` beside it holds caches and checkpoints, and may be deleted afterwards.
        config: of all stages.
        validation: patients for choosing epoch, calibration and threshold; else a share of ``cohort``'s.
        resume: go on with what ``<out>.run`` holds.
        on_step: called with the stage's name and ``training.loop.Progress``.
        on_case: called with (done, total, case) where cases are gone through.

    Raises:
        CohortError: nothing to train on, or patients or scans on both sides.
        UsageError: ``<out>.run`` holds another training, or one and ``resume`` is false.
    """
    run = out.with_name(out.name + ".run")
    fold = prepare_fold(cohort, validation, config=config, cache=run / "cache", on_case=on_case)
    bone, bone_metrics = train_bone(
        fold, config=config, out=run / "bone", resume=resume, on_progress=partial(on_step, "bone")
    )
    detectors = _train_detectors(fold, bone, config=config, run=run, resume=resume, on_step=on_step, on_case=on_case)
    calibration, point, metrics = calibrate_model(
        fold,
        config=config,
        bone=as_shipped(bone, half=config.bone.planes == "all"),
        detectors=[as_shipped(model) for model in detectors],
        on_case=on_case,
    )
    metrics = {**_bone_figures(bone_metrics, sites=all(sites_known(fold))), **metrics}
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


def _train_detectors(
    fold: Fold,
    bone: nn.Module,
    *,
    config: LyticConfig,
    run: Path,
    resume: bool,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> list[YOLOv5]:
    """All members, on the cases whose bone and lesions are known, with the bone network's masks."""
    complete = [case for case in fold.train if _complete(case)]
    digest = hashlib.sha256(b"".join(value.numpy().tobytes() for value in bone.state_dict().values())).hexdigest()
    folder = run / f"predicted-{digest[:16]}"
    cases = with_predicted_bone(
        complete, as_shipped(bone, half=config.bone.planes == "all"), config=config, folder=folder, on_case=on_case
    )
    return [
        train_detector(
            cases,
            member,
            config=config,
            identity=f"detector {member}|{fold.fingerprint}|{digest}|{asdict(config.detector)}",
            out=run / f"detector{member}",
            resume=resume,
            on_progress=partial(on_step, f"detector {member + 1} of {config.detector.members}"),
        )
        for member in range(config.detector.members)
    ]


def _bone_figures(line: dict[str, Any], *, sites: bool) -> dict[str, float]:
    """Metrics of the bone network; that of sites only where sites were taught and can be judged."""
    figures = {"bone Dice (pooled, validation slices)": round(float(line["dice"]), 4)}
    if sites:
        figures["bone site accuracy (validation)"] = round(float(line["site_accuracy"]), 4)
    return figures


def _described(cohort: Cohort, validation: Cohort | None, fold: Fold) -> dict[str, Any]:
    described = (
        f"{len(fold.train)} scans of cohort {cohort.name} to train, {len(fold.validation)} of "
        f"{validation.name if validation else cohort.name} to validate"
    )
    return {
        "kind": "phantom" if cohort.is_phantom else cohort.kind,
        "description": described,
        "fingerprint": fold.fingerprint,
        "fingerprints": sorted({case.voxels for case in (*fold.train, *fold.validation)}),
        "sites_known": sites_known(fold)[0],
    }
