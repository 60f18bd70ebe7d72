"""One slice, one diagnosis: a backbone from timm, global average pooling, and fully connected layers.

Simsek et al., Harran Univ Tip Fak Derg 2025, doi 10.35440/hutfd.1563046: seven ImageNet networks whose classifier was
replaced with layers of 512 and 256 nodes (ReLU) and two outputs (softmax, here in the loss).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from osteon.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

BACKBONES = {
    "densenet121": "densenet121",
    "densenet169": "densenet169",
    "efficientnet_b0": "efficientnet_b0",
    "mobilenet": "mobilenetv1_100",
    "mobilenet_v2": "mobilenetv2_100",
    "vgg16": "vgg16",
    "xception": "legacy_xception",
    "small": "mobilenetv3_small_050",
    "tiny": "test_efficientnet",
}
"""Our name -> timm's. The first seven are the study's; "small" is for processors without a GPU, "tiny" for tests."""
STUDIED = ("densenet121", "densenet169", "efficientnet_b0", "mobilenet", "mobilenet_v2", "vgg16", "xception")
"""In the order of the study's Table 2."""
INPUT_PX = {"xception": 299}
DEFAULT_PX = 224


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassifierConfig:
    """What the network is built from.

    Attributes:
        backbone: of ``BACKBONES``.
        head: nodes of the fully connected layers before the output.
        classes: outputs.
        dropout: before the output; 0 for none, as published.

    Raises:
        UsageError: an unknown backbone, or sizes that are none.
    """

    backbone: str = "small"
    head: tuple[int, ...] = (512, 256)
    classes: int = 2
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise UsageError(f"backbone {self.backbone!r}: expected one of {', '.join(BACKBONES)}")
        if self.classes < 2 or not all(nodes >= 1 for nodes in self.head) or not 0 <= self.dropout < 1:
            raise UsageError(
                "classifier: expected 2 classes or more, layers of 1 node or more, dropout from 0 to below 1"
            )


class SliceClassifier(nn.Module):
    """Backbone and head; pictures in, logits out.

    ``features`` and ``head`` can be called one after the other, so that a frozen backbone is run once a picture.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        import timm

        self.config = config
        create: Any = timm.create_model  # a plain Module, of which the type says nothing useful
        self.backbone: Any = create(BACKBONES[config.backbone], pretrained=False, num_classes=0)
        if hasattr(self.backbone, "pre_logits"):  # VGG's own two fully connected layers, which the study replaced
            self.backbone.pre_logits = nn.Identity()
        cfg = self.backbone.pretrained_cfg
        self.register_buffer("mean", torch.tensor(cfg["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(cfg["std"]).view(1, 3, 1, 1), persistent=False)
        layers: list[nn.Module] = []
        width = int(self.backbone.num_features)
        for nodes in config.head:
            layers += [nn.Linear(width, nodes), nn.ReLU()]
            width = nodes
        if config.dropout > 0:
            layers.append(nn.Dropout(config.dropout))
        self.head = nn.Sequential(*layers, nn.Linear(width, config.classes))

    def features(self, pictures: Tensor) -> Tensor:
        """(n, F) from grey pictures (n, 1, y, x) with values 0 to 1."""
        three = pictures.expand(-1, 3, -1, -1)  # (n, 3, y, x)
        maps: Tensor = self.backbone.forward_features((three - self.mean) / self.std)  # (n, F, y/32, x/32)
        return maps.mean(dim=(2, 3))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, classes) from grey pictures (n, 1, y, x) with values 0 to 1."""
        logits: Tensor = self.head(self.features(pictures))
        return logits


def input_px(backbone: str, *, default: int = DEFAULT_PX) -> int:
    """Side of the pictures that a backbone takes: 224, Xception 299; in the same proportion for another default."""
    return round(default * INPUT_PX.get(backbone, DEFAULT_PX) / DEFAULT_PX)
