"""Arguments that several verbs share: where to compute, where to write, and what a model's name stands for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from osteon.errors import BundleError, UsageError
from osteon.systems.registry import SYSTEMS, get_system

if TYPE_CHECKING:
    from osteon.systems.protocol import System

DEVICES = ("auto", "cpu", "cuda")


def check_device(device: str) -> str:
    """The device, if it is one of ``DEVICES``.

    Raises:
        UsageError: it is not.
    """
    if device not in DEVICES:
        raise UsageError(f"--device {device!r}: expected one of {', '.join(DEVICES)}")
    return device


def check_out(out: Path) -> Path:
    """The folder to write to, if nothing is there yet or it is an empty folder.

    Raises:
        UsageError: it holds something, or is, or lies below, a file.
    """
    for parent in out.parents:
        if parent.exists() and not parent.is_dir():
            raise UsageError(f"--out {out.name}: {parent.name} is a file, not a folder; choose another folder")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out.name}: is a file; choose a folder")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"--out {out.name}: already exists and is not empty; choose another folder")
    return out


def bundle_folder(model: str) -> Path:
    """Folder of MODEL: a bundle's folder, or a system's name for the small model that ships with the package.

    Raises:
        UsageError: neither, or a system without a shipped model.
    """
    from osteon.systems.bundles import shipped_folder

    path = Path(model)
    if path.is_dir():
        return path
    if model in SYSTEMS and shipped_folder(model).is_dir():
        return shipped_folder(model)
    if model in SYSTEMS:
        raise UsageError(
            f"system {model!r} has no shipped model: train one (osteon train {model} COHORT --out MODEL) and name its "
            "folder"
        )
    names = [name for name in SYSTEMS if shipped_folder(name).is_dir()]
    raise UsageError(f"model {model!r}: neither a folder nor a system with a shipped model ({', '.join(names)})")


def open_model(model: str, *, device: str) -> tuple[System, Any]:
    """The system that MODEL (see ``bundle_folder``) is of, and the model ready to read.

    Raises:
        UsageError: there is no such model, or no such device.
        BundleError: the bundle is damaged, or of a system that this osteon does not have.
    """
    folder = bundle_folder(model)
    if folder != Path(model):
        name = model
    else:
        from osteon.training.bundle import bundle_system

        name = bundle_system(folder)
        if name not in SYSTEMS:
            raise BundleError(f"{folder.name}: a model of system {name!r}; this osteon has {', '.join(SYSTEMS)}")
    system = get_system(name)
    return system, system.load_model(folder, device=device)
