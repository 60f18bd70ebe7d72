"""The training loop: one for every network, on Lightning Fabric for device and precision.

Every epoch starts from seeds made of (seed, epoch) alone, so that a run which was killed at any moment and resumed
ends, on a CPU, with the same bits as one left alone, and no state of a random generator needs saving.
"""

from __future__ import annotations

import math
import random
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from osteon.errors import UsageError
from osteon.training.batches import prefetch
from osteon.training.checkpoint import load_tensors
from osteon.training.run import BEST, LAST, Run, best_epoch, prepare_folder, save, stalled, start, update_average

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from osteon.training.config import LoopConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What ``on_progress`` is told: after every step, and once more (with ``metrics``) after every epoch.

    Attributes:
        epoch, step: counted from 1.
        epochs, steps: how many there are.
        learning_rate: of this step.
        losses: of this step; the epoch's means where ``metrics`` is there.
        metrics: of the validation; {} without one.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    learning_rate: float
    losses: dict[str, float]
    metrics: dict[str, float | None] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FitResult:
    """How training went.

    Attributes:
        history: an entry an epoch: epoch (from 1), learning_rate, train, val, seconds.
        best_epoch: from 1.
        best: weights of that epoch, safetensors.
        last: the checkpoint to resume from.
    """

    history: list[dict[str, Any]]
    best_epoch: int
    best: Path
    last: Path


def fit(
    model: nn.Module,
    *,
    config: LoopConfig,
    batches: Callable[[int, np.random.Generator], Iterable[Any]],
    steps: int,
    loss: Callable[[nn.Module, Any], Mapping[str, Tensor]],
    out: Path,
    validate: Callable[[nn.Module, int], Mapping[str, float]] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    resume: bool = False,
    identity: str = "",
) -> FitResult:
    """Train ``model`` in place; it ends with the best epoch's weights, in evaluation mode.

    Args:
        model: on the CPU, with its starting weights (a resumed run's are replaced).
        config: how.
        batches: makes one epoch's batches from (epoch from 0, generator seeded by (seed, epoch)); it draws from nothing
            else. A batch is a tensor, or tuples, lists and dicts of them, on the CPU.
        steps: how many batches an epoch has.
        loss: from (network, batch on the device) to scalars; the one named "loss" is gone down along.
        out: folder of the run: last.safetensors, best.safetensors, history.json.
        validate: metrics of (network in evaluation mode, epoch from 0), called without gradients, in full precision.
        on_progress: is told of every step and epoch.
        resume: go on from ``last.safetensors`` if there is one.
        identity: what is trained on what (e.g. the data's fingerprint); a run of another identity is not resumed.

    Raises:
        UsageError: ``out`` holds a run and ``resume`` is false, or one that was made otherwise; the loss is no number;
            the monitored metric is not among those of ``validate``.
        BundleError: the checkpoint is damaged.
    """
    run = start(model, config=config, steps=steps, identity=identity)
    prepare_folder(run, out, resume=resume)
    report = on_progress or (lambda _: None)
    while len(run.history) < config.epochs and not stalled(run):
        epoch, rate, started = len(run.history), run.rate(steps - 1), time.perf_counter()
        generator = _seed(config.seed, epoch)
        with closing(prefetch(batches(epoch, generator), ahead=config.prefetch)) as made:
            losses = _train_epoch(run, made, loss, report)
        metrics = _validate(run, validate)
        seconds = round(time.perf_counter() - started, 3)
        run.history.append(
            {"epoch": epoch + 1, "learning_rate": rate, "train": losses, "val": metrics, "seconds": seconds}
        )
        save(run, out)
        report(_progress(run, step=steps, epoch=epoch + 1, rate=rate, losses=losses, metrics=metrics))
    model.load_state_dict(load_tensors(out / BEST)[0])
    model.eval()
    return FitResult(history=run.history, best_epoch=best_epoch(run) + 1, best=out / BEST, last=out / LAST)


def _seed(seed: int, epoch: int) -> np.random.Generator:
    """Seed torch, numpy and Python from (seed, epoch), and give the epoch's own generator for the data."""
    sequence = np.random.SeedSequence((seed, epoch))
    number = int(sequence.generate_state(1)[0])
    torch.manual_seed(number)
    np.random.seed(number)  # third-party code may draw from the global generator
    random.seed(number)
    return np.random.default_rng(sequence)


def _train_epoch(
    run: Run,
    batches: Iterable[Any],
    loss: Callable[[nn.Module, Any], Mapping[str, Tensor]],
    report: Callable[[Progress], None],
) -> dict[str, float]:
    """One pass over the data; the mean of each loss."""
    sums: dict[str, float] = {}
    epoch, step = len(run.history) + 1, 0
    run.wrapped.train()
    for batch in batches:
        rate = run.rate(step)
        step += 1
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        losses = loss(run.wrapped, run.fabric.to_device(batch))
        values = {name: float(value.detach()) for name, value in losses.items()}
        if not math.isfinite(values["loss"]):
            raise UsageError(
                f"training: the loss is {values['loss']} in epoch {epoch}, step {step}; lower learning_rate or use "
                "precision = '32-true'. The checkpoint of the epoch before is kept"
            )
        run.stepper.zero_grad()
        run.fabric.backward(losses["loss"])
        if run.config.clip_norm > 0:
            run.fabric.clip_gradients(run.wrapped, run.stepper, max_norm=run.config.clip_norm)
        run.stepper.step()
        update_average(run, (epoch - 1) * run.steps + step)
        sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
        report(_progress(run, step=step, epoch=epoch, rate=rate, losses=values))
    if step != run.steps:
        raise UsageError(f"training: epoch {epoch} had {step} batches, but {run.steps} were announced")
    return {name: value / step for name, value in sums.items()}


def _validate(run: Run, validate: Callable[[nn.Module, int], Mapping[str, float]] | None) -> dict[str, float | None]:
    """Metrics of the network that is kept; None for what is no number."""
    metrics: dict[str, float | None] = {}
    if validate is not None:
        run.kept.eval()
        with torch.no_grad():
            found = validate(run.kept, len(run.history))
        metrics = {name: float(value) if math.isfinite(value) else None for name, value in found.items()}
    if run.config.monitor and run.config.monitor not in metrics:
        raise UsageError(
            f"training config: monitor = {run.config.monitor!r} is not measured; expected one of {sorted(metrics)}"
        )
    return metrics


def _progress(
    run: Run,
    *,
    step: int,
    epoch: int,
    rate: float,
    losses: dict[str, float],
    metrics: dict[str, float | None] | None = None,
) -> Progress:
    return Progress(
        epoch=epoch,
        epochs=run.config.epochs,
        step=step,
        steps=run.steps,
        learning_rate=rate,
        losses=losses,
        metrics=metrics,
    )
