"""U-Net in two or three dimensions whose way up is nearest-neighbour enlargement: the metastasis study's networks.

Layouts: 2-D Ronneberger et al., MICCAI 2015 (arXiv:1505.04597), five levels, features double from level to level; 3-D
Cicek et al., MICCAI 2016 (arXiv:1606.06650), four levels, features double before each pooling. As in the study
(doi:10.3348/kjr.2023.0671) enlargement replaces up-convolution. Convolutions are padded, and batch norm, which the 3-D
paper has, stands in both. ``width`` scales every level: 64 in two dimensions and 32 in three are the published sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from osteon.errors import UsageError

PUBLISHED_WIDTH = {2: 64, 3: 32}
PUBLISHED_LEVELS = {2: 5, 3: 4}


@dataclass(frozen=True, kw_only=True, slots=True)
class NearestUNetConfig:
    """What a network is made of.

    Attributes:
        dimensions: 2 for slices, 3 for volumes.
        in_channels: MR sequences, one a channel.
        out_channels: logits a pixel.
        width: features of the first convolution.
        levels: resolutions, the first included.

    Raises:
        UsageError: a value that no network can be built from.
    """

    dimensions: int = 2
    in_channels: int = 1
    out_channels: int = 1
    width: int = 64
    levels: int = 5

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise UsageError(f"U-Net config: dimensions = {self.dimensions}; expected 2 or 3")
        if min(self.in_channels, self.out_channels, self.width) < 1 or not 2 <= self.levels <= 7:
            raise UsageError(f"U-Net config {self}: expected positive channels and width, 2 to 7 levels")

    @property
    def multiple(self) -> int:
        """Every side of an image must be a multiple of this."""
        return 1 << (self.levels - 1)


def build_nearest_unet(config: NearestUNetConfig) -> NearestUNet:
    """Make the network. Seed torch before for the same starting weights."""
    return NearestUNet(config)


class NearestUNet(nn.Module):
    """Down by maximum pooling, up by nearest neighbour, with the features of each level carried across."""

    def __init__(self, config: NearestUNetConfig) -> None:
        super().__init__()
        self.config = config
        features = _features(config)  # (first, second convolution) a level
        down, entering = [], config.in_channels
        for first, second in features:
            down.append(_pair(config, entering, first, second))
            entering = second
        up = []
        for level in reversed(range(config.levels - 1)):
            carried = features[level][1]
            up.append(_pair(config, entering + carried, carried, carried))
            entering = carried
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        pool = nn.MaxPool2d if config.dimensions == 2 else nn.MaxPool3d
        self.pool = pool(2)
        self.head = _convolution(config, entering, config.out_channels, side=1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, in_channels, [D,] H, W) to logits (B, out_channels, [D,] H, W); sides are multiples of ``multiple``."""
        carried: list[Tensor] = []
        x = images
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))  # (B, features, [D,] H, W) / 2 ** level
            carried.append(x)
        carried.pop()
        for block in self.up:
            x = interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat((carried.pop(), x), dim=1))
        logits: Tensor = self.head(x)
        return logits


def _features(config: NearestUNetConfig) -> list[tuple[int, int]]:
    if config.dimensions == 2:
        return [(config.width * 2**level,) * 2 for level in range(config.levels)]
    return [(config.width * 2**level, config.width * 2 ** (level + 1)) for level in range(config.levels)]


def _pair(config: NearestUNetConfig, c_in: int, c_middle: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(Block(config, c_in, c_middle), Block(config, c_middle, c_out))


class Block(nn.Module):
    """3 x 3 (x 3) convolution, batch norm, ReLU; names as ``networks.fusion`` knows them."""

    def __init__(self, config: NearestUNetConfig, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = _convolution(config, c_in, c_out, side=3)
        self.bn = nn.BatchNorm2d(c_out) if config.dimensions == 2 else nn.BatchNorm3d(c_out)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, ...) to (B, c_out, ...)."""
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y


def _convolution(config: NearestUNetConfig, c_in: int, c_out: int, *, side: int) -> nn.Conv2d | nn.Conv3d:
    kind = nn.Conv2d if config.dimensions == 2 else nn.Conv3d
    return kind(c_in, c_out, side, padding=side // 2)
