"""Seconds and memory that a CT phantom takes, beside a plain filter over as many voxels in the same run.

Usage: python benchmarks/phantom_ct.py [--profile small|full] [--range 0:100] [--runs 3] [--seed 0]
       python benchmarks/phantom_ct.py --written whole|mr [--slices 1500] [--threads 2] [--runs 1] [--seed 0]

The reference is ``scipy.ndimage.gaussian_filter`` (sigma 1 voxel) over a float32 volume of the scan's shape, taken in
turns with the scans; the ratio of the two says more about other machines than seconds do. Memory is the process's
highest resident set, the scan's own arrays among it.

``--written`` makes one patient as ``osteon phantom`` does, files and all, in a process of its own: "whole" is a CT of
512 x 512 from mid-femur to skull base in as many slices as asked for, "mr" a spine in three sequences (``tumor``). On
a busy machine look at the CPU seconds: the wall's are those of the others, too. The filter then runs over 64 slices,
and the ratio is that of CPU seconds a voxel.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy import ndimage

from osteon.phantom.cohort import make_patient
from osteon.phantom.cohorts.lytic import write_patient
from osteon.phantom.ct.acquisition import draw_scanner
from osteon.phantom.ct.scan import WHOLE_MM, CtScan, annotated_scan, draw_ct_scan
from osteon.phantom.options import PhantomOptions
from osteon.phantom.patient import draw_patient
from osteon.phantom.workers import using_threads


def peak_mib() -> float:
    """Highest resident set of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def scan_once(seed: int, *, profile: str, range_mm: tuple[float, float] | None) -> tuple[CtScan, float]:
    start = time.perf_counter()
    scan = draw_ct_scan(np.random.default_rng([1, seed, 0]), profile=profile, range_mm=range_mm)
    return scan, time.perf_counter() - start


def filter_once(shape: tuple[int, int, int]) -> float:
    volume = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    start = time.perf_counter()
    ndimage.gaussian_filter(volume, 1.0)
    return time.perf_counter() - start


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def write_once(kind: str, slices: int, threads: int, seed: int) -> tuple[float, float, float, float]:
    """Make and write one patient.

    Returns:
        Seconds of wall clock and of CPU, peak MiB of this process, millions of voxels written.
    """
    start, cpu = time.perf_counter(), cpu_seconds()
    with tempfile.TemporaryDirectory() as folder, using_threads(threads):
        if kind == "mr":
            make_patient(PhantomOptions(system="tumor", patients=1, seed=seed), 0, out=Path(folder))
        else:
            write_patient(whole_body(seed, slices=slices), Path(folder) / "p0000", case="p0000", seed=str(seed))
        seconds = time.perf_counter() - start, cpu_seconds() - cpu
        written = sum(path.stat().st_size for path in Path(folder).rglob("*.dcm")) / 2e6
    return *seconds, peak_mib(), written


def whole_body(seed: int, *, slices: int) -> CtScan:
    rng = np.random.default_rng([1, seed, 0])
    spacing = (WHOLE_MM[1] - WHOLE_MM[0]) / slices
    scanner = replace(draw_scanner(rng, profile="full"), spacing_mm=spacing)
    top = WHOLE_MM[1] + spacing / 2  # rounding loses no slice
    return annotated_scan(draw_patient(rng, range_mm=WHOLE_MM), scanner, (WHOLE_MM[0], top), rng=rng)


def written(kind: str, *, slices: int, threads: int, runs: int, seed: int) -> None:
    for run in range(runs):
        cpu = cpu_seconds()
        filter_once((64, 512, 512))
        reference = (cpu_seconds() - cpu) / (64 * 512 * 512 / 1e6)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            wall, cpu, peak, mega = pool.submit(write_once, kind, slices, threads, seed + run).result()
        print(
            f"{kind}, {mega:.0f} megavoxels, {threads} threads",
            f"{wall:.1f} s, {cpu:.1f} s CPU, peak {peak:.0f} MiB",
            f"gaussian_filter {reference:.3f} s CPU a megavoxel; ratio {cpu / mega / reference:.1f}",
            sep="; ",
            flush=True,
        )


def height_range(text: str) -> tuple[float, float]:
    low, high = text.split(":")
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=("small", "full"), default="small")
    parser.add_argument("--range", type=height_range, default=None, help="heights in mm from S1, e.g. 0:100")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--written", choices=("whole", "mr"), default=None)
    parser.add_argument("--slices", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.written is not None:
        extra = {"slices": options.slices, "threads": options.threads}
        written(options.written, **extra, runs=options.runs, seed=options.seed)
        return
    before, ratios = peak_mib(), []
    for run in range(options.runs):
        scan, seconds = scan_once(options.seed + run, profile=options.profile, range_mm=options.range)
        if run == 0:
            peak = peak_mib()
        shape = scan.volume.grid.shape
        reference = filter_once(shape)
        ratios.append(seconds / reference)
        mega = np.prod(shape) / 1e6
        print(
            f"{options.profile} {shape}, {len(scan.truth)} lesions",
            f"{seconds:6.1f} s, {seconds / mega:.3f} s a megavoxel",
            f"gaussian_filter {reference:5.1f} s, {reference / mega:.3f} s a megavoxel; ratio {ratios[-1]:.1f}",
            sep="; ",
            flush=True,
        )
    print(f"ratio to gaussian_filter, median of {options.runs}: {statistics.median(ratios):.1f}")
    print(f"peak memory of the first scan: {peak:.0f} MiB, {before:.0f} MiB of it before it began")


if __name__ == "__main__":
    main()
