"""Faster R-CNN with a feature pyramid over strides 4 to 64: two classes of tumour, and background.

Ren et al., NeurIPS 2015; Lin et al., CVPR 2017 (doi 10.1109/CVPR.2017.106); as the tumour study uses it (Insights
Imaging 2022). Region proposals, RoIAlign and heads are torchvision's.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from osteon.errors import UsageError
from osteon.networks.tumor_backbone import Backbone, grey_normalised

if TYPE_CHECKING:
    from torch import Tensor

STRIDES = (4, 8, 16, 32, 64)
_POOLED = 7
_MOST_PROPOSALS = 2000  # in training; Lin et al.


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorNetConfig:
    """What the detector is built from.

    Attributes:
        backbone: of ``tumor_backbone.BACKBONES``.
        deformable: modulated deformable convolutions in its last three stages.
        freeze_norm: its batch normalisation keeps the statistics it was loaded with.
        image_px: side of the square picture.
        width: channels of the pyramid.
        head: nodes of the two fully connected layers of the box head.
        anchor_strides: side of each level's anchors in strides of the level.
        anchor_iou: overlap with a label from which an anchor shows a tumour; below 0.3 it shows none.
        rois: region proposals a picture that the box head learns from; half as many anchors teach the proposals.
        proposals: boxes that go on from the region proposals, in testing.
        least_score: of a box that is given out at all.
        nms: overlap (IoU) from which the weaker of two boxes of one class goes.
        boxes: most boxes a picture.
        precision: of backbone and pyramid in training, "32-true" or "bf16-mixed"; boxes always have 32 bits, of which
            bfloat16 would keep whole pixels.

    Raises:
        UsageError: an impossible value.
    """

    backbone: str = "small"
    deformable: bool = False
    freeze_norm: bool = False
    image_px: int = 256
    width: int = 64
    head: int = 128
    anchor_strides: float = 6.0
    anchor_iou: float = 0.7
    rois: int = 512
    proposals: int = 100
    least_score: float = 0.01
    nms: float = 0.5
    boxes: int = 20
    precision: str = "32-true"

    def __post_init__(self) -> None:
        if self.image_px < 64 or self.image_px % STRIDES[-1]:
            raise UsageError(f"detector: image_px {self.image_px}; expected a multiple of {STRIDES[-1]}")
        if min(self.width, self.head, self.rois // 2, self.proposals, self.boxes) < 1 or not self.anchor_strides > 0:
            raise UsageError(
                "detector: expected width, head, proposals and boxes from 1, rois from 2, anchor_strides above 0"
            )


class PyramidBackbone(nn.Module):
    """Backbone and feature pyramid: a picture in, five maps of one width out."""

    def __init__(self, config: DetectorNetConfig) -> None:
        super().__init__()
        self.backbone = Backbone(config.backbone, deformable=config.deformable, freeze_norm=config.freeze_norm)
        self.pyramid = FeaturePyramidNetwork(list(self.backbone.widths), config.width, LastLevelMaxPool())
        self.out_channels = config.width
        self.bfloat16_training = config.precision == "bf16-mixed"

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Maps (n, width, y / stride, x / stride) by level, "0" (stride 4) to "3" and "pool" (stride 64)."""
        with torch.autocast(
            pictures.device.type, dtype=torch.bfloat16, enabled=self.bfloat16_training and self.training
        ):
            maps = self.backbone(grey_normalised(pictures, self.backbone))
            levels = self.pyramid(OrderedDict((str(k), one) for k, one in enumerate(maps)))
        return OrderedDict((name, level.float()) for name, level in levels.items())


def build_detector(config: DetectorNetConfig) -> FasterRCNN:
    """The whole detector: classes 0 background, 1 benign, 2 malignant.

    In training it takes pictures (3, y, x) of 0 to 1 and targets ({"boxes": (k, 4) x0 y0 x1 y1, "labels": (k,)}) and
    gives a dict of losses; else a dict of "boxes", "labels", "scores" a picture.
    """
    levels = ("0", "1", "2", "3")
    sizes = tuple((round(config.anchor_strides * stride),) for stride in STRIDES)
    anything: Any = FasterRCNN  # its extra arguments, those of the transform, are untyped
    model: FasterRCNN = anything(
        PyramidBackbone(config),
        min_size=config.image_px,
        max_size=config.image_px,
        image_mean=[0.0, 0.0, 0.0],
        image_std=[1.0, 1.0, 1.0],
        _skip_resize=True,
        size_divisible=STRIDES[-1],
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes)),
        rpn_fg_iou_thresh=config.anchor_iou,
        rpn_pre_nms_top_n_train=min(4 * config.rois, _MOST_PROPOSALS),
        rpn_post_nms_top_n_train=min(4 * config.rois, _MOST_PROPOSALS),
        rpn_batch_size_per_image=config.rois // 2,
        rpn_pre_nms_top_n_test=3 * config.proposals,
        rpn_post_nms_top_n_test=config.proposals,
        box_roi_pool=MultiScaleRoIAlign(featmap_names=list(levels), output_size=_POOLED, sampling_ratio=2),
        box_head=TwoMLPHead(config.width * _POOLED**2, config.head),
        box_predictor=FastRCNNPredictor(config.head, 3),
        box_batch_size_per_image=config.rois,
        box_score_thresh=config.least_score,
        box_nms_thresh=config.nms,
        box_detections_per_img=config.boxes,
    )
    return model
