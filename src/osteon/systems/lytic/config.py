"""Configuration of ``lytic``: one dataclass a stage; the defaults are the small models that ship with the package."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from osteon.networks.patch_classifier import BACKBONES
from osteon.systems.settings import check_choice, check_range, wrong
from osteon.training.config import CHOICES

SITES = ("vertebra", "rib", "sternum", "clavicle", "scapula", "humerus", "pelvis", "sacrum", "femur", "skull")
"""Bone sites in the order of the bone network's site channels; site k + 1 in the masks."""
SIZES = ("n", "s", "m", "l", "x")
"""Of YOLOv5."""
PLANES = ("axial", "all")


@dataclass(frozen=True, kw_only=True, slots=True)
class BoneConfig:
    """Bone U-Net.

    Attributes:
        planes: "axial", as published, or "all": axial, coronal and sagittal, averaged.
        pixel_mm: pixel size it sees.
        window_hu: ends of its window.
        context_mm: distance of the neighbouring slices in its other two channels; 0 for the slice alone, as published.
        channels: features a level.
        residual_units: per level.
        crop: side of training crops in pixels.
        epochs, samples: crops an epoch.
        batch, learning_rate: of Adam.
        dice_only: Dice loss alone, as published; else Dice plus cross-entropy.
        validation_slices: about so many, evenly spread over the validation scans.
        threshold: probability from which a pixel is bone.
        bright_hu, bright_threshold: voxels above the first are bone from the second; with planes of all directions.
        core_threshold: the same for pixels under the surface; with planes of all directions.

    Raises:
        UsageError: an impossible value.
    """

    planes: str = "all"
    pixel_mm: float = 1.5
    window_hu: tuple[float, float] = (-200.0, 1000.0)
    context_mm: float = 2.5
    channels: tuple[int, ...] = (16, 32, 64, 96, 128)
    residual_units: int = 1
    crop: int = 192
    epochs: int = 50
    samples: int = 640
    batch: int = 16
    learning_rate: float = 2e-3
    dice_only: bool = False
    validation_slices: int = 160
    threshold: float = 0.6
    bright_hu: float = 150.0
    bright_threshold: float = 0.1
    core_threshold: float = 0.2

    def __post_init__(self) -> None:
        _check_stage(self, stage="bone", stride=16)
        check_range("bone.validation_slices", self.validation_slices, low=1)
        check_choice("bone.planes", self.planes, PLANES)
        check_range("bone.bright_hu", self.bright_hu, low=-1024, high=3071)
        for key in ("threshold", "bright_threshold", "core_threshold"):
            check_range(f"bone.{key}", getattr(self, key), low=0, high=1)
        check_range("bone.residual_units", self.residual_units, low=0)
        if not (2 <= len(self.channels) <= 5 and all(count >= 1 for count in self.channels)):
            raise wrong("bone.channels", self.channels, "2 to 5 whole numbers from 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorConfig:
    """YOLOv5 ensemble on the Hadamard product of slice and bone mask.

    Attributes:
        size: n, s, m, l (published) or x.
        members: networks in the ensemble, trained on different shuffles; 1 to 3.
        pixel_mm: pixel size they see.
        window_hu: ends of the window; the lower end also becomes the background.
        context_mm: as for the bone network.
        margin_mm: the bone mask is widened by so much before the product, so that lesions that broke the cortex stay.
        crop: side of training images in pixels.
        epochs, samples: images an epoch, with the bone network's own masks.
        batch, learning_rate: of AdamW.
        mosaic: probability of a mosaic of four.
        objectness_gain: of the loss, at any image size; YOLOv5 publishes 1.0 at 640 pixels, scaled by area, which
            leaves a few small lesions in a slice too little weight.
        min_score: boxes below are dropped before linking.
        nms_iou, merge_iou: suppression within a network; merging between networks.

    Raises:
        UsageError: an impossible value.
    """

    size: str = "n"
    members: int = 1
    pixel_mm: float = 0.55
    window_hu: tuple[float, float] = (-150.0, 650.0)
    context_mm: float = 2.5
    margin_mm: float = 2.5
    crop: int = 192
    epochs: int = 24
    samples: int = 2000
    batch: int = 16
    learning_rate: float = 2e-3
    mosaic: float = 0.1
    objectness_gain: float = 2.0
    min_score: float = 0.02
    nms_iou: float = 0.3
    merge_iou: float = 0.4

    def __post_init__(self) -> None:
        _check_stage(self, stage="detector", stride=32)
        check_choice("detector.size", self.size, SIZES)
        check_range("detector.members", self.members, low=1, high=3)
        check_range("detector.margin_mm", self.margin_mm, low=0)
        check_range("detector.objectness_gain", self.objectness_gain, low=0, above=True)
        for key in ("mosaic", "min_score", "nms_iou", "merge_iou"):
            check_range(f"detector.{key}", getattr(self, key), low=0, high=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReductionConfig:
    """False-positive reduction: a second look at each candidate, on three planes. The study has none.

    Attributes:
        backbone: of ``networks.patch_classifier.BACKBONES``.
        side_px, pixel_mm: of the views.
        window_hu: ends of the window; beside the bone, too.
        context_mm: distance of each plane's two neighbours; 0 for none.
        epochs: 0 for no second look.
        samples: candidates an epoch, half of them lesions.
        batch, learning_rate: of AdamW.

    Raises:
        UsageError: an impossible value.
    """

    backbone: str = "small"
    side_px: int = 48
    pixel_mm: float = 0.8
    window_hu: tuple[float, float] = (-200.0, 800.0)
    context_mm: float = 2.5
    epochs: int = 12
    samples: int = 4000
    batch: int = 32
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        check_choice("reduction.backbone", self.backbone, BACKBONES)
        check_range("reduction.epochs", self.epochs, low=0)
        for key in ("side_px", "samples", "batch"):
            check_range(f"reduction.{key}", getattr(self, key), low=1)
        for key in ("pixel_mm", "learning_rate"):
            check_range(f"reduction.{key}", getattr(self, key), low=0, above=True)
        check_range("reduction.context_mm", self.context_mm, low=0)
        _check_window("reduction", self.window_hu)


@dataclass(frozen=True, kw_only=True, slots=True)
class LyticConfig:
    """All of ``lytic``.

    Attributes:
        seed: of everything random.
        validation_share: share of patients kept for validation where no validation cohort is given.
        false_positives: false positives a scan that the operating point allows on the validation patients.
        precision: "32-true" or "bf16-mixed", for training.
        device: "auto", "cpu" or "cuda".

    Raises:
        UsageError: an impossible value.
    """

    seed: int = 0
    validation_share: float = 0.15
    false_positives: float = 1.0
    precision: str = "32-true"
    device: str = "auto"
    bone: BoneConfig = field(default_factory=BoneConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    reduction: ReductionConfig = field(default_factory=ReductionConfig)

    def __post_init__(self) -> None:
        check_choice("precision", self.precision, CHOICES["precision"])
        check_choice("device", self.device, CHOICES["device"])
        check_range("seed", self.seed, low=0)
        check_range("false_positives", self.false_positives, low=0, above=True)
        if not 0 < self.validation_share < 1:
            raise wrong("validation_share", self.validation_share, "a number between 0 and 1, neither of them")


def _check_stage(config: BoneConfig | DetectorConfig, *, stage: str, stride: int) -> None:
    """What both stages have; ``stride``: training crops are whole multiples of it."""
    for key in ("pixel_mm", "learning_rate"):
        check_range(f"{stage}.{key}", getattr(config, key), low=0, above=True)
    for key in ("crop", "epochs", "samples", "batch"):
        check_range(f"{stage}.{key}", getattr(config, key), low=1)
    check_range(f"{stage}.context_mm", config.context_mm, low=0)
    if config.crop % stride:
        raise wrong(f"{stage}.crop", config.crop, f"a multiple of {stride}")
    if config.batch > config.samples:
        raise wrong(f"{stage}.batch", config.batch, f"at most {stage}.samples, which is {config.samples}")
    _check_window(stage, config.window_hu)


def _check_window(stage: str, window: tuple[float, float]) -> None:
    if not (len(window) == 2 and all(map(math.isfinite, window)) and window[0] < window[1]):
        raise wrong(f"{stage}.window_hu", window, "two numbers, the lower one first")
