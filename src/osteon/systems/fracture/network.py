"""Training one network on patches, and asking it: probability of malignancy, slice by slice."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from osteon.errors import CohortError
from osteon.networks.patch_classifier import PatchClassifier, PatchConfig
from osteon.systems.fracture.augment import copies_of, make_copy
from osteon.systems.fracture.config import CHANNELS
from osteon.systems.fracture.patches import inner, standardised
from osteon.training.backbone_weights import load_timm
from osteon.training.config import LoopConfig
from osteon.training.loop import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from osteon.systems.fracture.config import FractureConfig
    from osteon.systems.fracture.samples import Samples

_ASK_BATCH = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A network with how its training went.

    Attributes:
        network: in evaluation mode, on the CPU.
        history: an entry an epoch, as ``training.loop.fit`` makes it.
        best_epoch: whose weights were kept, from 1.
        started_from: the backbone's starting weights, in words.
    """

    network: PatchClassifier
    history: list[dict[str, Any]]
    best_epoch: int
    started_from: str


def build_network(config: FractureConfig) -> PatchClassifier:
    """The network that a configuration describes, with random weights."""
    return PatchClassifier(PatchConfig(backbone=config.backbone, channels=CHANNELS, dropout=config.dropout))


def train_network(
    train: Samples,
    validation: Samples,
    *,
    config: FractureConfig,
    out: Path,
    resume: bool,
    on_progress: Callable[[Any], None] = lambda progress: None,
) -> Trained:
    """Train on copies of one set of patches; the epoch with the lowest loss on another set is kept.

    Args:
        train: of both classes.
        validation: at least one sample; stops the training, too.
        config: how.
        out: run folder; see ``training.loop.fit``.
        resume: go on.
        on_progress: told of every step and epoch.

    Raises:
        CohortError: no validation, or one class only in training.
        InputError: the starting weights cannot be had.
    """
    if not len(validation) or len(np.unique(train.label)) < 2:
        raise CohortError(
            f"{int((train.label == 0).sum())} benign and {int((train.label == 1).sum())} malignant slices to train on, "
            f"{len(validation)} to validate on; expected some of each"
        )
    torch.manual_seed(config.seed)
    network = build_network(config)
    started_from = load_timm(network.backbone, network.timm_name, config.weights)
    rows = copies_of(train.label, benign=config.benign_copies, malignant=config.malignant_copies)
    watched = torch.from_numpy(standardised(inner(validation.patches, margin_px=config.margin_px)))
    result = fit(
        network,
        config=_loop(config),
        batches=lambda epoch, generator: _batches(train, rows, config, epoch, generator),
        steps=math.ceil(len(rows) / config.batch),
        loss=_loss,
        out=out,
        validate=lambda net, _: _metrics(net, watched, validation.label),
        on_progress=on_progress,
        resume=resume,
        identity=f"fracture|{train.fingerprint}|{validation.fingerprint}|{asdict(replace(config, device='auto'))}",
    )
    network.cpu().eval()
    return Trained(network=network, history=result.history, best_epoch=result.best_epoch, started_from=started_from)


def _loop(config: FractureConfig) -> LoopConfig:
    return LoopConfig(
        epochs=config.epochs,
        optimizer="adam",
        learning_rate=config.learning_rate,
        beta1=config.beta1,
        schedule="constant",
        weight_decay=config.l2,
        monitor="loss",
        monitor_mode="min",
        patience=config.patience,
        seed=config.seed,
        precision=config.precision,
        device=config.device,
        clip_norm=0.0,
        prefetch=2,
    )


def _batches(
    train: Samples, rows: NDArray[np.int64], config: FractureConfig, epoch: int, generator: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch: every copy once, in a new order, in batches of nearly one size."""
    order = generator.permutation(len(rows))
    label = torch.from_numpy(train.label.astype(np.float32))
    for part in np.array_split(order, math.ceil(len(order) / config.batch)):
        patches = [
            make_copy(train.patches[sample], config=config, generator=_of_copy(config, epoch, int(sample), int(copy)))
            for sample, copy in rows[part]
        ]
        yield torch.from_numpy(np.stack(patches)), label[torch.from_numpy(rows[part, 0])]


def _of_copy(config: FractureConfig, epoch: int, sample: int, copy: int) -> np.random.Generator | None:
    """What draws a copy: the same in every epoch unless ``config.fresh``; nothing for the patch itself."""
    if copy == 0:
        return None
    return np.random.default_rng([config.seed, 11, sample, copy, epoch + 1 if config.fresh else 0])


def _loss(learner: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Cross-entropy of a sigmoid; L2 is the optimizer's."""
    patches, label = batch
    logits = learner(patches)
    right = ((logits > 0) == (label > 0.5)).float().mean()
    return {"loss": functional.binary_cross_entropy_with_logits(logits, label), "accuracy": right}


def _metrics(learner: nn.Module, patches: Tensor, label: NDArray[np.int64]) -> dict[str, float]:
    logits, truth = _logits(learner, patches), torch.from_numpy(label.astype(np.float32))
    return {
        "loss": float(functional.binary_cross_entropy_with_logits(logits, truth)),
        "accuracy": float(((logits > 0) == (truth > 0.5)).float().mean()),
    }


@torch.no_grad()
def _logits(learner: nn.Module, patches: Tensor) -> Tensor:
    device = next(learner.parameters()).device
    return torch.cat([learner(batch.to(device)).float().cpu() for batch in torch.split(patches, _ASK_BATCH)])


def probabilities(
    network: PatchClassifier, patches: NDArray[np.float32], *, config: FractureConfig
) -> NDArray[np.float64]:
    """Probability of malignancy (n,) of patches (n, 6, side, side) as ``patches.cut_patches`` makes them."""
    if not len(patches):
        return np.zeros(0)
    ready = torch.from_numpy(standardised(inner(patches, margin_px=config.margin_px)))
    return np.asarray(torch.sigmoid(_logits(network, ready).double()).numpy())
