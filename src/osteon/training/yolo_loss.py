"""Loss of YOLOv5: which anchors answer for which box, CIoU, objectness, classes.

Written from the published description (YOLOv5 documentation, "Architecture summary": build targets, losses, balance,
and the hyper-parameter tables of release 6); CIoU: Zheng et al., AAAI 2020 (arXiv:1911.08287); focal loss: Lin et al.
(arXiv:1708.02002).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from osteon.networks.yolov5 import STRIDES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.networks.yolov5 import YOLOv5

EPSILON = 1e-7


@dataclass(frozen=True, kw_only=True, slots=True)
class YoloLossConfig:
    """Gains and rules, at their published values.

    Attributes:
        box, objectness, classes: gains of the three parts, before ``gains`` scales them.
        balance: weight of each level's objectness, strides 8, 16, 32.
        anchor_ratio: an anchor answers for a box if width and height differ by less than this factor.
        label_smoothing: 0 to 1, for class targets.
        focal_gamma: 0 for plain cross-entropy; the focal loss's exponent otherwise (with its alpha of 0.25).
        image_size: side of the training images in pixels; the objectness gain grows with its square over 640.
    """

    box: float = 0.05
    objectness: float = 1.0
    classes: float = 0.5
    balance: tuple[float, ...] = (4.0, 1.0, 0.4)
    anchor_ratio: float = 4.0
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0
    image_size: int = 640

    def gains(self, classes: int) -> tuple[float, float, float]:
        """Gains of box, objectness and classes for this image size, number of levels and of classes."""
        levels = 3 / len(STRIDES)
        return (
            self.box * levels,
            self.objectness * levels * (self.image_size / 640) ** 2,
            self.classes * levels * classes / 80,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class YoloLoss:
    """The loss of a batch: ``total`` to go down along, and its parts (detached, with gain, per image)."""

    total: Tensor
    box: Tensor
    objectness: Tensor
    classes: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """The cells of one level that answer for a box; all (M,) but ``box`` (M, 4).

    Attributes:
        image, anchor, row, column: index of the cell in the raw map.
        label: class of the box.
        box: centre relative to the cell's corner, width, height; in cells.
    """

    image: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    label: Tensor
    box: Tensor


def pack_targets(boxes: Sequence[Tensor], labels: Sequence[Tensor] | None = None) -> Tensor:
    """Put the boxes of a batch's images into one table.

    Args:
        boxes: one (N, 4) an image, left, top, right, bottom in pixels; N may be 0.
        labels: one (N,) of class numbers an image; all class 0 if None.

    Returns:
        (sum of N, 6) float32: image, class, left, top, right, bottom.
    """
    rows = [torch.zeros((0, 6))]
    for index, one in enumerate(boxes):
        table = torch.zeros((len(one), 6))
        table[:, 0] = index
        if labels is not None:
            table[:, 1] = labels[index]
        table[:, 2:] = one
        rows.append(table)
    return torch.cat(rows)


def assign(targets: Tensor, *, cells: tuple[int, int], stride: int, anchors: Tensor, ratio: float) -> Assignment:
    """Choose the cells of one level that answer for each box.

    A box goes to every anchor whose width and height are within ``ratio`` of its own, in the cell of its centre and in
    the two neighbours that the centre lies closest to (one beside, one above or below), as far as the map goes.

    Args:
        targets: as ``pack_targets`` gives.
        cells: (rows, columns) of the level's map.
        stride: pixels a cell.
        anchors: (A, 2) width and height in cells.
        ratio: see above.
    """
    rows, columns = cells
    centre = (targets[:, 2:4] + targets[:, 4:6]) / 2 / stride
    size = (targets[:, 4:6] - targets[:, 2:4]) / stride
    fit = size[None] / anchors[:, None].clamp_min(EPSILON)  # (A, N, 2)
    anchor, which = (torch.maximum(fit, 1 / fit.clamp_min(EPSILON)).amax(dim=2) < ratio).nonzero(as_tuple=True)
    centre, size = centre[which], size[which]
    limit = torch.tensor((columns, rows), device=targets.device)
    rest = limit - centre  # the way to the far edge
    before = (centre % 1 < 0.5) & (centre > 1)  # (M, xy): the left or upper neighbour exists and is close
    after = (rest % 1 < 0.5) & (rest > 1)
    everywhere = torch.ones_like(before[:, 0])
    chosen = torch.stack((everywhere, before[:, 0], before[:, 1], after[:, 0], after[:, 1]))  # (5, M)
    steps = torch.tensor(((0, 0), (-1, 0), (0, -1), (1, 0), (0, 1)), device=targets.device)
    step, item = chosen.nonzero(as_tuple=True)
    # Half a step, as published: a centre on the very edge between two cells counts twice for the cell after it.
    cell = (centre[item] + 0.5 * steps[step]).floor().long()
    cell = torch.minimum(cell.clamp_min(0), limit - 1)  # a centre on the far edge of the image
    which, anchor = which[item], anchor[item]
    return Assignment(
        image=targets[which, 0].long(),
        anchor=anchor,
        row=cell[:, 1],
        column=cell[:, 0],
        label=targets[which, 1].long(),
        box=torch.cat((centre[item] - cell, size[item]), dim=1),
    )


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """CIoU of boxes (M, 4) given as centre x, centre y, width, height: IoU less distance less difference of shape.

    Returns:
        (M,), at most 1. The weight of the shape term carries no gradient, as published.
    """
    half_a, half_b = a[:, 2:] / 2, b[:, 2:] / 2
    low_a, high_a, low_b, high_b = a[:, :2] - half_a, a[:, :2] + half_a, b[:, :2] - half_b, b[:, :2] + half_b
    overlap = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp_min(0).prod(dim=1)
    iou = overlap / (a[:, 2:].prod(dim=1) + b[:, 2:].prod(dim=1) - overlap + EPSILON)
    hull = torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)
    distance = (a[:, :2] - b[:, :2]).square().sum(dim=1) / (hull.square().sum(dim=1) + EPSILON)
    angle_a, angle_b = (torch.atan(box[:, 2] / (box[:, 3] + EPSILON)) for box in (a, b))
    shape = (4 / pi**2) * (angle_a - angle_b).square()
    with torch.no_grad():
        weight = shape / (1 - iou + shape + EPSILON)
    return iou - distance - weight * shape


def yolo_loss(raw: Sequence[Tensor], targets: Tensor, model: YOLOv5, config: YoloLossConfig) -> YoloLoss:
    """Loss of a batch, summed over its images as published.

    Args:
        raw: what the model returned, (B, anchors, h, w, 5 + classes) a level.
        targets: as ``pack_targets`` gives; may have no row.
        model: whose anchors are used.
        config: gains and rules.
    """
    totals = raw[0].new_zeros(3, dtype=torch.float32)
    for level, stride, anchors, weight in zip(raw, STRIDES, model.head.anchors, config.balance, strict=True):
        found = assign(
            targets, cells=(level.shape[2], level.shape[3]), stride=stride, anchors=anchors, ratio=config.anchor_ratio
        )
        box, objectness, classes = _level_losses(level.float(), found, anchors, config)
        totals = totals + torch.stack((box, objectness * weight, classes))
    gains = totals.new_tensor(config.gains(raw[0].shape[-1] - 5))
    parts = totals * gains
    box, objectness, classes = parts.detach()
    return YoloLoss(total=parts.sum() * raw[0].shape[0], box=box, objectness=objectness, classes=classes)


def _level_losses(
    level: Tensor, found: Assignment, anchors: Tensor, config: YoloLossConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Box, objectness and class loss of one level, without gains."""
    classes = level.shape[-1] - 5
    wanted = torch.zeros_like(level[..., 4])
    box_loss = class_loss = level.new_zeros(())
    if len(found.image):
        index = (found.image, found.anchor, found.row, found.column)
        answer = level[index]  # (M, 5 + classes)
        centre = answer[:, :2].sigmoid() * 2 - 0.5
        size = (answer[:, 2:4].sigmoid() * 2) ** 2 * anchors[found.anchor]
        iou = complete_iou(torch.cat((centre, size), dim=1), found.box)
        box_loss = (1 - iou).mean()
        wanted = _best_per_cell(wanted, index, iou.detach().clamp_min(0))
        if classes > 1:
            labels = torch.full_like(answer[:, 5:], config.label_smoothing / 2)
            labels[torch.arange(len(labels)), found.label] = 1 - config.label_smoothing / 2
            class_loss = _cross_entropy(answer[:, 5:], labels, config.focal_gamma)
    return box_loss, _cross_entropy(level[..., 4], wanted, config.focal_gamma), class_loss


def _best_per_cell(wanted: Tensor, index: tuple[Tensor, ...], iou: Tensor) -> Tensor:
    """Objectness target: the IoU of the cell's box; where boxes share a cell, the larger (same on every device)."""
    _, a, h, w = wanted.shape
    image, anchor, row, column = index
    flat = ((image * a + anchor) * h + row) * w + column
    return wanted.flatten().scatter_reduce(0, flat, iou, reduce="amax").view_as(wanted)


def _cross_entropy(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Mean binary cross-entropy; focal where ``gamma`` > 0."""
    if gamma == 0:
        return binary_cross_entropy_with_logits(logits, target)
    loss = binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    right = target * probability + (1 - target) * (1 - probability)
    alpha = target * 0.25 + (1 - target) * 0.75
    return (loss * alpha * (1 - right) ** gamma).mean()
