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


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("activation", ["relu", "prelu"])
@pytest.mark.parametrize("residual_units", [0, 2])
def test_output_has_the_size_of_the_image(norm: str, activation: str, residual_units: int) -> None:
    config = UNetConfig(
        channels=(4, 8, 8), strides=(2, 2), residual_units=residual_units, norm=norm, activation=activation
    )
    assert config.multiple == 4
    assert build_unet(config)(torch.rand(2, 1, 24, 36)).shape == (2, 1, 24, 36)


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


def test_importing_the_module_loads_neither_torch_nor_monai() -> None:
    script = "import sys, osteon.networks.unet; sys.exit(bool({'torch', 'monai'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
