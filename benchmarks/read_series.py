"""Time from a folder of DICOM slices to a volume in Hounsfield units, beside SimpleITK's series reader.

Usage: python benchmarks/read_series.py FOLDER [--runs 7]

Both start from the folder, in turns, in one process, with warm file caches. SimpleITK sorts the files by position with
GDCM and reads them with ``ImageSeriesReader``; osteon scans headers, checks the geometry and reads. Medians of runs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from osteon.dicom.scan import scan
from osteon.dicom.series import load_volume


def read_osteon(folder: Path) -> tuple[np.ndarray, float, float]:
    start = time.perf_counter()
    series = max(scan(folder).series, key=lambda one: len(one.files))
    found = time.perf_counter()
    volume = load_volume(series)
    return np.asarray(volume.array), found - start, time.perf_counter() - found


def read_simpleitk(folder: Path) -> tuple[sitk.Image, float, float]:
    start = time.perf_counter()
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    found = time.perf_counter()
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(files)
    image = reader.Execute()
    return image, found - start, time.perf_counter() - found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {"osteon": [], "SimpleITK": []}
    ours, *_ = read_osteon(options.folder)  # warms the caches
    theirs = sitk.GetArrayFromImage(read_simpleitk(options.folder)[0])
    same = ours.shape == theirs.shape and bool((ours == theirs).all())
    print(f"{options.folder.name}: {ours.shape}, {ours.nbytes / 1e6:.0f} MB as {ours.dtype}; same values: {same}")
    for _ in range(options.runs):
        times["osteon"].append(read_osteon(options.folder)[1:])
        times["SimpleITK"].append(read_simpleitk(options.folder)[1:])
    medians = {}
    for name, runs in times.items():
        find, read = (statistics.median(column) for column in zip(*runs, strict=True))
        medians[name] = find, read, statistics.median(sum(run) for run in runs)
        print(f"{name:10s} headers {find:6.3f} s   pixels {read:6.3f} s   together {medians[name][2]:6.3f} s")
    pixels, together = (medians["SimpleITK"][i] / medians["osteon"][i] for i in (1, 2))
    print(f"SimpleITK / osteon: pixels {pixels:.2f}, together {together:.2f} (above 1: osteon is faster)")


if __name__ == "__main__":
    main()
