"""Backbones by name, the detector's five strides, the sequence classifier's channels; weights under published names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.ops import box_iou

from osteon.errors import BundleError, UsageError
from osteon.networks.deformable import DeformableConv2d
from osteon.networks.faster_rcnn import STRIDES, DetectorNetConfig, PyramidBackbone, build_detector
from osteon.networks.sequence_classifier import SequenceClassifier
from osteon.networks.tumor_backbone import BACKBONES, Backbone
from osteon.training.backbone_weights import load_timm

if TYPE_CHECKING:
    from pathlib import Path

TINY = DetectorNetConfig(backbone="tiny", image_px=64, width=16, head=16)


def test_the_pyramid_has_the_published_strides() -> None:
    maps = PyramidBackbone(TINY)(torch.rand(1, 3, 128, 128))
    assert [128 // one.shape[-1] for one in maps.values()] == list(STRIDES) == [4, 8, 16, 32, 64]


def test_the_published_backbone_is_deformable_in_its_last_three_stages() -> None:
    with torch.device("meta"):
        body = Backbone("resnext101", deformable=True).body
    counts = [
        sum(isinstance(one, DeformableConv2d) for one in getattr(body, f"layer{k}").modules()) for k in (1, 2, 3, 4)
    ]
    assert counts == [0, 4, 23, 3]  # blocks of ResNeXt101's stages, He et al.'s 3-4-23-3
    assert body.layer3[0].conv2.weight.shape[1] == 1024 // 32  # 32 groups of the third stage's 1024 channels
    assert body.layer1[0].conv2.weight.shape[0] == 32 * 8


def test_a_deformable_backbone_starts_as_the_plain_one_with_published_weights(tmp_path: Path) -> None:
    torch.manual_seed(3)
    published = timm.create_model(BACKBONES["tiny"], pretrained=False).eval()
    save_file(published.state_dict(), tmp_path / "tiny.safetensors")
    backbone = Backbone("tiny", deformable=True, freeze_norm=True)
    said = load_timm(
        backbone.body, BACKBONES["tiny"], str(tmp_path / "tiny.safetensors"), own=lambda name: ".offset." in name
    )
    pictures = torch.rand(1, 3, 64, 64)
    wanted = published.forward_intermediates(pictures, intermediates_only=True)[-1]
    torch.testing.assert_close(backbone.train()(pictures)[-1], wanted, atol=1e-4, rtol=1e-4)
    assert said == "file tiny.safetensors"


def test_first_layers_of_many_slices_share_the_published_kernels_out(tmp_path: Path) -> None:
    torch.manual_seed(4)
    published = timm.create_model(BACKBONES["tiny"], pretrained=False).eval()
    save_file(published.state_dict(), tmp_path / "tiny.safetensors")
    model = SequenceClassifier("tiny", frames=8).eval()
    load_timm(model.backbone.body, BACKBONES["tiny"], str(tmp_path / "tiny.safetensors"))
    grey = torch.rand(1, 1, 64, 64)
    wanted = published.forward_intermediates(grey.expand(-1, 3, -1, -1), intermediates_only=True)[-1]
    found = model.backbone(grey.expand(-1, 8, -1, -1))[-1]
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "odd.safetensors")
    with pytest.raises(BundleError, match="not for this network"):
        load_timm(Backbone("tiny").body, BACKBONES["tiny"], str(tmp_path / "odd.safetensors"))


def box_scene(generator: torch.Generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A dark (class 1) or bright (class 2) box somewhere on grey."""
    width, height = torch.randint(16, 30, (2,), generator=generator).tolist()
    x, y = (int(torch.randint(0, 64 - side, (1,), generator=generator)) for side in (width, height))
    kind = int(torch.randint(1, 3, (1,), generator=generator))
    picture = torch.full((3, 64, 64), 0.3)
    picture[:, y : y + height, x : x + width] = 0.9 if kind == 2 else 0.0
    picture += 0.02 * torch.randn(3, 64, 64, generator=generator)
    box = torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32)
    return picture, {"boxes": box, "labels": torch.tensor([kind])}


def test_the_detector_learns_where_boxes_are_and_which() -> None:
    torch.manual_seed(5)
    model = build_detector(TINY)
    generator = torch.Generator().manual_seed(5)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        pictures, targets = zip(*(box_scene(generator) for _ in range(4)), strict=True)
        optimizer.zero_grad()
        sum(model(list(pictures), list(targets)).values()).backward()
        optimizer.step()
    model.eval()
    overlaps = []
    for seed in range(100, 108):  # none of them seen before
        picture, target = box_scene(torch.Generator().manual_seed(seed))
        with torch.no_grad():
            found = model([picture])[0]
        right = len(found["scores"]) > 0 and bool(found["labels"][0] == target["labels"][0])  # the surest comes first
        overlaps.append(float(box_iou(found["boxes"][:1], target["boxes"])) if right else 0.0)
    assert sorted(overlaps)[2] > 0.4
    assert sorted(overlaps)[4] > 0.5


@pytest.mark.parametrize("frames", [4, 8, 16])
def test_sequences_of_any_length(frames: int) -> None:
    assert SequenceClassifier("tiny", frames=frames)(torch.rand(2, frames, 48, 48)).shape == (2, 2)


@pytest.mark.parametrize("wrong", [{"image_px": 100}, {"width": 0}, {"anchor_strides": 0.0}])
def test_impossible_detectors_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="detector"):
        DetectorNetConfig(**wrong)  # type: ignore[arg-type]


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(UsageError, match=r"'vgg'.*resnext101"):
        Backbone("vgg")


def test_training_in_bfloat16_gives_the_heads_maps_of_32_bits() -> None:
    torch.manual_seed(5)
    plain, brief = PyramidBackbone(TINY), PyramidBackbone(replace(TINY, precision="bf16-mixed"))
    brief.load_state_dict(plain.state_dict())
    pictures = torch.rand(2, 3, 64, 64)
    for ours, theirs in zip(brief.train()(pictures).values(), plain.train()(pictures).values(), strict=True):
        assert ours.dtype == torch.float32
        assert not torch.equal(ours, theirs)
        torch.testing.assert_close(ours, theirs, atol=0.1, rtol=0.1)
    brief.load_state_dict(plain.state_dict())  # with the same statistics
    for ours, theirs in zip(brief.eval()(pictures).values(), plain.eval()(pictures).values(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_backbones_without_stages_cannot_be_deformable() -> None:
    assert len(Backbone("mobile")(torch.rand(1, 3, 64, 64))) == 4
    with pytest.raises(UsageError, match="'mobile' has no stages"):
        Backbone("mobile", deformable=True)
