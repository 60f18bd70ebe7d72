"""How to train: one frozen record, and the learning rate that follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from osteon.errors import UsageError

CHOICES = {
    "optimizer": ("adam", "adamw", "sgd"),
    "schedule": ("constant", "cosine", "linear"),
    "monitor_mode": ("max", "min"),
    "precision": ("32-true", "bf16-mixed"),
    "device": ("auto", "cpu", "cuda"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LoopConfig:
    """How to train; 0 or "" switches an optional part off.

    Attributes:
        epochs: how often ``batches`` is gone through.
        optimizer: "adam", "adamw" or "sgd" (Nesterov).
        learning_rate: its highest value.
        schedule: "constant", or falling to ``final_fraction`` of it by a "cosine" or a "linear" rule, step by step.
        warmup_epochs: the rate rises linearly from 0 for so long.
        weight_decay: for weights of two or more dimensions; biases and norms have none.
        momentum: of SGD.
        beta1: of Adam and AdamW: decay of the mean gradient.
        clip_norm: largest norm of the gradient.
        ema_decay: decay of the moving average of the weights, which is then what is validated and kept.
        ema_ramp_steps: the decay grows as 1 - exp(-steps / this).
        monitor: validation metric that chooses the best epoch; with "", the last epoch is the best.
        monitor_mode: "max" if more is better.
        patience: stop after so many epochs without a better one.
        seed: of data order, augmentation and dropout; starting weights are the caller's.
        precision: Fabric's: "32-true" or "bf16-mixed".
        device: "auto", "cpu" or "cuda".
        channels_last: memory order of the weights; faster for 2-D networks in bf16.
        prefetch: batches made ahead in a thread.

    Raises:
        UsageError: an impossible value.
    """

    epochs: int = 100
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    final_fraction: float = 0.01
    warmup_epochs: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.937
    beta1: float = 0.9
    clip_norm: float = 10.0
    ema_decay: float = 0.0
    ema_ramp_steps: int = 2000
    monitor: str = ""
    monitor_mode: str = "max"
    patience: int = 0
    seed: int = 0
    precision: str = "32-true"
    device: str = "auto"
    channels_last: bool = False
    prefetch: int = 0

    def __post_init__(self) -> None:
        for key, accepted in CHOICES.items():
            if getattr(self, key) not in accepted:
                raise UsageError(f"training config: {key} = {getattr(self, key)!r}; expected one of {list(accepted)}")
        if self.epochs < 1 or not self.learning_rate > 0 or not 0 <= self.final_fraction <= 1:
            raise UsageError("training config: expected epochs >= 1, learning_rate > 0, final_fraction from 0 to 1")
        if not all(0 <= share < 1 for share in (self.ema_decay, self.momentum, self.beta1)) or self.ema_ramp_steps < 1:
            raise UsageError(
                "training config: expected ema_decay, momentum and beta1 from 0 to below 1, ema_ramp_steps >= 1"
            )
        for key in ("warmup_epochs", "weight_decay", "clip_norm", "patience", "prefetch", "seed"):
            if not getattr(self, key) >= 0:
                raise UsageError(f"training config: {key} = {getattr(self, key)}; expected 0 or more")


def learning_rate(config: LoopConfig, *, step: int, steps_per_epoch: int) -> float:
    """Learning rate of one step, counted from 0 over the whole run."""
    part = step / max(1, config.epochs * steps_per_epoch - 1)
    low = config.final_fraction
    factor = {
        "constant": 1.0,
        "cosine": low + (1 - low) * (1 + math.cos(math.pi * part)) / 2,
        "linear": low + (1 - low) * (1 - part),
    }[config.schedule]
    warm = min(1.0, (step + 1) / max(1.0, config.warmup_epochs * steps_per_epoch))
    return config.learning_rate * factor * warm
