"""Made-up volumes with made-up findings, measured with plain numpy, for the tests of everything that osteon writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from highdicom.legacy import LegacyConvertedEnhancedCTImage

from osteon.dicom.ct import write_ct_series
from osteon.dicom.uids import make_uid
from osteon.geometry import Grid
from osteon.records import Box, Finding, Patient, Provenance, Reading, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

SITES = ("L3", "left rib", None, "pelvis")


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    volume: Volume
    labels: NDArray[np.uint16]
    bone: NDArray[np.bool_]
    reading: Reading


def make_provenance() -> Provenance:
    return Provenance(
        software_version="0.1.0",
        model_name="lytic-small",
        model_hash="0123456789abcdef" * 4,
        device="cpu",
        precision="fp32",
        calibration="isotonic on 12 phantom patients",
        training_data="phantom",
        timings_s={"load": 1.25, "detect": 20.5},
    )


def make_grid(shape: tuple[int, int, int] = (12, 40, 48), *, oblique: bool = False) -> Grid:
    axes = np.eye(3)
    if oblique:
        axes, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    rows = [(float(x), float(y), float(z)) for x, y, z in axes]
    direction = (rows[0], rows[1], rows[2])
    return Grid(shape=shape, spacing_mm=(0.8, 0.9, 2.5), origin_mm=(-20.25, 13.5, -400.0), direction=direction)


def make_example(count: int = 3, *, grid: Grid | None = None, seed: int = 1) -> Example:
    """A block of bone with ``count`` ellipsoids of lower density in it, never touching each other."""
    grid = grid or make_grid()
    rng = np.random.default_rng(seed)
    array = rng.normal(40, 20, grid.shape).astype(np.int16)
    depth, height, width = grid.shape
    bone = np.zeros(grid.shape, np.bool_)
    bone[:, height // 8 : -height // 8, width // 8 : -width // 8] = True
    array[bone] += 400
    labels = np.zeros(grid.shape, np.uint16)
    cells = [(y, x) for y in range(height // 8, height - height // 8 - 8, 8) for x in range(width // 8, width - 16, 8)]
    findings = []
    for number in range(1, count + 1):
        y, x = cells[(number - 1) % len(cells)]
        z = int(rng.integers(0, max(1, depth - 3)))
        _ellipsoid(labels, number, corner=(z, y, x), size=(min(3, depth - z), 6, 7))
        array[labels == number] = 20 + number
        findings.append(_measure(labels, number, array, grid, score=round(0.99 - 0.6 * number / (count + 1), 3)))
    reading = Reading(
        system="lytic",
        study_uid="1.2.3",
        series_uid="1.2.3.4",
        findings=tuple(findings),
        verdicts={"lesion_count": count, "burden_mm3": sum(finding.volume_mm3 for finding in findings)},
        operating_point={"threshold": 0.35, "rule": "one false positive a patient"},
        provenance=make_provenance(),
        patient=Patient(age_years=61.0, sex="F"),
    )
    volume = Volume(array=array, grid=grid, modality="CT")
    return Example(volume=volume, labels=labels, bone=bone, reading=reading)


def write_series(example: Example, folder: Path) -> tuple[Path, ...]:
    return write_ct_series(
        example.volume,
        folder,
        case="case-07",
        seed_uid="seed",
        kernel="Br64",
        slice_thickness_mm=3.0,
        kvp=120.0,
        exposure_mas=50.0,
        manufacturer="osteon phantom",
        description="Low dose",
        age_years=61.0,
        sex="F",
    )


def read_headers(files: Sequence[Path]) -> list[Dataset]:
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in files]


def enhanced_ct(files: tuple[Path, ...]) -> Dataset:
    """The series as one multi-frame image, made by highdicom."""
    legacy = LegacyConvertedEnhancedCTImage(
        [pydicom.dcmread(path) for path in files],
        series_instance_uid=make_uid("enhanced series"),
        series_number=2,
        sop_instance_uid=make_uid("enhanced"),
        instance_number=1,
    )
    return legacy  # type: ignore[no-any-return]


def _ellipsoid(
    labels: NDArray[np.uint16], number: int, *, corner: tuple[int, int, int], size: tuple[int, int, int]
) -> None:
    axes = [(np.arange(length) + 0.5) / length * 2 - 1 for length in size]
    inside = sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")) <= 1.05
    window = labels[tuple(slice(start, start + length) for start, length in zip(corner, size, strict=True))]
    window[inside] = number


def _measure(labels: NDArray[np.uint16], number: int, array: NDArray[np.int16], grid: Grid, *, score: float) -> Finding:
    z, y, x = np.nonzero(labels == number)
    key = int(np.bincount(z).argmax())
    return Finding(
        number=number,
        kind="lytic lesion",
        site=SITES[number % len(SITES)],
        score=score,
        centre_mm=tuple(float(v) for v in grid.to_mm((x.mean(), y.mean(), z.mean()))),  # type: ignore[arg-type]
        box=Box(
            x0=float(x.min()),
            y0=float(y.min()),
            x1=float(x.max() + 1),
            y1=float(y.max() + 1),
            z0=int(z.min()),
            z1=int(z.max()) + 1,
        ),
        key_slice=key,
        longest_diameter_mm=round(float(np.ptp(x) + 1) * grid.spacing_mm[0], 4),
        short_diameter_mm=round(float(np.ptp(y) + 1) * grid.spacing_mm[1], 4),
        volume_mm3=len(z) * grid.voxel_mm3,
        mean_value=float(array[z, y, x].mean()),
        tracking_uid=make_uid("finding", str(number)),
    )
