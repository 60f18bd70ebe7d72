"""A deformable layer at zero offsets and unit masks is the plain convolution; moved, it sees the neighbour."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from osteon.networks.deformable import DeformableConv2d, make_deformable, modulated


@pytest.mark.parametrize(("groups", "stride", "dilation", "bias"), [(1, 1, 1, True), (4, 2, 1, False), (2, 1, 2, True)])
def test_zero_offsets_and_unit_masks_equal_plain_convolution(
    groups: int, stride: int, dilation: int, bias: bool
) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(8, 12, 3, stride=stride, padding=dilation, dilation=dilation, groups=groups, bias=bias)
    maps = torch.randn(2, 8, 13, 11)
    wanted = plain(maps)
    layer = DeformableConv2d(plain)
    rows, columns = wanted.shape[2:]
    found = modulated(maps, torch.zeros(2, 18, rows, columns), torch.ones(2, 9, rows, columns), like=layer)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layer(maps), wanted, atol=1e-5, rtol=1e-5)  # as it starts


def test_offsets_and_masks_do_what_they_say() -> None:
    torch.manual_seed(1)
    plain = nn.Conv2d(3, 5, 3, padding=1, bias=False)
    layer, maps = DeformableConv2d(plain), torch.randn(1, 3, 9, 9)
    offsets = torch.zeros(1, 18, 9, 9)
    offsets[:, 1::2] = 1.0  # every tap one column on
    moved = modulated(maps, offsets, torch.full((1, 9, 9, 9), 0.5), like=layer)
    wanted = plain(maps)
    torch.testing.assert_close(moved[..., 1:7, 1:7], 0.5 * wanted[..., 1:7, 2:8], atol=1e-5, rtol=1e-5)


def test_offsets_are_learned() -> None:
    torch.manual_seed(2)
    layer = DeformableConv2d(nn.Conv2d(2, 2, 3, padding=1))
    layer(torch.randn(1, 2, 8, 8)).square().sum().backward()
    gradient = layer.offset.weight.grad
    assert gradient is not None
    assert gradient[:18].abs().sum() > 0
    assert gradient[18:].abs().sum() > 0


def test_every_3x3_convolution_is_replaced_and_no_other() -> None:
    block = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU()), nn.Conv2d(2, 2, 3))
    assert make_deformable(block) == 2
    kinds = [type(one).__name__ for one in (block[0], block[1][0], block[2])]
    assert kinds == ["Conv2d", "DeformableConv2d", "DeformableConv2d"]
