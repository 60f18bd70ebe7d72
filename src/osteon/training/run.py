"""The state of a training run, and its folder.

``last.safetensors`` holds all that is needed to go on, ``best.safetensors`` the weights to use, ``history.json`` one
entry an epoch. ``best`` is written before ``last``: killed between the two, a resumed run makes the same ``best``
again.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from osteon import __version__
from osteon.errors import BundleError, UsageError
from osteon.files import whole_file
from osteon.training.checkpoint import load_tensors, save_tensors
from osteon.training.config import LoopConfig, learning_rate

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "osteon-run/1"
LAST, BEST, HISTORY = "last.safetensors", "best.safetensors", "history.json"
MAY_CHANGE = ("device", "prefetch")
"""Config that a resumed run may change; anything else would make it another run."""


@dataclass(kw_only=True, slots=True)
class Run:
    """What changes from step to step.

    Attributes:
        fabric: Lightning Fabric, for device and precision.
        model, optimizer: the plain ones, which are saved.
        wrapped, stepper: the same as Fabric sees them, which are used.
        average: moving average of the model's weights, if wanted.
        steps: steps an epoch.
        identity: what is trained on what.
        history: an entry a finished epoch.
    """

    config: LoopConfig
    fabric: Any
    model: nn.Module
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    stepper: Any
    average: nn.Module | None
    steps: int
    identity: str
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and kept."""
        return self.model if self.average is None else self.average

    def rate(self, step: int) -> float:
        """Learning rate of a step of the current epoch, from 0."""
        done = len(self.history) * self.steps + step
        return learning_rate(self.config, step=done, steps_per_epoch=self.steps)


def start(model: nn.Module, *, config: LoopConfig, steps: int, identity: str) -> Run:
    """Put a network and a fresh optimizer onto the device.

    Raises:
        UsageError: no batch, or no such device.
    """
    if steps < 1:
        raise UsageError(f"training: {steps} batches an epoch; expected at least one: is the training set empty?")
    if config.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("training config: device = 'cuda', but there is none here; use 'auto' or 'cpu'")
    from lightning_fabric import Fabric

    fabric = Fabric(accelerator=config.device, devices=1, precision=config.precision)  # type: ignore[arg-type]
    if config.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(model, config)
    wrapped, stepper = fabric.setup(model, optimizer)
    average = copy.deepcopy(model).eval().requires_grad_(False) if config.ema_decay > 0 else None
    return Run(
        config=config,
        fabric=fabric,
        model=model,
        wrapped=wrapped,
        optimizer=optimizer,
        stepper=stepper,
        average=average,
        steps=steps,
        identity=identity,
    )


def _optimizer(model: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [one for one in learned if one.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [one for one in learned if one.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=config.learning_rate, betas=(config.beta1, 0.999))


@torch.no_grad()
def update_average(run: Run, step: int) -> None:
    """Move the average towards the weights after a step, counted from 1 over the whole run; buffers too."""
    if run.average is None:
        return
    decay = run.config.ema_decay * (1 - math.exp(-step / run.config.ema_ramp_steps))
    pairs = list(zip(run.average.state_dict().values(), run.model.state_dict().values(), strict=True))
    floating = [(ours, theirs) for ours, theirs in pairs if ours.is_floating_point()]
    move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    move([ours for ours, _ in floating], [theirs for _, theirs in floating], None)
    for ours, theirs in pairs:
        if not ours.is_floating_point():
            ours.copy_(theirs)


def best_epoch(run: Run) -> int:
    """Index of the best epoch so far: the first that no other beats; a metric that is no number beats none.

    While no epoch has a number (validation images without a lesion, say), there is nothing to choose by: the last.
    """
    sign = 1 if run.config.monitor_mode == "max" else -1
    values = [entry["val"].get(run.config.monitor) for entry in run.history]
    if all(value is None for value in values):
        return len(run.history) - 1
    scores = [-math.inf if value is None else sign * value for value in values]
    return scores.index(max(scores))


def stalled(run: Run) -> bool:
    """Whether ``patience`` epochs have passed without a better one."""
    patience = run.config.patience
    return 0 < patience <= len(run.history) - 1 - best_epoch(run) if run.history else False


def save(run: Run, out: Path) -> None:
    """Write the run after an epoch."""
    if best_epoch(run) == len(run.history) - 1:
        save_tensors(out / BEST, run.kept.state_dict(), facts={"epoch": len(run.history), "identity": run.identity})
    tensors = {f"model.{name}": tensor for name, tensor in run.model.state_dict().items()}
    if run.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in run.average.state_dict().items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items() if isinstance(value, Tensor)}
    facts = {
        "schema": SCHEMA,
        "version": __version__,
        "config": asdict(run.config),
        "steps": run.steps,
        "identity": run.identity,
        "history": run.history,
    }
    save_tensors(out / LAST, tensors, facts=facts)
    _write_history(run, out)


def _write_history(run: Run, out: Path) -> None:
    with whole_file(out / HISTORY) as draft:
        draft.write_text(json.dumps(run.history, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def prepare_folder(run: Run, out: Path, *, resume: bool) -> None:
    """Make the folder, or take the run up again from it.

    Raises:
        UsageError: there is a run and ``resume`` is false, or a run that was made otherwise.
        BundleError: the checkpoint is damaged.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in (LAST, BEST, HISTORY):
        for draft in out.glob(f".{name}.*.part"):  # left by a run that was killed while writing
            draft.unlink()
    if not (out / LAST).exists():
        return
    if not resume:
        raise UsageError(f"{out.name}: holds a training run already; resume it (--resume) or choose another folder")
    tensors, facts = load_tensors(out / LAST)
    _check_same(run, facts, out)
    try:
        _restore(run, tensors, facts)
    except (KeyError, RuntimeError, ValueError) as error:
        raise BundleError(f"{out.name}/{LAST}: does not fit this network ({error}); start in another folder") from error
    _write_history(run, out)


def _check_same(run: Run, facts: dict[str, Any], out: Path) -> None:
    if facts.get("schema") != SCHEMA:
        raise BundleError(f"{out.name}/{LAST}: schema {facts.get('schema')!r}, expected {SCHEMA!r}; start again")
    now = asdict(run.config) | {"steps": run.steps, "identity": run.identity}
    then = {"beta1": LoopConfig().beta1} | facts["config"] | {"steps": facts["steps"], "identity": facts["identity"]}
    other = [key for key in now if key not in MAY_CHANGE and now[key] != then.get(key)]
    if other:
        changes = ", ".join(f"{key} was {then.get(key)!r}, is {now[key]!r}" for key in other)
        raise UsageError(f"{out.name}: cannot resume: {changes}; use the same as before, or another folder")


def _restore(run: Run, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    run.model.load_state_dict(part("model."))
    if run.average is not None:
        run.average.load_state_dict(part("average."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in part("optimizer.").items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    run.optimizer.load_state_dict({"state": state, "param_groups": run.optimizer.state_dict()["param_groups"]})
    run.history = facts["history"]
