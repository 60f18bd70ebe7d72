"""``metastasis`` as the command line meets it (``systems.protocol.System``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.dicom.scan import ScanResult
    from osteon.dicom.sequences import StudySequences
    from osteon.records import Study
    from osteon.systems.metastasis.bundle import MetastasisModel
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
    """See ``protocol.System.train``; settings as in ``metastasis.config``."""
    from osteon.systems.metastasis.config import MetastasisConfig
    from osteon.systems.metastasis.train import train as train_metastasis
    from osteon.systems.settings import configure

    return train_metastasis(
        cohort,
        out,
        config=configure(MetastasisConfig(), settings),
        validation=validation,
        resume=resume,
        on_step=on_step,
        on_case=on_case,
    )


def load_model(folder: Path, *, device: str) -> MetastasisModel:
    """See ``protocol.System.load_model``."""
    from osteon.systems.metastasis import bundle

    return bundle.load_model(folder, device=device)


def _sequences(study: Study, options: ReadOptions) -> StudySequences:
    from osteon.dicom.sequences import choose_sequences
    from osteon.systems.metastasis.config import KINDS

    return choose_sequences(study.series, kinds=KINDS, roles=options.roles, series_uid=options.series_uid)


def unreadable(study: Study, *, options: ReadOptions) -> str:
    """See ``protocol.System.unreadable``."""
    from osteon.errors import InputError

    try:
        _sequences(study, options)
    except InputError as error:
        return str(error)
    return ""


def read_study(
    study: Study, model: MetastasisModel, out: Path, *, options: ReadOptions, found: ScanResult
) -> dict[str, Any]:
    """See ``protocol.System.read_study``.

    Raises:
        InputError: no sequence that can be read, two that cannot be told apart, or two patients or dates in one study.
    """
    from osteon.dicom.sequences import check_one_examination
    from osteon.systems.metastasis.output import write_results
    from osteon.systems.metastasis.read import read_stations
    from osteon.systems.study_reading import summary_of, unread_files

    sequences = _sequences(study, options)
    check_one_examination([one for station in sequences.stations for one in station.series.values()])
    result = read_stations(
        study, sequences, model, warnings=unread_files(found), jobs=options.jobs, on_progress=options.on_progress
    )
    written = write_results(out, result)
    reading = written.reading
    burden_cm3 = reading.verdicts["burden_mm3"] / 1000
    text = (
        f"{len(reading.findings)} metastases in {len(result.stations)} series ({reading.verdicts['sequences']}), "
        f"{burden_cm3:.2f} cm3"
    )
    return summary_of(study, out, written, text)


def evaluate(model: MetastasisModel, cohort: Cohort, *, on_case: Callable[[int, int, str], None]) -> SystemEvaluation:
    """See ``protocol.System.evaluate``."""
    from osteon.systems.metastasis.evaluate import evaluate as evaluate_metastasis

    return evaluate_metastasis(model, cohort, on_case=on_case)


def reproduce(
    out: Path,
    *,
    options: ReproduceOptions,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> Reproduction:
    """See ``protocol.System.reproduce``."""
    from osteon.systems.metastasis.published.study import reproduce as reproduce_study

    return reproduce_study(out, options=options, on_step=on_step, on_case=on_case)
