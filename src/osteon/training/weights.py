"""Load weights into a network, by name and shape, from files that can hold nothing but tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from osteon.errors import BundleError
from osteon.training.checkpoint import load_tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

_SHOWN = 3


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a safetensors file into ``model``; every tensor by name, none left over, none missing.

    Half-precision tensors are widened to the model's own type.

    Raises:
        BundleError: the file is missing or damaged, or does not hold exactly this network's tensors.
    """
    apply_weights(model, load_tensors(path)[0], source=path.name)


def apply_weights(model: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Copy ``tensors`` into ``model``; ``source`` names them in errors, which are those of ``load_weights``."""
    wanted = model.state_dict()
    problems = []
    if missing := wanted.keys() - tensors.keys():
        problems.append(f"missing {_some(missing)}")
    if unknown := tensors.keys() - wanted.keys():
        problems.append(f"unknown {_some(unknown)}")
    both = sorted(wanted.keys() & tensors.keys())
    misfits = [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(wanted[name].shape)}"
        for name in both
        if tensors[name].shape != wanted[name].shape
    ]
    if misfits:
        problems.append(f"other shapes: {_some(misfits)}")
    if odd := [name for name in both if not torch.isfinite(tensors[name]).all()]:
        problems.append(f"values that are no numbers in {_some(odd)}")
    if problems:
        raise BundleError(f"{source}: these weights are not for this network: {'; '.join(problems)}")
    model.load_state_dict(dict(tensors))


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    rest = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(ordered[:_SHOWN]) + rest
