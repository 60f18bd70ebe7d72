"""Tensors out of a file that somebody else made, and nothing but tensors: what could run is refused before it is read.

A ``.safetensors`` file can hold nothing else. A file of ``torch.save`` is a ZIP archive with a pickle in it, which may
name any function to be called: the names in it are looked at first, without running it, and only those that a plain
dictionary of tensors needs are let through to ``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import pickle
import pickletools
import zipfile
from typing import TYPE_CHECKING, Any

import torch

from osteon.errors import InputError, LimitError
from osteon.training.checkpoint import load_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

LARGEST_BYTES = 2 * 2**30
LARGEST_PICKLE = 32 * 2**20
_STORAGES = ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool")
ALLOWED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {name}Storage" for name in _STORAGES),
}
"""What the pickle of a dictionary of tensors names."""
EXPORT = (
    "save the tensors alone, torch.save(model.float().state_dict(), FILE), or as safetensors, where you trust the file"
)


def read_plain_tensors(path: Path) -> dict[str, Tensor]:
    """Name -> tensor, on the CPU, from a safetensors file or a ``torch.save`` file of a plain dictionary of tensors.

    Raises:
        InputError: the file is missing, damaged, or holds anything else; nothing of it has been run then.
        LimitError: it is larger than ``LARGEST_BYTES``.
    """
    if not path.is_file():
        raise InputError(f"{path.name}: no such file; expected a file of weights")
    if path.stat().st_size > LARGEST_BYTES:
        raise LimitError(f"{path.name}: {path.stat().st_size / 2**30:.1f} GiB; weights of at most 2 GiB are read")
    if path.suffix == ".safetensors":
        return load_tensors(path)[0]
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path.name}: neither safetensors nor a file that torch.save makes; {EXPORT}")
    _check_archive(path)
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, TypeError, AttributeError) as error:
        first = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"{path.name}: cannot be read as plain tensors ({first}); {EXPORT}") from None
    return _checked(found, path.name)


def _checked(found: Any, name: str) -> dict[str, Tensor]:
    if not isinstance(found, dict) or not found:
        raise InputError(f"{name}: holds a {type(found).__name__}, not a dictionary of tensors; {EXPORT}")
    odd = [key for key, value in found.items() if not (isinstance(key, str) and isinstance(value, torch.Tensor))]
    if odd:
        kind = type(found[odd[0]]).__name__
        raise InputError(f"{name}: {str(odd[0])[:60]!r} is a {kind}, not a tensor; {EXPORT}")
    return {str(key): value.detach() for key, value in found.items()}


def _check_archive(path: Path) -> None:
    """Refuse an archive that is packed, or whose pickle names what plain tensors do not need."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise InputError(f"{path.name}: a compressed archive, which torch.save does not make; {EXPORT}")
            if any("/code/" in f"/{info.filename}" for info in infos):
                raise InputError(f"{path.name}: holds code (TorchScript); {EXPORT}")
            pickles = [info for info in infos if info.filename.endswith(".pkl")]
            if [info.filename.rpartition("/")[2] for info in pickles] != ["data.pkl"]:
                raise InputError(f"{path.name}: not a file that torch.save makes; {EXPORT}")
            if pickles[0].file_size > LARGEST_PICKLE:
                raise InputError(f"{path.name}: its description is larger than {LARGEST_PICKLE // 2**20} MiB; {EXPORT}")
            names = _named(archive.read(pickles[0]))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise InputError(f"{path.name}: a damaged archive ({error}); fetch the file again") from None
    except ValueError:  # pickletools
        raise InputError(f"{path.name}: its description is damaged; fetch the file again") from None
    strange = sorted(names - ALLOWED, key=lambda name: (name.startswith("_"), name))
    if strange:
        listed = ", ".join(map(repr, strange[:3]))
        raise InputError(
            f"{path.name}: no file of plain tensors: reading it would run {listed}, which is never done; {EXPORT}"
        )


def _named(content: bytes) -> set[str]:
    """Every "module name" that a pickle would import; read, not run.

    Raises:
        ValueError: not a pickle, or one that names modules otherwise than torch.save does (protocol 2).
    """
    names = set()
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "GLOBAL":
            names.add(str(argument))  # "module name"
        elif opcode.name in ("INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
            names.add(f"pickle {opcode.name}")
    return names
