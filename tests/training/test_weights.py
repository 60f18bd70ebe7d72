from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from osteon.errors import BundleError
from osteon.training.weights import import_state_dict, load_weights


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


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("suffix", ["pt", "pth"])
def test_plain_tensors_are_imported(tmp_path: Path, wrapper: str | None, suffix: str) -> None:
    state = _network().state_dict()
    torch.save(state if wrapper is None else {wrapper: state, "epoch": 3}, tmp_path / f"w.{suffix}")
    found = import_state_dict(tmp_path / f"w.{suffix}")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_safetensors_are_imported(tmp_path: Path) -> None:
    save_file({"a": torch.arange(3)}, tmp_path / "w.safetensors")
    assert import_state_dict(tmp_path / "w.safetensors")["a"].tolist() == [0, 1, 2]


class _Payload:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("ran.txt"),))


@pytest.mark.parametrize("content", ["module", "payload", "plain pickle"])
def test_nothing_is_unpickled(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pt"
    if content == "plain pickle":
        path.write_bytes(pickle.dumps({"a": _Payload()}, protocol=2))
    else:
        torch.save({"model": _network() if content == "module" else _Payload()}, path)
    with pytest.raises(BundleError, match=r"w\.pt: holds more than tensors.*safetensors"):
        import_state_dict(path)
    assert not (tmp_path / "ran.txt").exists()


@pytest.mark.parametrize("content", [[1, 2], {}, {"a": 1}, {1: torch.zeros(1)}])
def test_anything_but_a_table_of_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(BundleError, match="no plain table"):
        import_state_dict(tmp_path / "w.pt")


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    torch.save(_network().state_dict(), tmp_path / "w.pt")
    (tmp_path / "w.pt").write_bytes((tmp_path / "w.pt").read_bytes()[:200])
    with pytest.raises(BundleError, match="damaged"):
        import_state_dict(tmp_path / "w.pt")
    with pytest.raises(BundleError, match="missing"):
        import_state_dict(tmp_path / "none.pt")
    with pytest.raises(BundleError, match=r"expected a \.safetensors"):
        import_state_dict(tmp_path / "w.h5")
