"""Reading one MR study with a ``tumor`` model: all its sequences in, one answer for the patient with its parts out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from osteon import __version__
from osteon.dicom.series import load_volume
from osteon.dicom.uids import make_uid
from osteon.records import Box, Finding, Patient, Provenance, Reading
from osteon.systems.study_reading import MarkedSeries
from osteon.systems.tumor.answers import PatientAnswer, SequenceAnswer, answer_frames, verdict_of
from osteon.systems.tumor.config import CLASSES, SEQUENCES
from osteon.systems.tumor.frames import grey_frames
from osteon.systems.tumor.fusion import BEST, ON_AGE, ON_DETECTIONS, STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from osteon.imaging.sagittal import Sagittal
    from osteon.records import Volume
    from osteon.systems.tumor.bundle import TumorModel
    from osteon.systems.tumor.frames import Chosen
    from osteon.systems.tumor.fusion import Verdict

KIND = "spinal tumour"


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyReading:
    """A reading with its series; the first is that of ``reading.series_uid``."""

    reading: Reading
    series: tuple[MarkedSeries, ...]


def read_series(
    chosen: Chosen,
    model: TumorModel,
    *,
    study_uid: str,
    patient: Patient | None = None,
    warnings: Sequence[str] = (),
    jobs: int | None = None,
    on_progress: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> StudyReading:
    """Call the tumour of one study benign or malignant.

    Args:
        chosen: series to read.
        model: from ``bundle.load_model``.
        study_uid: of the study.
        patient: age and sex; the age is part of the answer.
        warnings: what the reader of the files noticed.
        jobs: threads that decode.
        on_progress: called with (done, total, stage).
    """
    started, loading = time.perf_counter(), 0.0
    answers: list[SequenceAnswer] = []
    read: list[MarkedSeries] = []
    found: list[Finding] = []
    notes = [*chosen.notes]
    for number, (kind, series) in enumerate(chosen.series, start=1):
        begin = time.perf_counter()
        volume = load_volume(series, jobs=jobs)
        view, frames = grey_frames(volume)
        loading += time.perf_counter() - begin
        answer = answer_frames(model.pair, frames, uid=series.uid, kind=kind, config=model.config)
        labels = np.zeros(volume.grid.shape, np.uint16)
        if answer.detections:
            labels = view.to_source(_marked(answer, view, number=len(found) + 1))
            found.append(_finding(answer, labels, volume, number=len(found) + 1, first=chosen.series[0][1].uid))
        answers.append(answer)
        read.append(MarkedSeries(series=series, volume=volume, labels=labels))
        notes += volume.warnings
        on_progress(number, len(chosen.series), "sequences")
    known = patient or Patient()
    whole = PatientAnswer(
        case="study", patient="study", age_years=known.age_years, sequences=tuple(answers), seconds=0.0
    )
    verdicts = {
        name: verdict_of(whole, table=model.table, strategy=name, weights=model.weights, kinds=SEQUENCES)
        for name in STRATEGIES
    }
    seconds = {"load": loading, "all": time.perf_counter() - started}
    seconds["networks"] = seconds["all"] - loading
    facts = model.bundle.facts
    reading = Reading(
        system="tumor",
        study_uid=study_uid,
        series_uid=chosen.series[0][1].uid,
        findings=tuple(found),
        verdicts=_verdicts(whole, verdicts, model),
        operating_point={key: value for key, value in facts.operating_point.items() if key != "weights_of"},
        provenance=Provenance(
            software_version=__version__,
            model_name=facts.name,
            model_hash=model.bundle.hash,
            device=model.device,
            precision="fp32",
            calibration=str(facts.calibration.get("how", "")),
            training_data=str(facts.training_data.get("description", "")),
            timings_s={name: round(value, 2) for name, value in seconds.items()},
        ),
        patient=known,
        warnings=(*warnings, *dict.fromkeys(notes), *_notes(verdicts[BEST], known, model)),
    )
    return StudyReading(reading=reading, series=tuple(read))


def _marked(answer: SequenceAnswer, view: Sagittal, *, number: int) -> NDArray[np.uint16]:
    """Ellipses in the detected boxes, on the sagittal view."""
    mask = np.zeros(view.grid.shape, np.uint16)
    rows, columns = np.mgrid[: mask.shape[1], : mask.shape[2]]
    for one in answer.detections:
        x0, y0, x1, y1 = one.box
        across = (columns - (x0 + x1 - 1) / 2) / ((x1 - x0) / 2)
        down = (rows - (y0 + y1 - 1) / 2) / ((y1 - y0) / 2)
        inside = across**2 + down**2 <= 1
        inside[min(int((y0 + y1) / 2), len(inside) - 1), min(int((x0 + x1) / 2), inside.shape[1] - 1)] = True
        mask[one.index][inside] = number
    return mask


def _finding(answer: SequenceAnswer, labels: NDArray[np.uint16], volume: Volume, *, number: int, first: str) -> Finding:
    """The region of one series, in the voxel order of the series."""
    z, y, x = ndimage.find_objects((labels == number).astype(np.uint8))[0]
    areas = (labels[z] == number).sum(axis=(1, 2))
    largest = max(answer.detections, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]))
    sides = sorted(
        (
            (x.stop - x.start) * volume.grid.spacing_mm[0],
            (y.stop - y.start) * volume.grid.spacing_mm[1],
        ),
        reverse=True,
    )
    places = np.argwhere(labels == number)
    centre = volume.grid.to_mm(places.mean(axis=0)[::-1])
    dx, dy, dz = volume.grid.spacing_mm
    return Finding(
        number=number,
        kind=KIND,
        score=round(min(largest.score, 1.0), 4),
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        box=Box(
            x0=float(x.start), y0=float(y.start), x1=float(x.stop), y1=float(y.stop), z0=int(z.start), z1=int(z.stop)
        ),
        key_slice=int(z.start + np.argmax(areas)),
        longest_diameter_mm=round(sides[0], 2),
        short_diameter_mm=round(sides[1], 2),
        volume_mm3=round(len(places) * dx * dy * dz, 2),
        mean_value=round(float(np.asarray(volume.array)[labels == number].mean()), 1),
        tracking_uid=make_uid("finding", answer.uid, str(number)),
        series_uid=None if answer.uid == first else answer.uid,
    )


def _verdicts(whole: PatientAnswer, verdicts: dict[str, Verdict], model: TumorModel) -> dict[str, Any]:
    """The answer and its parts."""
    best = verdicts[BEST]
    shown = [one for one in whole.sequences if one.detections]
    share = model.table.share(whole.age_years)
    return {
        "diagnosis": f"{CLASSES[int(best.malignant)]} tumour",
        "probability_malignant": round(best.probability, 4),
        "rests_on": best.rests_on,
        "age_share_malignant": None if share is None else round(share, 4),
        "sequences_read": len(whole.sequences),
        "sequences_with_detection": len(shown),
        "sequences": [
            {
                "series": one.uid,
                "kind": one.kind,
                "images_with_detection": len(one.detections),
                "malignant_images": vote.malignant_images,
                "detector_mean": round(float(np.mean([d.malignant for d in one.detections])), 4),
                "sequence_model": round(float(one.m or 0.0), 4),
                "fused_mean": round(vote.mean, 4),
                "answer": CLASSES[int(vote.malignant)],
                "tie": vote.tie,
            }
            for one, vote in zip(shown, best.votes, strict=True)
        ],
        "strategies": {
            name: {"answer": CLASSES[int(one.malignant)], "probability": round(one.probability, 4)}
            for name, one in verdicts.items()
        },
    }


def _notes(best: Verdict, patient: Patient, model: TumorModel) -> list[str]:
    notes = []
    if model.bundle.facts.training_data.get("kind") == "phantom":
        notes.append("The model was trained on phantoms only: its answer on a patient means nothing clinically.")
    notes.append("The answer is one of two: every patient is called benign or malignant, with a tumour or without.")
    if patient.age_years is None:
        notes.append("The age is not known: its term is left out of the answer.")
    if best.rests_on == ON_DETECTIONS:
        notes.append("Outlines are ellipses in the detected boxes, no segmentation; diameters and volumes are theirs.")
    else:
        what = (
            "the share of malignant tumours at this age"
            if best.rests_on == ON_AGE
            else "the share of malignant tumours"
        )
        notes.append(
            f"NOTHING was detected on any sequence: the answer rests on {what} among the training patients alone, and "
            "on no image."
        )
    return notes
