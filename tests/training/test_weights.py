from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from osteon.errors import BundleError
from osteon.training.weights import load_weights

if TYPE_CHECKING:
    from pathlib import Path


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def test_weights_load_by_name_and_widen(tmp_path: Path) -> None:
    source, target = _network(), _network()
    tensors = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in source.state_dict().items()}
    save_file(tensors, tmp_path / "w.safetensors")
    load_weights(target, tmp_path / "w.safetensors")
    assert target[0].weight.dtype == torch.float32
    torch.testing.assert_close(target[0].weight, source[0].weight, atol=1e-3, rtol=0)
    assert torch.equal(target[0].bias, source[0].bias)


def test_every_misfit_is_named(tmp_path: Path) -> None:
    tensors = dict(_network().state_dict())
    tensors["extra"] = torch.zeros(1)
    del tensors["1.running_var"]
    tensors["0.weight"] = torch.zeros(2, 3, 3, 3)
    tensors["0.bias"] = torch.tensor([0.0, float("nan")])
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(BundleError) as caught:
        load_weights(_network(), tmp_path / "w.safetensors")
    message = str(caught.value)
    assert message.startswith("w.safetensors")
    assert "missing 1.running_var" in message
    assert "unknown extra" in message
    assert "0.weight is (2, 3, 3, 3), expected (2, 1, 3, 3)" in message
    assert "no numbers in 0.bias" in message


def test_misfit_leaves_the_network_alone(tmp_path: Path) -> None:
    model = _network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_file({"0.weight": torch.zeros(2, 1, 3, 3)}, tmp_path / "w.safetensors")
    with pytest.raises(BundleError, match="and 3 more"):
        load_weights(model, tmp_path / "w.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none\.safetensors: missing"):
        load_weights(_network(), tmp_path / "none.safetensors")
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(BundleError, match=r"w\.safetensors: not a whole"):
        load_weights(_network(), tmp_path / "w.safetensors")


def test_a_pickle_is_refused_whatever_its_name(tmp_path: Path) -> None:
    torch.save(_network().state_dict(), tmp_path / "w.pt")
    with pytest.raises(BundleError, match=r"w\.pt: not a whole"):
        load_weights(_network(), tmp_path / "w.pt")
