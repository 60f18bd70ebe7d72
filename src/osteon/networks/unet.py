"""Residual U-Net in two or three dimensions, the same network as MONAI's ``UNet``.

Ronneberger et al., MICCAI 2015 (arXiv:1505.04597); residual units after Kerfoot et al., STACOM 2018
(doi:10.1007/978-3-030-12029-0_40). Tensors have MONAI's names, so that weights pass both ways; the network is written
out here because importing any part of MONAI takes 3 s, more than reading a small scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from osteon.errors import UsageError

NORMS = ("batch", "instance")
ACTIVATIONS = ("relu", "prelu")


class Layers(NamedTuple):
    """torch's layers for one number of dimensions."""

    convolution: type[nn.Conv2d | nn.Conv3d]
    larger: type[nn.ConvTranspose2d | nn.ConvTranspose3d]
    batch: type[nn.BatchNorm2d | nn.BatchNorm3d]
    instance: type[nn.InstanceNorm2d | nn.InstanceNorm3d]


LAYERS = {
    2: Layers(nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.InstanceNorm2d),
    3: Layers(nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d, nn.InstanceNorm3d),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class UNetConfig:
    """What a U-Net is made of; lists, as TOML gives them, become tuples.

    Attributes:
        dimensions: 2 for slices, 3 for volumes.
        in_channels: channels of the image.
        out_channels: channels of the answer; 1 logit a pixel for one class.
        channels: feature channels a level, top first.
        strides: step from each level to the next; one fewer than ``channels``.
        residual_units: convolutions in each residual unit; 0 for plain convolutions.
        norm: "batch" (fast at inference: it folds into the convolution) or "instance".
        activation: "relu" or "prelu".

    Raises:
        UsageError: a value that no network can be built from.
    """

    dimensions: int = 2
    in_channels: int = 1
    out_channels: int = 1
    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    strides: tuple[int, ...] = (2, 2, 2, 2)
    residual_units: int = 2
    norm: str = "batch"
    activation: str = "relu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "strides", tuple(self.strides))
        if min(self.in_channels, self.out_channels, *self.channels, *self.strides) < 1 or self.residual_units < 0:
            raise UsageError(f"U-Net config {self}: expected positive channels and strides, residual_units >= 0")
        if len(self.channels) < 2 or len(self.strides) != len(self.channels) - 1:
            raise UsageError(
                f"U-Net config: {len(self.channels)} levels with {len(self.strides)} strides; "
                "expected at least two levels and one stride fewer than levels"
            )
        for key, value, accepted in (
            ("dimensions", self.dimensions, (2, 3)),
            ("norm", self.norm, NORMS),
            ("activation", self.activation, ACTIVATIONS),
        ):
            if value not in accepted:
                raise UsageError(f"U-Net config: {key} = {value!r}; expected one of {list(accepted)}")

    @property
    def multiple(self) -> int:
        """Sides of an image must be a multiple of this."""
        return prod(self.strides)


def build_unet(config: UNetConfig) -> nn.Module:
    """Make the network: images ``(B, in_channels, [D,] H, W)`` to logits ``(B, out_channels, [D,] H, W)``.

    D, H and W are multiples of ``config.multiple``. Seed torch before for the same starting weights.
    """
    return UNet(config)


class UNet(nn.Module):
    """Levels within levels: each goes down, through the next one, and up again beside what it put in."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.model = _level(config, 0, config.in_channels, config.out_channels)

    def forward(self, images: Tensor) -> Tensor:
        """(B, in_channels, [D,] H, W) to (B, out_channels, [D,] H, W)."""
        logits: Tensor = self.model(images)
        return logits


def _level(config: UNetConfig, depth: int, c_in: int, c_out: int) -> nn.Module:
    """One level and all below it: (B, c_in, h, w) to (B, c_out, h, w)."""
    width, stride = config.channels[depth], config.strides[depth]
    if depth + 2 < len(config.channels):
        below, c_below = _level(config, depth + 1, width, width), width
    else:
        c_below = config.channels[depth + 1]
        below = _down(config, width, c_below, 1)
    down = _down(config, c_in, width, stride)  # (B, width, h / stride, w / stride)
    up = _up(config, width + c_below, c_out, stride, top=depth == 0)
    return nn.Sequential(down, Skip(below), up)


def _down(config: UNetConfig, c_in: int, c_out: int, stride: int) -> nn.Module:
    if config.residual_units == 0:
        return _convolution(config, c_in, c_out, stride)
    return Residual(config, c_in, c_out, stride=stride, units=config.residual_units)


def _up(config: UNetConfig, c_in: int, c_out: int, stride: int, *, top: bool) -> nn.Module:
    """The topmost level ends without norm and activation, as logits."""
    plain = config.residual_units == 0
    larger = LAYERS[config.dimensions].larger(c_in, c_out, 3, stride, padding=1, output_padding=stride - 1)
    block = _block(config, larger, c_out, bare=top and plain)
    if plain:
        return block
    return nn.Sequential(block, Residual(config, c_out, c_out, stride=1, units=1, bare=top))


class Skip(nn.Module):
    """Puts what goes into a module beside what comes out."""

    def __init__(self, submodule: nn.Module) -> None:
        super().__init__()
        self.submodule = submodule

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C + channels of the answer, h, w)."""
        return torch.cat((x, self.submodule(x)), dim=1)


class Residual(nn.Module):
    """Convolutions one after another, added to the input (brought to their shape by a convolution where it differs)."""

    def __init__(
        self, config: UNetConfig, c_in: int, c_out: int, *, stride: int, units: int, bare: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        for unit in range(units):
            first, last = unit == 0, unit == units - 1
            block = _convolution(config, c_in if first else c_out, c_out, stride if first else 1, bare=bare and last)
            self.conv.add_module(f"unit{unit}", block)
        self.residual: nn.Module = nn.Identity()
        convolution = LAYERS[config.dimensions].convolution
        if stride != 1:
            self.residual = convolution(c_in, c_out, 3, stride, padding=1)
        elif c_in != c_out:
            self.residual = convolution(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, h, w) to (B, c_out, h / stride, w / stride)."""
        y: Tensor = self.conv(x) + self.residual(x)
        return y


def _convolution(config: UNetConfig, c_in: int, c_out: int, stride: int, *, bare: bool = False) -> nn.Sequential:
    return _block(config, LAYERS[config.dimensions].convolution(c_in, c_out, 3, stride, padding=1), c_out, bare=bare)


def _block(config: UNetConfig, convolution: nn.Module, channels: int, *, bare: bool) -> nn.Sequential:
    """Convolution, norm, activation; or the convolution alone."""
    block = nn.Sequential()
    block.add_module("conv", convolution)
    if not bare:
        after = nn.Sequential()
        layers = LAYERS[config.dimensions]
        after.add_module("N", (layers.batch if config.norm == "batch" else layers.instance)(channels))
        after.add_module("A", nn.ReLU(inplace=True) if config.activation == "relu" else nn.PReLU())
        block.add_module("adn", after)
    return block
