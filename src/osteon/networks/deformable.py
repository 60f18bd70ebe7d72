"""Modulated deformable convolution: every tap looks where a small convolution tells it to, as strongly as it says.

Zhu et al., Deformable ConvNets v2, CVPR 2019 (doi 10.1109/CVPR.2019.00953); Dai et al., ICCV 2017
(doi 10.1109/ICCV.2017.89). The operator itself is torchvision's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torchvision.ops import deform_conv2d

if TYPE_CHECKING:
    from torch import Tensor

ONE_TAP = 3
"""Numbers that one tap needs: two of its offset, one of its weight."""


class DeformableConv2d(nn.Module):
    """A convolution with learned offsets and masks; it starts as the plain one whose weights it takes over.

    Offsets start at 0. Masks are twice a sigmoid, so that they start at 1 (the paper's start at one half): a pretrained
    backbone gives what it gave before.
    """

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = plain.weight, plain.bias  # (out, in / groups, ky, kx)
        self.stride, self.padding, self.dilation = plain.stride, plain.padding, plain.dilation
        rows, columns = plain.kernel_size
        shape: dict[str, Any] = {"stride": plain.stride, "padding": plain.padding, "dilation": plain.dilation}
        size: Any = plain.kernel_size
        self.taps = rows * columns
        self.offset = nn.Conv2d(
            plain.in_channels,
            ONE_TAP * self.taps,
            size,
            **shape,
        )
        nn.init.zeros_(self.offset.weight)
        assert self.offset.bias is not None
        nn.init.zeros_(self.offset.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, out, y, x) from (n, in, y, x)."""
        told = self.offset(maps)  # (n, 3 * taps, y, x)
        return modulated(
            maps,
            told[:, : 2 * self.taps],
            2 * torch.sigmoid(told[:, 2 * self.taps :]),
            like=self,
        )


def modulated(maps: Tensor, offsets: Tensor, masks: Tensor, *, like: DeformableConv2d) -> Tensor:
    """The operator with the weights of ``like``.

    Args:
        maps: (n, in, y, x).
        offsets: (n, 2 * taps, y, x), of each tap (row, column) in pixels.
        masks: (n, taps, y, x), what each tap is multiplied by.
        like: a layer.
    """
    found: Tensor = deform_conv2d(
        maps,
        offsets.to(maps.dtype),
        like.weight.to(maps.dtype),
        like.bias,
        stride=_pair(like.stride),
        padding=_pair(like.padding),
        dilation=_pair(like.dilation),
        mask=masks.to(maps.dtype),
    )
    return found


def _pair(values: tuple[int, ...] | str) -> tuple[int, int]:
    assert not isinstance(values, str)  # "same" padding is refused by make_deformable
    return int(values[0]), int(values[1])


def make_deformable(module: nn.Module) -> int:
    """Replace every 3 x 3 convolution inside a module by a deformable one; returns how many."""
    count = 0
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Conv2d) and child.kernel_size == (3, 3) and not isinstance(child.padding, str):
            setattr(module, name, DeformableConv2d(child))
            count += 1
        else:
            count += make_deformable(child)
    return count
