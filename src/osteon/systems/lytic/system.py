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
    from osteon.dicom.choose import FEWEST_SLICES, choose_ct_series

    if choose_ct_series(study.series, options.series_uid) is not None:
        return ""
    problems = [f"series {one.uid} ({one.modality}): {one.problems[0]}" for one in study.series if one.problems]
    kinds = sorted({one.modality for one in study.series})
    what = f"found {', '.join(kinds)}" if kinds else "found no image series"
    return " ".join([f"no CT series of {FEWEST_SLICES} slices or more that can be read; {what}.", *problems[:3]])


def read_study(
    study: Study, model: LyticModel, out: Path, *, options: ReadOptions, found: ScanResult
) -> dict[str, Any]:
    """See ``protocol.System.read_study``.

    Raises:
        InputError: the study has no CT series that can be read.
    """
    from osteon.dicom.choose import choose_ct_series
    from osteon.dicom.series import load_volume
    from osteon.errors import InputError
    from osteon.systems.lytic.output import write_results
    from osteon.systems.lytic.read import read_volume

    series = choose_ct_series(study.series, options.series_uid)
    if series is None:
        raise InputError(f"study {study.uid}: {unreadable(study, options=options)}")
    volume = load_volume(series, jobs=options.jobs)
    notes = [warning for warning in series.warnings if warning not in volume.warnings]  # read_volume adds those
    if found.failures:
        notes.append(f"{len(found.failures)} files of the input could not be read; see `osteon info`.")
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
    seconds = reading.provenance.timings_s
    burden_cm3 = reading.verdicts["burden_mm3"] / 1000
    return {
        "study": study.uid,
        "series": series.uid,
        "out": str(out),
        "files": list(written.files),
        "findings": len(reading.findings),
        "verdicts": reading.verdicts,
        "warnings": list(reading.warnings),
        "timings_s": seconds,
        "summary": f"{len(reading.findings)} findings, burden {burden_cm3:.2f} cm3, {seconds['all']:.1f} s",
    }


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
