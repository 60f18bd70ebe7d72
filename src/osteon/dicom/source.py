"""Open whatever holds a scan - folder, ZIP archive, DICOMDIR, single file - as a list of files."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from osteon.dicom.directory import is_dicomdir, referenced_files
from osteon.dicom.limits import Limits
from osteon.errors import InputError, LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1024 * 1024
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MEMBER_ERRORS = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError)
"""What ``zipfile`` raises on damaged and encrypted members."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The files of one input.

    Attributes:
        root: the folder they lie in.
        files: every regular file, in a stable order.
        names: how a file is called to the user, where that is not its path relative to ``root``.
        failures: what could not be had, by name -> why.
    """

    root: Path
    files: tuple[Path, ...]
    names: dict[Path, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def name_of(self, path: Path) -> str:
        """The name of one file as the user knows it."""
        return self.names.get(path) or path.relative_to(self.root).as_posix()


@contextlib.contextmanager
def open_source(path: Path | str, limits: Limits | None = None) -> Iterator[Source]:
    """Open a folder, ZIP archive, DICOMDIR, DICOM or NIfTI file.

    A ZIP archive is extracted to a private temporary folder, under names made here, and removed on leaving: read
    volumes inside the ``with`` block; what is in memory stays valid.

    Raises:
        InputError: there is no such path, it cannot be read, or the archive or DICOMDIR is damaged.
        LimitError: too many files, or too many bytes once inflated.
    """
    path = Path(path)
    limits = limits or Limits()
    if path.is_dir():
        yield _open_folder(path, limits)
    elif not path.is_file():
        raise InputError(f"{path.name}: no such file or folder; check the path")
    elif _is_zip(path):
        with tempfile.TemporaryDirectory(prefix="osteon-") as folder:
            yield _extract(path, Path(folder), limits=limits)
    elif is_dicomdir(path, limits=limits):
        yield _open_directory_file(path, limits)
    else:
        yield Source(root=path.parent, files=(path,))


def _open_folder(root: Path, limits: Limits) -> Source:
    files = []
    for path in _walk(root):
        files.append(path)
        if len(files) > limits.max_files:
            raise LimitError(f"{root.name}: more than {limits.max_files} files; give a smaller folder")
    return Source(root=root, files=tuple(files), failures=_missing_from_folder(root, limits))


def _walk(root: Path) -> Iterator[Path]:
    """Regular files below a folder, sorted; linked folders are not followed, so that there are no circles."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            with contextlib.suppress(OSError):  # a broken link is no file
                if stat.S_ISREG(path.stat().st_mode):
                    yield path


def _missing_from_folder(root: Path, limits: Limits) -> dict[str, str]:
    """Files that the folder's own DICOMDIR lists but that are not there."""
    index = root / "DICOMDIR"
    if not index.is_file() or not is_dicomdir(index, limits=limits):
        return {}
    return referenced_files(index, limits=limits)[1]


def _open_directory_file(path: Path, limits: Limits) -> Source:
    files, failures = referenced_files(path, limits=limits)
    return Source(root=path.parent, files=tuple(files), failures=failures)


def _is_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InputError(f"{path.name}: cannot be read ({why}); check the path and its permissions") from error
    return start in (b"PK\x03\x04", b"PK\x05\x06")


def _extract(path: Path, folder: Path, *, limits: Limits) -> Source:
    names: dict[Path, str] = {}
    failures: dict[str, str] = {}
    taken: set[str] = set()
    left = limits.max_unpacked_bytes
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_archive(path, members, free=shutil.disk_usage(folder).free, limits=limits)
            for number, member in enumerate(members):
                target = folder / f"{number:06d}{_suffix(member.filename)}"
                shown = _shown(member.filename)
                if shown in taken:
                    shown = f"{shown} (member {number})"
                taken.add(shown)
                try:
                    left -= _extract_member(archive, member, target, left=left)
                    names[target] = shown
                except _MEMBER_ERRORS as error:
                    target.unlink(missing_ok=True)
                    failures[shown] = f"cannot be unpacked ({error}); pack the archive again"
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeError, OverflowError) as error:
        raise InputError(f"{path.name}: damaged ZIP archive ({error}); pack it again") from error
    return Source(root=folder, files=tuple(names), names=names, failures=failures)


def _check_archive(path: Path, members: list[zipfile.ZipInfo], *, free: int, limits: Limits) -> None:
    """Refuse by what the archive states of itself; ``_extract_member`` counts what really comes out."""
    if len(members) > limits.max_files:
        raise LimitError(f"{path.name}: {len(members)} files, allowed are {limits.max_files}")
    total = sum(member.file_size for member in members)
    ratio = total / max(1, path.stat().st_size)
    if total > limits.min_ratio_bytes and ratio > limits.max_unpacked_ratio:
        raise LimitError(
            f"{path.name}: {total} bytes once inflated, {ratio:.0f} times the archive; no scan compresses so well. "
            "Raise max_unpacked_ratio only if you trust the archive"
        )
    if total > limits.max_unpacked_bytes:
        raise LimitError(
            f"{path.name}: {total} bytes once inflated, allowed are {limits.max_unpacked_bytes}; unpack it yourself, "
            "or raise max_unpacked_bytes"
        )
    if total > free:
        raise LimitError(f"{path.name}: {total} bytes once inflated, {free} are free for temporary files; unpack it")


def _extract_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, *, left: int) -> int:
    """Inflate one member, never more than it states nor than is left."""
    if member.compress_type not in _METHODS:
        raise NotImplementedError(f"compression method {member.compress_type}, expected deflate or none")
    written = 0
    allowed = min(member.file_size, left)
    with archive.open(member) as stream, target.open("xb") as file:
        while chunk := stream.read(_CHUNK):
            written += len(chunk)
            if written > allowed:
                raise LimitError(
                    f"{_shown(member.filename)}: inflates to more than the archive states; do not trust it"
                )
            file.write(chunk)
    return written


def _suffix(name: str) -> str:
    """The one part of a received name that decides how a file is read, from a fixed list."""
    lowered = name.lower()
    return next((suffix for suffix in (".nii.gz", ".nii") if lowered.endswith(suffix)), ".bin")


def _shown(name: str) -> str:
    """A received name on one line, for messages only."""
    return "".join(c if c.isprintable() else "?" for c in name)[-200:]
