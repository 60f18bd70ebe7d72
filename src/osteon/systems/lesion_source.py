"""Where a system that does not look for lesions itself has them from: a mask that somebody gives, or ``lytic``.

The one place where one system's reading is another's input; systems do not import each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.dicom.uids import make_uid
from osteon.errors import InputError
from osteon.imaging.canonical import canonical
from osteon.inference.lesion_masks import LesionShape, measure
from osteon.records import Box, Finding

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.imaging.canonical import Canonical
    from osteon.records import Series, Volume

_MOST_LESIONS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesions:
    """Lesions of one scan, wherever they come from.

    Attributes:
        labels: uint16 on the volume's grid (z, y, x); value k marks finding number k.
        findings: numbered from 1.
        source: where they come from, in words.
        warnings: what came with them.
    """

    labels: NDArray[np.uint16]
    findings: tuple[Finding, ...]
    source: str
    warnings: tuple[str, ...] = ()


def given_lesions(path: Path, *, volume: Volume, series: Series, kind: str) -> Lesions:
    """Lesions of a mask: NIfTI with numbers from 1, or a DICOM SEG of this series, each segment a lesion.

    Args:
        path: the file.
        volume: what it marks.
        series: where the volume came from.
        kind: what the lesions are taken for.

    Raises:
        InputError: it cannot be read, or lies on another grid.
    """
    mask = _read_mask(path, volume=volume, series=series)
    numbers = np.unique(mask[mask > 0])
    if len(numbers) > _MOST_LESIONS:
        raise InputError(f"lesion mask: {len(numbers)} different values; expected up to {_MOST_LESIONS} lesions")
    labels = np.searchsorted(numbers, mask).astype(np.uint16) + 1
    labels[mask == 0] = 0
    axial = canonical(volume)
    turned = canonical(type(volume)(array=labels, grid=volume.grid, modality=volume.modality)).array
    findings = tuple(
        _finding(turned, number, axial, uid=series.uid, kind=kind) for number in range(1, len(numbers) + 1)
    )
    return Lesions(labels=labels, findings=findings, source="a lesion mask that was given")


def _read_mask(path: Path, *, volume: Volume, series: Series) -> NDArray[Any]:
    from osteon.dicom.seg_read import is_seg, read_seg
    from osteon.dicom.series import load_headers
    from osteon.formats.nifti import read_nifti

    if is_seg(path):
        mask = np.zeros(volume.grid.shape, dtype=np.uint16)
        for segment in read_seg(path, headers=load_headers(series)):
            if segment.mask.shape != mask.shape:
                raise InputError(f"{path.name}: marks {segment.mask.shape} voxels, the series has {mask.shape}")
            mask[segment.mask] = segment.number
        return mask
    found = read_nifti(path, modality=volume.modality)
    if found.grid.shape != volume.grid.shape or not np.allclose(found.grid.affine, volume.grid.affine, atol=0.01):
        raise InputError(
            f"{path.name}: a mask on grid {found.grid.shape} from {np.round(found.grid.origin_mm, 1)} mm; the scan has "
            f"{volume.grid.shape} from {np.round(volume.grid.origin_mm, 1)} mm: resample the mask onto the scan"
        )
    if not np.isfinite(found.array).all() or found.array.min() < 0:
        raise InputError(f"{path.name}: negative values or values that are no numbers; expected lesion numbers from 1")
    return found.array


def _finding(labels: NDArray[np.uint16], number: int, axial: Canonical, *, uid: str, kind: str) -> Finding:
    """Measures of one label of an axial label map (z, y, x); box and key slice on the source grid."""
    places = np.nonzero(labels == number)
    low, high = (np.array([edge(axis) for axis in places]) for edge in (np.min, np.max))
    window = tuple(slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
    shape = LesionShape(start=(int(low[0]), int(low[1]), int(low[2])), mask=labels[window] == number)
    measures = measure(shape, axial.array, spacing_mm=axial.grid.spacing_mm)
    z, y, x = measures.centroid_zyx
    centre = axial.grid.to_mm((x, y, z))
    corners = axial.source.to_index(axial.grid.to_mm(np.array([low[::-1], high[::-1]], dtype=float)))
    a, b = np.rint(corners.min(axis=0)), np.rint(corners.max(axis=0))
    box = Box(x0=float(a[0]), y0=float(a[1]), x1=float(b[0]) + 1, y1=float(b[1]) + 1, z0=int(a[2]), z1=int(b[2]) + 1)
    key = axial.source.to_index(axial.grid.to_mm((x, y, float(measures.key_slice))))
    return Finding(
        number=number,
        kind=kind,
        score=1.0,
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        box=box,
        key_slice=int(np.clip(round(float(key[2])), box.z0, box.z1 - 1)),
        longest_diameter_mm=round(measures.longest_mm, 2),
        short_diameter_mm=round(measures.short_mm, 2),
        volume_mm3=round(measures.volume_mm3, 2),
        mean_value=round(measures.mean_hu, 1),
        tracking_uid=make_uid("finding", uid, str(number), f"{centre[0]:.1f} {centre[1]:.1f} {centre[2]:.1f}"),
    )


def lytic_lesions(
    volume: Volume,
    series: Series,
    *,
    study_uid: str,
    device: str,
    on_progress: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> Lesions:
    """Lytic lesions that the small model which ships with osteon finds.

    Raises:
        BundleError: no such model is there.
    """
    from osteon.systems.bundles import shipped_folder
    from osteon.systems.lytic.bundle import load_model
    from osteon.systems.lytic.read import read_volume

    model = load_model(shipped_folder("lytic"), device=device)
    result = read_volume(volume, model, study_uid=study_uid, series_uid=series.uid, on_progress=on_progress)
    reading = result.reading
    threshold = reading.operating_point["threshold"]
    return Lesions(
        labels=result.lesion_labels,
        findings=reading.findings,
        source=f"model {reading.provenance.model_name} ({reading.provenance.model_hash[:12]}), threshold {threshold}",
        warnings=tuple(f"Lesions: {warning}" for warning in reading.warnings if warning not in volume.warnings),
    )
