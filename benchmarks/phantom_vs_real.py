"""CT phantoms beside a real CT: attenuation of tissues, noise, and a picture of both.

Usage: python benchmarks/phantom_vs_real.py ../shared/real/ct_abdomen_cb001 [--out PICTURE.png] [--phantoms 4]
       python benchmarks/phantom_vs_real.py --out docs/images/phantom-ct.png

The real scan is TCIA Pancreas-CT-CB_001 (120 kV, contrast agent, smooth kernel, iterative reconstruction); its regions
were placed by hand and hold for that scan alone. Phantoms are drawn as always, but only patients with contrast agent,
and scanned on its grid with the smooth kernel, so that what differs is the phantom more than the protocol. Phantoms'
regions come from their truth; what is measured in a region, and the fat and bone found by thresholds, are the same code
for both. Without a real scan, the picture shows phantoms only and may be published.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from grey_picture import save_grey
from osteon.dicom.scan import scan
from osteon.dicom.series import load_volume
from osteon.geometry import Grid
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.ct.acquisition import SMOOTH
from osteon.phantom.ct.scan import scan_patient
from osteon.phantom.patient import CtPatient, draw_patient
from osteon.records import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

LUMBAR = ("L1", "L2", "L3", "L4", "L5")
REAL_VOXELS = {  # (x, y, z) on the real scan's grid, and radius in mm
    "trabecular": [
        ((262, 277, 69), 7),
        ((262, 272, 57), 7),
        ((262, 267, 45), 7),
        ((262, 264, 32), 7),
        ((262, 270, 21), 7),
    ],
    "liver": [((130, 235, 86), 15), ((150, 250, 92), 15), ((190, 215, 95), 12)],
    "muscle": [((222, 322, 30), 12), ((302, 322, 30), 12), ((225, 325, 42), 10), ((300, 325, 42), 10)],
}
S1_ABOVE_FIRST_SLICE_MM = 36.0
RANGE_MM = (-S1_ABOVE_FIRST_SLICE_MM - 10, 376.0)
WINDOWS = (("soft tissue", -160, 240), ("bone", -200, 900))
AXIAL_MM = (400, 290)
CLASSES = (("lung and gas", -2000, -300), ("fat", -300, -30), ("soft tissue", -30, 180), ("bone", 180, 4000))


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A volume and where its tissues are: balls of (LPS centre, radius) in mm."""

    name: str
    volume: Volume
    balls: dict[str, list[tuple[np.ndarray, float]]]


def read_real(folder: Path) -> Subject:
    with_most = max(scan(folder).series, key=lambda series: len(series.files))
    volume = load_volume(with_most)
    balls = {
        tissue: [(volume.grid.to_mm(centre), float(radius)) for centre, radius in places]
        for tissue, places in REAL_VOXELS.items()
    }
    return Subject(name="real (n = 1)", volume=volume, balls=balls)


def draw_phantom(seed: int) -> tuple[CtPatient, int]:
    """The first patient with contrast agent at or after ``seed``, and its seed."""
    while (
        draw_person(np.random.default_rng([1, 900, seed]), variants=True).contrast_hu <= 0
    ):  # drawn first: a look ahead
        seed += 1
    return draw_patient(np.random.default_rng([1, 900, seed]), range_mm=RANGE_MM), seed


def scan_phantom(patient: CtPatient) -> Subject:
    """On a grid like the real scan's: 134 slices of 3 mm, 512 x 512 of 1.074 mm."""
    pixel = 1.07421875
    scanner = replace(
        SMOOTH, pixel_mm=pixel, thickness_mm=3.0, spacing_mm=3.0, noise_hu=SMOOTH.noise_hu / np.sqrt(3.0 / 2)
    )
    origin = (-256 * pixel, -25 - 256 * pixel, -S1_ABOVE_FIRST_SLICE_MM)
    grid = Grid(shape=(134, 512, 512), spacing_mm=(pixel, pixel, 3.0), origin_mm=origin)
    hu = scan_patient(patient, grid, scanner=scanner, table_mm=120.0)[0]
    person = patient.person
    name = f"phantom {person.sex}{person.age_years:.0f}"
    return Subject(name=name, volume=Volume(array=hu, grid=grid, modality="CT"), balls=phantom_balls(patient))


def phantom_balls(patient: CtPatient) -> dict[str, list[tuple[np.ndarray, float]]]:
    centres = {bone.name: (bone.centre, bone.frame) for bone in patient.bones if bone.name in (*LUMBAR, "T11")}
    organs = {organ.name: np.mean(organ.solid.bounds(), axis=0) for organ in patient.organs if organ.name == "liver"}
    muscle = []
    for level in ("L3", "L4"):
        centre, frame = centres[level]
        muscle += [(centre + frame @ np.array([side * 28.0, 46, 0]) * patient.person.scale, 10.0) for side in (-1, 1)]
    return {
        "trabecular": [(centres[level][0], 7.0) for level in LUMBAR],
        "liver": [(organs["liver"] + np.array([dx, dy, 0.0]), 15.0) for dx, dy in ((0, 0), (20, -20), (-10, 25))],
        "muscle": muscle,
    }


def in_balls(subject: Subject, tissue: str) -> np.ndarray:
    """Mask of a tissue's balls, (z, y, x)."""
    grid = subject.volume.grid
    mask = np.zeros(grid.shape, dtype=bool)
    for centre, radius in subject.balls[tissue]:
        low = np.maximum(np.floor(grid.to_index(centre - radius)).astype(int), 0)
        high = np.ceil(grid.to_index(centre + radius)).astype(int) + 1
        x, y, z = (grid.origin_mm[k] + grid.spacing_mm[k] * np.arange(low[k], high[k]) - centre[k] for k in range(3))
        near = x**2 + (y**2)[:, None] + (z**2)[:, None, None] < radius**2
        mask[low[2] : high[2], low[1] : high[1], low[0] : high[0]] |= near
    return mask


def body_mask(hu: np.ndarray) -> np.ndarray:
    """The patient without the table, lungs and gas included: opened slice by slice, largest part, filled."""
    disc = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), 4)
    tissue = np.stack([ndimage.binary_opening(plane, disc) for plane in hu > -300])
    parts, count = ndimage.label(tissue)
    if count > 1:
        tissue = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return np.stack([ndimage.binary_fill_holes(plane) for plane in tissue])


def subcutaneous(hu: np.ndarray, body: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Fat 4 to 12 mm under the skin."""
    depth = np.stack([ndimage.distance_transform_edt(plane) for plane in body]) * pixel_mm
    smooth = ndimage.median_filter(hu, (1, 5, 5))
    return (depth > 4) & (depth < 12) & (np.abs(smooth + 100) < 45)


def bright_bone(subject: Subject) -> np.ndarray:
    """Everything above 300 HU round the lumbar bodies: cortex, end-plates, posterior elements."""
    grid = subject.volume.grid
    mask = np.zeros(grid.shape, dtype=bool)
    for centre, _ in subject.balls["trabecular"]:
        low = np.maximum(np.rint(grid.to_index(centre - np.array([45, 30, 16]))).astype(int), 0)
        high = np.rint(grid.to_index(centre + np.array([45, 80, 16]))).astype(int)
        mask[low[2] : high[2], low[1] : high[1], low[0] : high[0]] = True
    return mask & (subject.volume.array > 300)


def noise(hu: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """SD of what a 7-pixel in-plane mean leaves, and its correlation between neighbours in a row.

    SD by the median deviation; pixels beyond four SD (vessels, fat between muscles) are left out of the correlation.
    """
    rough = hu - ndimage.uniform_filter(hu, (0, 7, 7))
    deviation = 1.4826 * float(np.median(np.abs(rough[mask])))
    plain = mask & (np.abs(rough) < 4 * deviation)
    pairs = plain[..., 1:] & plain[..., :-1]
    return deviation, float(np.corrcoef(rough[..., 1:][pairs], rough[..., :-1][pairs])[0, 1])


def measure(subject: Subject) -> dict[str, Sequence[float]]:
    hu = subject.volume.array.astype(np.float32)
    body = body_mask(hu)
    values = {tissue: hu[in_balls(subject, tissue)] for tissue in ("liver", "muscle", "trabecular")}
    values["fat"] = hu[subcutaneous(hu, body, subject.volume.grid.spacing_mm[0])]
    values["bone > 300 HU"] = hu[bright_bone(subject)]
    return {
        **{name: np.percentile(found, [25, 50, 75]) for name, found in values.items()},
        "noise": [*noise(hu, in_balls(subject, "muscle")), *noise(hu, in_balls(subject, "liver"))],
        "shares": np.array([((hu >= low) & (hu < high) & body).sum() / body.sum() for _, low, high in CLASSES]),
    }


def print_table(measured: dict[str, dict[str, Sequence[float]]]) -> None:
    """Markdown: a row a tissue, a column a subject; lower quartile, median, upper quartile."""
    print("| HU | " + " | ".join(measured) + " |\n|---|" + "---|" * len(measured))
    for tissue in ("fat", "muscle", "liver", "trabecular", "bone > 300 HU"):
        cells = [" / ".join(f"{value:.0f}" for value in one[tissue]) for one in measured.values()]
        print(f"| {tissue} | " + " | ".join(cells) + " |")
    for k, tissue in ((0, "muscle"), (2, "liver")):
        cells = [f"{one['noise'][k]:.1f} ({one['noise'][k + 1]:.2f})" for one in measured.values()]
        print(f"| fine SD in {tissue} (correlation of neighbours) | " + " | ".join(cells) + " |")
    for k, (name, low, high) in enumerate(CLASSES):
        cells = [f"{100 * one['shares'][k]:.1f} %" for one in measured.values()]
        print(f"| share of the body: {name} ({max(low, -1024)} to {min(high, 3071)}) | " + " | ".join(cells) + " |")


def sections(subject: Subject) -> dict[str, np.ndarray]:
    """Axial at L3 and through the liver, sagittal through the spine; cropped alike, pixels as on the grid."""
    grid, hu = subject.volume.grid, subject.volume.array
    l3 = subject.balls["trabecular"][2][0]
    liver = np.mean([centre for centre, _ in subject.balls["liver"]], axis=0)
    x, y, z = np.rint(grid.to_index(l3)).astype(int)
    width, depth = (round(length / grid.spacing_mm[0] / 2) for length in AXIAL_MM)
    rows, columns = slice(y - round(1.2 * depth), y + round(0.8 * depth)), slice(x - width, x + width)
    upper = int(np.rint(grid.to_index(liver)[2]))
    return {"L3": hu[z, rows, columns], "liver": hu[upper, rows, columns], "midline": hu[::-1, rows, x]}


def draw(subjects: list[Subject], out: Path) -> None:
    """A row a subject; its three sections, each in two windows."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(subjects), 6, figsize=(14, 2.1 * len(subjects)), squeeze=False)
    for row, subject in enumerate(subjects):
        spacing = subject.volume.grid.spacing_mm
        for column, (name, picture) in enumerate(sections(subject).items()):
            for k, (window, low, high) in enumerate(WINDOWS):
                axis = axes[row, 2 * column + k]
                aspect = spacing[2] / spacing[0] if name == "midline" else 1.0
                axis.imshow(picture, cmap="gray", vmin=low, vmax=high, aspect=aspect)
                axis.set_axis_off()
                axis.set_title(f"{subject.name}, {name}, {window}", fontsize=6)
    figure.tight_layout(pad=0.3)
    save_grey(figure, out, dpi=90)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path, nargs="?", help="folder of TCIA Pancreas-CT-CB_001")
    parser.add_argument("--out", type=Path, help="picture to write")
    parser.add_argument("--phantoms", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    subjects = [] if options.real is None else [read_real(options.real)]
    seed = options.seed
    for _ in range(options.phantoms):
        patient, seed = draw_phantom(seed)
        subjects.append(scan_phantom(patient))
        person = patient.person
        drawn = f"seed {seed}, L1 {person.trabecular_hu:.0f} HU, aorta +{person.contrast_hu:.0f} HU"
        print(f"{subjects[-1].name}: {drawn}", flush=True)
        seed += 1
    print_table({subject.name: measure(subject) for subject in subjects})
    if options.out is not None:
        draw(subjects, options.out)


if __name__ == "__main__":
    main()
