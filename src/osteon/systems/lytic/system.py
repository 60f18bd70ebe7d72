"""``lytic`` as the command line meets it (``systems.protocol.System``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.dicom.scan import ScanResult
    from osteon.records import Study
    from osteon.systems.lytic.bundle import LyticModel
    from osteon.systems.protocol import ReadOptions, ReproduceOptions, Reproduction, SystemEvaluation
    from osteon.training.bundle import ModelBundle

MODALITY = "CT"


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
    """See ``protocol.System.train``; settings as in ``lytic.config``."""
    from osteon.systems.lytic.config import LyticConfig
    from osteon.systems.lytic.train import train as train_lytic
    from osteon.systems.settings import configure

    return train_lytic(
        cohort,
        out,
        config=configure(LyticConfig(), settings),
        validation=validation,
        resume=resume,
        on_step=on_step,
        on_case=on_case,
    )


def load_model(folder: Path, *, device: str) -> LyticModel:
    """See ``protocol.System.load_model``."""
    from osteon.systems.lytic import bundle

    return bundle.load_model(folder, device=device)


def unreadable(study: Study, *, options: ReadOptions) -> str:
    """See ``protocol.System.unreadable``."""
    from osteon.systems.study_reading import why_no_ct

    return why_no_ct(study, options.series_uid)


def read_study(
    study: Study, model: LyticModel, out: Path, *, options: ReadOptions, found: ScanResult
) -> dict[str, Any]:
    """See ``protocol.System.read_study``.

    Raises:
        InputError: the study has no CT series that can be read.
    """
    from osteon.dicom.series import load_volume
    from osteon.systems.lytic.output import write_results
    from osteon.systems.lytic.read import read_volume
    from osteon.systems.study_reading import ct_series, summary_of, unread_files

    series = ct_series(study, options.series_uid)
    volume = load_volume(series, jobs=options.jobs)
    notes = [warning for warning in series.warnings if warning not in volume.warnings]  # read_volume adds those
    notes += unread_files(found)
    result = read_volume(
        volume,
        model,
        study_uid=study.uid,
        series_uid=series.uid,
        patient=study.patient,
        warnings=tuple(notes),
        on_progress=options.on_progress,
    )
    written = write_results(out, result, series=series, volume=volume)
    reading = written.reading
    burden_cm3 = reading.verdicts["burden_mm3"] / 1000
    return summary_of(study, out, written, f"{len(reading.findings)} findings, burden {burden_cm3:.2f} cm3")


def evaluate(model: LyticModel, cohort: Cohort, *, on_case: Callable[[int, int, str], None]) -> SystemEvaluation:
    """See ``protocol.System.evaluate``."""
    from osteon.systems.lytic.evaluate import evaluate as evaluate_lytic

    return evaluate_lytic(model, cohort, on_case=on_case)


def reproduce(
    out: Path,
    *,
    options: ReproduceOptions,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> Reproduction:
    """See ``protocol.System.reproduce``; the recipe is ``recipes/lytic-published.toml``."""
    from osteon.systems.lytic.published.reproduce import reproduce as reproduce_lytic

    return reproduce_lytic(out, options=options, on_step=on_step, on_case=on_case)
