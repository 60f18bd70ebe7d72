"""Which systems there are, each imported only when it is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from osteon.errors import UsageError

if TYPE_CHECKING:
    from osteon.systems.protocol import System

SYSTEMS = ("lytic", "metastasis", "differential", "fracture", "tumor")
"""Names; each has ``osteon.systems.<name>.system`` with the functions of ``protocol.System``."""


def get_system(name: str) -> System:
    """The system's module.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in SYSTEMS:
        raise UsageError(f"system {name!r}: expected one of {', '.join(SYSTEMS)}")
    return cast("System", importlib.import_module(f"osteon.systems.{name}.system"))
