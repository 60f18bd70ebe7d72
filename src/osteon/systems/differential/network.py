"""Training one classifier on pictures, and asking it: probability of myeloma, picture by picture."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from osteon.errors import CohortError
from osteon.networks.slice_classifier import ClassifierConfig, SliceClassifier, input_px
from osteon.systems.differential.config import CLASSES
from osteon.training.backbone_weights import load_backbone
from osteon.training.config import LoopConfig
from osteon.training.loop import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from osteon.systems.differential.config import DifferentialConfig
    from osteon.systems.differential.images import Pictures

_ASK_BATCH = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A classifier with how its training went.

    Attributes:
        network: in evaluation mode, on the CPU.
        history: an entry an epoch: train loss and accuracy, validation loss and accuracy.
        best_epoch: whose weights were kept, from 1.
        started_from: the backbone's starting weights, in words.
    """

    network: SliceClassifier
    history: list[dict[str, Any]]
    best_epoch: int
    started_from: str


def build_network(config: DifferentialConfig) -> SliceClassifier:
    """The network that a configuration describes, with random weights."""
    return SliceClassifier(
        ClassifierConfig(
            backbone=config.backbone, head=tuple(config.head), classes=len(CLASSES), dropout=config.dropout
        )
    )


def side_of(config: DifferentialConfig) -> int:
    """Side of the pictures that the configuration's network takes, in pixels."""
    return input_px(config.backbone, default=config.input_px)


def train_network(
    train: Pictures,
    validation: Pictures,
    *,
    config: DifferentialConfig,
    out: Path,
    resume: bool,
    on_progress: Callable[[Any], None] = lambda progress: None,
) -> Trained:
    """Train on one set of pictures, watch the loss on another.

    With a frozen backbone every picture goes through it once, and the head is trained on what comes out.

    Args:
        train: at least one batch.
        validation: at least one picture; it chooses the epoch where ``config.keep`` is "best".
        config: how.
        out: run folder; see ``training.loop.fit``.
        resume: go on.
        on_progress: told of every step and epoch.

    Raises:
        CohortError: one of the two is empty, or the training pictures show one diagnosis only.
        InputError: the starting weights cannot be had.
    """
    if not len(train) or not len(validation) or len(np.unique(train.label)) < len(CLASSES):
        raise CohortError(
            f"{len(train)} pictures to train on, of {len(np.unique(train.label))} diagnoses, and {len(validation)} to "
            f"validate on; expected some of each, and both of {', '.join(CLASSES)} in training"
        )
    torch.manual_seed(config.seed)
    network = build_network(config)
    started_from = load_backbone(network, config.weights)
    if config.learns_all:
        learner: nn.Module = network
        data = _Data(_as_tensor(train), _as_tensor(validation))
    else:
        learner = network.head
        data = _Data(_features(network, train, config), _features(network, validation, config))
    result = fit(
        learner,
        config=_loop(config),
        batches=lambda epoch, generator: _batches(data.train, train.label, config, generator),
        steps=math.ceil(len(train) / config.batch),
        loss=_loss,
        out=out,
        validate=lambda net, _: _metrics(net, data.validation, validation.label),
        on_progress=on_progress,
        resume=resume,
        identity=f"differential|{train.fingerprint}|{validation.fingerprint}|{_identity(config)}",
    )
    network.cpu().eval()
    return Trained(network=network, history=result.history, best_epoch=result.best_epoch, started_from=started_from)


@dataclass(frozen=True, slots=True)
class _Data:
    """What the learner sees: uint8 pictures (n, 1, y, x), or float features (n, F)."""

    train: Tensor
    validation: Tensor


def _identity(config: DifferentialConfig) -> str:
    return str(asdict(replace(config, device="auto")))


def _loop(config: DifferentialConfig) -> LoopConfig:
    return LoopConfig(
        epochs=config.epochs,
        optimizer="adam",
        learning_rate=config.learning_rate,
        schedule="constant",
        monitor="loss" if config.keep == "best" else "",
        monitor_mode="min",
        seed=config.seed,
        precision=config.precision,
        device=config.device,
        clip_norm=0.0,
    )


def _as_tensor(pictures: Pictures) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures.pixels))[:, None]


def _features(network: SliceClassifier, pictures: Pictures, config: DifferentialConfig) -> Tensor:
    """(n, F): what the frozen backbone makes of every picture."""
    device = _device(config.device)
    network.to(device).eval()
    parts = []
    with torch.no_grad():
        for batch in torch.split(_as_tensor(pictures), _ASK_BATCH):
            parts.append(network.features(_scaled(batch.to(device))).float().cpu())
    network.cpu()
    return torch.cat(parts)


def _device(name: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _scaled(batch: Tensor) -> Tensor:
    """8-bit pictures as 0 to 1; features as they are."""
    return batch.float() / 255 if batch.dtype == torch.uint8 else batch


def _batches(
    data: Tensor, label: NDArray[np.int64], config: DifferentialConfig, generator: np.random.Generator
) -> Iterable[tuple[Tensor, Tensor]]:
    """One epoch: every picture once, in a new order; the rest makes a smaller last batch."""
    order = generator.permutation(len(label))
    labels = torch.from_numpy(label)
    parts = np.array_split(order, math.ceil(len(order) / config.batch))  # even parts: none of a single picture
    for part in parts:
        batch = data[torch.from_numpy(part)]
        if config.flip and batch.ndim == 4:
            mirrored = torch.from_numpy(generator.random(len(part)) < 0.5)
            batch = torch.where(mirrored[:, None, None, None], batch.flip(-1), batch)
        yield batch, labels[torch.from_numpy(part)]


def _loss(learner: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Cross-entropy, which holds the softmax; and the share that is right."""
    pictures, labels = batch
    logits = learner(_scaled(pictures))
    right = (logits.argmax(dim=1) == labels).float().mean()
    return {"loss": functional.cross_entropy(logits, labels), "accuracy": right}


def _metrics(learner: nn.Module, data: Tensor, label: NDArray[np.int64]) -> dict[str, float]:
    logits = _logits(learner, data)
    labels = torch.from_numpy(label)
    return {
        "loss": float(functional.cross_entropy(logits, labels)),
        "accuracy": float((logits.argmax(dim=1) == labels).float().mean()),
    }


@torch.no_grad()
def _logits(learner: nn.Module, data: Tensor) -> Tensor:
    device = next(learner.parameters()).device
    return torch.cat([learner(_scaled(batch.to(device))).float().cpu() for batch in torch.split(data, _ASK_BATCH)])


def myeloma_logits(network: SliceClassifier, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Log-odds of myeloma against metastasis of every picture.

    Args:
        network: in evaluation mode, on any device.
        pixels: (n, y, x) 8-bit pictures of the network's side.

    Returns:
        (n,).
    """
    if not len(pixels):
        return np.zeros(0)
    logits = _logits(network, torch.from_numpy(np.ascontiguousarray(pixels))[:, None])
    return np.asarray((logits[:, 1] - logits[:, 0]).double().numpy())


def to_probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax of two classes: the share of the positive one."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))))
