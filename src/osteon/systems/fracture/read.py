"""Reading one MR study with a ``fracture`` model: a place on T2 in, one answer for the patient with its parts out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon import __version__
from osteon.dicom.series import load_volume
from osteon.dicom.uids import make_uid
from osteon.errors import InputError
from osteon.records import Box, Finding, Provenance, Reading
from osteon.systems.fracture.boxes import SliceBox, box_round, check_inside, neighbours
from osteon.systems.fracture.bundle import SYSTEM
from osteon.systems.fracture.config import CLASSES, THRESHOLD
from osteon.systems.fracture.network import probabilities
from osteon.systems.fracture.patches import cut_patches, make_pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.dicom.sequences import Station
    from osteon.geometry import Triple
    from osteon.records import Series, Study, Volume
    from osteon.systems.fracture.bundle import FractureModel
    from osteon.systems.fracture.patches import Pair

KIND = "vertebral fracture"
NO_PLACE = (
    "fracture reads one vertebra and does not look for it: say where it is, with --box SLICE,X0,Y0,X1,Y1 on the "
    "sagittal T2 (slice from 0, pixel edges) or --point X,Y,Z in LPS mm"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where the abnormal vertebra is: one of the two.

    Attributes:
        box: (slice from 0, x0, y0, x1, y1) on the T2 series, pixel edges.
        point_mm: (x, y, z) LPS.

    Raises:
        InputError: neither, or both.
    """

    box: tuple[float, ...] | None = None
    point_mm: Triple | None = None

    def __post_init__(self) -> None:
        if (self.box is None) == (self.point_mm is None):
            raise InputError(NO_PLACE if self.box is None else "a box and a point were given; give one of them")


@dataclass(frozen=True, kw_only=True, slots=True)
class FractureReading:
    """A reading with what it was made from.

    Attributes:
        reading: one finding, the box; the verdicts are the answer.
        series, volume: T2.
        labels: uint16 on T2 (z, y, x); 1 marks the box.
    """

    reading: Reading
    series: Series
    volume: Volume
    labels: NDArray[np.uint16]


def read_place(
    study: Study,
    stations: Sequence[Station],
    model: FractureModel,
    place: Place,
    *,
    warnings: Sequence[str] = (),
    jobs: int | None = None,
) -> FractureReading:
    """Tell benign from malignant at one place of a study.

    Args:
        study: what is read.
        stations: from ``stations.pick_stations``.
        model: from ``bundle.load_model``.
        place: where.
        warnings: what the reader of the files noticed.
        jobs: threads that decode.

    Raises:
        InputError: the place is in none of the stations, or a box could be in several.
    """
    marks = [time.perf_counter()]
    station, box = locate(stations, place, side_mm=model.config.point_side_mm)
    t2, t1 = (load_volume(station.series[name], jobs=jobs) for name in ("T2", "T1"))
    marks.append(time.perf_counter())
    pair = make_pair(t2, t1, registration=model.config.registration)
    marks.append(time.perf_counter())
    boxes = neighbours(box, t2.grid)
    scores = probabilities(model.network, cut_patches(pair, boxes, config=model.config), config=model.config)
    marks.append(time.perf_counter())
    seconds = {name: b - a for name, a, b in zip(("load", "registration", "network"), marks, marks[1:], strict=False)}
    labels, finding = _finding(station.series["T2"], t2, boxes, scores)
    facts = model.bundle.facts
    reading = Reading(
        system=SYSTEM,
        study_uid=study.uid,
        series_uid=station.series["T2"].uid,
        findings=(finding,),
        verdicts=_verdicts(boxes, scores, pair, station, place),
        operating_point=dict(facts.operating_point),
        provenance=Provenance(
            software_version=__version__,
            model_name=facts.name,
            model_hash=model.bundle.hash,
            device=model.device,
            precision="fp32",
            calibration=str(facts.calibration.get("how", "")),
            training_data=str(facts.training_data.get("description", "")),
            timings_s={name: round(s, 2) for name, s in {**seconds, "all": marks[-1] - marks[0]}.items()},
        ),
        patient=study.patient,
        warnings=(*warnings, *_notes(t2, t1, model, pair, place)),
    )
    return FractureReading(reading=reading, series=station.series["T2"], volume=t2, labels=labels)


def locate(stations: Sequence[Station], place: Place, *, side_mm: float) -> tuple[Station, SliceBox]:
    """The station that a place is in, and the box there.

    Raises:
        InputError: it is in none, or a box could be in several.
    """
    if place.box is not None:
        if len(stations) > 1:
            uids = ", ".join(one.reference.uid for one in stations)
            raise InputError(f"the study has {len(stations)} T2 series ({uids}); say with --series which the box is on")
        number, x0, y0, x1, y1 = place.box
        box = SliceBox(index=int(number), x0=x0, y0=y0, x1=x1, y1=y1)
        grid = stations[0].reference.grid
        assert grid is not None  # choose_sequences leaves out series without one
        check_inside(box, grid)
        return stations[0], box
    assert place.point_mm is not None
    for station in stations:
        grid = station.reference.grid
        if grid is not None and bool(grid.contains(np.asarray(place.point_mm))):
            return station, box_round(place.point_mm, grid, side_mm=side_mm)
    raise InputError(f"point {place.point_mm} mm lies in no T2 series of the study; expected LPS millimetres")


def _finding(
    series: Series, t2: Volume, boxes: Sequence[SliceBox], scores: NDArray[np.float64]
) -> tuple[NDArray[np.uint16], Finding]:
    """The box as a finding and as a mask; its score is the patient's."""
    x0, y0, x1, y1 = boxes[0].edges
    first, last = boxes[0].index, boxes[-1].index + 1
    labels = np.zeros(t2.grid.shape, dtype=np.uint16)
    labels[first:last, int(np.floor(y0)) : int(np.ceil(y1)), int(np.floor(x0)) : int(np.ceil(x1))] = 1
    dx, dy, _ = t2.grid.spacing_mm
    sides = sorted(((x1 - x0) * dx, (y1 - y0) * dy))
    centre = t2.grid.to_mm(((x0 + x1) / 2 - 0.5, (y0 + y1) / 2 - 0.5, (first + last - 1) / 2))
    inside = labels > 0
    return labels, Finding(
        number=1,
        kind=KIND,
        site="vertebra",
        score=round(float(scores.max()), 4),
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        box=Box(x0=x0, y0=y0, x1=x1, y1=y1, z0=first, z1=last),
        key_slice=boxes[int(scores.argmax())].index,
        longest_diameter_mm=round(sides[1], 2),
        short_diameter_mm=round(sides[0], 2),
        volume_mm3=round(float(inside.sum()) * t2.grid.voxel_mm3, 2),
        mean_value=round(float(t2.array[inside].mean()), 1),
        tracking_uid=make_uid("finding", series.uid, f"{first} {x0:.2f} {y0:.2f} {x1:.2f} {y1:.2f}"),
    )


def _verdicts(
    boxes: Sequence[SliceBox], scores: NDArray[np.float64], pair: Pair, station: Station, place: Place
) -> dict[str, Any]:
    """The answer, and what it is made of: the slices, the box and how T1 was brought onto T2."""
    highest = float(scores.max())
    middle = boxes[len(boxes) // 2]
    return {
        "diagnosis": f"{CLASSES[int(highest >= THRESHOLD)]} fracture",
        "probability_malignant": round(highest, 4),
        "slices_read": len(scores),
        "slice_scores": [
            {"slice": box.index, "malignant": round(float(score), 4)} for box, score in zip(boxes, scores, strict=True)
        ],
        "place": "box as given" if place.box is not None else "square round the point given",
        "box": {
            "slice": middle.index,
            **{k: round(v, 2) for k, v in zip(("x0", "y0", "x1", "y1"), middle.edges, strict=True)},
        },
        "t1_series": station.series["T1"].uid,
        "t1_onto_t2": pair.moved.how,
    }


def _notes(t2: Volume, t1: Volume, model: FractureModel, pair: Pair, place: Place) -> list[str]:
    notes = [*t2.warnings, *t1.warnings]
    if model.bundle.facts.training_data.get("kind") == "phantom":
        notes.append("The model was trained on phantoms only: its answer on a patient means nothing clinically.")
    notes.append("The finding and its segment are the box that was looked at, not an outline of the fracture.")
    notes.append("Only the box is looked at: soft tissue, pedicles and other vertebrae are not, and matter.")
    if place.point_mm is not None:
        notes.append(
            f"The box is a square of {model.config.point_side_mm:g} mm round the point; the model learned from boxes "
            "drawn round the whole vertebra, so a drawn box is better."
        )
    if not pair.moved.accepted:
        notes.append(f"T1 lies where its headers say: {pair.moved.how}.")
    return notes
