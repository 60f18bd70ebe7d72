"""One synthetic patient scanned: anatomy, protocol and reading habits put together into a volume with its truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osteon.geometry import Grid
from osteon.phantom.annotator import keep_seen
from osteon.phantom.acquisition import Scanner, add_noise, add_table, blur, draw_scanner
from osteon.phantom.ct import CtPatient, draw_patient, render
from osteon.phantom.shapes import Array
from osteon.records import Volume

PROFILES = ("small", "full")
WHOLE_MM = (-300.0, 600.0)
"""Mid-femur to skull base, z relative to the upper end-plate of S1."""
SMALL_LENGTH_MM = 390.0
SUPERSAMPLE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionTruth:
    """What is known of one lesion: its number in the mask, place, drawn diameter and volume in the mask."""

    number: int
    kind: str
    bone: str
    site: str
    label: int
    diameter_mm: float
    volume_mm3: float
    centre_mm: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class CtScan:
    """A phantom CT with everything known about it; masks (z, y, x) on the volume's grid.

    Attributes:
        sites: uint8, 0 outside bone, else index into ``phantom.ct.SITES``.
        lesions: uint16, 0 or the lesion's number.
        vertebrae: uint8 VerSe numbers.
        truth: lesions that an annotator could have counted (``phantom.annotator``); these are in ``lesions``.
        unseen: drawn lesions that stand out too little; rendered, but in no mask.
        mimics: the drawn mimics as plain dictionaries (kind, bone, diameter, centre).
    """

    volume: Volume
    sites: NDArray[np.uint8]
    lesions: NDArray[np.uint16]
    vertebrae: NDArray[np.uint8]
    truth: tuple[LesionTruth, ...]
    unseen: tuple[LesionTruth, ...]
    mimics: tuple[dict[str, Any], ...]
    patient: CtPatient
    scanner: Scanner


def draw_ct_scan(
    rng: np.random.Generator, *, profile: str, range_mm: tuple[float, float] | None = None, mean_lesions: float = 14.0
) -> CtScan:
    """Draw and scan one patient.

    Args:
        rng: everything random comes from it, in a fixed order.
        profile: "small" (384 x 384 at 1.05 mm, 2.5 mm slices, a random 390 mm of the body) or "full" (512 x 512, 2 mm slices
            every 1 mm, mid-femur to skull base).
        range_mm: part of the body to scan instead, z relative to S1.
        mean_lesions: mean count over the whole body; scaled by the part that is scanned.
    """
    scanner = draw_scanner(rng, profile=profile)
    if range_mm is None:
        low = rng.uniform(WHOLE_MM[0], WHOLE_MM[1] - SMALL_LENGTH_MM) if profile == "small" else WHOLE_MM[0]
        range_mm = (float(low), float(low + SMALL_LENGTH_MM)) if profile == "small" else WHOLE_MM
    share = min(1.0, (range_mm[1] - range_mm[0]) / (WHOLE_MM[1] - WHOLE_MM[0]) + 0.15)
    patient = draw_patient(rng, mean_lesions=mean_lesions * share, range_mm=range_mm)
    half = scanner.matrix * scanner.pixel_mm / 2
    centre_x, centre_y = float(rng.normal(0, 6)), float(rng.normal(0, 8)) - 25.0
    count = max(3, int((range_mm[1] - range_mm[0]) / scanner.spacing_mm))
    grid = Grid(
        shape=(count, scanner.matrix, scanner.matrix),
        spacing_mm=(scanner.pixel_mm, scanner.pixel_mm, scanner.spacing_mm),
        origin_mm=(centre_x - half, centre_y - half, range_mm[0]),
    )
    table_mm = float(rng.uniform(95, 135)) if rng.random() < 0.9 else None
    hu, sites, lesions, vertebrae = _scan(patient, grid, scanner, np.random.default_rng(patient.texture_seed), table_mm)
    drawn = _truth(patient, lesions, grid)
    seen = keep_seen(hu, sites, lesions, spacing_mm=grid.spacing_mm)
    return CtScan(
        volume=Volume(array=hu, grid=grid, modality="CT"),
        sites=sites,
        lesions=lesions,
        vertebrae=vertebrae,
        truth=tuple(lesion for lesion in drawn if lesion.number in seen),
        unseen=tuple(lesion for lesion in drawn if lesion.number not in seen),
        mimics=_mimics(patient),
        patient=patient,
        scanner=scanner,
    )


def _scan(
    patient: CtPatient, grid: Grid, scanner: Scanner, rng: np.random.Generator, table_mm: float | None
) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint8]]:
    """Render at sub-slices, average them over the slice thickness, blur, add table and noise; int16 HU and masks."""
    sub = scanner.spacing_mm / SUPERSAMPLE
    window = max(1, round(scanner.thickness_mm / sub))
    lead = (window - 1) / 2 * sub
    depth = grid.shape[0]
    fine = Grid(
        shape=((depth - 1) * SUPERSAMPLE + window, grid.shape[1], grid.shape[2]),
        spacing_mm=(grid.spacing_mm[0], grid.spacing_mm[1], sub),
        origin_mm=(grid.origin_mm[0], grid.origin_mm[1], grid.origin_mm[2] - lead),
    )
    hu = np.empty(grid.shape, dtype=np.int16)
    masks = np.empty(grid.shape, np.uint8), np.empty(grid.shape, np.uint16), np.empty(grid.shape, np.uint8)
    held: list[Array] = []
    held_masks: list[tuple[NDArray[Any], ...]] = []
    done = 0
    for _, slab in render(patient, fine):
        held.extend(slab.hu)
        held_masks.extend(zip(slab.sites, slab.lesions, slab.labels, strict=True))
        while done < depth and len(held) >= window:
            image = np.mean(held[:window], axis=0, dtype=np.float32)[None]
            if table_mm is not None:
                add_table(image, origin_y_mm=grid.origin_mm[1], pixel_mm=grid.spacing_mm[1], back_mm=table_mm,
                          origin_x_mm=grid.origin_mm[0])  # fmt: skip
            noisy = add_noise(blur(image, scanner), scanner, rng)
            np.clip(np.rint(noisy[0]), -1024, 3071, out=noisy[0])
            hu[done] = noisy[0]
            for mask, value in zip(masks, held_masks[window // 2], strict=True):
                mask[done] = value
            done += 1
            del held[:SUPERSAMPLE], held_masks[:SUPERSAMPLE]
    return hu, *masks


def _truth(patient: CtPatient, lesions: NDArray[np.uint16], grid: Grid) -> tuple[LesionTruth, ...]:
    voxels = np.bincount(lesions.ravel(), minlength=len(patient.lesions) + 1)
    found = []
    for number, spot in enumerate(patient.lesions, start=1):
        if voxels[number] == 0:
            continue
        low, high = spot.solid.bounds()
        centre = (low + high) / 2
        found.append(
            LesionTruth(
                number=number,
                kind=spot.kind,
                bone=spot.bone,
                site=spot.site,
                label=spot.label,
                diameter_mm=round(spot.diameter_mm, 2),
                volume_mm3=round(float(voxels[number] * grid.voxel_mm3), 2),
                centre_mm=(round(float(centre[0]), 2), round(float(centre[1]), 2), round(float(centre[2]), 2)),
            )  # fmt: skip
        )
    return tuple(found)


def _mimics(patient: CtPatient) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "kind": spot.kind,
            "bone": spot.bone,
            "diameter_mm": round(spot.diameter_mm, 2),
            "centre_mm": [round(float(v), 2) for v in np.mean(spot.solid.bounds(), axis=0)],
        }
        for spot in patient.mimics
    )


def lesion_record(lesion: LesionTruth) -> dict[str, Any]:
    """Plain dictionary for JSON."""
    return asdict(lesion)
