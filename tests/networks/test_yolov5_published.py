"""All five sizes against the published table of release 6, read by a second, plain implementation on named tensors.

The table is a fact of the architecture: layer, input, kind, channels at full width, repeats at full depth. The reader
below shares no code with ``osteon.networks.yolov5``: it takes a dictionary of tensors in the published naming and
computes the forward pass with torch's functions.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from osteon.networks.fusion import fuse
from osteon.networks.yolov5 import YOLOv5Config, build_yolov5

DEPTH = {"n": 0.33, "s": 0.33, "m": 0.67, "l": 1.0, "x": 1.33}
WIDTH = {"n": 0.25, "s": 0.5, "m": 0.75, "l": 1.0, "x": 1.25}
MILLIONS = {"n": 1.9, "s": 7.2, "m": 21.2, "l": 46.5, "x": 86.7}  # as the documentation's table rounds them
TABLE = """
conv 64 6/2   | conv 128 3/2 | c3 128 x3 | conv 256 3/2 | c3 256 x6 | conv 512 3/2 | c3 512 x9 | conv 1024 3/2
c3 1024 x3    | sppf 1024
conv 512 1/1  | up | cat 6  | c3 512 x3 plain
conv 256 1/1  | up | cat 4  | c3 256 x3 plain
conv 256 3/2  | cat 14      | c3 512 x3 plain
conv 512 3/2  | cat 10      | c3 1024 x3 plain
"""
OUTPUTS = (17, 20, 23)


class Reader:
    """The forward pass from named tensors; remembers which names it used."""

    def __init__(self, tensors: dict[str, Tensor], size: str) -> None:
        self.tensors, self.size, self.used = tensors, size, set[str]()

    def take(self, name: str) -> Tensor:
        self.used.add(name)
        return self.tensors[name]

    def channels(self, full: int) -> int:
        return math.ceil(full * WIDTH[self.size] / 8) * 8

    def conv(self, x: Tensor, at: str, *, out: int, stride: int = 1, padding: int = 0) -> Tensor:
        weight = self.take(f"{at}.conv.weight")
        assert weight.shape[:2] == (out, x.shape[1])
        y = F.conv2d(x, weight, stride=stride, padding=padding)
        mean, var, scale, shift = (
            self.take(f"{at}.bn.{name}")[:, None, None] for name in ("running_mean", "running_var", "weight", "bias")
        )
        self.take(f"{at}.bn.num_batches_tracked")
        y = (y - mean) / (var + 1e-3).sqrt() * scale + shift
        return y * y.sigmoid()

    def c3(self, x: Tensor, at: str, *, out: int, repeats: int, shortcut: bool) -> Tensor:
        a = self.conv(x, f"{at}.cv1", out=out // 2)
        b = self.conv(x, f"{at}.cv2", out=out // 2)
        for k in range(repeats):
            inner = self.conv(a, f"{at}.m.{k}.cv1", out=out // 2)
            inner = self.conv(inner, f"{at}.m.{k}.cv2", out=out // 2, padding=1)
            a = a + inner if shortcut else inner
        return self.conv(torch.cat((a, b), 1), f"{at}.cv3", out=out)

    def sppf(self, x: Tensor, at: str, *, out: int) -> Tensor:
        """Max-pooling by 5, 9 and 13 side by side: what three of 5 after each other come to."""
        a = self.conv(x, f"{at}.cv1", out=x.shape[1] // 2)
        pooled = [F.max_pool2d(a, k, stride=1, padding=k // 2) for k in (5, 9, 13)]
        return self.conv(torch.cat((a, *pooled), 1), f"{at}.cv2", out=out)

    def layer(self, words: list[str], number: int, kept: list[Tensor], x: Tensor) -> Tensor:
        kind, at = words[0], f"model.{number}"
        if kind == "up":
            return x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        if kind == "cat":
            return torch.cat((x, kept[int(words[1])]), 1)
        out = self.channels(int(words[1]))
        if kind == "conv":
            kernel, stride = map(int, words[2].split("/"))
            assert self.tensors[f"{at}.conv.weight"].shape[2:] == (kernel, kernel)
            return self.conv(x, at, out=out, stride=stride, padding=2 if kernel == 6 else kernel // 2)
        if kind == "sppf":
            return self.sppf(x, at, out=out)
        repeats = max(round(int(words[2][1:]) * DEPTH[self.size]), 1)
        return self.c3(x, at, out=out, repeats=repeats, shortcut="plain" not in words)

    def __call__(self, x: Tensor) -> list[Tensor]:
        kept: list[Tensor] = []
        for number, text in enumerate(TABLE.replace("\n", "|").strip("|").split("|")):
            x = self.layer(text.split(), number, kept, x)
            kept.append(x)
        self.take("model.24.anchors")
        raw = []
        for level, number in enumerate(OUTPUTS):
            weight, bias = (self.take(f"model.24.m.{level}.{name}") for name in ("weight", "bias"))
            y = torch.einsum("oc,bchw->bohw", weight[:, :, 0, 0], kept[number]) + bias[:, None, None]
            b, _, h, w = y.shape
            raw.append(y.reshape(b, 3, -1, h, w).permute(0, 1, 3, 4, 2))
        return raw


@pytest.mark.parametrize("size", list(DEPTH))
def test_every_size_is_the_published_network(size: str) -> None:
    generator = torch.Generator().manual_seed(5)
    with torch.device("meta"):
        model = build_yolov5(YOLOv5Config(size=size, classes=80))
    model = model.to_empty(device="cpu").eval()
    tensors = model.state_dict()
    for name, tensor in tensors.items():
        if tensor.ndim == 4:
            tensor.normal_(0, (1.6 / tensor[0].numel()) ** 0.5, generator=generator)
        elif name.endswith(("running_var", "bn.weight")):
            tensor.uniform_(0.7, 1.4, generator=generator)
        elif tensor.is_floating_point():
            tensor.uniform_(0.1, 0.6, generator=generator)
        else:
            tensor.zero_()
    image = torch.rand((1, 3, 64, 32), generator=generator)
    reader = Reader(tensors, size)
    with torch.no_grad():
        expected, found = reader(image), model(image)
    assert reader.used == set(tensors)
    for ours, theirs in zip(found, expected, strict=True):
        scale = float(theirs.abs().max())
        assert scale > 0.1  # there is something to compare
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("size", list(DEPTH))
def test_parameters_are_the_documented_millions(size: str) -> None:
    with torch.device("meta"):
        model = build_yolov5(YOLOv5Config(size=size, classes=80))
        count = sum(parameter.numel() for parameter in fuse(model).parameters())
    assert round(count / 1e6, 1) == MILLIONS[size]
