"""What a trained pair says of a patient: detections and D of every image, M of every sequence; kept as plain JSON."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.systems.tumor.detector import Detection, detect
from osteon.systems.tumor.fusion import SequenceScores, Verdict, decide
from osteon.systems.tumor.sequence_model import sequence_score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torchvision.models.detection import FasterRCNN

    from osteon.networks.sequence_classifier import SequenceClassifier
    from osteon.systems.tumor.age import AgeTable
    from osteon.systems.tumor.cases import TumorCase
    from osteon.systems.tumor.config import TumorConfig
    from osteon.systems.tumor.fusion import Weights


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Detector and sequence model in evaluation mode on one device, and where their backbones started."""

    detector: FasterRCNN
    sequence: SequenceClassifier
    started_from: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceAnswer:
    """One sequence.

    Attributes:
        uid, kind: of the series.
        slices: how many it has.
        detections: at most one an image.
        m: M; None where nothing was detected.
    """

    uid: str
    kind: str
    slices: int
    detections: tuple[Detection, ...]
    m: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientAnswer:
    """One patient (one study), with the truth where it is known.

    Attributes:
        seconds: from frames in memory to the answers of all sequences.
    """

    case: str
    patient: str
    age_years: float | None
    sequences: tuple[SequenceAnswer, ...]
    seconds: float
    malignant: bool | None = None
    location: str = ""
    histology: str = ""

    def scores(self, kinds: Sequence[str]) -> tuple[SequenceScores, ...]:
        """Of the sequences of some kinds in which something was detected."""
        return tuple(
            SequenceScores(detector=np.array([found.malignant for found in one.detections]), sequence=one.m)
            for one in self.sequences
            if one.kind in kinds and one.m is not None and one.detections
        )


def answer_frames(pair: Pair, frames: NDArray[np.uint8], *, uid: str, kind: str, config: TumorConfig) -> SequenceAnswer:
    """Both networks on one series (slices, rows, columns)."""
    found = detect(pair.detector, frames, config=config.detector)
    m = None
    if found:
        largest = max(found, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]))
        m = sequence_score(pair.sequence, frames, largest, config=config.sequence)
    return SequenceAnswer(uid=uid, kind=kind, slices=len(frames), detections=tuple(found), m=m)


def answer_cases(
    pair: Pair,
    cases: Sequence[TumorCase],
    *,
    config: TumorConfig,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> list[PatientAnswer]:
    """Both networks on all series of every case."""
    answers = []
    for number, case in enumerate(cases, start=1):
        started = time.perf_counter()
        sequences = tuple(
            answer_frames(pair, np.asarray(one.frames), uid=one.uid, kind=one.kind, config=config)
            for one in case.series
        )
        answers.append(
            PatientAnswer(
                case=case.case,
                patient=case.patient,
                age_years=case.age_years,
                sequences=sequences,
                seconds=round(time.perf_counter() - started, 3),
                malignant=case.malignant,
                location=case.location,
                histology=case.histology,
            )
        )
        on_case(number, len(cases), case.case)
    return answers


def verdict_of(
    answer: PatientAnswer, *, table: AgeTable, strategy: str, weights: Weights, kinds: Sequence[str]
) -> Verdict:
    """The answer of one strategy from the sequences of some kinds."""
    return decide(
        answer.scores(kinds),
        age=table.share(answer.age_years),
        prevalence=table.overall,
        strategy=strategy,
        weights=weights,
    )


def to_plain(answer: PatientAnswer) -> dict[str, Any]:
    """For JSON."""
    return {
        "case": answer.case,
        "patient": answer.patient,
        "age_years": answer.age_years,
        "malignant": answer.malignant,
        "location": answer.location,
        "histology": answer.histology,
        "seconds": answer.seconds,
        "sequences": [
            {
                "uid": one.uid,
                "kind": one.kind,
                "slices": one.slices,
                "m": one.m,
                "detections": [[d.index, list(d.box), d.score, d.malignant] for d in one.detections],
            }
            for one in answer.sequences
        ],
    }


def from_plain(values: dict[str, Any]) -> PatientAnswer:
    """Back from JSON."""
    sequences = tuple(
        SequenceAnswer(
            uid=one["uid"],
            kind=one["kind"],
            slices=one["slices"],
            m=one["m"],
            detections=tuple(
                Detection(index=index, box=(box[0], box[1], box[2], box[3]), score=score, malignant=malignant)
                for index, box, score, malignant in one["detections"]
            ),
        )
        for one in values["sequences"]
    )
    return PatientAnswer(**{**values, "sequences": sequences})
