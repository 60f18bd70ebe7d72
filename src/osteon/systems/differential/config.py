"""Configuration of ``differential``; the defaults are the small model for processors without a GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass

from osteon.networks.slice_classifier import BACKBONES
from osteon.systems.settings import check_choice, check_range, wrong
from osteon.training.config import CHOICES

CLASSES = ("metastasis", "myeloma")
"""Diagnoses in the order of the network's outputs; the last is the positive one of every figure."""
POSITIVE = CLASSES[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferentialConfig:
    """All of ``differential``.

    Attributes:
        backbone: of ``networks.slice_classifier.BACKBONES``.
        weights: "imagenet", "none" or a file of the backbone's weights.
        learn: "head" trains the new layers on a frozen backbone; "all" everything; "auto" the head where the backbone
            starts from weights, everything where it does not.
        head: nodes of the fully connected layers before the output.
        dropout: before the output.
        window_hu: ends of the grey scale of the 8-bit slice.
        jpeg_quality: of the slice, 1 to 100.
        field_mm: side of the square round the lesions that is kept; 0 for the whole slice, as published.
        input_px: side of the picture that the network gets; Xception's is 299/224 of it.
        min_lesion_mm2: a slice with less lesion than this does not show the disease.
        max_slices: of one scan, evenly taken from those that show the disease; 0 for all.
        epochs, batch, learning_rate: of Adam.
        keep: "best" keeps the epoch with the lowest validation loss, "last" the last.
        flip: mirror pictures left to right at random in training.
        validation_share: of the patients, where no validation cohort is given.
        seed: of everything random.
        precision, device: of training.

    Raises:
        UsageError: an impossible value.
    """

    backbone: str = "small"
    weights: str = "none"
    learn: str = "auto"
    head: tuple[int, ...] = (512, 256)
    dropout: float = 0.0
    window_hu: tuple[float, float] = (-450.0, 1050.0)
    jpeg_quality: int = 95
    field_mm: float = 100.0
    input_px: int = 96
    min_lesion_mm2: float = 25.0
    max_slices: int = 24
    epochs: int = 30
    batch: int = 16
    learning_rate: float = 5e-4
    keep: str = "best"
    flip: bool = True
    validation_share: float = 0.2
    seed: int = 0
    precision: str = "32-true"
    device: str = "auto"

    def __post_init__(self) -> None:
        check_choice("backbone", self.backbone, tuple(BACKBONES))
        check_choice("learn", self.learn, ("auto", "head", "all"))
        check_choice("keep", self.keep, ("best", "last"))
        check_choice("precision", self.precision, CHOICES["precision"])
        check_choice("device", self.device, CHOICES["device"])
        check_range("jpeg_quality", self.jpeg_quality, low=1, high=100)
        check_range("input_px", self.input_px, low=32, high=1024)
        check_range("learning_rate", self.learning_rate, low=0, above=True)
        check_range("dropout", self.dropout, low=0, high=0.95)
        for key in ("epochs", "batch"):
            check_range(key, getattr(self, key), low=1)
        for key in ("field_mm", "min_lesion_mm2", "max_slices", "seed"):
            check_range(key, getattr(self, key), low=0)
        if not self.weights:
            raise wrong("weights", self.weights, "imagenet, none or a file")
        if not all(nodes >= 1 for nodes in self.head):
            raise wrong("head", self.head, "whole numbers from 1")
        if not 0 < self.validation_share < 1:
            raise wrong("validation_share", self.validation_share, "a number between 0 and 1, neither of them")
        low, high = self.window_hu if len(self.window_hu) == 2 else (math.nan, math.nan)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise wrong("window_hu", self.window_hu, "two numbers, the lower one first")

    @property
    def learns_all(self) -> bool:
        """Whether the backbone is trained too."""
        return self.learn == "all" or (self.learn == "auto" and self.weights == "none")
