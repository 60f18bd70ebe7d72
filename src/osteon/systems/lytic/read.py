"""Reading one CT series with a ``lytic`` model: volume in, findings and masks out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon import __version__
from osteon.dicom.uids import make_uid
from osteon.imaging.canonical import OBLIQUE_DEG, Canonical, canonical
from osteon.inference.calibration import probability
from osteon.records import Box, Finding, Patient, Provenance, Reading
from osteon.systems.lytic.infer import Candidate, find_candidates

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from osteon.records import Volume
    from osteon.systems.lytic.bundle import LyticModel

KIND = "lytic lesion"
THICK_MM = 5.0
MOST_FINDINGS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeReading:
    """A reading with its masks on the grid of the volume, (z, y, x).

    Attributes:
        bone_sites: uint8, 0 outside bone, else index into ``config.SITES`` + 1.
        lesion_labels: uint16, k marks finding number k.
    """

    reading: Reading
    bone_sites: NDArray[np.uint8]
    lesion_labels: NDArray[np.uint16]


def read_volume(
    volume: Volume,
    model: LyticModel,
    *,
    study_uid: str,
    series_uid: str,
    patient: Patient | None = None,
    warnings: tuple[str, ...] = (),
    on_progress: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> VolumeReading:
    """Find lytic lesions in one CT volume.

    Args:
        volume: CT in HU, any orientation.
        model: from ``bundle.load_model``.
        study_uid: of the study.
        series_uid: of the series; tracking UIDs are made from it.
        patient: age and sex, for the report.
        warnings: what the reader of the files noticed.
        on_progress: called with (done, total, stage).
    """
    started = time.perf_counter()
    axial = canonical(volume)
    spacing = axial.grid.spacing_mm
    found = find_candidates(
        axial.array,
        spacing_mm=spacing,
        bone_network=model.bone,
        detectors=model.detectors,
        reduction=model.reduction,
        config=model.config,
        on_progress=on_progress,
    )
    facts = model.bundle.facts
    threshold = float(facts.operating_point["threshold"])
    scores = _scores(found.found, facts.calibration)
    order = [k for k in np.argsort(-scores, kind="stable") if scores[k] >= threshold]
    labels, findings = _findings(
        [found.found[k] for k in order[:MOST_FINDINGS]], scores[order[:MOST_FINDINGS]], axial, uid=series_uid
    )
    seconds = {**found.timings_s, "all": time.perf_counter() - started}
    reading = Reading(
        system="lytic",
        study_uid=study_uid,
        series_uid=series_uid,
        findings=tuple(findings),
        verdicts=_verdicts(findings, found.sites, axial),
        operating_point={
            "threshold": threshold,
            **{k: v for k, v in facts.operating_point.items() if k != "threshold"},
        },
        provenance=Provenance(
            software_version=__version__,
            model_name=facts.name,
            model_hash=model.bundle.hash,
            device=model.device,
            precision=model.precision,
            calibration=str(facts.calibration.get("how", "")),
            training_data=str(facts.training_data.get("description", "")),
            timings_s={name: round(value, 2) for name, value in seconds.items()},
        ),
        patient=patient or Patient(),
        warnings=(
            *warnings,
            *_notes(
                volume,
                axial,
                found.sites,
                cut=len(order) - MOST_FINDINGS,
                kind=str(facts.training_data.get("kind", "")),
            ),
        ),
    )
    return VolumeReading(
        reading=reading, bone_sites=axial.to_source(found.sites), lesion_labels=axial.to_source(labels)
    )


def _scores(found: tuple[Candidate, ...], calibration: dict[str, object]) -> NDArray[np.float64]:
    if not found:
        return np.zeros(0)
    return probability(np.stack([candidate.features for candidate in found]), calibration)


def _findings(
    candidates: list[Candidate], scores: NDArray[np.float64], axial: Canonical, *, uid: str
) -> tuple[NDArray[np.uint16], list[Finding]]:
    """Label map on the axial grid, and findings in the order given; candidates share no voxel."""
    labels = np.zeros(axial.grid.shape, dtype=np.uint16)
    findings: list[Finding] = []
    for number, (candidate, score) in enumerate(zip(candidates, scores, strict=True), start=1):
        labels[candidate.shape.window][candidate.shape.mask] = number
        findings.append(_finding(candidate, float(score), axial, number=number, uid=uid))
    return labels, findings


def _finding(candidate: Candidate, score: float, axial: Canonical, *, number: int, uid: str) -> Finding:
    m = candidate.measures
    z, y, x = m.centroid_zyx
    centre = axial.grid.to_mm((x, y, z))
    box, key = _source_box(candidate, axial)
    return Finding(
        number=number,
        kind=KIND,
        site=candidate.site,
        score=round(score, 4),
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        box=box,
        key_slice=key,
        longest_diameter_mm=round(m.longest_mm, 2),
        short_diameter_mm=round(m.short_mm, 2),
        volume_mm3=round(m.volume_mm3, 2),
        mean_value=round(m.mean_hu, 1),
        tracking_uid=make_uid("finding", uid, str(number), f"{centre[0]:.1f} {centre[1]:.1f} {centre[2]:.1f}"),
    )


def _source_box(candidate: Candidate, axial: Canonical) -> tuple[Box, int]:
    """Box and key slice in the voxel order of the source volume."""
    low = np.array([candidate.shape.start[k] + np.nonzero(candidate.shape.mask)[k].min() for k in range(3)])
    high = np.array([candidate.shape.start[k] + np.nonzero(candidate.shape.mask)[k].max() for k in range(3)])
    corners = np.array([low[::-1], high[::-1]], dtype=float)
    index = axial.source.to_index(axial.grid.to_mm(corners))
    a, b = np.rint(index.min(axis=0)), np.rint(index.max(axis=0))
    _, y, x = candidate.measures.centroid_zyx
    middle = axial.source.to_index(axial.grid.to_mm((x, y, float(candidate.measures.key_slice))))
    box = Box(x0=float(a[0]), y0=float(a[1]), x1=float(b[0]) + 1, y1=float(b[1]) + 1, z0=int(a[2]), z1=int(b[2]) + 1)
    return box, int(np.clip(round(float(middle[2])), box.z0, box.z1 - 1))


def _verdicts(findings: list[Finding], sites: NDArray[np.uint8], axial: Canonical) -> dict[str, float | int]:
    """Patient-level answers."""
    bone_mm3 = float(np.count_nonzero(sites)) * axial.grid.voxel_mm3
    burden = float(sum(finding.volume_mm3 for finding in findings))
    return {
        "lesion_count": len(findings),
        "lesion_count_5_mm": sum(finding.longest_diameter_mm >= 5 for finding in findings),
        "burden_mm3": round(burden, 1),
        "bone_volume_mm3": round(bone_mm3, 1),
        "burden_share_of_bone": round(burden / bone_mm3, 6) if bone_mm3 else 0.0,
    }


def _notes(volume: Volume, axial: Canonical, sites: NDArray[np.uint8], *, cut: int, kind: str) -> tuple[str, ...]:
    """Warnings that come from the volume itself."""
    notes = list(volume.warnings)
    if kind == "phantom":
        notes.append("The model was trained on phantoms only: its findings on a patient mean nothing clinically.")
    if axial.tilt_deg() > OBLIQUE_DEG:
        notes.append(f"Slices lie {axial.tilt_deg():.0f} degrees from axial; the model was trained on axial slices.")
    if axial.grid.spacing_mm[2] > THICK_MM:
        notes.append(f"Axial spacing {axial.grid.spacing_mm[2]:.1f} mm: lesions under {THICK_MM:g} mm will be missed.")
    if not sites.any():
        notes.append("No bone was found; is this a CT in Hounsfield units?")
    if cut > 0:
        notes.append(f"{cut} further candidates above the threshold are not listed.")
    return tuple(notes)
