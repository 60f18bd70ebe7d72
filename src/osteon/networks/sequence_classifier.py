"""N neighbouring regions of one MR sequence in, benign or malignant out: a backbone whose channels are the slices.

The tumour study (Insights Imaging 2022): ResNeXt101 on 112 x 112 x N.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from osteon.networks.tumor_backbone import Backbone, grey_normalised

if TYPE_CHECKING:
    from torch import Tensor


class SequenceClassifier(nn.Module):
    """Backbone on N channels, mean over the picture, one linear layer."""

    def __init__(self, backbone: str, *, frames: int, classes: int = 2, dropout: float = 0.0) -> None:
        """Build it with random weights.

        Args:
            backbone: of ``tumor_backbone.BACKBONES``.
            frames: slices, N.
            classes: outputs.
            dropout: before the output.
        """
        super().__init__()
        self.frames = frames
        self.backbone = Backbone(backbone, channels=frames)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(self.backbone.widths[-1], classes)

    def forward(self, regions: Tensor) -> Tensor:
        """Logits (n, classes) from regions (n, N, y, x) of 0 to 1."""
        pooled = self.backbone.pooled(grey_normalised(regions, self.backbone))
        logits: Tensor = self.output(self.dropout(pooled))
        return logits
