from __future__ import annotations

from typing import TYPE_CHECKING

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

from osteon.errors import BundleError, InputError
from osteon.networks.slice_classifier import ClassifierConfig, SliceClassifier
from osteon.training.backbone_weights import load_backbone

if TYPE_CHECKING:
    from pathlib import Path


def network(seed: int = 0) -> SliceClassifier:
    torch.manual_seed(seed)
    return SliceClassifier(ClassifierConfig(backbone="tiny", head=(8,)))


def same(first: SliceClassifier, second: SliceClassifier) -> bool:
    pairs = zip(first.backbone.state_dict().values(), second.backbone.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_none_leaves_the_random_weights() -> None:
    model, other = network(), network()
    assert "random" in load_backbone(model, "none")
    assert same(model, other)


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_a_file_fills_the_backbone_and_its_classifier_is_ignored(tmp_path: Path, ending: str) -> None:
    source, model = network(1), network(2)
    head = model.head[0].weight.detach().clone()
    tensors = {k: v for k, v in source.backbone.state_dict().items() if not k.endswith("num_batches_tracked")}
    tensors |= {"classifier.weight": torch.zeros(1000, 256), "classifier.bias": torch.zeros(1000)}
    path = tmp_path / f"w{ending}"
    save_file(tensors, path) if ending == ".safetensors" else torch.save(tensors, path)
    assert not same(source, model)
    assert load_backbone(model, str(path)) == f"file w{ending}"
    assert same(source, model)
    assert torch.equal(model.head[0].weight, head)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    other = SliceClassifier(ClassifierConfig(backbone="small"))
    save_file(other.backbone.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(
        BundleError, match=r"w.safetensors for test_efficientnet: these weights are not for this network"
    ):
        load_backbone(network(), str(tmp_path / "w.safetensors"))


def test_where_the_network_is_closed_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", closed)
    with pytest.raises(InputError, match=r"ImageNet weights of tiny cannot be had here.*--weights none"):
        load_backbone(network(), "imagenet")


def test_published_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, model = network(3), network(4)
    save_file(source.backbone.state_dict(), tmp_path / "model.safetensors")
    asked: list[tuple[str, ...]] = []

    def cached(*names: str, **_: object) -> str:
        asked.append(names)
        return str(tmp_path / "model.safetensors")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", cached)
    assert load_backbone(model, "imagenet").startswith("ImageNet, timm test_efficientnet")
    assert same(source, model)
    assert asked == [(model.backbone.pretrained_cfg["hf_hub_id"], "model.safetensors")]
