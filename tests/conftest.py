"""Shared fixtures: where the real scans are, one thread for torch, no time limits in properties."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A property must hold, however busy the machine is: no test asserts a time.
settings.register_profile("osteon", deadline=None)
settings.load_profile("osteon")

# Small networks on many threads, beside other work, are ten times slower than on one; set before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

REAL_DATA = Path(os.environ.get("OSTEON_REAL_DATA", Path(__file__).parents[2] / "shared" / "real"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real scans; the test is skipped where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip("no real scans here: set OSTEON_REAL_DATA to their folder")
    return REAL_DATA
