"""The stages of the metastasis study: patients, fourteen networks, five readers; each kept when done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.manifest import Case, Cohort
from osteon.errors import CohortError
from osteon.evaluation.overlap import OverlapCounts
from osteon.evaluation.pairs import Pairs
from osteon.systems.bundles import choose_device
from osteon.systems.metastasis.calibrate import StationResult, read_station
from osteon.systems.metastasis.cases import StationCase, prepare_cases
from osteon.systems.metastasis.config import COMBINATIONS, sequences_of
from osteon.systems.metastasis.evaluate import read_mimics
from osteon.systems.metastasis.published.config import StudyConfig, cell_of
from osteon.systems.metastasis.published.readers import read_as_radiologists
from osteon.systems.metastasis.published.sections import study_sections
from osteon.systems.metastasis.published.study_data import Cell, StudyData
from osteon.systems.metastasis.splits import balanced_split
from osteon.systems.metastasis.train import Fold, train_network
from osteon.systems.recipes import study_settings
from osteon.systems.reproduction import StudyReport, conduct, run_phantoms, start_run, take_cohort
from osteon.systems.settings import configure
from osteon.systems.stages import Stage, stage_facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.systems.protocol import ReproduceOptions, Reproduction

PARTS = ("train", "validation", "internal_test", "external_test", "excluded")


def study_config(options: ReproduceOptions) -> StudyConfig:
    """The recipe of the profile with the caller's settings over it.

    Raises:
        UsageError: an unknown key or an impossible value.
    """
    return configure(StudyConfig(), study_settings("metastasis", options))


def reproduce(
    out: Path,
    *,
    options: ReproduceOptions,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> Reproduction:
    """See ``systems.protocol.System.reproduce``."""
    config = study_config(options)
    recipe = asdict(config)
    run = start_run(out, "metastasis", options, recipe=recipe)
    study = Study(run=run, config=config, options=options, on_step=on_step, on_case=on_case)
    return conduct(out, "metastasis", study, options=options, run=run, recipe=recipe, on_case=on_case)


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The stages of one run; every method that does one is given its folder and returns what JSON can hold."""

    run: Path
    config: StudyConfig
    options: ReproduceOptions
    on_step: Callable[[str, Any], None]
    on_case: Callable[[int, int, str], None]

    def stages(self) -> list[Stage]:
        """In the order of work; the fourteen networks are independent of each other."""
        return [
            Stage(name="data", work=self.do_data),
            *(
                Stage(
                    name=cell_of(dimensions, combination),
                    work=partial(self.do_cell, dimensions, combination),
                    needs=("data",),
                )
                for dimensions in (2, 3)
                for combination in COMBINATIONS
            ),
            Stage(name="readers", work=self.do_readers, needs=("data",)),
        ]

    def cohort(self) -> Cohort:
        """The cohort given, or the phantoms of this run (made on the first call)."""
        return take_cohort(self.options, self._phantoms, modality="MR")

    def _phantoms(self) -> Cohort:
        """Two cohorts, internal centres and the external one, as one."""
        data = self.config.data
        parts = {
            "internal": self._made("internal", data.internal, data.internal_centres, seed=self.options.seed),
            "external": self._made("external", data.external, data.external_centre, seed=self.options.seed + 1000),
        }
        cases = tuple(_moved(case, name) for name, part in parts.items() for case in part.cases)
        return Cohort(
            root=self.run / "phantoms",
            name=f"phantom-metastasis-{self.options.seed}",
            modality="MR",
            system="metastasis",
            cases=cases,
            description="internal and external centres",
            kind="phantom",
        )

    def _made(self, name: str, patients: int, centres: str, *, seed: int) -> Cohort:
        from osteon.phantom.options import PhantomOptions

        data = self.config.data
        low, high = data.range_mm
        chosen = PhantomOptions(
            system="metastasis",
            patients=patients,
            seed=seed,
            profile=data.profile,
            centres=centres,
            range_mm=(low, high) if high > low else None,
        )
        return run_phantoms(chosen, self.run / "phantoms" / name, on_case=self.on_case)

    def stations(self) -> list[StationCase]:
        """All stations, from the cache once they are in it."""
        return prepare_cases(self.cohort(), self.run / "data" / "cache", config=self.config.input, on_case=self.on_case)

    def do_data(self, folder: Path) -> dict[str, Any]:
        """Read all cases, leave out what moved too far, and divide the patients."""
        data = self.config.data
        stations = self.stations()
        if any(not one.has_lesions for one in stations):
            raise CohortError("a case has no lesion truth; the study needs truth.lesions of all cases")
        usable = [one for one in stations if not one.excluded]
        external = [one for one in usable if one.centre == data.external_centre]
        internal = [one for one in usable if one.centre != data.external_centre]
        if not external:
            raise CohortError(
                f"no case of centre {data.external_centre!r}, which tests externally; name another: "
                "--set data.external_centre=..."
            )
        rest, test = balanced_split(internal, share=data.test_share, seed=self.options.seed)
        train, validation = balanced_split(rest, share=data.validation_share, seed=self.options.seed + 1)
        excluded = [one for one in stations if one.excluded]
        parts = zip(PARTS, (train, validation, test, external, excluded), strict=True)
        return {name: [_key(one) for one in part] for name, part in parts}

    def parts(self) -> dict[str, tuple[StationCase, ...]]:
        """Stations by part."""
        facts = stage_facts(self.run, "data")
        by_key = {_key(one): one for one in self.stations()}
        return {name: tuple(by_key[key] for key in facts[name]) for name in PARTS}

    def do_cell(self, dimensions: int, combination: str, folder: Path) -> dict[str, Any]:
        """Train one network and run it over both test sets."""
        parts = self.parts()
        config = self.config.training(dimensions, seed=self.options.seed, device=self.options.device)
        network = train_network(
            Fold(train=parts["train"], validation=parts["validation"]),
            combination,
            config=config,
            out=folder / "run",
            resume=True,
            on_progress=partial(self.on_step, cell_of(dimensions, combination)),
        ).to(choose_device(self.options.device))
        needed = set(sequences_of(combination))
        answers = {}
        for name in ("internal_test", "external_test"):
            stations = [one for one in parts[name] if needed <= set(one.names)]
            answers[name] = [
                _plain(
                    read_station(
                        network, one, combination, dimensions=dimensions, mask_threshold=self.config.mask_threshold
                    )
                )
                for one in stations
            ]
        return answers

    def do_readers(self, folder: Path) -> dict[str, Any]:
        """Five simulated radiologists on the external test set."""
        return {
            "figures": read_as_radiologists(
                self.parts()["external_test"], read_mimics(self.cohort()), seed=self.options.seed
            )
        }

    def report(self, facts: dict[str, dict[str, Any]]) -> StudyReport:
        """The fourteen networks on both test sets."""
        data = self.data(facts)
        moved = f"{len(data.excluded)} series are left out: the patient moved too far between sequences."
        return StudyReport(
            sections=study_sections(data),
            rows=[row for cell in data.cells.values() for row in cell.rows()],
            settings={"mask_threshold": self.config.mask_threshold},
            warnings=[moved] if data.excluded else (),
        )

    def data(self, facts: dict[str, dict[str, Any]]) -> StudyData:
        """Everything that the tables are made of, from what every stage returned."""
        parts, mimics = self.parts(), read_mimics(self.cohort())
        by_key = {_key(one): one for one in self.stations()}
        cells = {}
        for dimensions in (2, 3):
            for combination in COMBINATIONS:
                answers = facts[cell_of(dimensions, combination)].items()
                results = {name: tuple(_result(entry, by_key) for entry in rows) for name, rows in answers}
                cells[dimensions, combination] = Cell(
                    dimensions=dimensions, combination=combination, results=results, mimics=mimics
                )
        people = {case.case: (case.patient, case.age_years, case.sex) for case in self.cohort().cases}
        return StudyData(
            parts=parts,
            cells=cells,
            readers=tuple(facts["readers"]["figures"]),
            people=people,
            resamples=self.config.resamples,
        )


def _moved(case: Case, folder: str) -> Case:
    """A case of a cohort that lies in a folder of a larger one; its names say which."""
    return replace(
        case,
        case=f"{folder}-{case.case}",
        patient=f"{folder}-{case.patient}",
        study=f"{folder}/{case.study}",
        truth={kind: f"{folder}/{path}" for kind, path in case.truth.items()},
    )


def _key(station: StationCase) -> str:
    return json.dumps([station.case, station.index])


def _plain(result: StationResult) -> dict[str, Any]:
    return {
        "station": _key(result.station),
        "pixels": [int(part.sum()) for part in (result.pixels.both, result.pixels.missed, result.pixels.extra)],
        "prediction": result.pairs.prediction.tolist(),
        "truth": result.pairs.truth.tolist(),
        "affinity": result.pairs.affinity.tolist(),
        "features": result.features.tolist(),
        "centres_mm": result.centres_mm.tolist(),
        "reach_mm": result.reach_mm.tolist(),
    }


def _result(entry: dict[str, Any], by_key: dict[str, StationCase]) -> StationResult:
    both, missed, extra = (np.array([value], dtype=np.int64) for value in entry["pixels"])
    return StationResult(
        station=by_key[entry["station"]],
        pixels=OverlapCounts(both=both, missed=missed, extra=extra),
        pairs=Pairs(
            prediction=np.array(entry["prediction"], dtype=np.intp),
            truth=np.array(entry["truth"], dtype=np.intp),
            affinity=np.array(entry["affinity"], dtype=np.float64),
        ),
        features=np.array(entry["features"], dtype=np.float64).reshape(-1, 3),
        centres_mm=np.array(entry["centres_mm"], dtype=np.float64).reshape(-1, 3),
        reach_mm=np.array(entry["reach_mm"], dtype=np.float64),
    )
