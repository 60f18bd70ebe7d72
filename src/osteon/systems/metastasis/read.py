"""Reading one MR study with a ``metastasis`` model: stations in, findings and masks on each reference's grid out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from osteon import __version__
from osteon.dicom.series import load_volume
from osteon.dicom.uids import make_uid
from osteon.errors import InputError
from osteon.inference.calibration import probability
from osteon.inference.lesion_masks import LesionShape, measure
from osteon.records import Box, Finding, Provenance, Reading
from osteon.systems.metastasis.bundle import KIND, SYSTEM
from osteon.systems.metastasis.config import sequences_of
from osteon.systems.metastasis.infer import find_lesions
from osteon.systems.metastasis.merge import Seen, merge_stations
from osteon.systems.metastasis.network import probabilities
from osteon.systems.metastasis.stations import PreparedStation, prepare_station

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from osteon.dicom.sequences import Station, StudySequences
    from osteon.records import Study, Volume
    from osteon.systems.metastasis.bundle import MetastasisModel

THICK_MM = 6.0
MOST_FINDINGS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class StationReading:
    """One station, with its masks in the voxel order of its reference.

    Attributes:
        station: its series.
        combination: sequences that were read.
        volume: the reference.
        labels: uint16 (z, y, x) on the reference's grid; k marks finding number k.
    """

    station: Station
    combination: str
    volume: Volume
    labels: NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyReading:
    """A reading with its stations; the first is that of ``reading.series_uid``."""

    reading: Reading
    stations: tuple[StationReading, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """One station before findings are numbered."""

    station: Station
    combination: str
    volume: Volume
    prepared: PreparedStation
    labels: NDArray[np.uint16]
    scores: NDArray[np.float64]


def plan_stations(found: StudySequences, model: MetastasisModel) -> tuple[list[tuple[Station, str]], list[str]]:
    """Which network reads which station, and what was left out.

    Raises:
        InputError: no network of the model fits any station.
    """
    plan, notes = [], list(found.notes)
    for station in found.stations:
        combination = model.choose(station.series)
        names = "+".join(station.series)
        if combination is None:
            notes.append(
                f"Series {station.reference.uid} ({names}) is not read: the model has networks for "
                f"{', '.join(model.networks)}."
            )
            continue
        plan.append((station, combination))
        absent = [name for name in sequences_of(next(iter(model.networks))) if name not in station.series]
        if absent:
            notes.append(
                f"Series {station.reference.uid} is read with {combination}: no {' and no '.join(absent)} there."
            )
    if not plan:
        raise InputError(f"no network for the sequences of this study. {' '.join(notes)}")
    return plan, notes


def read_stations(
    study: Study,
    found: StudySequences,
    model: MetastasisModel,
    *,
    warnings: Sequence[str] = (),
    jobs: int | None = None,
    on_progress: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> StudyReading:
    """Find metastases in the stations of one study.

    Args:
        study: what is read.
        found: its series in stations.
        model: from ``bundle.load_model``.
        warnings: what the reader of the files noticed.
        jobs: threads that decode.
        on_progress: called with (done, total, stage).

    Raises:
        InputError: no network of the model fits any station.
    """
    started = time.perf_counter()
    plan, notes = plan_stations(found, model)
    seconds: dict[str, float] = {}
    read: list[_Read] = []
    for number, (station, combination) in enumerate(plan, start=1):
        read.append(_read_one(station, combination, model, jobs=jobs, seconds=seconds))
        notes += _station_notes(read[-1])
        on_progress(number, len(plan), "stations")
    labels, findings = _findings(read)
    seconds["all"] = time.perf_counter() - started
    reading = Reading(
        system=SYSTEM,
        study_uid=study.uid,
        series_uid=read[0].station.reference.uid,
        findings=tuple(findings),
        verdicts=_verdicts(findings, read),
        operating_point=_operating_point(model, [one.combination for one in read]),
        provenance=_provenance(model, [one.combination for one in read], seconds),
        patient=study.patient,
        warnings=(*warnings, *_model_notes(model), *notes),
    )
    stations = tuple(
        StationReading(station=one.station, combination=one.combination, volume=one.volume, labels=own)
        for one, own in zip(read, labels, strict=True)
    )
    return StudyReading(reading=reading, stations=stations)


def _read_one(
    station: Station, combination: str, model: MetastasisModel, *, jobs: int | None, seconds: dict[str, float]
) -> _Read:
    """One station through its network; ``seconds`` are added to."""
    names = sequences_of(combination)
    marks = [time.perf_counter()]
    volumes = {name: load_volume(station.series[name], jobs=jobs) for name in names}
    marks.append(time.perf_counter())
    prepared = prepare_station(volumes, model.config.input)
    marks.append(time.perf_counter())
    images = np.stack([prepared.images[name] for name in names])
    answer = probabilities(model.networks[combination], images, dimensions=model.config.network.dimensions)
    marks.append(time.perf_counter())
    point = model.point(combination)
    found = find_lesions(
        answer, prepared.plan, voxel_mm3=prepared.view.grid.voxel_mm3, mask_threshold=float(point["mask_threshold"])
    )
    scores = probability(found.features, model.calibration(combination)) if len(found.features) else np.zeros(0)
    kept = scores >= float(point["threshold"])
    table = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)]).astype(np.uint16)
    marks.append(time.perf_counter())
    for stage, begin, end in zip(("load", "registration", "network", "lesions"), marks, marks[1:], strict=False):
        seconds[stage] = seconds.get(stage, 0.0) + end - begin
    return _Read(
        station=station,
        combination=combination,
        volume=volumes[names[0]],
        prepared=prepared,
        labels=table[found.labels],
        scores=scores[kept],
    )


def _findings(read: Sequence[_Read]) -> tuple[list[NDArray[np.uint16]], list[Finding]]:
    """Findings of all stations together, and each station's labels in its source order.

    A lesion that two stations show is one finding, measured where more of it is seen.
    """
    seen = [Seen(labels=one.labels, grid=one.prepared.view.grid, scores=one.scores) for one in read]
    merged = merge_stations(seen)[:MOST_FINDINGS]
    tables = [np.zeros(len(one.scores) + 1, dtype=np.uint16) for one in read]
    for number, lesion in enumerate(merged, start=1):
        for station, label in lesion.parts:
            tables[station][label] = number
    labels = [one.prepared.view.to_source(table[one.labels]) for one, table in zip(read, tables, strict=True)]
    views = [ndimage.find_objects(one.labels) for one in read]  # once for all findings: a pass over the whole volume
    sources = [ndimage.find_objects(own) for own in labels]
    findings = []
    for number, lesion in enumerate(merged, start=1):
        station, label = lesion.parts[0]
        places = _Places(label=label, view=views[station][label - 1], source=sources[station][number - 1])
        findings.append(_finding(read[station], places, labels[station], number, lesion.score, read[0]))
    return labels, findings


@dataclass(frozen=True, kw_only=True, slots=True)
class _Places:
    """Where one finding is: its label and window on the sagittal view, and its window in the source's order."""

    label: int
    view: tuple[slice, slice, slice]
    source: tuple[slice, slice, slice]


def _finding(
    one: _Read, places: _Places, source: NDArray[np.uint16], number: int, score: float, first: _Read
) -> Finding:
    """Measured on the sagittal view of its station; box and key slice in the voxel order of the series."""
    view, window = one.prepared.view, places.view
    shape = LesionShape(
        start=(window[0].start, window[1].start, window[2].start), mask=np.asarray(one.labels[window] == places.label)
    )
    measures = measure(shape, view.array, spacing_mm=view.grid.spacing_mm)
    slices, rows, columns = measures.centroid_zyx
    centre = view.grid.to_mm((columns, rows, slices))
    z, y, x = places.source
    areas = (source[z] == number).sum(axis=(1, 2))
    uid = one.station.reference.uid
    return Finding(
        number=number,
        kind=KIND,
        score=round(score, 4),
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        box=Box(
            x0=float(x.start), y0=float(y.start), x1=float(x.stop), y1=float(y.stop), z0=int(z.start), z1=int(z.stop)
        ),
        key_slice=int(z.start + np.argmax(areas)),
        longest_diameter_mm=round(measures.longest_mm, 2),
        short_diameter_mm=round(measures.short_mm, 2),
        volume_mm3=round(measures.volume_mm3, 2),
        mean_value=round(measures.mean_hu, 1),
        tracking_uid=make_uid("finding", uid, str(number), f"{centre[0]:.1f} {centre[1]:.1f} {centre[2]:.1f}"),
        series_uid=None if uid == first.station.reference.uid else uid,
    )


def _verdicts(findings: Sequence[Finding], read: Sequence[_Read]) -> dict[str, Any]:
    burden = float(sum(finding.volume_mm3 for finding in findings))
    return {
        "lesion_count": len(findings),
        "burden_mm3": round(burden, 1),
        "largest_lesion_mm3": max((finding.volume_mm3 for finding in findings), default=0.0),
        "stations": len(read),
        "sequences": ", ".join(one.combination for one in read),
    }


def _operating_point(model: MetastasisModel, used: Sequence[str]) -> dict[str, Any]:
    """That of the network used; of several networks the further ones' thresholds by name."""
    first, *others = dict.fromkeys(used)
    point = {"network": first, **model.point(first)}
    for name in others:
        own = model.point(name)
        point |= {f"{name} threshold": own["threshold"], f"{name} mask_threshold": own["mask_threshold"]}
    return point


def _provenance(model: MetastasisModel, used: Sequence[str], seconds: dict[str, float]) -> Provenance:
    facts = model.bundle.facts
    calibrations = {name: str(facts.calibration[name].get("how", "")) for name in dict.fromkeys(used)}
    return Provenance(
        software_version=__version__,
        model_name=facts.name,
        model_hash=model.bundle.hash,
        device=model.device,
        precision="fp32",
        calibration="; ".join(f"{name}: {how}" for name, how in calibrations.items()),
        training_data=str(facts.training_data.get("description", "")),
        timings_s={name: round(value, 2) for name, value in seconds.items()},
    )


def _model_notes(model: MetastasisModel) -> list[str]:
    if model.bundle.facts.training_data.get("kind") == "phantom":
        return ["The model was trained on phantoms only: its findings on a patient mean nothing clinically."]
    return []


def _station_notes(one: _Read) -> list[str]:
    notes = list(one.volume.warnings)
    uid, grid = one.station.reference.uid, one.prepared.view.grid
    for name, moved in one.prepared.moved.items():
        if not moved.accepted:
            notes.append(f"Series {one.station.series[name].uid} ({name}) lies where its headers say: {moved.how}.")
    if grid.spacing_mm[2] > THICK_MM:
        notes.append(f"Series {uid}: slices {grid.spacing_mm[2]:.1f} mm apart; small lesions will be missed.")
    return notes
