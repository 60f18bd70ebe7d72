"""``fracture`` as the command line meets it (``systems.protocol.System``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.dicom.scan import ScanResult
    from osteon.records import Study
    from osteon.systems.fracture.bundle import FractureModel
    from osteon.systems.protocol import ReadOptions, ReproduceOptions, Reproduction, SystemEvaluation
    from osteon.training.bundle import ModelBundle

MODALITY = "MR"


def train(
    cohort: Cohort,
    out: Path,
    *,
    settings: dict[str, Any],
    validation: Cohort | None,
    resume: bool,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> ModelBundle:
    """See ``protocol.System.train``; settings as in ``fracture.config``."""
    from osteon.systems.fracture.config import FractureConfig
    from osteon.systems.fracture.train import train as train_fracture
    from osteon.systems.settings import configure

    return train_fracture(
        cohort,
        out,
        config=configure(FractureConfig(), settings),
        validation=validation,
        resume=resume,
        on_step=on_step,
        on_case=on_case,
    )


def load_model(folder: Path, *, device: str) -> FractureModel:
    """See ``protocol.System.load_model``."""
    from osteon.systems.fracture import bundle

    return bundle.load_model(folder, device=device)


def unreadable(study: Study, *, options: ReadOptions) -> str:
    """See ``protocol.System.unreadable``; without a box or a point there is nothing to read."""
    from osteon.errors import InputError
    from osteon.systems.fracture.read import Place, locate
    from osteon.systems.fracture.stations import pick_stations

    try:
        stations, _ = pick_stations(study.series, roles=options.roles, series_uid=options.series_uid)
        locate(stations, Place(box=options.box, point_mm=options.point_mm), side_mm=1.0)
    except InputError as error:
        return str(error)
    return ""


def read_study(
    study: Study, model: FractureModel, out: Path, *, options: ReadOptions, found: ScanResult
) -> dict[str, Any]:
    """See ``protocol.System.read_study``; the vertebra is at ``options.box`` or ``options.point_mm``.

    Raises:
        InputError: no place was given, T1 or T2 is missing, or two patients or dates are in one study.
    """
    from osteon.dicom.sequences import check_one_examination
    from osteon.systems.fracture.read import Place, read_place
    from osteon.systems.fracture.stations import pick_stations
    from osteon.systems.study_reading import MarkedSeries, summary_of, unread_files, write_result_folder

    place = Place(box=options.box, point_mm=options.point_mm)
    stations, notes = pick_stations(study.series, roles=options.roles, series_uid=options.series_uid)
    check_one_examination([one for station in stations for one in station.series.values()])
    warnings = [*notes, *unread_files(found)]
    options.on_progress(0, 1, "reading")
    result = read_place(study, stations, model, place, warnings=warnings, jobs=options.jobs)
    marked = MarkedSeries(series=result.series, volume=result.volume, labels=result.labels)
    written = write_result_folder(out, reading=result.reading, series=[marked])
    options.on_progress(1, 1, "reading")
    verdicts = written.reading.verdicts
    text = (
        f"{verdicts['diagnosis']}, probability of malignancy {verdicts['probability_malignant']:.2f}; "
        f"slices: {verdicts['slices_read']}"
    )
    return summary_of(study, out, written, text)


def evaluate(model: FractureModel, cohort: Cohort, *, on_case: Callable[[int, int, str], None]) -> SystemEvaluation:
    """See ``protocol.System.evaluate``."""
    from osteon.systems.fracture.evaluate import evaluate as evaluate_fracture

    return evaluate_fracture(model, cohort, on_case=on_case)


def reproduce(
    out: Path,
    *,
    options: ReproduceOptions,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> Reproduction:
    """See ``protocol.System.reproduce``; the recipe is ``recipes/fracture-published.toml``."""
    from osteon.systems.fracture.published.reproduce import reproduce as reproduce_fracture

    return reproduce_fracture(out, options=options, on_step=on_step, on_case=on_case)
