"""Settings of the published recipe; the reasons are in ``recipes/differential-published.toml``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from osteon.networks.slice_classifier import STUDIED
from osteon.systems.differential.config import DifferentialConfig
from osteon.systems.settings import check_choice, check_range, wrong


@dataclass(frozen=True, kw_only=True, slots=True)
class DataPart:
    """Phantoms to make where no cohort is given, and how pictures and patients are divided.

    Attributes:
        patients, profile: of ``phantom.options.PhantomOptions``.
        images: pictures for training, validation and test of the split by image; in these proportions where there are
            more or fewer.
        folds: of the split by patient: each patient is tested once, by a network that has not seen them.
        watch_share: of the patients that are not tested, those that choose the epoch.
    """

    patients: int = 91
    profile: str = "full"
    images: tuple[int, ...] = (2667, 740, 300)
    folds: int = 5
    watch_share: float = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyConfig:
    """The whole recipe.

    Attributes:
        backbones: in the order of the tables.
        data: see there.
        network: of all backbones alike; its ``backbone`` is replaced by each in turn, and ``weights`` may be a folder
            with a file ``BACKBONE.safetensors`` or ``BACKBONE.pth`` for each.

    Raises:
        UsageError: a value that cannot be.
    """

    backbones: tuple[str, ...] = STUDIED
    data: DataPart = field(default_factory=DataPart)
    network: DifferentialConfig = field(default_factory=DifferentialConfig)

    def __post_init__(self) -> None:
        for name in self.backbones:
            replace(self.network, backbone=name)
        if not self.backbones or len(set(self.backbones)) < len(self.backbones):
            raise wrong("backbones", self.backbones, "one or more names, each once")
        check_choice("data.profile", self.data.profile, ("small", "full"))
        check_range("data.patients", self.data.patients, low=4)
        check_range("data.folds", self.data.folds, low=2)
        check_range("data.watch_share", self.data.watch_share, low=0.01, high=0.9)
        if len(self.data.images) != 3 or min(self.data.images) < 1:
            raise wrong("data.images", self.data.images, "three whole numbers from 1")
