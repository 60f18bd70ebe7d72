"""Residual 2-D U-Net, as MONAI builds it.

Ronneberger et al., MICCAI 2015 (arXiv:1505.04597); residual units after Kerfoot et al., STACOM 2018
(doi:10.1007/978-3-030-12029-0_40).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from osteon.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

NORMS = ("batch", "instance")
ACTIVATIONS = ("relu", "prelu")


@dataclass(frozen=True, kw_only=True, slots=True)
class UNetConfig:
    """What a U-Net is made of; lists, as TOML gives them, become tuples.

    Attributes:
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
        for key, value, accepted in (("norm", self.norm, NORMS), ("activation", self.activation, ACTIVATIONS)):
            if value not in accepted:
                raise UsageError(f"U-Net config: {key} = {value!r}; expected one of {list(accepted)}")

    @property
    def multiple(self) -> int:
        """Height and width of an image must be a multiple of this."""
        return prod(self.strides)


def build_unet(config: UNetConfig) -> nn.Module:
    """Make the network: images ``(B, in_channels, H, W)`` to logits ``(B, out_channels, H, W)``.

    H and W are multiples of ``config.multiple``. Seed torch before for the same starting weights.
    """
    from monai.networks.nets.unet import UNet  # importing any part of MONAI takes seconds, so not before it is needed

    network: nn.Module = UNet(
        spatial_dims=2,
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        channels=config.channels,
        strides=config.strides,
        num_res_units=config.residual_units,
        norm=config.norm,
        act=("relu", {"inplace": True}) if config.activation == "relu" else "prelu",
    )
    return network
