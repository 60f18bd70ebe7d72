"""Training ``lytic``: bone network, detectors, then calibration and operating point on the validation patients.

Each stage keeps its own run folder under ``<out>.run``, so that a killed training goes on where it stopped and a stage
that is complete is not trained again.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from osteon.files import whole_file
from osteon.systems.lytic import detector as detector_stage
from osteon.systems.lytic.bone import bone_stage
from osteon.systems.lytic.bundle import as_shipped, save_model
from osteon.systems.lytic.calibrate import calibrate_model, candidate_pairs
from osteon.systems.lytic.false_positive_reduction import Spot, ThreePlanes, lesion_spots, reduction_loss
from osteon.systems.lytic.false_positive_reduction import batches as reduction_batches
from osteon.systems.lytic.fold import is_complete, prepare_fold, sites_known
from osteon.systems.lytic.infer import candidates_in_bone
from osteon.systems.lytic.predicted_bone import with_predicted_bone
from osteon.training.config import LoopConfig
from osteon.training.loop import fit
from osteon.training.yolo_loss import YoloLossConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from osteon.cohort.manifest import Cohort
    from osteon.networks.yolov5 import YOLOv5
    from osteon.systems.lytic.cases import TrainingCase
    from osteon.systems.lytic.config import LyticConfig
    from osteon.systems.lytic.fold import Fold
    from osteon.training.bundle import ModelBundle


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


def train_reduction(
    cases: Sequence[TrainingCase],
    detectors: Sequence[YOLOv5],
    *,
    config: LyticConfig,
    identity: str,
    out: Path,
    resume: bool,
    on_progress: Callable[[Any], None],
    on_case: Callable[[int, int, str], None],
) -> ThreePlanes | None:
    """Train the second look on the detectors' candidates on the training scans and on the true lesions.

    The detectors have learnt those very scans, so that they find more of the lesions there and fewer false ones than on
    new scans; which candidates are true is known all the same.

    Args:
        cases: with the bone network's masks.
        detectors: as they ship.
        config: of all stages; ``reduction.epochs`` 0 for no second look.
        identity: of the scans, the bone network and the detectors.
        out: folder of the run; this and the rest as for ``training.loop.fit``.
        resume: go on with what it holds.
        on_progress: is told of every step and epoch.
        on_case: called with (done, total, case) as candidates are gathered.

    Returns:
        The network; None where none is wanted, or where the scans show no lesion or no false candidate to learn from.
    """
    stage = config.reduction
    if not stage.epochs:
        return None
    identity = f"{identity}|{asdict(config.bone)}|{asdict(config.detector)}"
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    spots = lesion_spots(cases)
    for number, case in enumerate(cases):
        kept = out.with_name(f"candidates-{key}") / f"{case.fingerprint}.npy"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(kept) as draft, draft.open("wb") as file:
                np.save(file, _candidate_table(case, detectors, config=config))
        spots += [Spot(case=number, centre=(z, y, x), is_lesion=bool(hit)) for z, y, x, hit in np.load(kept).tolist()]
        on_case(number + 1, len(cases), case.case)
    if len({spot.is_lesion for spot in spots}) < 2:
        return None
    torch.manual_seed(config.seed + 5000)
    network = ThreePlanes(stage)
    loop = LoopConfig(
        epochs=stage.epochs,
        optimizer="adamw",
        learning_rate=stage.learning_rate,
        weight_decay=1e-3,
        warmup_epochs=1,
        ema_decay=0.998,
        monitor="",
        seed=config.seed + 5000,
        precision=config.precision,
        device=config.device,
        prefetch=4,
    )
    fit(
        network,
        config=loop,
        batches=reduction_batches(cases, spots, config=stage),
        steps=max(1, stage.samples // stage.batch),
        loss=reduction_loss,
        out=out,
        on_progress=on_progress,
        resume=resume,
        identity=f"second look|{identity}|{asdict(stage)}",
    )
    return network.eval()


def _candidate_table(case: TrainingCase, detectors: Sequence[YOLOv5], *, config: LyticConfig) -> NDArray[np.float64]:
    """Rows of z, y, x of a candidate's middle (indices), and 1 if it shares a voxel with a true lesion, else 0."""
    found = candidates_in_bone(
        np.asarray(case.hu),
        np.asarray(case.sites),
        spacing_mm=case.spacing_mm,
        detectors=detectors,
        reduction=None,
        config=config,
    ).found
    hits = np.isin(np.arange(len(found)), candidate_pairs(found, case.lesions).prediction)
    return np.array(
        [(*c.measures.centroid_zyx, hit) for c, hit in zip(found, hits, strict=True)], dtype=np.float64
    ).reshape(-1, 4)


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
    shipped = as_shipped(bone, half=config.bone.planes == "all")
    complete = [case for case in fold.train if is_complete(case)]
    digest = _digest(bone)
    cases = with_predicted_bone(
        complete, shipped, config=config, folder=run / f"predicted-{digest[:16]}", on_case=on_case
    )
    detectors = [
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
    fused = [as_shipped(model, half=True) for model in detectors]
    reduction = train_reduction(
        cases,
        fused,
        config=config,
        identity="|".join([fold.fingerprint, *map(_digest, (bone, *detectors))]),
        out=run / "reduction",
        resume=resume,
        on_progress=partial(on_step, "second look"),
        on_case=on_case,
    )
    if reduction is None:
        config = replace(config, reduction=replace(config.reduction, epochs=0))
    calibration, point, metrics = calibrate_model(
        fold.validation,
        config=config,
        bone=shipped,
        detectors=fused,
        reduction=None if reduction is None else as_shipped(reduction),
        on_case=on_case,
    )
    metrics = {**_bone_figures(bone_metrics, sites=all(sites_known(fold))), **metrics}
    return save_model(
        out,
        config=config,
        bone=bone,
        detectors=detectors,
        reduction=reduction,
        calibration=calibration,
        operating_point=point,
        training_data=_described(cohort, validation, fold),
        metrics=metrics,
    )


def _digest(network: nn.Module) -> str:
    """SHA-256 of its weights."""
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in network.state_dict().values())).hexdigest()


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
