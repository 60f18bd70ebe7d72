"""A YOLOv5 checkpoint from elsewhere as a bundle of one network, and a detector started from such a bundle."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from osteon.errors import BundleError, UsageError
from osteon.networks.yolov5 import YOLOv5Config, build_yolov5
from osteon.training.bundle import ModelBundle, ModelFacts, read_bundle, write_bundle
from osteon.training.plain_tensors import read_plain_tensors
from osteon.training.weights import apply_weights, load_weights
from osteon.training.yolov5_weights import yolov5_from_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.networks.yolov5 import YOLOv5

SYSTEM, NETWORK = "yolov5", "detector"
"""Such a bundle is of no system that reads: it is a network alone."""


def import_yolov5(file: Path, out: Path, *, classes: tuple[str, ...] = ()) -> ModelBundle:
    """Write the bundle of a checkpoint.

    Args:
        file: of plain tensors in the published naming.
        out: folder of the bundle.
        classes: their names in order; () for "class 0" and so on.

    Raises:
        InputError: not plain tensors, or not a YOLOv5 of release 6.
        BundleError: tensors that do not fit.
        UsageError: another number of class names than the network has classes.
    """
    model = yolov5_from_tensors(read_plain_tensors(file), source=file.name)
    config = model.config
    names = classes or tuple(f"class {k}" for k in range(config.classes))
    if len(names) != config.classes:
        raise UsageError(f"--class: {len(names)} names for {config.classes} classes; give one for each, or none")
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    facts = ModelFacts(
        system=SYSTEM,
        name=f"yolov5{config.size}",
        version="1",
        classes=names,
        config={
            "size": config.size,
            "classes": config.classes,
            "in_channels": config.in_channels,
            "anchors": [[list(pair) for pair in level] for level in config.anchors],
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        },
        operating_point={},
        calibration={},
        training_data={"kind": "unknown", "description": f"imported; SHA-256 of the file {digest}"},
    )
    card = (
        f"# YOLOv5{config.size}, imported\n\nA network alone, to start training from; it reads nothing by itself. "
        "What it was trained on, and under which licence its weights are, is for whoever gave them to say.\n"
    )
    return write_bundle(out, facts, weights={NETWORK: model.state_dict()}, metrics={}, card=card)


def start_from(model: YOLOv5, folder: Path) -> int:
    """Fill a detector with an imported bundle's weights wherever name and shape agree; the head starts afresh.

    Args:
        model: of the same size; classes, channels and anchors may differ.
        folder: of a bundle that ``import_yolov5`` wrote.

    Returns:
        How many tensors were taken over.

    Raises:
        BundleError: no such bundle, or one of another size.
    """
    bundle = read_bundle(folder)
    settings = bundle.facts.config
    if bundle.facts.system != SYSTEM or settings.get("size") != model.config.size:
        found = f"{bundle.facts.system} {settings.get('size', '')}".strip()
        raise BundleError(f"{folder.name}: is of {found}; expected an imported YOLOv5{model.config.size}")
    with torch.no_grad():
        other = build_yolov5(
            YOLOv5Config(
                size=str(settings["size"]),
                classes=int(settings["classes"]),
                in_channels=int(settings["in_channels"]),
                anchors=settings["anchors"],
            )
        )
        load_weights(other, bundle.weights_path(NETWORK))
    ours, theirs = model.state_dict(), other.state_dict()
    taken = {
        name: value
        for name, value in theirs.items()
        if not name.startswith("model.24.") and name in ours and ours[name].shape == value.shape
    }
    apply_weights(model, {**ours, **taken}, source=folder.name)
    return len(taken)
