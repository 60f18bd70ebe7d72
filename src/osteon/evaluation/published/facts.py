"""The studies' printed counts and figures, as data that ships with the package. Facts only."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from osteon.errors import UsageError

NAMES = ("lytic", "tumor", "metastasis", "differential", "fracture")
"""The five studies."""


def load_facts(study: str) -> dict[str, Any]:
    """Counts and printed figures of one study; ``source`` cites it, ``also_printed`` holds figures as printed text.

    Raises:
        UsageError: not one of ``NAMES``.
    """
    if study not in NAMES:
        raise UsageError(f"study {study!r}: expected one of {list(NAMES)}")
    text = resources.files(__package__).joinpath("data", f"{study}.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)
    return facts
