"""Dice loss on logits, with or without binary cross-entropy.

Milletari et al., 3DV 2016 (arXiv:1606.04797), linear denominator as in MONAI's ``DiceLoss``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

SMOOTH = 1e-5


def dice_loss(logits: Tensor, mask: Tensor, *, whole_batch: bool = False) -> Tensor:
    """One minus the soft Dice coefficient, averaged.

    An empty mask is well defined: the loss is 0 where nothing is predicted and tends to 1 as soon as anything is. On
    2-D slices, many of them empty, that is a harsh loss with little slope; ``whole_batch`` takes one coefficient over
    all images of the batch instead.

    Args:
        logits: (B, C, ...), before the sigmoid.
        mask: the same shape, 0 or 1 (or soft labels between).
        whole_batch: one coefficient a channel, not one an image and channel.

    Returns:
        A scalar, 0 to 1, float32.
    """
    probability = logits.float().sigmoid()
    target = mask.float()
    axes = [axis for axis in range(probability.ndim) if axis != 1 and (whole_batch or axis != 0)]
    overlap = (probability * target).sum(dim=axes)
    total = probability.sum(dim=axes) + target.sum(dim=axes)
    return (1 - (2 * overlap + SMOOTH) / (total + SMOOTH)).mean()


def dice_bce_loss(logits: Tensor, mask: Tensor, *, bce_weight: float = 1.0, whole_batch: bool = False) -> Tensor:
    """Dice loss plus ``bce_weight`` times the mean binary cross-entropy; arguments as ``dice_loss``."""
    dice = dice_loss(logits, mask, whole_batch=whole_batch)
    if bce_weight == 0:
        return dice
    return dice + bce_weight * binary_cross_entropy_with_logits(logits.float(), mask.float())


@torch.no_grad()
def dice_counts(logits: Tensor, mask: Tensor, *, threshold: float = 0.5) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of the hard Dice coefficient, one pair an image, to be summed over slices.

    Returns:
        ``(2 * overlap, predicted + true)`` pixels, each (B,), int64.
    """
    predicted = (logits.float().sigmoid() > threshold).flatten(1)
    true = (mask > 0.5).flatten(1)
    return 2 * (predicted & true).sum(dim=1), predicted.sum(dim=1) + true.sum(dim=1)
