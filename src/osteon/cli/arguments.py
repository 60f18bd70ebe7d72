"""Arguments that several verbs share: where to compute, where to write, and what a model's name stands for."""

from __future__ import annotations

from pathlib import Path

from osteon.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")
SYSTEMS = ("lytic",)


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


def check_system(system: str) -> str:
    """The system's name, if there is such a system.

    Raises:
        UsageError: there is none.
    """
    if system not in SYSTEMS:
        raise UsageError(f"system {system!r}: expected one of {', '.join(SYSTEMS)}")
    return system


def bundle_folder(model: str) -> Path:
    """Folder of MODEL: a bundle's folder, or a system's name for the small model that ships with the package.

    Raises:
        UsageError: neither.
    """
    from importlib import resources

    path = Path(model)
    if path.is_dir():
        return path
    if model in SYSTEMS:
        return Path(str(resources.files("osteon") / "models" / model))
    raise UsageError(f"model {model!r}: neither a folder nor a system with a shipped model ({', '.join(SYSTEMS)})")
