"""Evaluating a ``metastasis`` model on a cohort: pixels, lesions, false positives and their causes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError, InputError, LimitError, OsteonError
from osteon.evaluation.overlap import measure
from osteon.formats.json_file import read_json
from osteon.report.result import StatsResult
from osteon.systems.metastasis.bundle import trained_on
from osteon.systems.metastasis.calibrate import StationResult, match_stations, read_station, scores_of
from osteon.systems.metastasis.cases import prepare_case
from osteon.systems.metastasis.infer import MATCH_TEXT
from osteon.systems.metastasis.sections import Answers, Mimic, evaluation_sections
from osteon.systems.protocol import SystemEvaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.systems.metastasis.bundle import MetastasisModel
    from osteon.systems.metastasis.cases import StationCase


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """One station read with the network that its sequences allow; arrays of the case are closed afterwards."""

    result: StationResult
    scores: NDArray[np.float64]
    threshold: float
    combination: str


def evaluate(
    model: MetastasisModel,
    cohort: Cohort,
    *,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> SystemEvaluation:
    """Read every station of every case whose lesions are known and compare with its truth.

    Each station is read with the network that ``osteon read`` would take. A case that cannot be read costs that case.
    Where several networks take part, their scores are compared on one scale, that of probability, and each keeps its
    own threshold.

    Raises:
        CohortError: no case could be evaluated.
    """
    read: list[_Read] = []
    failures: dict[str, str] = {}
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix="osteon-evaluate-") as cache:
        for number, case in enumerate(cohort.cases, start=1):
            try:
                own, excluded = _read_case(model, cohort, case, Path(cache))
                read += own
                left_out += excluded
            except OsteonError as error:
                failures[case.case] = str(error)
            on_case(number, len(cohort.cases), case.case)
        if not read:
            first = next(iter([*failures.values(), *left_out]), "it has no cases")
            raise CohortError(f"cohort {cohort.name}: no case could be evaluated; first reason: {first}")
        answers = _answers(read, cohort)
        result = StatsResult(
            verb="evaluate",
            title=f"metastasis on {cohort.name}",
            inputs=(cohort.name, model.bundle.facts.name),
            settings=_settings(model, read),
            sections=evaluation_sections(answers),
            warnings=_warnings(model, cohort, read, failures, left_out),
        )
        rows = [_row(one) for one in read]
    return SystemEvaluation(result=result, rows=rows, failures=failures)


def _read_case(model: MetastasisModel, cohort: Cohort, case: Case, cache: Path) -> tuple[list[_Read], list[str]]:
    """Stations that were read, and why others were left out."""
    if "lesions" not in case.truth:
        raise CohortError(f"case {case.case}: its lesions are not known; add truth.lesions to cohort.json")
    read, excluded = [], []
    for station in prepare_case(cohort, case, cache, config=model.config.input):
        combination = model.choose(station.names)
        if station.excluded:
            excluded.append(f"{case.case}: {station.excluded}")
        elif combination is None:
            excluded.append(
                f"{case.case}: series {station.series_uid} has {'+'.join(station.names)}; no network for it"
            )
        else:
            read.append(_read_station(model, station, combination))
    return read, excluded


def _read_station(model: MetastasisModel, station: StationCase, combination: str) -> _Read:
    point = model.point(combination)
    result = read_station(
        model.networks[combination],
        station,
        combination,
        dimensions=model.config.network.dimensions,
        mask_threshold=float(point["mask_threshold"]),
    )
    return _Read(
        result=result,
        scores=scores_of(result, model.calibration(combination)),
        threshold=float(point["threshold"]),
        combination=combination,
    )


def _answers(read: Sequence[_Read], cohort: Cohort) -> Answers:
    """All stations on one scale: a score is moved so that every network's threshold is that of the first."""
    first = read[0].threshold
    return Answers(
        results=tuple(one.result for one in read),
        scores=tuple(_on_scale(one.scores, own=one.threshold, wanted=first) for one in read),
        threshold=first,
        mimics=read_mimics(cohort),
    )


def _on_scale(scores: NDArray[np.float64], *, own: float, wanted: float) -> NDArray[np.float64]:
    """Move probabilities along the logit so that ``own`` becomes ``wanted``; nothing where they agree."""
    if own == wanted or not len(scores):
        return scores
    logit = np.log(np.clip(scores, 1e-9, 1 - 1e-9) / np.clip(1 - scores, 1e-9, 1)) + np.log(
        wanted / (1 - wanted) * (1 - own) / own
    )
    return np.asarray(1 / (1 + np.exp(-logit)))


def read_mimics(cohort: Cohort) -> dict[str, tuple[Mimic, ...]]:
    """Mimics of each case that has a table of them.

    Raises:
        CohortError: a table that is none.
    """
    found = {}
    for case in cohort.cases:
        if "lesion_table" not in case.truth:
            continue
        path = cohort.truth_path(case, "lesion_table")
        try:
            rows = read_json(path)["mimics"]
            found[case.case] = tuple(
                Mimic(
                    kind=str(row["kind"]),
                    centre_mm=(float(row["centre_mm"][0]), float(row["centre_mm"][1]), float(row["centre_mm"][2])),
                    diameter_mm=float(row["diameter_mm"]),
                )
                for row in rows
            )
        except (InputError, LimitError, KeyError, TypeError, ValueError, IndexError) as error:
            raise CohortError(f"case {case.case}: {path.name} is no table of lesions and mimics ({error})") from error
    return found


def _settings(model: MetastasisModel, read: Sequence[_Read]) -> dict[str, Any]:
    used = {one.combination: one.threshold for one in read}
    return {
        "model": model.bundle.hash,
        "networks": ", ".join(f"{name} (threshold {value:g})" for name, value in used.items()),
        "matching": MATCH_TEXT,
        "bootstrap": "2000 resamples by patient, seed 0",
    }


def _warnings(
    model: MetastasisModel, cohort: Cohort, read: Sequence[_Read], failures: dict[str, str], left_out: Sequence[str]
) -> tuple[str, ...]:
    notes = []
    if cohort.is_phantom:
        notes.append("Phantoms: these figures say nothing about patients.")
    leaked = sorted({one.result.station.case for one in read if trained_on(model.bundle, one.result.station.voxels)})
    if leaked:
        notes.append(f"{len(leaked)} scans are among those that the model was trained on: {', '.join(leaked[:5])}.")
    if len({one.combination for one in read}) > 1:
        notes.append("Series were read with different networks, as their sequences allowed; see per_case.csv.")
    if left_out:
        notes.append(f"{len(left_out)} series are left out: {'; '.join(left_out[:5])}.")
    if failures:
        notes.append(f"{len(failures)} of {len(cohort.cases)} cases could not be evaluated and are left out.")
    return tuple(notes)


def _row(one: _Read) -> dict[str, Any]:
    station = one.result.station
    detections = match_stations([one.result], [one.scores])
    called = one.scores >= one.threshold
    right = np.isin(np.arange(len(called)), one.result.pairs.prediction)
    dice = float(measure(one.result.pixels, "dice")[0])
    return {
        "case": station.case,
        "station": station.index,
        "network": one.combination,
        "lesions": len(station.numbers),
        "found": int((detections.lesion_score >= one.threshold).sum()),
        "false_positives": int((called & ~right).sum()),
        "dice": "" if np.isnan(dice) else round(dice, 4),
    }
