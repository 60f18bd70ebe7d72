"""What the command line asks of every system: the functions of ``systems/<name>/system.py``, and their records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from osteon.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.dicom.scan import ScanResult
    from osteon.records import Study
    from osteon.report.result import StatsResult
    from osteon.training.bundle import ModelBundle

PROFILES = ("small", "full")


def no_case(done: int, total: int, what: str) -> None:
    """Say nothing about a case."""


def no_step(stage: str, progress: Any) -> None:
    """Say nothing about a training step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadOptions:
    """How to read one study.

    Attributes:
        series_uid: the only SeriesInstanceUID to read; "" for the best fit.
        jobs: threads that decode; None for one a core.
        roles: SeriesInstanceUID -> what the series is taken for ("T1", ..., "none"), instead of what its headers say.
        on_progress: called with (done, total, stage).
        lesions: a mask of the lesions (NIfTI or DICOM SEG), for systems that do not look for them themselves.
        box: (slice from 0, x0, y0, x1, y1) in pixel edges of the reference series, for systems that read one place.
        point_mm: that place as a point (x, y, z), LPS.
    """

    series_uid: str = ""
    jobs: int | None = None
    roles: dict[str, str] = field(default_factory=dict)
    on_progress: Callable[[int, int, str], None] = no_case
    lesions: Path | None = None
    box: tuple[float, ...] | None = None
    point_mm: tuple[float, float, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemEvaluation:
    """Everything measured on a cohort.

    Attributes:
        result: to print and to write.
        rows: one a case, all with the same keys; ``per_case.csv``.
        failures: case -> why it could not be evaluated.
    """

    result: StatsResult
    rows: Sequence[dict[str, Any]]
    failures: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReproduceOptions:
    """How to make a study's result section again.

    Attributes:
        profile: "small" (under 20 minutes on 2 cores) or "full" (the published sizes and epochs).
        cohort: data to use; None makes a phantom cohort.
        seed: of phantoms, splits and training.
        resume: go on with what ``OUT.run`` holds.
        device: "auto", "cpu" or "cuda".
        settings: values put over the profile's recipe, as ``--set`` and ``--config`` give them.
        stages: names of the stages to run and no others, so that independent ones can run side by side; () for all
            of them, and the result at the end.

    Raises:
        UsageError: an unknown profile, a negative seed.
    """

    profile: str = "small"
    cohort: Cohort | None = None
    seed: int = 0
    resume: bool = False
    device: str = "auto"
    settings: dict[str, Any] = field(default_factory=dict)
    stages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise UsageError(f"--profile {self.profile!r}: expected one of {', '.join(PROFILES)}")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}: expected a whole number from 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reproduction:
    """A study's result section, made again.

    Attributes:
        result: sections in the study's order, printed figures beside ours.
        rows: what each row of ``per_case.csv`` says; () for no such file.
        done: names of the stages that were finished in this run.
        complete: whether the result was written; false where ``ReproduceOptions.stages`` asked for some stages only.
    """

    result: StatsResult | None
    rows: Sequence[dict[str, Any]] = ()
    done: tuple[str, ...] = ()
    complete: bool = True


class System(Protocol):
    """The functions of ``systems/<name>/system.py``; the module itself is the object, imported on first use.

    Its top level imports nothing heavy: torch, scipy and the like come in inside the functions.
    """

    MODALITY: str
    """DICOM Modality that it reads: "CT" or "MR"."""

    def train(
        self,
        cohort: Cohort,
        out: Path,
        *,
        settings: dict[str, Any],
        validation: Cohort | None,
        resume: bool,
        on_step: Callable[[str, Any], None],
        on_case: Callable[[int, int, str], None],
    ) -> ModelBundle:
        """Train on ``cohort`` and write the bundle ``out``.

        Args:
            cohort: patients to train on, and to validate on where there is no ``validation``.
            out: folder of the bundle; ``<out>.run`` beside it holds what ``resume`` goes on from.
            settings: over the system's defaults; an unknown key is an error.
            validation: patients to choose epoch, calibration and threshold on.
            resume: go on.
            on_step: called with the stage's name and ``training.loop.Progress``.
            on_case: called with (done, total, case).
        """

    def load_model(self, folder: Path, *, device: str) -> Any:
        """A bundle's networks, checked, ready to read; ``bundle`` of what is returned is its ``ModelBundle``."""

    def unreadable(self, study: Study, *, options: ReadOptions) -> str:
        """Why this study cannot be read, in a sentence; "" where it can."""

    def read_study(
        self, study: Study, model: Any, out: Path, *, options: ReadOptions, found: ScanResult
    ) -> dict[str, Any]:
        """Read one study and write its result folder: reading.json, SEG, SR, report.html.

        Returns:
            What ``osteon read --json`` prints: study, series, out, files, findings (how many), verdicts, warnings,
            timings_s, and ``summary``, one line for the terminal.
        """

    def evaluate(self, model: Any, cohort: Cohort, *, on_case: Callable[[int, int, str], None]) -> SystemEvaluation:
        """Read every case of a cohort and compare with its truth; a case that fails costs that case."""

    def reproduce(
        self,
        out: Path,
        *,
        options: ReproduceOptions,
        on_step: Callable[[str, Any], None],
        on_case: Callable[[int, int, str], None],
    ) -> Reproduction:
        """The study's whole result section as published: OUT gets report.html and evaluation.json, whole or not at all.

        ``systems.reproduction`` has the frame: stages that can be resumed, the table of printed beside ours, the page.
        """
