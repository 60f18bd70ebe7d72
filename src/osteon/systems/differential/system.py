"""``differential`` as the command line meets it (``systems.protocol.System``)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.dicom.scan import ScanResult
    from osteon.records import Study
    from osteon.systems.differential.bundle import DifferentialModel
    from osteon.systems.protocol import ReadOptions, ReproduceOptions, Reproduction, SystemEvaluation
    from osteon.training.bundle import ModelBundle

MODALITY = "CT"
_KIND = "lytic lesion"


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
    """See ``protocol.System.train``; settings as in ``differential.config``."""
    from osteon.systems.differential.config import DifferentialConfig
    from osteon.systems.differential.train import train as train_differential
    from osteon.systems.settings import configure

    return train_differential(
        cohort,
        out,
        config=configure(DifferentialConfig(), settings),
        validation=validation,
        resume=resume,
        on_step=on_step,
        on_case=on_case,
    )


def load_model(folder: Path, *, device: str) -> DifferentialModel:
    """See ``protocol.System.load_model``."""
    from osteon.systems.differential import bundle

    return bundle.load_model(folder, device=device)


def unreadable(study: Study, *, options: ReadOptions) -> str:
    """See ``protocol.System.unreadable``."""
    from osteon.systems.study_reading import why_no_ct

    return why_no_ct(study, options.series_uid)


def read_study(
    study: Study, model: DifferentialModel, out: Path, *, options: ReadOptions, found: ScanResult
) -> dict[str, Any]:
    """See ``protocol.System.read_study``; lesions come from ``options.lesions``, else from the shipped lytic model.

    Raises:
        InputError: the study has no CT series that can be read, or the lesion mask does not fit it.
    """
    from osteon.dicom.series import load_volume
    from osteon.systems.differential.read import read_volume
    from osteon.systems.lesion_source import given_lesions, lytic_lesions
    from osteon.systems.study_reading import MarkedSeries, ct_series, summary_of, unread_files, write_result_folder

    series = ct_series(study, options.series_uid)
    volume = load_volume(series, jobs=options.jobs)
    started = time.perf_counter()
    if options.lesions is not None:
        lesions = given_lesions(options.lesions, volume=volume, series=series, kind=_KIND)
    else:
        lesions = lytic_lesions(
            volume, series, study_uid=study.uid, device=model.device, on_progress=options.on_progress
        )
    notes = [warning for warning in series.warnings if warning not in volume.warnings]
    notes += unread_files(found)
    result = read_volume(
        volume,
        model,
        lesions,
        study_uid=study.uid,
        series_uid=series.uid,
        patient=study.patient,
        warnings=tuple(notes),
        seconds_before=time.perf_counter() - started,
    )
    marked = MarkedSeries(series=series, volume=volume, labels=result.lesion_labels)
    written = write_result_folder(out, reading=result.reading, series=[marked])
    reading = written.reading
    verdicts = reading.verdicts
    answer = (
        f"{verdicts['diagnosis']}, probability of myeloma {verdicts['probability_myeloma']:.2f}"
        if verdicts["diagnosis"]
        else "no lesion, no answer"
    )
    counted = f"lesions: {len(reading.findings)}, slices: {verdicts['slices_read']}"
    return summary_of(study, out, written, f"{answer}; {counted}")


def evaluate(model: DifferentialModel, cohort: Cohort, *, on_case: Callable[[int, int, str], None]) -> SystemEvaluation:
    """See ``protocol.System.evaluate``."""
    from osteon.systems.differential.evaluate import evaluate as evaluate_differential

    return evaluate_differential(model, cohort, on_case=on_case)


def reproduce(
    out: Path,
    *,
    options: ReproduceOptions,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> Reproduction:
    """See ``protocol.System.reproduce``; the recipe is ``recipes/differential-published.toml``."""
    from osteon.systems.differential.published.reproduce import reproduce as reproduce_differential

    return reproduce_differential(out, options=options, on_step=on_step, on_case=on_case)
