"""The tumour detector on single frames: training pictures, loss, and what is detected in testing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from osteon.networks.faster_rcnn import DetectorNetConfig, build_detector
from osteon.networks.tumor_backbone import BACKBONES
from osteon.systems.tumor.detector_pictures import labelled_places, picture_batches
from osteon.systems.tumor.frames import evened_out, fit_picture
from osteon.systems.tumor.start import begin_detector
from osteon.training.backbone_weights import load_timm
from osteon.training.config import LoopConfig
from osteon.training.loop import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn
    from torchvision.models.detection import FasterRCNN

    from osteon.systems.tumor.cases import TumorCase
    from osteon.systems.tumor.config import DetectorConfig, TumorConfig
    from osteon.systems.tumor.start import Start

SAME_PLACE_IOU = 0.5
_ASK_BATCH = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """The strongest box of one frame.

    Attributes:
        index: slice.
        box: (4,) left, top, right, bottom in pixel edges of the frame.
        score: of the box in its better class.
        malignant: D: the malignant score in the box's place as a part of both classes' scores there.
    """

    index: int
    box: tuple[float, float, float, float]
    score: float
    malignant: float


def net_config(config: DetectorConfig, *, precision: str = "32-true") -> DetectorNetConfig:
    """What the network is built from, and how precisely its backbone is trained."""
    return DetectorNetConfig(
        backbone=config.backbone,
        deformable=config.deformable,
        freeze_norm=config.freeze_norm,
        image_px=config.image_px,
        width=config.width,
        head=config.head,
        anchor_strides=config.anchor_strides,
        anchor_iou=config.anchor_iou,
        rois=config.rois,
        precision=precision,
    )


def train_detector(
    cases: Sequence[TumorCase],
    *,
    config: TumorConfig,
    out: Path,
    resume: bool,
    identity: str,
    start: Start | None = None,
    on_progress: Callable[[Any], None] = lambda progress: None,
) -> tuple[FasterRCNN, str]:
    """Train on labelled frames, perhaps from where the shipped model is; the last epoch is kept.

    Returns:
        The network in evaluation mode on the CPU, and where its backbone started, in words.

    Raises:
        CohortError: no labelled frame of one of the classes.
    """
    own = config.detector
    learnt = replace(own, threshold=0.0)  # which may be chosen afterwards
    torch.manual_seed(config.seed)
    model = build_detector(net_config(own, precision=config.precision))
    if start is not None:
        started = begin_detector(model, start)
    else:
        body: Any = model.backbone.backbone.body
        started = load_timm(body, BACKBONES[own.backbone], config.weights, own=lambda name: ".offset." in name)
    fit(
        model,
        config=LoopConfig(
            epochs=own.epochs,
            optimizer=own.optimizer,
            learning_rate=own.learning_rate,
            schedule="cosine",
            final_fraction=0.01,
            warmup_epochs=min(0.5, own.epochs / 4),
            weight_decay=1e-4,
            momentum=0.9,
            seed=config.seed,
            precision="32-true",  # of all but the backbone, which has its own
            device=config.device,
            clip_norm=10.0,
        ),
        batches=picture_batches(labelled_places(cases), own),
        steps=max(1, own.samples // own.batch),
        loss=_loss,
        out=out,
        on_progress=on_progress,
        resume=resume,
        identity=f"tumor detector|{identity}|{learnt}|{config.weights}|{started}|{config.precision}",
    )
    model.cpu().eval()
    return model, started


def _loss(network: nn.Module, batch: tuple[list[Tensor], list[dict[str, Tensor]]]) -> dict[str, Tensor]:
    parts: dict[str, Tensor] = network(*batch)
    total = torch.stack([value.float() for value in parts.values()]).sum()
    return {"loss": total, **{name.removeprefix("loss_"): value for name, value in parts.items()}}


@torch.no_grad()
def detect(model: FasterRCNN, frames: NDArray[np.uint8], *, config: DetectorConfig) -> list[Detection]:
    """The strongest box of every frame that has one at or above the threshold.

    Args:
        model: in evaluation mode, on any device.
        frames: (slices, rows, columns).
        config: size and threshold.
    """
    device = next(model.parameters()).device
    found = []
    for start in range(0, len(frames), _ASK_BATCH):
        fitted = [
            fit_picture(np.asarray(frames[index])[..., None], config.image_px)
            for index in range(start, min(start + _ASK_BATCH, len(frames)))
        ]
        pictures = [
            torch.from_numpy(evened_out(one, spread=config.even_out)).to(device).permute(2, 0, 1).expand(3, -1, -1)
            for one, _ in fitted
        ]
        for k, answer in enumerate(model(pictures)):
            best = partial(strongest, index=start + k, factor=fitted[k][1], threshold=config.threshold)
            shape = frames.shape[1:]
            one = best(*(answer[key].float().cpu().numpy() for key in ("boxes", "scores", "labels")), shape=shape)
            if one is not None:
                found.append(one)
    return found


def strongest(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    labels: NDArray[Any],
    *,
    index: int,
    factor: float,
    threshold: float,
    shape: tuple[int, ...],
) -> Detection | None:
    """The box of the highest score, and what share of the scores in its place is malignant.

    Args:
        boxes: (n, 4) in network pixels.
        scores: (n,).
        labels: (n,) 1 benign, 2 malignant.
        index: slice.
        factor: network pixels a frame's pixel.
        threshold: the least score.
        shape: rows and columns of the frame.

    Returns:
        None where no box reaches the threshold.
    """
    if not len(scores) or scores.max() < threshold:
        return None
    top = int(np.argmax(scores))
    here = _overlaps(boxes[top], boxes) >= SAME_PLACE_IOU
    sides = [float(scores[here & (labels == label)].max(initial=0.0)) for label in (1, 2)]
    edges = np.clip(boxes[top] / factor, 0, [shape[1], shape[0], shape[1], shape[0]])
    if min(edges[2] - edges[0], edges[3] - edges[1]) < 1:
        return None
    x0, y0, x1, y1 = (float(edge) for edge in edges)
    return Detection(
        index=index, box=(x0, y0, x1, y1), score=float(scores[top]), malignant=sides[1] / (sides[0] + sides[1])
    )


def _overlaps(box: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """IoU of one box (4,) with others (n, 4)."""
    sides = np.clip(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None)
    both = sides.prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return np.asarray(both / np.maximum((box[2:] - box[:2]).prod() + areas - both, 1e-9))
