"""One synthetic patient scanned: anatomy, protocol and reading habits put together into a volume with its truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.geometry import Grid
from osteon.phantom.annotator import keep_seen
from osteon.phantom.ct.acquisition import Scanner, add_noise, add_table, blur, draw_scanner, pad_corners
from osteon.phantom.ct.metal import has_metal, metal_streaks
from osteon.phantom.ct.render import render
from osteon.phantom.patient import CtPatient, draw_patient
from osteon.records import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from osteon.phantom.anatomy.shapes import Array
    from osteon.phantom.ct.render import Slab
    from osteon.phantom.lesions.myeloma import Shares
    from osteon.phantom.lesions.spot import Spot

_SMALL_FIELD_MM = 150.0
WHOLE_MM = (-300.0, 600.0)
"""Mid-femur to skull base, z relative to the upper end-plate of S1."""
SMALL_SLICES, SMALL_LONGEST_MM = 156, 390.0
"""Of the small profile: as many slices, unless that is longer."""
SUPERSAMPLE = 2
"""Sub-slices rendered for every slice: one at its centre, one half-way to the next, which both share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionTruth:
    """What is known of one lesion.

    Attributes:
        number: its value in the lesion mask.
        kind: "lytic lesion".
        bone, site, label: of the bone it was drawn in, see ``bones.Bone``.
        diameter_mm: longest diameter as drawn, before its surface was displaced and parts outside bone were cut.
        volume_mm3: by voxel summing over the mask as rendered.
        centre_mm: LPS centre as drawn; it may lie outside the mask where much was cut.
    """

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
        volume: int16 HU; z relative to the upper end-plate of S1.
        sites: uint8, 0 outside bone, else index into ``phantom.ct.render.SITES``.
        lesions: uint16, 0 or the lesion's number.
        vertebrae: uint8 VerSe numbers, processes included.
        truth: lesions that an annotator could have counted (``phantom.annotator``); these are in ``lesions``.
        unseen: drawn lesions that stand out too little; rendered, but in no mask.
        mimics: the drawn mimics as plain dictionaries (kind, bone, diameter, centre).
        patient: what was drawn.
        scanner: protocol.
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
    rng: np.random.Generator,
    *,
    profile: str,
    range_mm: tuple[float, float] | None = None,
    mean_lesions: float = 14.0,
    shares: Shares | None = None,
) -> CtScan:
    """Draw and scan one patient.

    Args:
        rng: everything random comes from it, in a fixed order.
        profile: "small" (384 x 384, a random 156 slices every 1.5 to 3 mm) or "full" (512 x 512, 2 mm slices every
            1 mm, mid-femur to skull base).
        range_mm: part of the body to scan instead, z relative to S1.
        mean_lesions: scale of the lesion count over a whole body (``lesions.lytic.draw_lesions``); the part that is
            scanned has its share.
        shares: see ``patient.draw_patient``.
    """
    scanner = draw_scanner(rng, profile=profile)
    if range_mm is None:
        length = min(SMALL_SLICES * scanner.spacing_mm, SMALL_LONGEST_MM)
        low = rng.uniform(WHOLE_MM[0], WHOLE_MM[1] - length) if profile == "small" else WHOLE_MM[0]
        range_mm = (float(low), float(low + length)) if profile == "small" else WHOLE_MM
    share = min(1.0, (range_mm[1] - range_mm[0]) / (WHOLE_MM[1] - WHOLE_MM[0]) + 0.15)
    patient = draw_patient(rng, mean_lesions=mean_lesions * share, range_mm=range_mm, shares=shares)
    return annotated_scan(patient, scanner, range_mm, rng=rng)


def annotated_scan(
    patient: CtPatient, scanner: Scanner, range_mm: tuple[float, float], *, rng: np.random.Generator
) -> CtScan:
    """Scan a patient on a table and keep in the mask what an annotator could have counted.

    Args:
        patient: from ``patient.draw_patient``.
        scanner: protocol.
        range_mm: heights (z) to scan.
        rng: of the place on the table.
    """
    grid = _grid(patient, scanner, range_mm, rng=rng)
    table_mm = float(rng.uniform(95, 135)) if rng.random() < 0.9 else None
    hu, sites, lesions, vertebrae = scan_patient(patient, grid, scanner=scanner, table_mm=table_mm)
    drawn = _truth(patient.lesions, lesions, voxel_mm3=grid.voxel_mm3)
    seen = keep_seen(hu, sites=sites, lesions=lesions, pixel_mm=scanner.pixel_mm)
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


def _grid(patient: CtPatient, scanner: Scanner, range_mm: tuple[float, float], *, rng: np.random.Generator) -> Grid:
    """The scan's grid: the patient a little off its middle, one in six far off; a small field is round the spine."""
    half = scanner.matrix * scanner.pixel_mm / 2
    spread = 28.0 if rng.random() < 1 / 6 else 7.0
    centre_x, centre_y = float(rng.normal(0, spread)), float(rng.normal(-25, spread))
    if half < _SMALL_FIELD_MM:
        centres = np.array(list(patient.spine.centres_mm.values()))
        seen = centres[(centres[:, 2] > range_mm[0]) & (centres[:, 2] < range_mm[1])]
        middle = seen.mean(axis=0) if len(seen) else np.zeros(3)
        centre_x, centre_y = float(middle[0] + rng.normal(0, 8)), float(middle[1] + rng.normal(10, 10))
    count = max(3, int((range_mm[1] - range_mm[0]) / scanner.spacing_mm))
    return Grid(
        shape=(count, scanner.matrix, scanner.matrix),
        spacing_mm=(scanner.pixel_mm, scanner.pixel_mm, scanner.spacing_mm),
        origin_mm=(centre_x - half, centre_y - half, range_mm[0]),
    )


def scan_patient(
    patient: CtPatient, grid: Grid, *, scanner: Scanner, table_mm: float | None
) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint8]]:
    """Scan a patient slice by slice: sub-slices averaged over the slice thickness, table, metal streaks, blur, noise.

    Args:
        patient: from ``patient.draw_patient``.
        grid: along the LPS axes, ``scanner.matrix`` wide, at the scanner's spacings.
        scanner: protocol.
        table_mm: LPS y of the table; None without one.

    Returns:
        HU, sites, lesions (every drawn one) and VerSe numbers, (z, y, x) on ``grid``. Masks are those of the sub-slice
        at the slice's own position.
    """
    rng = np.random.default_rng(patient.texture_seed)
    hu = np.empty(grid.shape, dtype=np.int16)
    sites = np.empty(grid.shape, dtype=np.uint8)
    lesions = np.empty(grid.shape, dtype=np.uint16)
    vertebrae = np.empty(grid.shape, dtype=np.uint8)
    origin = grid.origin_mm
    for k, (thick, middle) in enumerate(_thick_slices(patient, grid, thickness_mm=scanner.thickness_mm)):
        image = thick[None]
        if table_mm is not None:
            place = {"origin_y_mm": origin[1], "origin_x_mm": origin[0], "pixel_mm": scanner.pixel_mm}
            add_table(image, back_mm=table_mm, table=scanner.table, **place)
        if has_metal(thick):
            image += metal_streaks(thick, pixel_mm=scanner.pixel_mm, rng=rng)
        noisy = add_noise(blur(image, scanner), scanner, rng=rng)[0]
        if scanner.round_field:
            pad_corners(noisy)
        hu[k] = np.clip(np.rint(noisy), -1024, 3071)
        sites[k], lesions[k], vertebrae[k] = middle
    return hu, sites, lesions, vertebrae


Masks = tuple["NDArray[np.uint8]", "NDArray[np.uint16]", "NDArray[np.uint8]"]
"""Sites, lesions and VerSe numbers of one sub-slice, (y, x)."""


def slice_profile(thickness_mm: float, step_mm: float) -> Array:
    """Weights of the sub-slices every ``step_mm`` round a slice's centre, an odd number (n,), sum 1.

    Each sub-slice stands for the ``step_mm`` round it; its weight is the part of them inside the slice: with a slice of
    two steps 1/4, 1/2, 1/4.
    """
    half = thickness_mm / step_mm / 2
    reach = max(0, int(np.ceil(half - 0.5)))
    weights = np.clip(half + 0.5 - np.abs(np.arange(-reach, reach + 1)), 0, 1)
    return np.asarray(weights / weights.sum(), dtype=np.float32)


def _thick_slices(patient: CtPatient, grid: Grid, *, thickness_mm: float) -> Iterator[tuple[Array, Masks]]:
    """Slices in order: mean HU over the thickness (y, x), and the masks in its middle."""
    step = grid.spacing_mm[2] / SUPERSAMPLE
    weights = slice_profile(thickness_mm, step)
    window, lead = len(weights), len(weights) // 2
    fine = Grid(
        shape=((grid.shape[0] - 1) * SUPERSAMPLE + window, grid.shape[1], grid.shape[2]),
        spacing_mm=(grid.spacing_mm[0], grid.spacing_mm[1], step),
        origin_mm=(grid.origin_mm[0], grid.origin_mm[1], grid.origin_mm[2] - lead * step),
    )
    held: list[tuple[Array, Masks]] = []
    for _, slab in render(patient, fine):
        held.extend(_sub_slices(slab))
        while len(held) >= window:
            mean = np.zeros_like(held[0][0])
            for weight, (hu, _) in zip(weights, held, strict=False):
                mean += weight * hu
            yield mean, held[lead][1]
            del held[:SUPERSAMPLE]


def _sub_slices(slab: Slab) -> Iterator[tuple[Array, Masks]]:
    for hu, sites, lesions, labels in zip(slab.hu, slab.sites, slab.lesions, slab.labels, strict=True):
        yield hu, (sites, lesions, labels)


def _truth(spots: tuple[Spot, ...], lesions: NDArray[np.uint16], *, voxel_mm3: float) -> tuple[LesionTruth, ...]:
    """Every lesion that has a voxel in the mask."""
    voxels = np.zeros(len(spots) + 1, dtype=np.int64)
    for plane in lesions:  # counting makes 8-byte numbers of them all
        voxels += np.bincount(plane.ravel(), minlength=len(spots) + 1)
    return tuple(
        LesionTruth(
            number=number,
            kind=spot.kind,
            bone=spot.bone,
            site=spot.site,
            label=spot.label,
            diameter_mm=round(spot.diameter_mm, 2),
            volume_mm3=round(float(voxels[number] * voxel_mm3), 2),
            centre_mm=_centre(spot),
        )
        for number, spot in enumerate(spots, start=1)
        if voxels[number] > 0
    )


def _centre(spot: Spot) -> tuple[float, float, float]:
    low, high = spot.solid.bounds()
    x, y, z = (round(float(value), 2) for value in (low + high) / 2)
    return x, y, z


def _mimics(patient: CtPatient) -> tuple[dict[str, Any], ...]:
    """Plain dictionaries for JSON."""
    return tuple(
        {
            "kind": spot.kind,
            "bone": spot.bone,
            "diameter_mm": round(spot.diameter_mm, 2),
            "centre_mm": list(_centre(spot)),
        }
        for spot in patient.mimics
    )


def lesion_record(lesion: LesionTruth) -> dict[str, Any]:
    """Plain dictionary for JSON."""
    return asdict(lesion)
