"""External validators, and what is known of the one version that Debian ships."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# dicom3tools 1.00 of 2022 knows neither our private coding scheme (DICOM PS3.3 8.2 allows it) nor Device UID in the
# Contributing Equipment Sequence (DICOM PS3.3 C.12.1.1.5, which IHE AI Results asks for).
_KNOWN = re.compile(
    r"Unrecognized defined term = <99OSTEON>"
    r"|ContributingEquipmentSequence\(0018,a001\)\[\d+\]/DeviceUID\(0018,1002\)> - Attribute is not present"
)

needs_dciodvfy = pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
needs_dsrdump = pytest.mark.skipif(shutil.which("dsrdump") is None, reason="dsrdump (dcmtk) is not installed")


def complaints(path: Path) -> list[str]:
    """What ``dciodvfy -new`` finds wrong, without the name of the object that it always prints."""
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    found = [line for line in lines if line.startswith(("Error", "Warning")) and not _KNOWN.search(line)]
    return found + ([f"exit {done.returncode}"] if done.returncode else [])


def dsrdump(path: Path) -> str:
    done = subprocess.run(["dsrdump", "-Ee", "+Pl", path], capture_output=True, text=True, check=True)
    return done.stdout
