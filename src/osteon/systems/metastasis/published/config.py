"""Settings of the published recipe; the reasons are in ``recipes/metastasis-published.toml``."""

from __future__ import annotations

from dataclasses import dataclass, field

from osteon.systems.metastasis.config import COMBINATIONS, InputConfig, MetastasisConfig, NetworkConfig
from osteon.systems.settings import check_choice, check_range, wrong

CELLS = tuple(f"unet{dimensions}d-{name.lower().replace('+', '-')}" for dimensions in (2, 3) for name in COMBINATIONS)
"""Names of the fourteen networks."""


def cell_of(dimensions: int, combination: str) -> str:
    """Name of one network of the grid."""
    return f"unet{dimensions}d-{combination.lower().replace('+', '-')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataPart:
    """Phantoms to make where no cohort is given, and how patients are divided.

    Attributes:
        internal, external: patients, of the centres ``internal_centres`` and ``external_centre``.
        profile: of the phantoms.
        range_mm: part of the body, z in mm from S1; two equal numbers for the profile's own.
        internal_centres: letters.
        external_centre: its patients are for external testing, in a given cohort too.
        test_share: of the internal patients.
        validation_share: of those left, to choose the epoch.
    """

    internal: int = 302
    external: int = 20
    profile: str = "full"
    range_mm: tuple[float, float] = (0.0, 0.0)
    internal_centres: str = "ac"
    external_centre: str = "b"
    test_share: float = 0.2
    validation_share: float = 0.1

    def __post_init__(self) -> None:
        check_range("data.internal", self.internal, low=3)
        check_range("data.external", self.external, low=1)
        for key in ("test_share", "validation_share"):
            if not 0 < getattr(self, key) < 1:
                raise wrong(f"data.{key}", getattr(self, key), "a number between 0 and 1, neither of them")
        if not self.external_centre or self.external_centre in self.internal_centres:
            raise wrong("data.external_centre", self.external_centre, "a centre that is no internal one")


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyConfig:
    """All of the study.

    Attributes:
        data: see ``DataPart``.
        input: as for ``osteon train``.
        unet2d, unet3d: networks and their training.
        mask_threshold: probability from which a pixel belongs to a lesion.
        precision: "32-true" or "bf16-mixed".
        resamples: of the bootstrap.
    """

    data: DataPart = field(default_factory=DataPart)
    input: InputConfig = field(default_factory=InputConfig)
    unet2d: NetworkConfig = field(default_factory=lambda: NetworkConfig(width=64, levels=5, crop=0))
    unet3d: NetworkConfig = field(
        default_factory=lambda: NetworkConfig(dimensions=3, width=32, levels=4, batch=2, crop=0)
    )
    mask_threshold: float = 0.5
    precision: str = "32-true"
    resamples: int = 2000

    def __post_init__(self) -> None:
        check_range("mask_threshold", self.mask_threshold, low=0, high=1)
        check_range("resamples", self.resamples, low=1)
        check_choice("precision", self.precision, ("32-true", "bf16-mixed"))
        for dimensions, part in ((2, self.unet2d), (3, self.unet3d)):
            if part.dimensions != dimensions:
                raise wrong(f"unet{dimensions}d.dimensions", part.dimensions, str(dimensions))
            self.training(dimensions, seed=0, device="auto")  # says what does not fit the network

    def training(self, dimensions: int, *, seed: int, device: str) -> MetastasisConfig:
        """How one network is trained."""
        return MetastasisConfig(
            models=COMBINATIONS,
            seed=seed,
            precision=self.precision,
            device=device,
            input=self.input,
            network=self.unet2d if dimensions == 2 else self.unet3d,
        )
