"""Time and memory of `osteon read lytic` on a whole-body CT: 1,500 slices of 512 x 512, the shipped model, 2 threads.

Usage: python benchmarks/read_whole_body.py FOLDER [--slices 1500] [--block 150] [--threads 2] [--profile]

Target: under 5 minutes and 4 GB on 2 cores. FOLDER keeps the study between runs: a block of a phantom's trunk (full
profile: 512 x 512, 1 mm apart), repeated up and down, mirrored, so that every slice has the bones of a trunk; 1,500
slices of real legs and arms hold less. `osteon read` runs as a process of its own, held to so many cores; its seconds
by stage come from its reading, its peak memory from the operating system. CPU seconds stand beside wall seconds: on a
machine with other work, CPU seconds over cores are the fairer figure. --profile prints where Python's time goes
(CPU seconds, in this process).
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fresh_process import OSTEON, Cost, hardware, measure
from osteon.dicom.ct import write_ct_series
from osteon.geometry import Grid
from osteon.phantom.ct.scan import draw_ct_scan
from osteon.records import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

LOW_MM = 0.0
SECONDS, GIBIBYTES = 300.0, 4.0


def make_study(folder: Path, *, slices: int, block: int) -> None:
    """Write the study, unless it is there."""
    if folder.is_dir() and len(list(folder.glob("*.dcm"))) == slices:
        return
    shutil.rmtree(folder, ignore_errors=True)
    scan = draw_ct_scan(np.random.default_rng(11), profile="full", range_mm=(LOW_MM, LOW_MM + block + 1.0))
    hu = scan.volume.array
    there_and_back = np.concatenate([np.arange(len(hu)), np.arange(len(hu))[::-1]])
    grid = scan.volume.grid
    whole = Grid(shape=(slices, *hu.shape[1:]), spacing_mm=grid.spacing_mm, origin_mm=grid.origin_mm)
    write_ct_series(
        Volume(array=hu[np.resize(there_and_back, slices)], grid=whole, modality="CT"),
        folder,
        case="benchmark",
        seed_uid=f"benchmark-{slices}-{block}",
        kernel="Br64",
        slice_thickness_mm=2.0,
        kvp=120.0,
        exposure_mas=None,
        manufacturer="none",
        description="repeated phantom, for timing",
    )


def read(study: Path, out: Path, *, threads: int) -> Cost:
    """`osteon read lytic` in a process of its own."""
    arguments = ["read", "lytic", str(study), "--out", str(out), "--device", "cpu", "--jobs", str(threads)]
    return measure(OSTEON, arguments, threads=threads)


def profile(study: Path, out: Path, *, threads: int) -> None:
    """Python functions by their own time."""
    import cProfile
    import pstats

    import torch

    from osteon.cli.arguments import open_model
    from osteon.cli.read import read_path

    torch.set_num_threads(threads)
    system, model = open_model("lytic", device="cpu")
    profiler = cProfile.Profile(time.process_time)  # CPU seconds of all threads: other work does not count
    profiler.runcall(read_path, study, system, model, out=out)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slices", type=int, default=1500)
    parser.add_argument("--block", type=int, default=150, help="slices of the phantom that are repeated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args(arguments)
    study = options.folder / f"ct-{options.slices}"
    make_study(study, slices=options.slices, block=options.block)
    with tempfile.TemporaryDirectory() as scratch:
        if options.profile:
            profile(study, Path(scratch) / "out", threads=options.threads)
            return
        cost = read(study, Path(scratch) / "out", threads=options.threads)
        timings = json.loads((Path(scratch) / "out" / "reading.json").read_text())["provenance"]["timings_s"]
    share = options.slices / 1500
    print(f"{options.slices} x 512 x 512 on {hardware(options.threads)}, no GPU, shipped model")
    print(
        f"wall {cost.wall_s:.0f} s (target {SECONDS * share:.0f} s), CPU {cost.cpu_s:.0f} s; by stage (wall): {timings}"
    )
    print(f"peak memory {cost.peak_gib:.2f} GiB (target {GIBIBYTES:g} GiB at 1500 slices)")


if __name__ == "__main__":
    main()
