"""Tensors and JSON in one safetensors file, written whole or not at all; nothing is ever unpickled.

One file, not two: a run that is killed between two renames would otherwise resume from halves that do not belong
together.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from osteon.errors import BundleError
from osteon.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

KEY = "osteon"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], *, facts: Mapping[str, Any]) -> None:
    """Write ``tensors`` and the JSON-like ``facts`` to ``path``, replacing it in one step."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with whole_file(path) as draft:
        save_file(plain, draft, metadata={KEY: json.dumps(facts, allow_nan=False)})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_tensors`` wrote: tensors on the CPU, and facts ({} if the file has none).

    Raises:
        BundleError: the file is missing, cut short or not a safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
            facts = json.loads((file.metadata() or {}).get(KEY, "{}"))
    except FileNotFoundError as error:
        raise BundleError(f"{path.name}: missing; train the model or fetch it again") from error
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path.name}: not a whole safetensors file ({error}); train or fetch it again") from error
    return tensors, facts
