"""What radiologists could have outlined on MR: lesions that stand out from the marrow on at least one series.

The metastasis study's truth was drawn on T1 with the other sequences beside it (doi 10.3348/kjr.2023.0671). A drawn
lesion as bright as the marrow around it on every series is none that anybody would have counted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.mr.scan import MrScan, Station

LEAST_CONTRAST = 0.15
"""Difference to the marrow around, as a share of the brighter of the two; a guess."""
LEAST_ROSE = 6.0
"""Contrast over noise times the root of the area in pixels; Rose (doi 10.1364/JOSA.38.000196) put certain detection at
about 5."""
LEAST_AREA_MM2 = 9.0
RING_MM = (1.0, 6.0)
_FEW_PIXELS = 10


def seen_lesions(station: Station) -> set[int]:
    """Numbers of the lesions of one station that stand out, each on the slice where it is largest."""
    grid, found = station.grid, set()
    pixel = grid.spacing_mm[0]
    reach = int(np.ceil(RING_MM[1] / pixel)) + 2
    for number, window in enumerate(ndimage.find_objects(station.lesions), start=1):
        if window is None:
            continue
        z, y, x = window
        areas = (station.lesions[window] == number).sum(axis=(1, 2))
        k = z.start + int(np.argmax(areas))
        if areas.max() * pixel**2 < LEAST_AREA_MM2:
            continue
        part = slice(max(y.start - reach, 0), y.stop + reach), slice(max(x.start - reach, 0), x.stop + reach)
        inside = station.lesions[k][part] == number
        others = (station.sites[k] > 0) & (station.lesions[k] == 0)
        for series in station.series:
            plane = _on_mask_grid(series.volume.array[k], station.lesions.shape[-1])
            around = plane[part][_ring(inside, others[part], pixel)]
            around = around if len(around) >= _FEW_PIXELS else plane[others]
            if stands_out(plane[part], inside=inside, around=around):
                found.add(number)
                break
    return found


def _on_mask_grid(plane: NDArray[Any], size: int) -> NDArray[np.float32]:
    image = plane.astype(np.float32)
    return (
        image if image.shape[-1] == size else np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))
    )


def _ring(inside: NDArray[np.bool_], bone: NDArray[np.bool_], pixel_mm: float) -> NDArray[np.bool_]:
    distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5) * pixel_mm
    return np.asarray(bone & (distance > RING_MM[0]) & (distance <= RING_MM[1]))


def stands_out(plane: NDArray[np.float32], *, inside: NDArray[np.bool_], around: NDArray[np.float32]) -> bool:
    """Whether what is ``inside`` differs enough from the marrow ``around`` it.

    Args:
        plane: grey levels, (y, x).
        inside: the lesion on it.
        around: grey levels of marrow.
    """
    if len(around) == 0 or not inside.any():
        return False
    here, there = float(np.median(plane[inside])), float(np.median(around))
    steps = np.diff(plane, axis=1)[inside[:, 1:] & inside[:, :-1]]
    noise = float(1.4826 * np.median(np.abs(steps)) / np.sqrt(2)) if len(steps) >= _FEW_PIXELS else 0.05 * there
    contrast = abs(here - there)
    rose = contrast / max(noise, 0.01 * max(here, there, 1.0)) * np.sqrt(inside.sum())
    return contrast >= LEAST_CONTRAST * max(here, there, 1.0) and bool(rose >= LEAST_ROSE)


def annotated(scan: MrScan) -> tuple[MrScan, set[int]]:
    """The scan with only those lesions in its masks that stand out on some station, and their numbers."""
    seen = set().union(*(seen_lesions(station) for station in scan.stations)) if scan.stations else set()
    keep = np.array(sorted(seen), dtype=np.uint16)
    stations = tuple(
        replace(one, lesions=np.where(np.isin(one.lesions, keep), one.lesions, 0).astype(np.uint16))
        for one in scan.stations
    )
    return replace(scan, stations=stations), seen


def lesion_rows(scan: MrScan) -> list[dict[str, Any]]:
    """The table of the lesions in a scan's masks: number, kind, place, size and LPS centre, for JSON.

    The volume is by voxel summing on the station that shows most of a lesion; slices stand for their gaps too.
    """
    volumes: dict[int, float] = {}
    for station in scan.stations:
        counts = np.bincount(station.lesions.ravel())
        for number in np.flatnonzero(counts[1:]) + 1:
            volumes[int(number)] = max(volumes.get(int(number), 0.0), float(counts[number] * station.grid.voxel_mm3))
    return [
        {"number": number, **spot_row(scan.patient.lesions[number - 1]), "volume_mm3": round(volume, 1)}
        for number, volume in sorted(volumes.items())
    ]


def spot_row(spot: Spot) -> dict[str, Any]:
    """A spot as drawn, for JSON."""
    low, high = spot.solid.bounds()
    return {
        "kind": spot.kind,
        "bone": spot.bone,
        "site": spot.site,
        "label": spot.label,
        "diameter_mm": round(float(spot.diameter_mm), 2),
        "centre_mm": [round(float(value), 2) for value in (low + high) / 2],
    }
