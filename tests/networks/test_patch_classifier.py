from __future__ import annotations

import pytest
import torch

from osteon.errors import UsageError
from osteon.networks.patch_classifier import PatchClassifier, PatchConfig


@pytest.mark.parametrize("backbone", ["tiny", "small"])
def test_a_patch_gives_one_logit(backbone: str) -> None:
    network = PatchClassifier(PatchConfig(backbone=backbone)).eval()
    assert network(torch.zeros(3, 6, 64, 64)).shape == (3,)


def test_six_channels_are_mixed_to_three_pixel_by_pixel() -> None:
    network = PatchClassifier(PatchConfig(backbone="tiny"))
    assert network.stem.weight.shape == (3, 6, 1, 1)
    patch = torch.zeros(1, 6, 4, 4)
    patch[0, 5, 1, 2] = 2.0
    mixed = network.stem(patch) - network.stem(torch.zeros_like(patch))
    assert torch.allclose(mixed[0, :, 1, 2], 2.0 * network.stem.weight[:, 5, 0, 0])
    assert int((mixed.abs() > 0).sum()) == 3


def test_the_small_backbone_fits_a_shipped_model() -> None:
    network = PatchClassifier(PatchConfig(backbone="small"))
    assert 2 * sum(one.numel() for one in network.parameters()) < 5e6  # bytes at half precision


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(UsageError, match=r"'elbow'.*resnet50"):
        PatchConfig(backbone="elbow")
