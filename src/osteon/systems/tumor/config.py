"""Configuration of ``tumor``; the defaults are the small models for processors without a GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from osteon.systems.settings import check_choice, check_range, wrong
from osteon.training.config import CHOICES

CLASSES = ("benign", "malignant")
"""In the order of the networks' outputs; the last is the positive one of every figure."""
T1, T2, T2_FAT_SUPPRESSED = "T1", "T2", "FS-T2"
SEQUENCES = (T1, T2, T2_FAT_SUPPRESSED)
SUBSETS: dict[str, tuple[str, ...]] = {"all": SEQUENCES, "T1": (T1,), "T2": (T2, T2_FAT_SUPPRESSED)}
"""Which sequences vote, as in the study's Figure 7."""
BACKBONES = ("resnext101", "resnet18", "small", "mobile", "tiny")
FRAMES = (4, 8, 16)


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorConfig:
    """The detector and its training.

    Attributes:
        backbone, deformable, freeze_norm, image_px, width, head, anchor_strides, anchor_iou, rois: as in
            ``networks.faster_rcnn.DetectorNetConfig``.
        even_out: coil shading is divided out by a blur of this standard deviation, in parts of the picture's side; 0
            leaves it.
        mirror: probability that a training picture is turned front to back.
        crop: training pictures are parts of this side in pixels; 0 for the whole.
        threshold: score from which a box counts as a detection, so that its image votes.
        epochs, batch, learning_rate, optimizer: of training.
        samples: pictures an epoch.
        labelled: share of them that show a label.
        cutmix: probability of a pasted copy.
        least_factor, most_factor: of the copy's width and height.
        reach: of the copy, in parts of the picture's width.
    """

    backbone: str = "small"
    deformable: bool = False
    freeze_norm: bool = False
    image_px: int = 256
    width: int = 64
    head: int = 128
    anchor_strides: float = 3.0
    anchor_iou: float = 0.5
    rois: int = 32
    even_out: float = 0.0
    mirror: float = 0.0
    crop: int = 0
    threshold: float = 0.5
    epochs: int = 10
    batch: int = 8
    learning_rate: float = 1e-3
    optimizer: str = "adamw"
    samples: int = 240
    labelled: float = 0.85
    cutmix: float = 0.5
    least_factor: float = 0.5
    most_factor: float = 1.0
    reach: float = 0.06

    def __post_init__(self) -> None:
        check_choice("detector.backbone", self.backbone, BACKBONES)
        check_choice("detector.optimizer", self.optimizer, CHOICES["optimizer"])
        check_range("detector.learning_rate", self.learning_rate, low=0, above=True)
        for key in ("epochs", "batch", "samples", "width", "head"):
            check_range(f"detector.{key}", getattr(self, key), low=1)
        for key in ("threshold", "labelled", "cutmix", "mirror"):
            check_range(f"detector.{key}", getattr(self, key), low=0, high=1)
        check_range("detector.reach", self.reach, low=0, high=1)
        if not 0 < self.least_factor <= self.most_factor:
            raise wrong("detector.least_factor", self.least_factor, "a number above 0, up to most_factor")
        check_range("detector.rois", self.rois, low=2)
        check_range("detector.anchor_iou", self.anchor_iou, low=0.3, high=0.9, above=True)
        check_range("detector.even_out", self.even_out, low=0, high=1)
        if self.image_px < 64 or self.image_px % 64:
            raise wrong("detector.image_px", self.image_px, "a multiple of 64")
        if self.crop and not 32 <= self.crop <= self.image_px:
            raise wrong("detector.crop", self.crop, "0, or 32 to image_px")


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceConfig:
    """The sequence classifier and its training.

    Attributes:
        backbone: of ``networks.tumor_backbone.BACKBONES``.
        frames: neighbouring slices, N.
        side: of the region in pixels.
        margin: the region's sides in sides of the box.
        epochs, batch, learning_rate, optimizer: of training.
        samples: regions an epoch.
        labelled: share of them whose slices are those with a label; the others follow each other in DICOM order.
        shift: training regions are moved by up to this part of their sides; boxes of a detector are not exact.
    """

    backbone: str = "small"
    frames: int = 16
    side: int = 112
    margin: float = 1.0
    epochs: int = 12
    batch: int = 16
    learning_rate: float = 1e-3
    optimizer: str = "adamw"
    samples: int = 320
    labelled: float = 0.5
    shift: float = 0.1

    def __post_init__(self) -> None:
        check_choice("sequence.backbone", self.backbone, BACKBONES)
        check_choice("sequence.optimizer", self.optimizer, CHOICES["optimizer"])
        check_range("sequence.learning_rate", self.learning_rate, low=0, above=True)
        check_range("sequence.side", self.side, low=32, high=512)
        check_range("sequence.margin", self.margin, low=0.5, high=5)
        for key in ("epochs", "batch", "samples"):
            check_range(f"sequence.{key}", getattr(self, key), low=1)
        for key in ("labelled", "shift"):
            check_range(f"sequence.{key}", getattr(self, key), low=0, high=1)
        if self.frames not in FRAMES:
            raise wrong("sequence.frames", self.frames, f"one of {', '.join(map(str, FRAMES))}")


@dataclass(frozen=True, kw_only=True, slots=True)
class AgeConfig:
    """The age table.

    Attributes:
        edges: ages that part the groups, rising; a patient of exactly an edge belongs to the older group.
        prior: imagined patients that each group has on top, malignant in the share of all training patients.
    """

    edges: tuple[float, ...] = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)
    prior: float = 4.0

    def __post_init__(self) -> None:
        check_range("age.prior", self.prior, low=0, above=True)
        rising = all(a < b for a, b in zip(self.edges, self.edges[1:], strict=False))
        if not self.edges or not rising or not all(0 < edge < 130 and math.isfinite(edge) for edge in self.edges):
            raise wrong("age.edges", self.edges, "rising ages between 0 and 130")


@dataclass(frozen=True, kw_only=True, slots=True)
class FusionConfig:
    """How the weights of detector, sequence model and age are found.

    Attributes:
        folds: of the cross-validation by patient; 0 takes ``weights`` as they are.
        step: of the grid; weights add up to 1 and none is 0.
        weights: of the detector, the sequence model and the age.
    """

    folds: int = 4
    step: float = 0.05
    weights: tuple[float, ...] = (0.45, 0.45, 0.1)

    def __post_init__(self) -> None:
        if self.folds not in (0, *range(2, 21)):
            raise wrong("fusion.folds", self.folds, "0, or 2 to 20")
        check_range("fusion.step", self.step, low=0.01, high=1 / 3)
        if len(self.weights) != 3 or not all(weight > 0 and math.isfinite(weight) for weight in self.weights):
            raise wrong("fusion.weights", self.weights, "three numbers above 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class TumorConfig:
    """All of ``tumor``.

    Attributes:
        detector, sequence, age, fusion: see there.
        weights: where both backbones start: "imagenet", "none" or a file of the backbone's weights; "shipped" lets both
            whole networks go on from the small model that comes with osteon.
        seed: of everything random.
        precision: of training; the detector's boxes always have 32 bits.
        device: of training.

    Raises:
        UsageError: an impossible value.
    """

    detector: DetectorConfig = field(default_factory=DetectorConfig)
    sequence: SequenceConfig = field(default_factory=SequenceConfig)
    age: AgeConfig = field(default_factory=AgeConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    weights: str = "none"
    seed: int = 0
    precision: str = "32-true"
    device: str = "auto"

    def __post_init__(self) -> None:
        check_choice("precision", self.precision, CHOICES["precision"])
        check_choice("device", self.device, CHOICES["device"])
        check_range("seed", self.seed, low=0)
        if not self.weights:
            raise wrong("weights", self.weights, "imagenet, none, shipped or a file")
