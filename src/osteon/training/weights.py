"""Load weights into a network, by name and shape, from files that can hold nothing but tensors."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from osteon.errors import BundleError
from osteon.training.checkpoint import load_tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_SHOWN = 3
_WRAPPERS = ("state_dict", "model_state_dict", "model", "ema")


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


def import_state_dict(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from someone else's file: ``.safetensors``, or ``.pt`` and ``.pth`` that hold only tensors.

    A ``.pt`` is read by torch's restricted loader, which makes tensors and plain containers and runs nothing. The
    published YOLOv5 checkpoints hold whole pickled models and are therefore refused.

    Raises:
        BundleError: another kind of file, a damaged one, or one that holds anything but tensors.
    """
    if path.suffix == ".safetensors":
        return load_tensors(path)[0]
    if path.suffix not in (".pt", ".pth"):
        raise BundleError(f"{path.name}: expected a .safetensors, .pt or .pth file")
    advice = "save `model.state_dict()` as safetensors where the model was made, and import that"
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BundleError(f"{path.name}: missing") from error
    except pickle.UnpicklingError as error:
        raise BundleError(f"{path.name}: holds more than tensors, which osteon does not run; {advice}") from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise BundleError(f"{path.name}: damaged, or not a torch file; {advice}") from error
    for key in _WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if not isinstance(found, dict) or not found or not all(_is_named_tensor(item) for item in found.items()):
        raise BundleError(f"{path.name}: holds no plain table of tensors; {advice}")
    return {name: tensor.detach() for name, tensor in found.items()}


def _is_named_tensor(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)
