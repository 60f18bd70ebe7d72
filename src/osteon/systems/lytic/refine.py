"""Refining detectors on the bone masks that they will get when they read: the bone network's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.files import whole_file
from osteon.systems.lytic import detector as detector_stage
from osteon.systems.lytic.bone import bone_stage
from osteon.training.config import LoopConfig
from osteon.training.loop import fit
from osteon.training.yolo_loss import YoloLossConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from osteon.networks.yolov5 import YOLOv5
    from osteon.systems.lytic.cases import TrainingCase
    from osteon.systems.lytic.config import LyticConfig


def with_predicted_bone(
    cases: Sequence[TrainingCase],
    bone: nn.Module,
    *,
    config: LyticConfig,
    folder: Path,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> tuple[TrainingCase, ...]:
    """The same cases with the bone network's masks in place of the true ones, kept in ``folder`` for a resumed run."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for number, case in enumerate(cases, start=1):
        path = folder / f"{case.voxels}.npy"
        if not path.exists():
            sites = bone_stage(config.bone).bone_masks(
                bone, np.asarray(case.hu), spacing_mm=case.spacing_mm, config=config.bone
            )
            with whole_file(path) as draft, draft.open("wb") as file:
                np.save(file, sites)
        changed.append(replace(case, sites=np.load(path, mmap_mode="r")))
        on_case(number, len(cases), case.case)
    return tuple(changed)


def refine_detector(
    model: YOLOv5,
    cases: Sequence[TrainingCase],
    member: int,
    *,
    config: LyticConfig,
    identity: str,
    out: Path,
    resume: bool,
    on_progress: Callable[[Any], None],
) -> YOLOv5:
    """Go on training a detector in place, on cases whose bone masks are the bone network's."""
    stage = config.detector
    loss = YoloLossConfig(objectness=stage.objectness_gain, image_size=640)
    loop = LoopConfig(
        epochs=stage.refine_epochs,
        optimizer="adamw",
        learning_rate=stage.learning_rate / 4,
        weight_decay=5e-4,
        ema_decay=0.99,
        seed=config.seed + 1000 * (member + 1) + 500,
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
