"""Nothing half-written: a file or folder appears under its name only once it is complete."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from osteon.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _draft_name(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex[:8]}.part")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it is renamed to ``path``, on any error removed.

    The folder is made if missing; a file already at ``path`` is replaced in one step.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft_name(path)
    try:
        yield draft
        os.replace(draft, path)  # noqa: PTH105  (atomic)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; on success it is renamed to ``path``, on any error removed.

    Raises:
        InputError: ``path`` exists and is not an empty folder; nothing is ever merged or overwritten.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path.name}: already exists and is not empty; remove it or write to another folder")
    draft = _draft_name(path)
    draft.mkdir(parents=True)
    try:
        yield draft
        if path.exists():
            path.rmdir()
        os.replace(draft, path)  # noqa: PTH105  (atomic)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
