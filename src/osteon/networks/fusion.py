"""Fold batch normalisation into the convolution before it, for inference."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def fuse(model: Network) -> Network:
    """Copy ``model`` in evaluation mode with each convolution and its batch norm as one convolution.

    Understands the blocks of ``networks.yolov5`` (``conv``, ``bn``) and those of ``networks.unet`` and of MONAI
    (``conv``, ``adn.N``). Other modules stay as they are. Outputs agree with the original's to rounding.
    """
    fused = copy.deepcopy(model).eval()
    for block in fused.modules():
        owner, name = (block, "bn") if hasattr(block, "bn") else (getattr(block, "adn", None), "N")
        norm = getattr(owner, name, None)
        convolution = getattr(block, "conv", None)
        if owner is None or not isinstance(norm, _BatchNorm):
            continue
        if isinstance(convolution, nn.ConvTranspose2d | nn.ConvTranspose3d):
            block.conv = fuse_conv_bn_eval(convolution, norm, transpose=True)
        elif isinstance(convolution, nn.Conv2d | nn.Conv3d):
            block.conv = fuse_conv_bn_eval(convolution, norm)
        else:
            continue
        setattr(owner, name, nn.Identity())
    return fused
