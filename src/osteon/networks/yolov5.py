"""YOLOv5, release 6: a CSP-Darknet backbone, a path-aggregation neck and an anchor-based detection head.

Written from the published description: the architecture page of the YOLOv5 documentation (stem convolution 6 x 6,
C3, SPPF; doi:10.5281/zenodo.3908559), CSPNet (arXiv:1911.11929), SPP (arXiv:1406.4729), PANet (arXiv:1803.01534).
Modules are numbered and named as in the published checkpoints, so that their tensors load by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from osteon.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

Anchors = tuple[tuple[tuple[float, float], ...], ...]
STRIDES = (8, 16, 32)
SIZES = {"n": (0.33, 0.25), "s": (0.33, 0.50), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
"""Size -> (depth multiple, width multiple)."""
COCO_ANCHORS: Anchors = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
"""Published anchors (width, height) in pixels, for strides 8, 16 and 32."""


@dataclass(frozen=True, kw_only=True, slots=True)
class YOLOv5Config:
    """What a YOLOv5 is made of; lists, as TOML gives them, become tuples.

    Attributes:
        size: "n", "s", "m", "l" or "x".
        classes: number of object classes.
        in_channels: channels of the image; the published networks have 3.
        anchors: (width, height) in pixels, for each of the strides 8, 16, 32 the same number of them.

    Raises:
        UsageError: a value that no network can be built from.
    """

    size: str = "n"
    classes: int = 1
    in_channels: int = 3
    anchors: Anchors = COCO_ANCHORS

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise UsageError(f"YOLOv5 config: size = {self.size!r}; expected one of {list(SIZES)}")
        if self.classes < 1 or self.in_channels < 1:
            raise UsageError(f"YOLOv5 config: classes {self.classes}, in_channels {self.in_channels}; expected >= 1")
        anchors = tuple(tuple((float(w), float(h)) for w, h in level) for level in self.anchors)
        object.__setattr__(self, "anchors", anchors)
        if len(anchors) != len(STRIDES) or len({len(level) for level in anchors}) != 1 or not anchors[0]:
            raise UsageError("YOLOv5 config: anchors: expected three levels with the same number of (width, height)")
        if min(side for level in anchors for pair in level for side in pair) <= 0:
            raise UsageError("YOLOv5 config: anchors: expected positive widths and heights in pixels")


class Conv(nn.Module):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H / stride, W / stride)."""
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y


class Bottleneck(nn.Module):
    """1 x 1, then 3 x 3 convolution, with a residual connection if ``shortcut``."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels)
        self.cv2 = Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        y: Tensor = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C3(nn.Module):
    """Cross-stage partial block: half of the channels pass ``depth`` bottlenecks, half pass by."""

    def __init__(self, c_in: int, c_out: int, *, depth: int, shortcut: bool = True) -> None:
        super().__init__()
        half = c_out // 2
        self.cv1 = Conv(c_in, half)
        self.cv2 = Conv(c_in, half)
        self.cv3 = Conv(2 * half, c_out)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut=shortcut) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        y: Tensor = self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), dim=1))
        return y


class SPPF(nn.Module):
    """Spatial pyramid pooling: 5 x 5 maximum three times over, which sees 5, 9 and 13 pixels."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        half = c_in // 2
        self.cv1 = Conv(c_in, half)
        self.cv2 = Conv(4 * half, c_out)
        self.m = nn.MaxPool2d(5, stride=1, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        levels = [self.cv1(x)]
        for _ in range(3):
            levels.append(self.m(levels[-1]))
        y: Tensor = self.cv2(torch.cat(levels, dim=1))
        return y


class Detect(nn.Module):
    """One 1 x 1 convolution a level, to ``anchors x (4 + 1 + classes)`` values a cell."""

    anchors: Tensor

    def __init__(self, config: YOLOv5Config, channels: Sequence[int]) -> None:
        super().__init__()
        self.outputs = 5 + config.classes
        per_cell = len(config.anchors[0])
        scale = torch.tensor(STRIDES, dtype=torch.float32).view(-1, 1, 1)
        self.register_buffer("anchors", torch.tensor(config.anchors) / scale)  # (level, anchor, wh) in cells
        self.m = nn.ModuleList(nn.Conv2d(c, per_cell * self.outputs, 1) for c in channels)
        self._start_from_priors(per_cell, config.classes)

    def _start_from_priors(self, per_cell: int, classes: int) -> None:
        """Biases such that a 640 x 640 image starts with about 8 objects a level, each class equally likely."""
        with torch.no_grad():
            for layer, stride in zip(self.m, STRIDES, strict=True):
                assert isinstance(layer, nn.Conv2d)
                assert layer.bias is not None
                bias = layer.bias.view(per_cell, -1)
                bias[:, 4] += log(8 / (640 / stride) ** 2)
                bias[:, 5:] += log(0.6 / (classes - 0.999999))  # one class: always that class

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Features (B, C, h, w) a level to raw maps (B, anchors, h, w, 5 + classes)."""
        raw = []
        for layer, feature in zip(self.m, features, strict=True):
            y = layer(feature)  # (B, anchors * outputs, h, w)
            b, _, h, w = y.shape
            raw.append(y.view(b, -1, self.outputs, h, w).permute(0, 1, 3, 4, 2).contiguous())
        return raw


class YOLOv5(nn.Module):
    """The detector: images (B, C, H, W), 0 to 1, H and W multiples of 32, to one raw map a stride."""

    def __init__(self, config: YOLOv5Config) -> None:
        super().__init__()
        self.config = config
        depth, width = SIZES[config.size]
        a, b, c, d, e = (ceil(full * width / 8) * 8 for full in (64, 128, 256, 512, 1024))
        n3, n6, n9 = (max(round(full * depth), 1) for full in (3, 6, 9))
        join = nn.Identity  # upsampling and concatenation have no weights, but a number in the published order
        self.model = nn.ModuleList(
            [
                Conv(config.in_channels, a, 6, 2, 2),  # 0   1/2
                Conv(a, b, 3, 2),  # 1   1/4
                C3(b, b, depth=n3),
                Conv(b, c, 3, 2),  # 3   1/8
                C3(c, c, depth=n6),
                Conv(c, d, 3, 2),  # 5   1/16
                C3(d, d, depth=n9),
                Conv(d, e, 3, 2),  # 7   1/32
                C3(e, e, depth=n3),
                SPPF(e, e),
                Conv(e, d),  # 10
                join(),
                join(),
                C3(2 * d, d, depth=n3, shortcut=False),  # 13  1/16
                Conv(d, c),
                join(),
                join(),
                C3(2 * c, c, depth=n3, shortcut=False),  # 17  1/8, out
                Conv(c, c, 3, 2),
                join(),
                C3(2 * c, d, depth=n3, shortcut=False),  # 20  1/16, out
                Conv(d, d, 3, 2),
                join(),
                C3(2 * d, e, depth=n3, shortcut=False),  # 23  1/32, out
                Detect(config, (c, d, e)),
            ]
        )

    @property
    def head(self) -> Detect:
        """The detection layer, with the anchors."""
        layer = self.model[-1]
        assert isinstance(layer, Detect)
        return layer

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (B, C, H, W) to raw maps (B, anchors, H / s, W / s, 5 + classes) for s = 8, 16, 32.

        Raises:
            InputError: H or W is not a multiple of 32.
        """
        if images.shape[-1] % STRIDES[-1] or images.shape[-2] % STRIDES[-1]:
            raise InputError(f"image of {tuple(images.shape)}: height and width must be multiples of 32; pad it")
        m = self.model
        p3 = m[4](m[3](m[2](m[1](m[0](images)))))  # (B, c, H/8, W/8)
        p4 = m[6](m[5](p3))  # (B, d, H/16, W/16)
        top = m[10](m[9](m[8](m[7](p4))))  # (B, d, H/32, W/32)
        middle = m[14](m[13](torch.cat((_double(top), p4), dim=1)))  # (B, c, H/16, W/16)
        out3 = m[17](torch.cat((_double(middle), p3), dim=1))  # (B, c, H/8, W/8)
        out4 = m[20](torch.cat((m[18](out3), middle), dim=1))  # (B, d, H/16, W/16)
        out5 = m[23](torch.cat((m[21](out4), top), dim=1))  # (B, e, H/32, W/32)
        raw: list[Tensor] = self.head((out3, out4, out5))
        return raw


def _double(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2, mode="nearest")


def build_yolov5(config: YOLOv5Config) -> YOLOv5:
    """Make the detector; seed torch before for the same starting weights."""
    return YOLOv5(config)


def decode(raw: Sequence[Tensor], model: YOLOv5) -> Tensor:
    """Boxes and scores of every anchor of every cell.

    Release 6: centre = (2 sigmoid(t) - 0.5 + cell) * stride; size = (2 sigmoid(t))^2 * anchor.

    Args:
        raw: what the model returned.
        model: whose anchors are used.

    Returns:
        (B, N, 5 + classes), float32: centre x, centre y, width, height in pixels; objectness and class scores 0 to 1.
        Order: level, anchor, row, column.
    """
    answer = []
    for level, stride, anchors in zip(raw, STRIDES, model.head.anchors, strict=True):
        b, a, h, w, outputs = level.shape
        y = level.float().sigmoid()
        rows = torch.arange(h, device=y.device, dtype=y.dtype)
        columns = torch.arange(w, device=y.device, dtype=y.dtype)
        cell = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)  # (h, w, xy)
        centre = (2 * y[..., :2] - 0.5 + cell) * stride
        size = (2 * y[..., 2:4]) ** 2 * (anchors.to(y) * stride).view(1, a, 1, 1, 2)
        answer.append(torch.cat((centre, size, y[..., 4:]), dim=-1).view(b, a * h * w, outputs))
    return torch.cat(answer, dim=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Detections:
    """What was found on one image, in falling order of score.

    Attributes:
        boxes_xyxy: (N, 4) float32, left, top, right, bottom edges in pixels, inside the image.
        scores: (N,) float32, objectness times class score.
        classes: (N,) int64.
    """

    boxes_xyxy: Tensor
    scores: Tensor
    classes: Tensor


def suppress(
    decoded: Tensor, *, shape: tuple[int, int], confidence: float, iou: float, max_detections: int
) -> Detections:
    """Keep the best boxes of one image: threshold, then non-maximum suppression within each class.

    Args:
        decoded: (N, 5 + classes) of one image, as ``decode`` gives it.
        shape: (height, width) of the image, to clip to.
        confidence: smallest score kept.
        iou: boxes of one class that overlap more than this are one.
        max_detections: at most so many.
    """
    from torchvision.ops import batched_nms, box_convert, clip_boxes_to_image

    scores, classes = (decoded[:, 5:] * decoded[:, 4:5]).max(dim=1)
    kept = scores >= confidence
    scores, classes = scores[kept], classes[kept]
    boxes = box_convert(decoded[kept, :4], "cxcywh", "xyxy")
    order = batched_nms(boxes, scores, classes, iou)[:max_detections]
    inside = clip_boxes_to_image(boxes[order], shape)  # only now: cut boxes would overlap otherwise
    seen = (inside[:, 2:] > inside[:, :2]).all(dim=1)
    return Detections(boxes_xyxy=inside[seen], scores=scores[order][seen], classes=classes[order][seen])


@torch.inference_mode()
def detect(
    model: YOLOv5, images: Tensor, *, confidence: float = 0.25, iou: float = 0.45, max_detections: int = 300
) -> list[Detections]:
    """Run the detector on images (B, C, H, W), 0 to 1, and return one ``Detections`` an image.

    The model is used as it is: put it into evaluation mode before.
    """
    shape = (images.shape[-2], images.shape[-1])
    return [
        suppress(one, shape=shape, confidence=confidence, iou=iou, max_detections=max_detections)
        for one in decode(model(images), model)
    ]
