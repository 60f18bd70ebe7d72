"""One patch of several channels, one probability: a 1 x 1 convolution to three channels, a backbone, one output.

Yeh et al., Eur Spine J 2022, doi 10.1007/s00586-022-07121-1: six channels (T1 and T2 of a slice and its neighbours) are
mixed to the three that an ImageNet ResNet50 takes; a fully connected layer with a sigmoid (here in the loss) ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn import functional

from osteon.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

STUDIED = "resnet50"
TIMM = {"resnet50": "resnet50.tv_in1k", "resnet34": "resnet34.tv_in1k", "resnet18": "resnet18.tv_in1k"}
"""Our name -> timm's, with torchvision's ImageNet weights."""
PLAIN = {"small": (24, 48, 96, 192), "tiny": (8, 16)}
"""Backbones of this file, by the channels of their stages: for processors without a GPU, and for tests."""
BACKBONES = (*TIMM, *PLAIN)
MIXED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchConfig:
    """What the network is built from.

    Attributes:
        backbone: of ``BACKBONES``.
        channels: of a patch.
        dropout: before the output.

    Raises:
        UsageError: an unknown backbone, or sizes that are none.
    """

    backbone: str = "small"
    channels: int = 6
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise UsageError(f"backbone {self.backbone!r}: expected one of {', '.join(BACKBONES)}")
        if self.channels < 1 or not 0 <= self.dropout < 1:
            raise UsageError("patch classifier: expected 1 channel or more and dropout from 0 to below 1")


class PatchClassifier(nn.Module):
    """Stem, backbone and head; patches in, one logit each out."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv2d(config.channels, MIXED, kernel_size=1)
        if config.backbone in TIMM:
            import timm

            create: Any = timm.create_model  # a plain Module, of which the type says nothing useful
            self.backbone: Any = create(TIMM[config.backbone], pretrained=False, num_classes=0)
        else:
            self.backbone = ResidualBackbone(PLAIN[config.backbone])
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(int(self.backbone.num_features), 1)

    @property
    def timm_name(self) -> str:
        """Of the backbone whose published weights fit; for backbones of our own, our name."""
        return TIMM.get(self.config.backbone, self.config.backbone).partition(".")[0]

    def forward(self, patches: Tensor) -> Tensor:
        """Logits (n,) from patches (n, channels, y, x), scaled as in training."""
        features: Tensor = self.backbone(self.stem(patches))  # (n, F)
        logits: Tensor = self.head(self.dropout(features))
        return logits[:, 0]


class ResidualBackbone(nn.Module):
    """A small residual network (He et al., doi 10.1109/CVPR.2016.90): one block a stage, each stage half the size."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.num_features = widths[-1]
        self.pretrained_cfg: dict[str, Any] = {}  # as timm has it; there are no published weights
        self.first = nn.Sequential(
            nn.Conv2d(MIXED, widths[0], 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        before = (widths[0], *widths[:-1])
        self.blocks = nn.Sequential(
            *(_Block(a, b, stride=1 if k == 0 else 2) for k, (a, b) in enumerate(zip(before, widths, strict=True)))
        )

    def forward(self, images: Tensor) -> Tensor:
        """(n, F) from images (n, 3, y, x)."""
        maps: Tensor = self.blocks(self.first(images))
        return maps.mean(dim=(2, 3))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.two = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        plain = inputs == outputs and stride == 1
        self.way = nn.Identity() if plain else nn.Conv2d(inputs, outputs, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norms[0](self.one(x)))
        summed: Tensor = self.norms[1](self.two(y)) + self.way(x)
        return functional.relu(summed)
