"""Configuration of ``metastasis``; the defaults are the small models that ship with the package."""

from __future__ import annotations

from dataclasses import dataclass, field

from osteon.dicom import roles
from osteon.dicom.sequences import SequenceKind
from osteon.errors import UsageError
from osteon.imaging.register import METHODS
from osteon.systems.settings import check_choice, check_range, wrong
from osteon.training.config import CHOICES

SEQUENCES = ("T1", "FO", "CE")
"""Order of the channels: plain T1, Dixon fat-only after contrast, fat-suppressed T1 after contrast."""
COMBINATIONS = ("T1", "FO", "CE", "T1+FO", "T1+CE", "FO+CE", "T1+FO+CE")
"""The study's seven inputs."""
KINDS = (
    SequenceKind(name="T1", roles=(roles.T1,)),
    SequenceKind(name="FO", roles=(roles.DIXON["FAT"],), weightings=(roles.T1,)),
    SequenceKind(name="CE", roles=(roles.T1_CONTRAST_FAT_SUPPRESSED,)),
)


def sequences_of(combination: str) -> tuple[str, ...]:
    """Names of the sequences of "T1+CE"."""
    return tuple(combination.split("+"))


@dataclass(frozen=True, kw_only=True, slots=True)
class InputConfig:
    """How images are prepared.

    Attributes:
        scaled: side of the first scaling, before grey levels are stretched.
        size: side of the network's image.
        slices: of the network's volume.
        percentiles: which become 0 and 255; 0 and 100, minimum and maximum, as published.
        clahe: equalise contrast by neighbourhood.
        registration: "rigid", "shift" or "none": how the other sequences are brought onto T1.

    Raises:
        UsageError: an impossible value.
    """

    scaled: int = 256
    size: int = 224
    slices: int = 24
    percentiles: tuple[float, float] = (0.0, 100.0)
    clahe: bool = True
    registration: str = "rigid"

    def __post_init__(self) -> None:
        check_range("input.scaled", self.scaled, low=16, high=2048)
        check_range("input.size", self.size, low=16, high=2048)
        check_range("input.slices", self.slices, low=3, high=256)
        check_choice("input.registration", self.registration, METHODS)
        low, high = self.percentiles if len(self.percentiles) == 2 else (1.0, 0.0)
        if not 0 <= low < high <= 100:
            raise wrong("input.percentiles", self.percentiles, "two rising numbers from 0 to 100")


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """The U-Nets and their training.

    Attributes:
        dimensions: 2, on slices, or 3.
        width: features of the first convolution; the published layouts have 64 in 2-D and 32 in 3-D.
        levels: resolutions; 5 in 2-D and 4 in 3-D as published.
        epochs, samples: slices (3-D: volumes) an epoch.
        batch, learning_rate: of Adam.
        positive: share of samples that show a lesion, where there are such.
        crop: side of the part of a slice that is taught at a time, with some of a lesion if it shows one: a small
            network learns faster where lesions are no thousandth of the picture. 0 for whole slices, as published.
        rotation_deg, zoom: ranges of augmentation, as published: either way; and from 1 - zoom to 1 + zoom.
        shift: of the image's side, either way: a guess, the study does not say how far.
        flip: mirror front to back; the study does not.

    Raises:
        UsageError: an impossible value.
    """

    dimensions: int = 2
    width: int = 12
    levels: int = 5
    epochs: int = 20
    samples: int = 640
    batch: int = 16
    learning_rate: float = 2e-3
    positive: float = 0.6
    crop: int = 112
    rotation_deg: float = 20.0
    zoom: float = 0.1
    shift: float = 0.1
    flip: bool = False

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise wrong("network.dimensions", self.dimensions, "2 or 3")
        check_range("network.levels", self.levels, low=2, high=7)
        for key in ("width", "epochs", "samples", "batch"):
            check_range(f"network.{key}", getattr(self, key), low=1)
        check_range("network.learning_rate", self.learning_rate, low=0, above=True)
        check_range("network.positive", self.positive, low=0, high=1)
        check_range("network.crop", self.crop, low=0)
        if self.crop % 2 ** (self.levels - 1):
            raise wrong("network.crop", self.crop, f"0 or a multiple of {2 ** (self.levels - 1)}")
        check_range("network.rotation_deg", self.rotation_deg, low=0, high=180)
        check_range("network.zoom", self.zoom, low=0, high=0.9)
        check_range("network.shift", self.shift, low=0, high=0.5)
        if self.batch > self.samples:
            raise wrong("network.batch", self.batch, f"at most network.samples, which is {self.samples}")


@dataclass(frozen=True, kw_only=True, slots=True)
class MetastasisConfig:
    """All of ``metastasis``.

    Attributes:
        models: sequence combinations to train, the one to prefer first.
        seed: of everything random.
        validation_share: share of patients kept for validation where no validation cohort is given.
        false_positives: false positives a series that the operating point allows on the validation patients.
        precision: "32-true" or "bf16-mixed", for training.
        device: "auto", "cpu" or "cuda".

    Raises:
        UsageError: an impossible value.
    """

    models: tuple[str, ...] = ("T1+CE", "T1")
    seed: int = 0
    validation_share: float = 0.2
    false_positives: float = 1.0
    precision: str = "32-true"
    device: str = "auto"
    input: InputConfig = field(default_factory=InputConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def __post_init__(self) -> None:
        for name in self.models:
            check_choice("models", name, COMBINATIONS)
        if not self.models or len(set(self.models)) < len(self.models):
            raise wrong("models", self.models, "combinations, each once")
        check_choice("precision", self.precision, CHOICES["precision"])
        check_choice("device", self.device, CHOICES["device"])
        check_range("seed", self.seed, low=0)
        check_range("false_positives", self.false_positives, low=0, above=True)
        if not 0 < self.validation_share < 1:
            raise wrong("validation_share", self.validation_share, "a number between 0 and 1, neither of them")
        multiple = 2 ** (self.network.levels - 1)
        if self.input.size % multiple:
            raise wrong("input.size", self.input.size, f"a multiple of {multiple}, for {self.network.levels} levels")
        if self.network.dimensions == 3 and self.input.slices % multiple:
            raise UsageError(
                f"config key 'input.slices': {self.input.slices}; expected a multiple of {multiple}, for "
                f"{self.network.levels} levels in three dimensions"
            )
