"""What a command costs in a fresh Python process: wall and CPU seconds, peak memory. Shared by the benchmarks.

The process writes its own peak down as it ends: what the operating system reports of a child can be the parent's.
"""

from __future__ import annotations

import os
import platform
import resource
import runpy
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OSTEON = "osteon.cli.main"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Of one run: wall and CPU seconds, and the peak of resident memory in GiB."""

    wall_s: float
    cpu_s: float
    peak_gib: float


def measure(module: str, arguments: Sequence[str], *, threads: int) -> Cost:
    """Run ``python -m module arguments`` in a process of its own, held to so many hardware threads.

    Args:
        module: name of a module, or path of a script.
        arguments: of its command line.
        threads: hardware threads that it may use.

    Raises:
        CalledProcessError: it failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        peak = Path(scratch) / "peak"
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [sys.executable, __file__, str(peak), str(threads), module, *arguments],
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            stdout=subprocess.DEVNULL,
        )
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Cost(wall_s=wall, cpu_s=cpu, peak_gib=float(peak.read_text()))


def hardware(threads: int) -> str:
    """The processor by its kind: "2 threads, AMD EPYC"."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].split() for line in lines if line.startswith("model name"))
        return f"{threads} threads, {' '.join(name[:2])}"
    except (OSError, StopIteration):
        return f"{threads} threads, {platform.machine()}"


def _own_peak_gib() -> float:
    try:
        status = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) / 2**20
    except (OSError, StopIteration):
        scale = 2**30 if sys.platform == "darwin" else 2**20  # macOS counts bytes, others KiB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def _child(peak: str, threads: str, module: str, *arguments: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    sys.argv = [module, *arguments]
    try:
        if module.endswith(".py"):
            runpy.run_path(module, run_name="__main__")
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        Path(peak).write_text(repr(_own_peak_gib()))


if __name__ == "__main__":
    _child(*sys.argv[1:])
