"""Reading one CT study with a ``differential`` model: lesions, slices that show them, one answer for the patient."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon import __version__
from osteon.imaging.canonical import canonical
from osteon.records import Patient, Provenance, Reading
from osteon.systems.differential.config import CLASSES
from osteon.systems.differential.images import decode, resize, scan_jpegs
from osteon.systems.differential.network import myeloma_logits, side_of, to_probability
from osteon.systems.differential.patients import THRESHOLD, calibrated, mean_logit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.imaging.canonical import Canonical
    from osteon.records import Finding, Volume
    from osteon.systems.differential.bundle import DifferentialModel
    from osteon.systems.lesion_source import Lesions

SPINE = ("vertebra", "sacrum")
"""Sites whose lesions are looked at, where sites are known: the study is of the spine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferentialReading:
    """A reading with the lesions it rests on.

    Attributes:
        reading: findings are the lesions, verdicts the answer and its parts.
        lesion_labels: uint16 on the volume's grid (z, y, x); value k marks finding number k.
    """

    reading: Reading
    lesion_labels: NDArray[np.uint16]


def read_volume(
    volume: Volume,
    model: DifferentialModel,
    lesions: Lesions,
    *,
    study_uid: str,
    series_uid: str,
    patient: Patient | None = None,
    warnings: tuple[str, ...] = (),
    seconds_before: float = 0.0,
) -> DifferentialReading:
    """Tell myeloma from osteolytic metastasis on one CT volume whose lesions are known.

    Args:
        volume: CT in HU, any orientation.
        model: from ``bundle.load_model``.
        lesions: on the volume's grid.
        study_uid: of the study.
        series_uid: of the series.
        patient: age and sex, for the report.
        warnings: what the reader of the files noticed.
        seconds_before: spent on finding the lesions.
    """
    started = time.perf_counter()
    findings, labels = _of_the_spine(lesions)
    indices, jpegs = scan_jpegs(volume, labels > 0, config=model.config)
    side = side_of(model.config)
    pixels = [resize(decode(jpeg), side) for jpeg in jpegs]
    logits = myeloma_logits(model.network, np.stack(pixels)) if pixels else np.zeros(0)
    facts = model.bundle.facts
    spent = time.perf_counter() - started
    reading = Reading(
        system="differential",
        study_uid=study_uid,
        series_uid=series_uid,
        findings=findings,
        verdicts=_verdicts(findings, indices, logits, canonical(volume), calibration=facts.calibration),
        operating_point=dict(facts.operating_point),
        provenance=Provenance(
            software_version=__version__,
            model_name=facts.name,
            model_hash=model.bundle.hash,
            device=model.device,
            precision="fp32",
            calibration=str(facts.calibration.get("how", "")),
            training_data=str(facts.training_data.get("description", "")),
            timings_s={
                "lesions": round(seconds_before, 2),
                "slices": round(spent, 2),
                "all": round(seconds_before + spent, 2),
            },
        ),
        patient=patient or Patient(),
        warnings=(*warnings, *_notes(volume, lesions, model, kept=len(findings), slices=len(indices))),
    )
    return DifferentialReading(reading=reading, lesion_labels=labels)


def _of_the_spine(lesions: Lesions) -> tuple[tuple[Finding, ...], NDArray[np.uint16]]:
    """Lesions at sites of the spine or of no known site, numbered anew, with their label map."""
    kept = [one for one in lesions.findings if one.site is None or one.site in SPINE]
    to = np.zeros(len(lesions.findings) + 1, dtype=np.uint16)
    for number, finding in enumerate(kept, start=1):
        to[finding.number] = number
    findings = tuple(replace(finding, number=number) for number, finding in enumerate(kept, start=1))
    return findings, to[lesions.labels]


def _verdicts(
    findings: tuple[Finding, ...],
    indices: NDArray[np.intp],
    logits: NDArray[np.float64],
    axial: Canonical,
    *,
    calibration: dict[str, Any],
) -> dict[str, Any]:
    """The answer and what it is made of; without a slice that shows a lesion there is none."""
    if not len(logits):
        return {"diagnosis": None, "probability_myeloma": None, "lesion_count": len(findings), "slices_read": 0}
    scores = to_probability(logits)
    probability = float(calibrated(mean_logit(logits), calibration))
    return {
        "diagnosis": CLASSES[int(probability >= THRESHOLD)],
        "probability_myeloma": round(probability, 4),
        "lesion_count": len(findings),
        "slices_read": len(scores),
        "share_of_slices_for_myeloma": round(float((scores >= THRESHOLD).mean()), 4),
        "slice_scores": [
            {"slice": _source_slice(int(k), axial), "z_mm": _height(int(k), axial), "myeloma": round(float(score), 4)}
            for k, score in zip(indices, scores, strict=True)
        ],
    }


def _middle(index: int, axial: Canonical) -> NDArray[np.float64]:
    _, rows, columns = axial.grid.shape
    return np.asarray(axial.grid.to_mm(((columns - 1) / 2, (rows - 1) / 2, float(index))))


def _height(index: int, axial: Canonical) -> float:
    return round(float(_middle(index, axial)[2]), 1)


def _source_slice(index: int, axial: Canonical) -> int | None:
    """Slice of the series, from 0; None where the series is not axial, so that no one slice of it is meant."""
    if abs(float(axial.source.axes[:, 2] @ axial.grid.axes[:, 2])) < 0.99:
        return None
    return round(float(axial.source.to_index(_middle(index, axial))[2]))


def _notes(volume: Volume, lesions: Lesions, model: DifferentialModel, *, kept: int, slices: int) -> tuple[str, ...]:
    notes = [*volume.warnings, f"Lesions come from {lesions.source}.", *lesions.warnings]
    if model.bundle.facts.training_data.get("kind") == "phantom":
        notes.append("The model was trained on phantoms only: its answer on a patient means nothing clinically.")
    notes.append("The answer is one of two: a lesion of any other kind is called one of them all the same.")
    if len(lesions.findings) > kept:
        notes.append(f"{len(lesions.findings) - kept} lesions outside the spine were not looked at.")
    if not slices:
        notes.append("No slice shows a lesion: there is nothing to tell apart, and no answer.")
    return tuple(notes)
