"""Small files of a case."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document as the cohort's JSON files are written."""
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
