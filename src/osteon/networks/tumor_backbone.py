"""Backbones of the tumour networks by name: timm's, with deformable convolutions in the last stages where wanted.

The published one is ResNeXt101 32x8d (Xie et al., CVPR 2017, doi 10.1109/CVPR.2017.634); tensors keep timm's names, so
that published weights can be loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from osteon.errors import UsageError
from osteon.networks.deformable import make_deformable

if TYPE_CHECKING:
    from torch import Tensor

BACKBONES = {
    "resnext101": "resnext101_32x8d",
    "resnet18": "resnet18",
    "small": "regnetx_002",
    "mobile": "mobilenetv3_small_050",
    "tiny": "test_resnet",
}
"""Our name -> timm's. "resnext101" is the study's, "small" and, smaller, "mobile" are for processors
without a GPU, "tiny" for tests."""
STAGES = {"small": ("s2", "s3", "s4")}
LAST_STAGES = ("layer2", "layer3", "layer4")
"""timm's names of the last three stages."""


class Backbone(nn.Module):
    """Grey pictures in, feature maps of four strides (4, 8, 16, 32) out.

    Attributes:
        name: of ``BACKBONES``.
        widths: channels of the four maps.
        body: timm's network without its classifier.
    """

    def __init__(self, name: str, *, channels: int = 3, deformable: bool = False, freeze_norm: bool = False) -> None:
        """Build it with random weights.

        Args:
            name: of ``BACKBONES``.
            channels: that come in.
            deformable: put modulated deformable convolutions into the last three stages.
            freeze_norm: batch normalisation keeps the statistics it was loaded with, as for small batches.

        Raises:
            UsageError: an unknown name.
        """
        super().__init__()
        if name not in BACKBONES:
            raise UsageError(f"backbone {name!r}: expected one of {', '.join(BACKBONES)}")
        import timm

        self.name = name
        create: Any = timm.create_model  # a plain Module, of which the type says nothing useful
        self.body: Any = create(BACKBONES[name], pretrained=False, num_classes=0, in_chans=channels)
        self.widths = tuple(int(one["num_chs"]) for one in self.body.feature_info if one["reduction"] in (4, 8, 16, 32))
        if deformable:
            if not all(hasattr(self.body, stage) for stage in STAGES.get(name, LAST_STAGES)):
                raise UsageError(f"backbone {name!r} has no stages for deformable convolutions; use another, or none")
            for stage in STAGES.get(name, LAST_STAGES):
                make_deformable(getattr(self.body, stage))
        if freeze_norm:
            from timm import layers

            freeze: Any = getattr(layers, "freeze_batch_norm_2d")  # noqa: B009  (timm's types do not export it)
            self.body = freeze(self.body)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Four maps (n, width, y / stride, x / stride) from (n, channels, y, x)."""
        maps: list[Tensor] = self.body.forward_intermediates(pictures, intermediates_only=True)
        return maps[-4:]

    def pooled(self, pictures: Tensor) -> Tensor:
        """(n, width of the last map): its mean over the picture."""
        last: Tensor = self(pictures)[-1]
        return last.mean(dim=(2, 3))


def grey_normalised(pictures: Tensor, backbone: Backbone) -> Tensor:
    """Grey pictures (n, c, y, x) of 0 to 1 around 0, by the mean grey that published weights were trained with."""
    cfg = backbone.body.pretrained_cfg
    mean, std = float(torch.tensor(cfg["mean"]).mean()), float(torch.tensor(cfg["std"]).mean())
    return (pictures - mean) / std
