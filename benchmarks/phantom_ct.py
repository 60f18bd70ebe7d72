"""Seconds and memory that a CT phantom takes, beside a plain filter over as many voxels in the same run.

Usage: python benchmarks/phantom_ct.py [--profile small|full] [--range 0:100] [--runs 3] [--seed 0]

The reference is ``scipy.ndimage.gaussian_filter`` (sigma 1 voxel) over a float32 volume of the scan's shape, taken in
turns with the scans; the ratio of the two says more about other machines than seconds do. Memory is the process's
highest resident set, the scan's own arrays among it.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time

import numpy as np
from scipy import ndimage

from osteon.phantom.ct.scan import CtScan, draw_ct_scan


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


def height_range(text: str) -> tuple[float, float]:
    low, high = text.split(":")
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=("small", "full"), default="small")
    parser.add_argument("--range", type=height_range, default=None, help="heights in mm from S1, e.g. 0:100")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
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
