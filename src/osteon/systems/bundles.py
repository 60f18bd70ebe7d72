"""What loading a model has in common for all systems: device, system of the bundle, what cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.errors import BundleError, UsageError
from osteon.training.bundle import read_bundle
from osteon.training.config import CHOICES

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.training.bundle import ModelBundle


def choose_device(device: str) -> str:
    """Take "auto" as what is there.

    Raises:
        UsageError: an unknown device, or one that is not there.
    """
    import torch

    if device not in CHOICES["device"]:
        raise UsageError(f"device {device!r}: expected one of {', '.join(CHOICES['device'])}")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise UsageError("device 'cuda' was asked for, but torch sees no GPU; use --device cpu")
    return ("cuda" if there else "cpu") if device == "auto" else device


def bundle_of(folder: Path, system: str) -> ModelBundle:
    """Read and check a bundle of one system.

    Raises:
        BundleError: it is damaged, of another version or of another system.
    """
    bundle = read_bundle(folder)
    if bundle.facts.system != system:
        raise BundleError(f"{folder.name}: a model of system {bundle.facts.system!r}; expected {system!r}")
    return bundle


def unusable(folder: Path, error: Exception) -> BundleError:
    """The error for a bundle whose facts no network can be built from."""
    return BundleError(
        f"{folder.name}: what model.toml says cannot be used ({type(error).__name__}: {error}); train the model "
        "again with this osteon, or use the osteon that made it"
    )
