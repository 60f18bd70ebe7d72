"""Settings of the published recipe, one dataclass a part; the reasons are in ``recipes/lytic-published.toml``."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from osteon.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class DataPart:
    """Phantoms to make where no cohort is given, and how the patients are divided.

    Attributes:
        patients, profile, mean_lesions: of ``phantom.cohort.PhantomOptions``.
        range_mm: part of the body, z in mm from S1; two equal numbers for the profile's own.
        test_share: of the patients.
        bone_share: of the others; they teach bone, the rest teach detection.
        bone_validation: share of the bone patients that choose the epoch.
        folds: of the detection patients.
        stratified: patients with and without lesions are dealt to the test and the folds each for themselves, where
            every case has a label "lesions".
        slices_per_segment: of each bone patient.
        slices_per_patient: of each detection patient, with or without a lesion.
        background_share: of those, without a lesion.
        test_slices: random ones of each test patient.
    """

    patients: int = 40
    profile: str = "full"
    mean_lesions: float = 14.0
    range_mm: tuple[float, float] = (0.0, 0.0)
    test_share: float = 0.1
    bone_share: float = 0.25
    bone_validation: float = 0.2
    folds: int = 5
    stratified: bool = False
    slices_per_segment: int = 10
    slices_per_patient: int = 81
    background_share: float = 0.1
    test_slices: int = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class BonePart:
    """The 2-D U-Net.

    Attributes:
        size: side of the images in pixels; multiple of 16.
        crop: side of the training crops.
        channels, residual_units: of the U-Net.
        window_hu: of the 8-bit images, here and for the detector.
        epochs: of training.
        crops: from each image in an epoch.
        batch, learning_rate: of Adam.
        schedule: of the learning rate: constant, cosine or linear.
        first_logit: bias of the last convolution before training; 0 for a random one.
        whole_batch: one Dice coefficient over a batch, not the mean of its images' (``training.dice``).
        threshold: probability from which a pixel is bone.
    """

    size: int = 512
    crop: int = 256
    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    residual_units: int = 2
    window_hu: tuple[float, float] = (-450.0, 1050.0)
    epochs: int = 100
    crops: int = 4
    batch: int = 16
    learning_rate: float = 1e-3
    schedule: str = "constant"
    whole_batch: bool = False
    first_logit: float = 0.0
    threshold: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectionPart:
    """The YOLOv5 networks.

    Attributes:
        size: n, s, m, l or x.
        members: networks in the ensemble.
        image: side of the images in pixels; multiple of 32.
        start: folder of a bundle that ``osteon weights import`` wrote; "" for random weights.
        crop: side of the parts of images that are learnt from, mostly round lesions; 0 for whole images. What is
            found is always found on whole images.
        crops: how often each image is drawn in an epoch.
        optimizer: sgd or adamw.
        anchor_recall: YOLOv5's own anchors are kept where they answer for so many of the boxes, else others fitted.
        objectness: gain of the objectness loss; 0 for YOLOv5's own, which is 1 at 640 pixels and falls with the area.
        epochs, batch, learning_rate, momentum, weight_decay, warmup_epochs, ema_decay,
            ema_ramp_steps: of training (``training.config.LoopConfig``).
        flip_horizontal, flip_vertical, mosaic: probabilities.
        scale, translate, value: ranges of augmentation; ``value`` is the V of HSV.
        min_score, nms_iou: of a network's boxes.
        merge_iou: boxes of members that overlap so much are one.
        hit_iou: a box finds a lesion from this overlap on, in the end-to-end test.
    """

    size: str = "l"
    members: int = 3
    image: int = 640
    start: str = ""
    crop: int = 0
    crops: int = 1
    optimizer: str = "sgd"
    anchor_recall: float = 0.98
    objectness: float = 0.0
    epochs: int = 100
    batch: int = 16
    learning_rate: float = 0.01
    momentum: float = 0.937
    weight_decay: float = 5e-4
    warmup_epochs: float = 3.0
    ema_decay: float = 0.9999
    ema_ramp_steps: int = 2000
    flip_horizontal: float = 0.5
    flip_vertical: float = 0.5
    mosaic: float = 1.0
    scale: float = 0.5
    translate: float = 0.1
    value: float = 0.4
    min_score: float = 0.01
    nms_iou: float = 0.45
    merge_iou: float = 0.45
    hit_iou: float = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class GridPart:
    """Hyperparameters tried on the first fold: every combination, for ``epochs``."""

    learning_rate: tuple[float, ...] = (0.01, 0.003)
    scale: tuple[float, ...] = (0.5, 0.25)
    epochs: int = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadersPart:
    """Two simulated radiologists; a figure each in the tuples (``phantom.readers.LesionReader``)."""

    half_volume_mm3: tuple[float, ...] = (60.0, 40.0)
    steepness: float = 1.5
    mimic_rate: tuple[float, ...] = (0.05, 0.03)
    random_per_case: tuple[float, ...] = (0.3, 0.2)
    correlation: float = 0.7


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyConfig:
    """The whole recipe.

    Raises:
        UsageError: a value that cannot be.
    """

    precision: str = "32-true"
    data: DataPart = field(default_factory=DataPart)
    bone: BonePart = field(default_factory=BonePart)
    detection: DetectionPart = field(default_factory=DetectionPart)
    grid: GridPart = field(default_factory=GridPart)
    readers: ReadersPart = field(default_factory=ReadersPart)

    def __post_init__(self) -> None:
        data, bone, detection = self.data, self.bone, self.detection
        wanted = (
            (data.folds >= 2, "data.folds", data.folds, "2 or more"),
            (0 < data.test_share < 1, "data.test_share", data.test_share, "a share between 0 and 1"),
            (0 < data.bone_share < 1, "data.bone_share", data.bone_share, "a share between 0 and 1"),
            (data.slices_per_patient >= 1, "data.slices_per_patient", data.slices_per_patient, "1 or more"),
            (data.test_slices >= 1, "data.test_slices", data.test_slices, "1 or more"),
            (bone.size % 16 == 0 and bone.crop % 16 == 0, "bone.size", (bone.size, bone.crop), "multiples of 16"),
            (0 < bone.crop <= bone.size, "bone.crop", bone.crop, "at most bone.size"),
            (detection.image % 32 == 0 and detection.image > 0, "detection.image", detection.image, "a multiple of 32"),
            (detection.crop % 32 == 0, "detection.crop", detection.crop, "a multiple of 32, or 0"),
            (0 <= detection.crop <= detection.image, "detection.crop", detection.crop, "at most detection.image"),
            (detection.crops >= 1, "detection.crops", detection.crops, "1 or more"),
            (0 <= detection.anchor_recall <= 1, "detection.anchor_recall", detection.anchor_recall, "0 to 1"),
            (detection.objectness >= 0, "detection.objectness", detection.objectness, "0 or more"),
            (detection.members >= 1, "detection.members", detection.members, "1 or more"),
            (min(bone.epochs, detection.epochs, self.grid.epochs) >= 1, "epochs", 0, "1 or more"),
            (len(self.grid.learning_rate) > 0 and len(self.grid.scale) > 0, "grid", self.grid, "a value of each"),
            (len(self.readers.half_volume_mm3) == 2, "readers.half_volume_mm3", self.readers, "one a reader"),
        )
        for good, name, value, accepted in wanted:
            if not good:
                raise UsageError(f"config key {name!r}: {value!r}; expected {accepted}")

    def tried(self) -> tuple[DetectionPart, ...]:
        """The combinations of the grid, each with the grid's epochs."""
        return tuple(
            replace(self.detection, learning_rate=rate, scale=scale, epochs=self.grid.epochs)
            for rate, scale in itertools.product(self.grid.learning_rate, self.grid.scale)
        )
