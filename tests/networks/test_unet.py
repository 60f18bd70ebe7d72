from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import pytest
import torch

from osteon.errors import UsageError
from osteon.networks.fusion import fuse
from osteon.networks.unet import UNetConfig, build_unet

SMALL = UNetConfig(in_channels=2, out_channels=3, channels=(4, 8, 12), strides=(2, 2), residual_units=1)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        UNetConfig(),
        UNetConfig(channels=(4, 8, 8), strides=(2, 1), residual_units=0, norm="instance", activation="prelu"),
        UNetConfig(channels=(4, 4), strides=(3,), residual_units=3, activation="prelu"),
        UNetConfig(channels=(6, 5, 4, 7), strides=(2, 2, 1), residual_units=0, out_channels=2),
    ],
)
def test_is_monais_network(config: UNetConfig) -> None:
    from monai.networks.nets.unet import UNet as Reference

    torch.manual_seed(4)
    reference = Reference(
        spatial_dims=2,
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        channels=config.channels,
        strides=config.strides,
        num_res_units=config.residual_units,
        norm=config.norm,
        act=config.activation,
    )
    torch.manual_seed(4)
    ours = build_unet(config)
    theirs = reference.state_dict()
    assert list(ours.state_dict()) == list(theirs)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.state_dict().items())
    side = 3 * config.multiple
    image = torch.randn(2, config.in_channels, side, 2 * side)
    for mode in (True, False):
        answer = ours.train(mode)(image)
        assert answer.shape == (2, config.out_channels, side, 2 * side)
        torch.testing.assert_close(answer, reference.train(mode)(image))


def test_config_survives_a_round_trip_through_plain_lists() -> None:
    plain = asdict(SMALL) | {"channels": list(SMALL.channels), "strides": list(SMALL.strides)}
    assert UNetConfig(**plain) == SMALL


@pytest.mark.parametrize(
    "wrong",
    [
        {"norm": "layer"},
        {"activation": "gelu"},
        {"channels": (4,), "strides": ()},
        {"strides": (2,)},
        {"in_channels": 0},
        {"residual_units": -1},
    ],
)
def test_impossible_config_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="U-Net config"):
        UNetConfig(**wrong)  # type: ignore[arg-type]


def test_fused_network_gives_the_same_answer() -> None:
    torch.manual_seed(0)
    model = build_unet(SMALL)
    for _ in range(3):  # move the running statistics away from 0 and 1
        model(torch.randn(4, 2, 16, 16) * 3 + 1)
    model.eval()
    fused = fuse(model)
    image = torch.randn(1, 2, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(fused(image), model(image), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fused.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())


def test_network_is_made_without_importing_monai() -> None:
    script = (
        "import sys; from osteon.networks.unet import UNetConfig, build_unet; build_unet(UNetConfig());"
        "sys.exit('monai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_three_dimensions_are_monais_too() -> None:
    from monai.networks.nets.unet import UNet as Reference

    config = UNetConfig(dimensions=3, in_channels=1, out_channels=3, channels=(4, 6, 8), strides=(2, 2))
    torch.manual_seed(4)
    reference = Reference(
        spatial_dims=3,
        in_channels=1,
        out_channels=3,
        channels=config.channels,
        strides=config.strides,
        num_res_units=config.residual_units,
        norm=config.norm,
        act=config.activation,
    )
    torch.manual_seed(4)
    ours = build_unet(config)
    image = torch.randn(1, 1, 8, 12, 16)
    torch.testing.assert_close(ours.eval()(image), reference.eval()(image))
    torch.testing.assert_close(fuse(ours)(image), reference(image), rtol=1e-4, atol=1e-5)
