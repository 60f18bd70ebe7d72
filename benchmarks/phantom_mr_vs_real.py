"""MR phantoms beside real MR: a picture, sagittal mid-lines, and an axial reformat where slices are 1 mm.

Usage: python benchmarks/phantom_mr_vs_real.py REAL_DATA --out docs/images/phantom-mr.png [--seed N]

Real: a lumbar T2 slice of SPIDER (CC BY 4.0), and cervical T1 and T2 from the Spinal Cord Toolbox's data (MIT), under
REAL_DATA/mr_lumbar_spider_png and REAL_DATA/mr_cervical_sct. The phantom lumbar spine has metastases and is scanned
with 3 mm slices, the cervical one has none and is scanned with 1 mm slices like the real one. Nothing is measured here.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from grey_picture import save_grey
from osteon.formats.nifti import read_nifti
from osteon.imaging.canonical import canonical
from osteon.phantom.anatomy.person import draw_person
from osteon.phantom.disease import draw_diagnosis, draw_disease
from osteon.phantom.mr.patient import MrPatient, draw_mr_patient
from osteon.phantom.mr.protocol import Protocol, draw_protocol
from osteon.phantom.mr.scan import Station, scan_patient

if TYPE_CHECKING:
    from numpy.typing import NDArray

C5, L3 = 5, 22
LUMBAR = range(20, 25)
LEAST_SHOWN, NEAR_MM = 3, 6.0
ROW_INCH = 2.6
SPIDER_SLICE = "mr_lumbar_spider_png/images/1011_12.png"
CERVICAL = {"T1": "mr_cervical_sct/t1w.nii.gz", "T2": "mr_cervical_sct/t2_a1c31d68.nii.gz"}
NAMES = {"t1": "T1", "t2": "T2", "fs-t2": "T2, fat suppressed", "ce": "T1, gadolinium, fat suppressed"}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A slice with the head (axial: the front) up and the front to the left, and its height over its width in mm."""

    title: str
    image: NDArray[np.float32]
    aspect: float = 1.0


def protocol_of(rng: np.random.Generator, *, slices: int, thickness_mm: float, fov_mm: float) -> Protocol:
    """T1, T2, fat-suppressed T2 and enhanced T1 of one scanner at 1.5 T."""
    drawn = draw_protocol(rng, study="tumor", profile="small")
    while drawn.field_t > 2:
        drawn = draw_protocol(rng, study="tumor", profile="small")
    matrix = 288
    points = (matrix, 230)
    same = [replace(one, matrix=matrix, acquired=points, readout="HF", snr=40.0) for one in drawn.sequences]
    late = replace(same[0], role="ce", enhanced=True, fat="saturated")
    return replace(
        drawn,
        sequences=(*same, late),
        stations=1,
        slices=slices,
        thickness_mm=thickness_mm,
        gap_mm=0.0,
        fov_mm=fov_mm,
        saturation_band=False,
    )


def centre_of(patient: MrPatient, label: int) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in next(bone.centre for bone in patient.bones if bone.label == label))
    return x, y, z


def lumbar(seed: int) -> Station:
    """A patient with metastases in the lumbar spine; disease is drawn anew until the mid-line shows some."""
    rng = np.random.default_rng([2, 900, seed])
    diagnosis = draw_diagnosis("metastasis", rng, healthy_share=0.0)
    person = draw_person(rng, age_years=diagnosis.age_years, sex=diagnosis.sex)
    patient = draw_mr_patient(rng, person=person)
    middle_mm, shown = centre_of(patient, L3)[0], 0
    while shown < LEAST_SHOWN:
        disease = draw_disease(diagnosis, patient.bones, person, rng=rng)
        centres = [np.mean(spot.solid.bounds(), axis=0) for spot in disease.lesions if spot.label in LUMBAR]
        shown = sum(abs(centre[0] - middle_mm) < NEAR_MM for centre in centres)
    print(f"lumbar phantom: {person.sex}{person.age_years:.0f}, {len(disease.lesions)} lesions drawn", flush=True)
    protocol = protocol_of(rng, slices=3, thickness_mm=3.0, fov_mm=280.0)
    patient = patient.with_spots(disease.lesions, disease.mimics)
    return scan_patient(patient, protocol, target_mm=centre_of(patient, L3)).stations[0]


def cervical(seed: int) -> Station:
    rng = np.random.default_rng([3, 900, seed])
    patient = draw_mr_patient(rng)
    protocol = protocol_of(rng, slices=36, thickness_mm=1.0, fov_mm=230.0)
    kept = tuple(one for one in protocol.sequences if one.role in ("t1", "t2"))
    return scan_patient(patient, replace(protocol, sequences=kept), target_mm=centre_of(patient, C5)).stations[0]


def middle_of(station: Station, role: str, title: str) -> Panel:
    series = next(one for one in station.series if one.sequence.role == role)
    volume = series.volume.array
    return Panel(title=f"{title} {NAMES[role]}", image=volume[len(volume) // 2].astype(np.float32))


def axial_of(station: Station, title: str) -> Panel:
    """The height of the middle, slices beside one another; the patient's right is on the left."""
    series = next(one for one in station.series if one.sequence.role == "t2")
    volume, (pixel, _, pitch) = series.volume.array, series.volume.grid.spacing_mm
    plane = volume[::-1, volume.shape[1] // 2, :].T.astype(np.float32)
    return Panel(title=title, image=_neck(plane), aspect=pixel / pitch)


def _neck(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without what lies far in front and behind."""
    return plane[len(plane) // 5 : -len(plane) // 5]


def real_panels(data: Path) -> dict[str, Panel]:
    slice_ = cv2.imread(str(data / SPIDER_SLICE), cv2.IMREAD_GRAYSCALE)[::-1]
    t1, t2 = (canonical(read_nifti(data / CERVICAL[name])).array for name in ("T1", "T2"))
    return {
        "lumbar": Panel(title="real (SPIDER) T2", image=slice_.astype(np.float32)),
        "t1": Panel(title="real T1 (all there is)", image=t1[::-1, :, t1.shape[2] // 2].astype(np.float32)),
        "t2": Panel(title="real T2", image=t2[::-1, :, t2.shape[2] // 2].astype(np.float32)),
        "axial": Panel(title="real, axial", image=_neck(t2[t2.shape[0] // 2].astype(np.float32))),
    }


def draw(rows: list[list[Panel]], out: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    widths = [[panel.image.shape[1] / (panel.image.shape[0] * panel.aspect) for panel in row] for row in rows]
    figure = plt.figure(figsize=(ROW_INCH * max(map(sum, widths)), ROW_INCH * 1.1 * len(rows)), layout="constrained")
    bands = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for band, panels, shares in zip(bands, rows, widths, strict=True):
        axes = band.subplots(1, len(panels), width_ratios=shares, squeeze=False)[0]
        for axis, panel in zip(axes, panels, strict=True):
            low, high = np.percentile(panel.image, [1, 99.5])
            axis.imshow(panel.image, cmap="gray", vmin=low, vmax=high, aspect=panel.aspect, interpolation="bilinear")
            axis.set_title(panel.title, fontsize=7)
            axis.set_axis_off()
    save_grey(figure, out, dpi=90)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path, help="folder with mr_lumbar_spider_png and mr_cervical_sct")
    parser.add_argument("--out", type=Path, required=True, help="picture to write")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    real = real_panels(options.real)
    low, high = lumbar(options.seed), cervical(options.seed)
    first = [middle_of(low, role, "phantom") for role in NAMES] + [real["lumbar"]]
    second = [middle_of(high, "t1", "phantom"), middle_of(high, "t2", "phantom"), real["t1"], real["t2"]]
    third = [axial_of(high, "phantom, axial"), real["axial"]]
    draw([first, [*second, *third]], options.out)


if __name__ == "__main__":
    main()
