"""Configuration of ``fracture``; the defaults are the small model for processors without a GPU."""

from __future__ import annotations

from dataclasses import dataclass

from osteon.dicom import roles
from osteon.dicom.sequences import SequenceKind
from osteon.imaging.register import METHODS
from osteon.networks.patch_classifier import BACKBONES, PLAIN
from osteon.systems.settings import check_choice, check_range, wrong
from osteon.training.config import CHOICES

KINDS = (SequenceKind(name="T2", roles=(roles.T2,)), SequenceKind(name="T1", roles=(roles.T1,)))
"""T2 is the reference: boxes lie on it, as published."""
CHANNELS = 6
"""T1 of the slice before, the slice and the one after, then T2 of the same."""
THRESHOLD = 0.5
"""Printed: malignant from this probability on."""
CLASSES = ("benign", "malignant")


@dataclass(frozen=True, kw_only=True, slots=True)
class FractureConfig:
    """All of ``fracture``.

    Attributes:
        backbone: of ``networks.patch_classifier.BACKBONES``.
        weights: "imagenet", "none" or a file of the backbone's weights.
        dropout: before the output.
        side_px: side of the patch that the network gets.
        margin: of the box's side, tissue beyond the box that is kept on each side, so that a shifted or turned copy
            shows it instead of nothing; never seen without augmentation.
        registration: how T1 is brought onto T2: "rigid", "shift" or "none".
        benign_copies, malignant_copies: how often each training slice is shown an epoch; the first copy is the patch
            itself.
        shift: largest translation of a copy, as a part of the box's side.
        zoom: largest scaling, from 1 - zoom to 1 + zoom.
        rotation_deg: largest rotation.
        fresh: new random copies in every epoch; else the same ones, as an augmented set made once has.
        epochs, batch, learning_rate, beta1: of Adam.
        l2: weight of the squared weights in the loss.
        patience: stop after so many epochs without a lower validation loss; 0 for never.
        validation_share: of the patients, where no validation cohort is given.
        point_side_mm: side of the square round a point, where a point is all that is given.
        seed: of everything random.
        precision, device: of training.

    Raises:
        UsageError: an impossible value.
    """

    backbone: str = "small"
    weights: str = "none"
    dropout: float = 0.0
    side_px: int = 64
    margin: float = 0.25
    registration: str = "rigid"
    benign_copies: int = 20
    malignant_copies: int = 40
    shift: float = 0.1
    zoom: float = 0.1
    rotation_deg: float = 15.0
    fresh: bool = False
    epochs: int = 30
    batch: int = 32
    learning_rate: float = 1e-3
    beta1: float = 0.5
    l2: float = 1e-4
    patience: int = 8
    validation_share: float = 0.2
    point_side_mm: float = 50.0
    seed: int = 0
    precision: str = "32-true"
    device: str = "auto"

    def __post_init__(self) -> None:
        check_choice("backbone", self.backbone, BACKBONES)
        check_choice("registration", self.registration, METHODS)
        check_choice("precision", self.precision, CHOICES["precision"])
        check_choice("device", self.device, CHOICES["device"])
        for key in ("benign_copies", "malignant_copies", "epochs", "batch"):
            check_range(key, getattr(self, key), low=1)
        for key in ("l2", "patience", "seed", "shift", "rotation_deg"):
            check_range(key, getattr(self, key), low=0)
        for key, high in (("margin", 1.0), ("zoom", 0.9), ("dropout", 0.95), ("beta1", 0.999)):
            check_range(key, getattr(self, key), low=0, high=high)
        for key in ("learning_rate", "point_side_mm"):
            check_range(key, getattr(self, key), low=0, above=True)
        check_range("side_px", self.side_px, low=8, high=512)
        if not 0 < self.validation_share < 1:
            raise wrong("validation_share", self.validation_share, "a number between 0 and 1, neither of them")
        if not self.weights or (self.weights == "imagenet" and self.backbone in PLAIN):
            raise wrong("weights", self.weights, f"none or a file; there are no ImageNet weights of {self.backbone}")

    @property
    def margin_px(self) -> int:
        """Pixels beyond the patch on each side."""
        return round(self.margin * self.side_px)
