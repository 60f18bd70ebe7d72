"""The loop, the loss and the detector together, as a system uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from osteon.networks.yolov5 import YOLOv5Config, build_yolov5
from osteon.training.augment_boxes import BoxAugmentation, BoxSample, draw_boxes_sample
from osteon.training.config import LoopConfig
from osteon.training.loop import fit
from osteon.training.weights import load_weights
from osteon.training.yolo_loss import YoloLossConfig, pack_targets, yolo_loss

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn

AUGMENTATION = BoxAugmentation(size=64)


def _load(index: int) -> BoxSample:
    image = np.full((1, 64, 64), 0.2, dtype=np.float32)
    x, y = 6 * index, 40 - 5 * index
    image[0, y : y + 16, x : x + 14] = 0.9
    boxes = np.array([[x, y, x + 14, y + 16]], dtype=np.float32)
    return BoxSample(image=image, boxes=boxes, labels=np.zeros(1, dtype=np.int64))


def _batches(_: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for _ in range(2):
        samples = [draw_boxes_sample(_load, i, count=4, config=AUGMENTATION, generator=generator) for i in range(4)]
        images = torch.from_numpy(np.stack([sample.image for sample in samples]))
        yield images, pack_targets([torch.from_numpy(sample.boxes) for sample in samples])


def _loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
    images, targets = batch
    loss = yolo_loss(model(images), targets, model, YoloLossConfig(image_size=64))  # type: ignore[arg-type]
    return {"loss": loss.total, "box": loss.box, "objectness": loss.objectness}


@pytest.mark.parametrize("options", [{}, {"precision": "bf16-mixed", "channels_last": True, "prefetch": 2}])
def test_detector_trains_and_its_weights_load(tmp_path: Path, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = YOLOv5Config(size="n", in_channels=1)
    model = build_yolov5(network)
    config = LoopConfig(epochs=2, optimizer="sgd", learning_rate=0.01, ema_decay=0.99, device="cpu", **options)
    result = fit(model, config=config, batches=_batches, steps=2, loss=_loss, out=tmp_path / "run")
    assert result.history[1]["train"]["box"] > 0
    again = build_yolov5(network)
    load_weights(again, result.best)
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True))
