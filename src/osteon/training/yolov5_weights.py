"""Published YOLOv5 checkpoints (release 6): which network a dictionary of tensors is of, and that network, filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osteon.errors import InputError
from osteon.networks.yolov5 import SIZES, STRIDES, YOLOv5, YOLOv5Config, build_yolov5
from osteon.training.weights import apply_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

STEM, HEAD, ANCHORS = "model.0.conv.weight", "model.24.m.0.weight", "model.24.anchors"
NOT_KEPT = ("model.24.anchor_grid", "model.24.stride")
"""Buffers of some checkpoints that follow from others."""


def yolov5_from_tensors(tensors: Mapping[str, Tensor], *, source: str) -> YOLOv5:
    """The network that a checkpoint's ``state_dict`` is of, with its weights, in evaluation mode.

    Size, classes, channels and anchors come from the shapes and the anchors' own tensor. Names may have anything before
    "model.0.conv.weight", as wrappers put there.

    Args:
        tensors: in the published naming, any floating-point type.
        source: names them in errors.

    Raises:
        InputError: not a YOLOv5 of release 6, or one whose norms have been folded into its convolutions.
        BundleError: a tensor is missing, left over, of another shape, or holds what is no number.
    """
    named = _without_prefix(tensors, source)
    config = _config(named, source)
    model = build_yolov5(config)
    wanted = model.state_dict()
    counters = {name: value for name, value in wanted.items() if name.endswith("num_batches_tracked")}
    apply_weights(model, {**counters, **{name: value.to(wanted[name].dtype) if name in wanted else value
                                         for name, value in named.items()}}, source=source)  # fmt: skip
    return model.eval()


def _without_prefix(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    stems = [name for name in tensors if name.endswith(STEM)]
    if not stems:
        focus = any(name.endswith("model.0.conv.conv.weight") for name in tensors)
        found = "a YOLOv5 before release 6 (its first layer is a Focus)" if focus else f"names such as {min(tensors)!r}"
        raise InputError(f"{source}: no YOLOv5 of release 6: expected a tensor {STEM!r}, found {found}")
    prefix = min(stems, key=len)[: -len(STEM)]
    named = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return {name: value for name, value in named.items() if name not in NOT_KEPT}


def _config(named: Mapping[str, Tensor], source: str) -> YOLOv5Config:
    if "model.0.conv.bias" in named:
        raise InputError(
            f"{source}: its norms are folded into its convolutions; export it before fusing (model.fuse())"
        )
    missing = [name for name in (HEAD, ANCHORS) if name not in named]
    if missing:
        raise InputError(f"{source}: no tensor {missing[0]!r}; expected a whole YOLOv5 of release 6 with three levels")
    stem, anchors = named[STEM], named[ANCHORS]
    widths = {round(64 * width): size for size, (_, width) in SIZES.items()}
    size = widths.get(stem.shape[0]) if stem.ndim == 4 and tuple(stem.shape[2:]) == (6, 6) else None
    if size is None or anchors.ndim != 3 or anchors.shape[0] != len(STRIDES) or anchors.shape[2] != 2:
        raise InputError(
            f"{source}: {STEM} is {tuple(stem.shape)} and {ANCHORS} {tuple(anchors.shape)}; expected the first of "
            f"{sorted(widths)} filters of 6 x 6 pixels, the second (3, anchors, 2)"
        )
    per_cell, outputs = int(anchors.shape[1]), int(named[HEAD].shape[0])
    if outputs % per_cell or outputs // per_cell <= 5:
        raise InputError(
            f"{source}: {HEAD} has {outputs} outputs for {per_cell} anchors; expected 5 + classes for each"
        )
    pixels = [[[float(w) * s, float(h) * s] for w, h in level] for level, s in zip(anchors, STRIDES, strict=True)]
    return YOLOv5Config(
        size=size,
        classes=outputs // per_cell - 5,
        in_channels=int(stem.shape[1]),
        anchors=tuple(tuple((w, h) for w, h in level) for level in pixels),
    )
