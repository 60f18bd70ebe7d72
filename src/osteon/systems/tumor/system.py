"""``tumor`` as the command line meets it (``systems.protocol.System``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.dicom.scan import ScanResult
    from osteon.records import Study
    from osteon.systems.protocol import ReadOptions, ReproduceOptions, Reproduction, SystemEvaluation
    from osteon.systems.tumor.bundle import TumorModel
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
    """See ``protocol.System.train``; settings as in ``tumor.config``."""
    from osteon.systems.settings import configure
    from osteon.systems.tumor.config import TumorConfig
    from osteon.systems.tumor.train import train as train_tumor

    return train_tumor(
        cohort,
        out,
        config=configure(TumorConfig(), settings),
        validation=validation,
        resume=resume,
        on_step=on_step,
        on_case=on_case,
    )


def load_model(folder: Path, *, device: str) -> TumorModel:
    """See ``protocol.System.load_model``."""
    from osteon.systems.tumor import bundle

    return bundle.load_model(folder, device=device)


def unreadable(study: Study, *, options: ReadOptions) -> str:
    """See ``protocol.System.unreadable``."""
    from osteon.errors import InputError
    from osteon.systems.tumor.frames import choose_series

    try:
        choose_series(study.series, given=options.roles, series_uid=options.series_uid)
    except InputError as error:
        return str(error)
    return ""


def read_study(
    study: Study, model: TumorModel, out: Path, *, options: ReadOptions, found: ScanResult
) -> dict[str, Any]:
    """See ``protocol.System.read_study``; every sagittal T1, T2 and fat-suppressed T2 series is read.

    Raises:
        InputError: no sequence that can be read, or two patients or dates in one study.
    """
    from osteon.dicom.sequences import check_one_examination
    from osteon.systems.study_reading import summary_of, unread_files, write_result_folder
    from osteon.systems.tumor.frames import choose_series
    from osteon.systems.tumor.read import read_series

    chosen = choose_series(study.series, given=options.roles, series_uid=options.series_uid)
    check_one_examination([one for _, one in chosen.series])
    result = read_series(
        chosen,
        model,
        study_uid=study.uid,
        patient=study.patient,
        warnings=unread_files(found),
        jobs=options.jobs,
        on_progress=options.on_progress,
    )
    first, *others = result.series
    shown = [first, *(one for one in others if one.labels.any())]
    written = write_result_folder(out, reading=result.reading, series=shown)
    verdicts = written.reading.verdicts
    text = (
        f"{verdicts['diagnosis']}, probability of malignancy {verdicts['probability_malignant']:.2f}, resting on "
        f"{verdicts['rests_on']}; detected on {verdicts['sequences_with_detection']} of "
        f"{verdicts['sequences_read']} sequences"
    )
    return summary_of(study, out, written, text)


def evaluate(model: TumorModel, cohort: Cohort, *, on_case: Callable[[int, int, str], None]) -> SystemEvaluation:
    """See ``protocol.System.evaluate``."""
    from osteon.systems.tumor.evaluate import evaluate as evaluate_tumor

    return evaluate_tumor(model, cohort, on_case=on_case)


def reproduce(
    out: Path,
    *,
    options: ReproduceOptions,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> Reproduction:
    """See ``protocol.System.reproduce``; the recipe is ``recipes/tumor-published.toml``."""
    from osteon.systems.tumor.published.study import reproduce as reproduce_study

    return reproduce_study(out, options=options, on_step=on_step, on_case=on_case)
