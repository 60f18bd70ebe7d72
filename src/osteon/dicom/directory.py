"""DICOMDIR: the index of a DICOM disc (PS3.3 Annex F, PS3.10 section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.dicom.walk import iter_elements, iter_items, read_header
from osteon.errors import OsteonError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from osteon.dicom.limits import Limits

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
_DIRECTORY_RECORDS = 0x00041220
_REFERENCED_FILE = 0x00041500


def is_dicomdir(path: Path, *, limits: Limits) -> bool:
    """Whether the file is a DICOMDIR: it has directory records."""
    try:
        header = read_header(path, wanted=frozenset({_DIRECTORY_RECORDS}), limits=limits)
    except (OsteonError, OSError):
        return False
    return _DIRECTORY_RECORDS in header.values


def referenced_files(path: Path, *, limits: Limits) -> tuple[list[Path], dict[str, str]]:
    """The files that a DICOMDIR lists, and those of them that cannot be had.

    A Referenced File ID never leads out of the DICOMDIR's own folder: its components are looked up one by one among
    the names that are really there, letters of either case. A damaged index gives what stands before the damage.

    Returns:
        Existing files in the order of the index, and name -> why for the others.
    """
    files: dict[Path, None] = {}
    failures: dict[str, str] = {}
    listed: dict[Path, dict[str, Path]] = {}
    try:
        for parts in _file_ids(path, limits):
            found = _look_up(path.parent, parts, listed)
            if found is None:
                shown = "".join(c if c.isprintable() else "?" for c in "/".join(parts)[:200])
                failures[shown] = "listed in DICOMDIR but not there; copy the whole disc"
            else:
                files[found] = None
    except OsteonError as error:
        failures[path.name] = f"damaged DICOMDIR, files may be missing ({error}); give the folder instead"
    return list(files), failures


def _file_ids(path: Path, limits: Limits) -> Iterator[list[str]]:
    """The components of every Referenced File ID."""
    header = read_header(path, wanted=frozenset({_DIRECTORY_RECORDS}), limits=limits)
    for item in iter_items(header.values.get(_DIRECTORY_RECORDS, b""), encoding=header.encoding, limits=limits):
        for tag, raw in iter_elements(item, encoding=header.encoding, limits=limits):
            if tag == _REFERENCED_FILE and raw.strip(b" \0"):
                yield [part.strip(" \0") for part in raw.decode("ascii", "replace").split("\\")]


def _look_up(folder: Path, parts: list[str], listed: dict[Path, dict[str, Path]]) -> Path | None:
    place = folder
    for part in parts:
        if place not in listed:
            listed[place] = {entry.name.lower(): entry for entry in place.iterdir()} if place.is_dir() else {}
        found = listed[place].get(part.lower())
        if found is None:
            return None
        place = found
    return place if place.is_file() else None
