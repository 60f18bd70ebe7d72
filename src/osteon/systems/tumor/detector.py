"""The tumour detector on single frames: training pictures, loss, and what is detected in testing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from osteon.errors import CohortError
from osteon.networks.faster_rcnn import DetectorNetConfig, build_detector
from osteon.networks.tumor_backbone import BACKBONES
from osteon.systems.tumor.frames import fit_picture
from osteon.training.augment_boxes import BoxAugmentation, BoxSample, augment_boxes
from osteon.training.backbone_weights import load_timm
from osteon.training.config import LoopConfig
from osteon.training.loop import fit
from osteon.training.self_cutmix import SelfCutMix, self_cutmix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn
    from torchvision.models.detection import FasterRCNN

    from osteon.systems.tumor.cases import SeriesFrames, TumorCase
    from osteon.systems.tumor.config import DetectorConfig, TumorConfig

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


def net_config(config: DetectorConfig) -> DetectorNetConfig:
    """What the network is built from."""
    return DetectorNetConfig(
        backbone=config.backbone,
        deformable=config.deformable,
        freeze_norm=config.freeze_norm,
        image_px=config.image_px,
        width=config.width,
        head=config.head,
        anchor_strides=config.anchor_strides,
    )


def train_detector(
    cases: Sequence[TumorCase],
    *,
    config: TumorConfig,
    out: Path,
    resume: bool,
    identity: str,
    on_progress: Callable[[Any], None] = lambda progress: None,
) -> tuple[FasterRCNN, str]:
    """Train on labelled frames; the last epoch is kept.

    Returns:
        The network in evaluation mode on the CPU, and where its backbone started, in words.

    Raises:
        CohortError: no labelled frame of one of the classes.
    """
    own = config.detector
    torch.manual_seed(config.seed)
    model = build_detector(net_config(own))
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
            precision="32-true",  # bfloat16 would round the boxes to whole pixels and more
            device=config.device,
            clip_norm=10.0,
        ),
        batches=_batches(_listed(cases), own),
        steps=max(1, own.samples // own.batch),
        loss=_loss,
        out=out,
        on_progress=on_progress,
        resume=resume,
        identity=f"tumor detector|{identity}|{own}|{config.weights}",
    )
    model.cpu().eval()
    return model, started


Place = tuple["SeriesFrames", int]


def _listed(cases: Sequence[TumorCase]) -> tuple[list[list[Place]], list[Place]]:
    """Labelled frames by class, and frames without a label of series that have some."""
    labelled: list[list[Place]] = [[], []]
    empty: list[Place] = []
    for series in (one for case in cases for one in case.series if one.boxes):
        for index in range(len(series.frames)):
            if index in series.boxes:
                labelled[int(series.labels[index].max())].append((series, index))
            else:
                empty.append((series, index))
    if not all(labelled):
        raise CohortError(
            f"{len(labelled[0])} benign and {len(labelled[1])} malignant frames with a box to train the detector on; "
            "expected some of each"
        )
    return labelled, empty


def _batches(
    listed: tuple[list[list[Place]], list[Place]], config: DetectorConfig
) -> Callable[[int, np.random.Generator], Iterator[tuple[list[Tensor], list[dict[str, Tensor]]]]]:
    labelled, empty = listed
    paste = SelfCutMix(
        probability=config.cutmix, least=config.least_factor, most=config.most_factor, reach=config.reach
    )
    vary = BoxAugmentation(
        size=config.image_px, flip_vertical=0.0, mosaic=0.0, scale=0.2, translate=0.08, gain=0.2, gamma=0.2
    )

    def draw(generator: np.random.Generator) -> BoxSample:
        plain = bool(empty) and generator.random() >= config.labelled
        chosen = empty if plain else labelled[int(generator.integers(2))]  # classes in balance
        series, index = chosen[int(generator.integers(len(chosen)))]
        sample = _sample(series, index, paste=paste, config=config, generator=generator)
        return augment_boxes([sample], config=vary, generator=generator)

    def make(epoch: int, generator: np.random.Generator) -> Iterator[tuple[list[Tensor], list[dict[str, Tensor]]]]:
        for _ in range(max(1, config.samples // config.batch)):
            made = [draw(generator) for _ in range(config.batch)]
            images = [torch.from_numpy(np.ascontiguousarray(one.image)).expand(3, -1, -1) for one in made]
            yield (
                images,
                [
                    {
                        "boxes": torch.from_numpy(one.boxes.reshape(-1, 4).astype(np.float32)),
                        "labels": torch.from_numpy(one.labels.astype(np.int64)),
                    }
                    for one in made
                ],
            )

    return make


def _sample(
    series: SeriesFrames, index: int, *, paste: SelfCutMix, config: DetectorConfig, generator: np.random.Generator
) -> BoxSample:
    """One frame with its boxes, perhaps with a pasted copy, at the network's size; labels from 1."""
    boxes = series.boxes.get(index, np.zeros((0, 4), np.float32))
    labels = series.labels.get(index, np.zeros(0, np.int64)) + 1
    frame, boxes, labels = self_cutmix(
        np.asarray(series.frames[index]), boxes, labels, config=paste, generator=generator
    )
    picture, factor = fit_picture(frame, config.image_px)
    return BoxSample(
        image=(picture.astype(np.float32) / np.float32(255))[None],
        boxes=(boxes * np.float32(factor)).astype(np.float32),
        labels=labels,
    )


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
        fitted = [fit_picture(np.asarray(frame), config.image_px) for frame in frames[start : start + _ASK_BATCH]]
        pictures = [(torch.from_numpy(one).to(device).float() / 255)[None].expand(3, -1, -1) for one, _ in fitted]
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
