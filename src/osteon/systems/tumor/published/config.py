"""Settings of the published recipe; the reasons are in ``recipes/tumor-published.toml``."""

from __future__ import annotations

from dataclasses import dataclass, field

from osteon.systems.settings import check_choice, check_range, wrong
from osteon.systems.tumor.config import FRAMES, TumorConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class DataPart:
    """Phantoms to make where no cohort is given, and who is tested.

    Attributes:
        patients, profile, centres: of the phantoms.
        test_centre: primary tumours of this centre are the test patients; where a cohort has no such centre, or no
            other, ``test_share`` of the patients with primary tumours are.
        test_share: of those patients.
    """

    patients: int = 585
    profile: str = "full"
    centres: str = "abc"
    test_centre: str = "b"
    test_share: float = 0.24

    def __post_init__(self) -> None:
        check_range("data.patients", self.patients, low=8)
        check_choice("data.profile", self.profile, ("small", "full"))
        if not 0 < self.test_share < 1:
            raise wrong("data.test_share", self.test_share, "a number between 0 and 1, neither of them")


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyConfig:
    """All of the study.

    Attributes:
        data: see ``DataPart``.
        model: as for ``osteon train tumor``.
        frames: N that are tried beside the model's own.
        doctors: CSV of real readers of the test patients (columns as ``osteon stats mrmc`` reads them, modalities
            "images" and "images+age"); "" for simulated ones with the printed figures.
    """

    data: DataPart = field(default_factory=DataPart)
    model: TumorConfig = field(default_factory=TumorConfig)
    frames: tuple[int, ...] = (4, 8)
    doctors: str = ""

    def __post_init__(self) -> None:
        own = self.model.sequence.frames
        if any(one not in FRAMES or one == own for one in self.frames) or len(set(self.frames)) < len(self.frames):
            raise wrong("frames", self.frames, f"some of {', '.join(map(str, FRAMES))}, each once and not {own}")
