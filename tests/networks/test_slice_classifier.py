from __future__ import annotations

import pytest
import torch
import torchvision

from osteon.errors import UsageError
from osteon.networks.slice_classifier import STUDIED, ClassifierConfig, SliceClassifier, input_px

PARAMETERS = {  # of the published networks without their classifier
    "densenet121": (6_953_856, 1024),
    "densenet169": (12_484_480, 1664),
    "efficientnet_b0": (4_007_548, 1280),
    "mobilenet": (3_206_976, 1024),
    "mobilenet_v2": (2_223_872, 1280),
    "vgg16": (14_714_688, 512),
    "xception": (20_806_952, 2048),
}


@pytest.mark.parametrize("backbone", STUDIED)
def test_the_seven_are_the_published_networks_with_the_studys_head(backbone: str) -> None:
    with torch.device("meta"):  # shapes alone: nothing is computed
        model = SliceClassifier(ClassifierConfig(backbone=backbone))
    parameters, width = PARAMETERS[backbone]
    assert sum(one.numel() for one in model.backbone.parameters()) == parameters
    layers = [(one.in_features, one.out_features) for one in model.head if isinstance(one, torch.nn.Linear)]
    assert layers == [(width, 512), (512, 256), (256, 2)]
    assert [type(one).__name__ for one in model.head] == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]


def test_a_backbone_agrees_with_another_library() -> None:
    torch.manual_seed(0)
    reference = torchvision.models.vgg16(weights=None).features.eval()
    model = SliceClassifier(ClassifierConfig(backbone="vgg16")).eval()
    model.backbone.features.load_state_dict(reference.state_dict())
    grey = torch.rand(1, 1, 32, 32)
    three = grey.expand(-1, 3, -1, -1)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = reference((three - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)).mean(dim=(2, 3))
    with torch.no_grad():
        assert torch.allclose(model.features(grey), expected, atol=1e-5)


@pytest.mark.parametrize("backbone", ["tiny", "small"])
def test_pictures_of_any_side_give_two_logits(backbone: str) -> None:
    model = SliceClassifier(ClassifierConfig(backbone=backbone, head=(8,), dropout=0.5)).eval()
    with torch.no_grad():
        assert model(torch.rand(3, 1, 40, 40)).shape == (3, 2)


def test_sides_follow_the_study() -> None:
    assert [input_px(name) for name in STUDIED] == [224] * 6 + [299]
    assert input_px("xception", default=48) == 64


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(UsageError, match="backbone 'resnet50': expected one of densenet121"):
        ClassifierConfig(backbone="resnet50")
    with pytest.raises(UsageError, match="classifier: expected"):
        ClassifierConfig(head=(0,))
