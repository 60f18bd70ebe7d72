"""Milliseconds a 512 x 512 slice of the U-Net and YOLOv5n, in fp32 and bf16, and the ratio to plain eager fp32.

Run as ``python benchmarks/networks.py [--size l] [--threads 2]``. Random weights, batch 1; each time is the best of
``--repeat``, the variants of a network in turn, so that other work on the machine hits all of them alike.
"""

from __future__ import annotations

import argparse
import copy
import time
from typing import TYPE_CHECKING

import torch

from osteon.networks.fusion import fuse
from osteon.networks.unet import UNetConfig, build_unet
from osteon.networks.yolov5 import YOLOv5Config, build_yolov5

if TYPE_CHECKING:
    from torch import nn

CHANNELS_LAST = torch.channels_last
VARIANTS = {
    "fp32": {},
    "fp32 fused": {"fused": True},
    "fp32 fused channels_last": {"fused": True, "last": True},
    "bf16 fused channels_last": {"fused": True, "last": True, "dtype": torch.bfloat16},
}


def prepared(
    model: nn.Module, *, fused: bool = False, last: bool = False, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """Copy the network in one of the variants."""
    model = fuse(model) if fused else copy.deepcopy(model).eval()
    return model.to(dtype=dtype, memory_format=CHANNELS_LAST if last else torch.contiguous_format)


def milliseconds(models: dict[str, nn.Module], image: torch.Tensor, *, repeat: int) -> dict[str, float]:
    """Best time of each variant."""
    best = dict.fromkeys(models, float("inf"))
    with torch.inference_mode():
        for turn in range(repeat + 1):  # the first is not counted
            for name, model in models.items():
                dtype = next(model.parameters()).dtype
                one = image.to(dtype=dtype, memory_format=CHANNELS_LAST if "last" in name else torch.contiguous_format)
                start = time.perf_counter()
                model(one)
                if turn:
                    best[name] = min(best[name], (time.perf_counter() - start) * 1e3)
    return best


def main() -> None:
    """Print one line a network and variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--size", default="n", help="YOLOv5 size: n, s, m, l, x")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    networks = {
        "U-Net 16-256, batch norm, ReLU": build_unet(UNetConfig()),
        "U-Net 16-256, instance norm, PReLU": build_unet(UNetConfig(norm="instance", activation="prelu")),
        f"YOLOv5{options.size}, 1 channel": build_yolov5(YOLOv5Config(size=options.size, in_channels=1)),
    }
    image = torch.rand(1, 1, options.side, options.side)
    side = options.side
    print(f"torch {torch.__version__}, {options.threads} threads, {side} x {side}, best of {options.repeat}")
    for title, network in networks.items():
        times = milliseconds(
            {name: prepared(network, **how) for name, how in VARIANTS.items()}, image, repeat=options.repeat
        )
        for name, value in times.items():
            print(f"{title:36} {name:26} {value:8.1f} ms  {times['fp32'] / value:5.2f} x")


if __name__ == "__main__":
    main()
