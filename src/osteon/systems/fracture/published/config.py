"""Settings of the published recipe; the reasons are in ``recipes/fracture-published.toml``."""

from __future__ import annotations

from dataclasses import dataclass, field

from osteon.systems.fracture.config import FractureConfig
from osteon.systems.settings import check_choice, check_range


@dataclass(frozen=True, kw_only=True, slots=True)
class DataPart:
    """Phantoms to make where no cohort is given, and how patients are divided.

    Attributes:
        patients, profile: of ``phantom.options.PhantomOptions``.
        folds: every patient is tested once.
        watch: who chooses the epoch: "apart", a share of the patients who are not tested; or "tested", the tested
            patients themselves, which flatters the figures.
        watch_share: of those not tested, where they are apart.
    """

    patients: int = 190
    profile: str = "full"
    folds: int = 10
    watch: str = "apart"
    watch_share: float = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderPart:
    """Who reads beside the network.

    Attributes:
        file: CSV of real readers (``formats.reader_study``, with the column ``predicted``): three of them, in the order
            of the study's, or named in ``names``; "" for simulated ones.
        names: of the readers in the file in the order of the study's: specialist, fourth year, first year; () for
            alphabetical.
        correlation, within: of simulated readers; see ``phantom.verdicts.draw_calls``.
    """

    file: str = ""
    names: tuple[str, ...] = ("", "", "")
    correlation: float = 0.4
    within: float = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class FeaturePart:
    """The regression on the 15 features.

    Attributes:
        penalty: of ``evaluation.logistic.PENALTIES``.
        strength: of a ridge.
    """

    penalty: str = "firth"
    strength: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyConfig:
    """The whole recipe.

    Raises:
        UsageError: a value that cannot be.
    """

    data: DataPart = field(default_factory=DataPart)
    network: FractureConfig = field(default_factory=FractureConfig)
    readers: ReaderPart = field(default_factory=ReaderPart)
    features: FeaturePart = field(default_factory=FeaturePart)

    def __post_init__(self) -> None:
        check_choice("data.profile", self.data.profile, ("small", "full"))
        check_choice("data.watch", self.data.watch, ("apart", "tested"))
        check_choice("features.penalty", self.features.penalty, ("none", "firth", "ridge"))
        check_range("data.patients", self.data.patients, low=4)
        check_range("data.folds", self.data.folds, low=2)
        check_range("data.watch_share", self.data.watch_share, low=0.01, high=0.9)
        for key in ("correlation", "within"):
            check_range(f"readers.{key}", getattr(self.readers, key), low=0, high=1)
