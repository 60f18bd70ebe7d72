"""The shipped `lytic` model on the real scans: bone overlap on a labelled lumbar CT, and an abdomen CT read whole.

The lumbar CT (VerSe sub-verse014) has labels on L1 to L5 only. Coverage: share of labelled voxels inside the bone mask.
Dice: inside 5 mm of the labels, where T12, the sacrum and a calcified aorta also lie, unlabelled. Then `osteon read` on
the abdomen CT in a process of its own, with its peak memory.

    python benchmarks/lytic_real.py REAL_DATA [--model FOLDER] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from osteon.cli.arguments import bundle_folder
from osteon.formats.nifti import read_nifti
from osteon.imaging.canonical import canonical
from osteon.systems.lytic.bone import bone_stage
from osteon.systems.lytic.bundle import load_model

NEAR_MM = 5.0


def lumbar(model_folder: Path, data: Path) -> dict[str, float]:
    """Coverage, Dice and precision of the bone mask against the vertebra labels."""
    model = load_model(model_folder)
    folder = data / "ct_lumbar_verse014"
    scan = canonical(read_nifti(folder / "sub-verse014_ct.nii.gz"))
    labels = canonical(read_nifti(folder / "sub-verse014_seg-vert_msk.nii.gz")).array
    started = time.perf_counter()
    bone = (
        bone_stage(model.config.bone).bone_masks(
            model.bone, scan.array, spacing_mm=scan.grid.spacing_mm, config=model.config.bone
        )
        > 0
    )
    seconds = time.perf_counter() - started
    true = labels > 0
    near = ndimage.distance_transform_edt(~true, sampling=scan.grid.spacing_mm[::-1]) <= NEAR_MM
    found = bone & near
    both = np.count_nonzero(found & true)
    result = {
        "coverage": both / np.count_nonzero(true),
        "dice within 5 mm": 2 * both / (np.count_nonzero(found) + np.count_nonzero(true)),
        "precision within 5 mm": both / np.count_nonzero(found),
        "voxels": float(np.count_nonzero(true)),
        "seconds": seconds,
    }
    names = {20: "L1", 21: "L2", 22: "L3", 23: "L4", 24: "L5"}
    result |= {f"coverage {names[k]}": float(bone[labels == k].mean()) for k in names}
    return result


def abdomen(model: str, data: Path, out: Path) -> dict[str, object]:
    """Findings, seconds and peak memory of reading the abdomen CT (no known bone lesion)."""
    command = [
        sys.executable,
        "-m",
        "osteon.cli.main",
        "read",
        model,
        str(data / "ct_abdomen_cb001"),
        "--out",
        str(out),
    ]
    started = time.perf_counter()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    reading = json.loads(done.stdout)["readings"][0]
    peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return {
        "findings": reading["findings"],
        "seconds": seconds,
        "peak memory GB": peak_gb,
        "timings": reading["timings_s"],
        "bone volume cm3": reading["verdicts"]["bone_volume_mm3"] / 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="lytic")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for name, value in lumbar(bundle_folder(options.model), options.data).items():
        print(f"lumbar CT, {name}: {value:.3f}")
    with tempfile.TemporaryDirectory() as folder:
        out = options.out or Path(folder) / "reading"
        for name, value in abdomen(options.model, options.data, out).items():
            print(f"abdomen CT, {name}: {value:.2f}" if isinstance(value, float) else f"abdomen CT, {name}: {value}")


if __name__ == "__main__":
    main()
