"""The sequence classifier: regions of N neighbouring frames, half by label and half by order, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from osteon.errors import CohortError
from osteon.networks.sequence_classifier import SequenceClassifier
from osteon.networks.tumor_backbone import BACKBONES
from osteon.systems.tumor.frames import cut_region, neighbours, spread
from osteon.systems.tumor.start import begin_sequence
from osteon.training.backbone_weights import load_timm
from osteon.training.config import LoopConfig
from osteon.training.loop import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from osteon.systems.tumor.cases import SeriesFrames, TumorCase
    from osteon.systems.tumor.config import SequenceConfig, TumorConfig
    from osteon.systems.tumor.detector import Detection
    from osteon.systems.tumor.start import Start


def train_sequence_model(
    cases: Sequence[TumorCase],
    *,
    config: TumorConfig,
    out: Path,
    resume: bool,
    identity: str,
    start: Start | None = None,
    on_progress: Callable[[Any], None] = lambda progress: None,
) -> tuple[SequenceClassifier, str]:
    """Train on the largest labelled region of every series, perhaps from where the shipped model is.

    The last epoch is kept.

    Returns:
        The network in evaluation mode on the CPU, and where its backbone started, in words.

    Raises:
        CohortError: no labelled series of one of the classes.
    """
    own = config.sequence
    labelled = [[one for case in cases if case.malignant == bad for one in case.series if one.boxes] for bad in (0, 1)]
    if not all(labelled):
        raise CohortError(
            f"{len(labelled[0])} benign and {len(labelled[1])} malignant series with boxes to train the sequence model "
            "on; expected some of each"
        )
    torch.manual_seed(config.seed)
    model = SequenceClassifier(own.backbone, frames=own.frames)
    if start is not None:
        started = begin_sequence(model, start)
    else:
        started = load_timm(model.backbone.body, BACKBONES[own.backbone], config.weights)
    fit(
        model,
        config=LoopConfig(
            epochs=own.epochs,
            optimizer=own.optimizer,
            learning_rate=own.learning_rate,
            schedule="cosine",
            final_fraction=0.01,
            weight_decay=1e-4,
            momentum=0.9,
            seed=config.seed,
            precision=config.precision,
            device=config.device,
        ),
        batches=_batches(labelled, own),
        steps=max(1, own.samples // own.batch),
        loss=_loss,
        out=out,
        on_progress=on_progress,
        resume=resume,
        identity=f"tumor sequence|{identity}|{own}|{config.weights}|{started}",
    )
    model.cpu().eval()
    return model, started


def _batches(
    labelled: list[list[SeriesFrames]], config: SequenceConfig
) -> Callable[[int, np.random.Generator], Iterator[tuple[Tensor, Tensor]]]:
    def make(epoch: int, generator: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for number in range(max(1, config.samples // config.batch)):
            # in balance, batches of an odd size together
            classes = [(number * config.batch + k) % 2 for k in range(config.batch)]
            regions = []
            for label in classes:
                series = labelled[label][int(generator.integers(len(labelled[label])))]
                regions.append(training_region(series, config=config, generator=generator))
            yield torch.from_numpy(np.stack(regions)), torch.tensor(classes)

    return make


def training_region(
    series: SeriesFrames, *, config: SequenceConfig, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """One training sample, uint8 (N, side, side): the largest label's region, in labelled frames or by order."""
    box = series.largest()
    assert box is not None  # series without a box are not listed
    if generator.random() < config.labelled:
        shown = series.labelled
        if len(shown) > config.frames:
            start = int(generator.integers(len(shown) - config.frames + 1))
            indices = shown[start : start + config.frames]
        else:
            indices = spread(shown, config.frames)
    else:
        middle = int(generator.choice(series.labelled))
        indices = neighbours(middle, count=len(series.frames), frames=config.frames)
    sides = np.tile(box[2:] - box[:2], 2)
    moved = box + sides * np.tile(generator.uniform(-config.shift, config.shift, 2), 2)
    region = cut_region(series.frames, indices, moved, side=config.side, margin=config.margin)
    if generator.random() < 0.5:
        region = region[::-1]  # from the other side of the patient
    return np.ascontiguousarray(region)


def _loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    regions, labels = batch
    logits = network(regions.float() / 255)
    right = (logits.argmax(dim=1) == labels).float().mean()
    return {"loss": functional.cross_entropy(logits.float(), labels), "accuracy": right}


@torch.no_grad()
def sequence_score(
    model: SequenceClassifier, frames: NDArray[np.uint8], largest: Detection, *, config: SequenceConfig
) -> float:
    """M: probability that the tumour is malignant, from N frames round the largest detection.

    Args:
        model: in evaluation mode, on any device.
        frames: (slices, rows, columns).
        largest: whose region is cut from all frames.
        config: size of the region.
    """
    indices = neighbours(largest.index, count=len(frames), frames=config.frames)
    region = cut_region(frames, indices, np.array(largest.box), side=config.side, margin=config.margin)
    device = next(model.parameters()).device
    logits = model(torch.from_numpy(region).to(device).float()[None] / 255)
    return float(torch.softmax(logits.float(), dim=1)[0, 1])
