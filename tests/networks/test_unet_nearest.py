from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate, max_pool2d, relu

from osteon.errors import UsageError
from osteon.networks.fusion import fuse
from osteon.networks.unet_nearest import (
    PUBLISHED_LEVELS,
    PUBLISHED_WIDTH,
    NearestUNetConfig,
    build_nearest_unet,
)


def parameters(network: nn.Module, *, norms: bool) -> int:
    return sum(
        value.numel()
        for module in network.modules()
        if norms or not isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d)
        for value in module.parameters(recurse=False)
    )


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_gets_a_logit(dimensions: int, channels: int) -> None:
    config = NearestUNetConfig(dimensions=dimensions, in_channels=channels, width=2, levels=4)
    sides = (24, 32, 40)[-dimensions:]
    assert build_nearest_unet(config)(torch.rand(2, channels, *sides)).shape == (2, 1, *sides)


def test_published_two_dimensional_layout() -> None:
    """Features 64 to 1024, two convolutions a level; parameters counted by hand from Ronneberger's figure 1."""
    config = NearestUNetConfig(width=PUBLISHED_WIDTH[2], levels=PUBLISHED_LEVELS[2])
    network = build_nearest_unet(config)
    levels = [64, 128, 256, 512, 1024]
    pairs = [(1, 64), (64, 64)]
    for above, here in itertools.pairwise(levels):
        pairs += [(above, here), (here, here)]
    for here, above in zip(levels[:0:-1], levels[-2::-1], strict=True):
        pairs += [(here + above, above), (above, above)]
    expected = sum(9 * a * b + b for a, b in pairs) + 64 + 1
    assert parameters(network, norms=False) == expected


def test_published_three_dimensional_layout() -> None:
    """Features 32, 64 / 64, 128 / 128, 256 / 256, 512.

    Cicek et al. count 19,069,955 parameters: those of the convolutions with their biases, and of three up-convolutions
    of 2 x 2 x 2 without, which are enlargements here.
    """
    network = build_nearest_unet(
        NearestUNetConfig(dimensions=3, in_channels=3, out_channels=3, width=PUBLISHED_WIDTH[3], levels=4)
    )
    up_convolutions = sum(8 * c * c for c in (512, 256, 128))
    assert parameters(network, norms=False) + up_convolutions == 19_069_955


def test_two_levels_agree_with_the_layers_written_out() -> None:
    torch.manual_seed(0)
    network = build_nearest_unet(NearestUNetConfig(width=3, levels=2)).eval()
    x = torch.rand(1, 1, 8, 10)

    def block(module: nn.Module, value: torch.Tensor) -> torch.Tensor:
        made = conv2d(value, module.conv.weight, module.conv.bias, padding=1)
        return relu(module.bn(made))

    top = block(network.down[0][1], block(network.down[0][0], x))
    low = block(network.down[1][1], block(network.down[1][0], max_pool2d(top, 2)))
    larger = interpolate(low, size=(8, 10), mode="nearest")
    assert torch.equal(larger[..., ::2, ::2], larger[..., 1::2, 1::2])
    up = block(network.up[0][1], block(network.up[0][0], torch.cat((top, larger), 1)))
    expected = conv2d(up, network.head.weight, network.head.bias)
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_norms_fold_into_convolutions(dimensions: int) -> None:
    torch.manual_seed(0)
    network = build_nearest_unet(NearestUNetConfig(dimensions=dimensions, width=2, levels=3))
    x = torch.rand(2, 1, *(16,) * dimensions)
    network.train()(x)  # running statistics that are not 0 and 1
    network.eval()
    fused = fuse(network)
    assert not any(isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d) for m in fused.modules())
    torch.testing.assert_close(fused(x), network(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("wrong", [{"dimensions": 4}, {"width": 0}, {"levels": 1}, {"in_channels": 0}])
def test_what_cannot_be_built_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="U-Net config"):
        NearestUNetConfig(**wrong)


def test_multiple() -> None:
    assert NearestUNetConfig(levels=5).multiple == 16
