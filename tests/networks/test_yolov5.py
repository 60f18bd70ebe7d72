from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from osteon.errors import InputError, UsageError
from osteon.networks.fusion import fuse
from osteon.networks.yolov5 import COCO_ANCHORS, YOLOv5, YOLOv5Config, build_yolov5, decode, detect, suppress

# The published tables count a network as it runs, with batch norm folded into the convolutions.
PUBLISHED_PARAMETERS = {"n": 1_867_405, "s": 7_225_885, "m": 21_172_173, "l": 46_533_693, "x": 86_705_005}
UNFUSED_SMALL = 7_235_389


def _parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def nano() -> YOLOv5:
    torch.manual_seed(3)
    model = build_yolov5(YOLOv5Config(size="n", classes=2, in_channels=1))
    for _ in range(2):
        model(torch.rand(2, 1, 64, 64))  # move the running statistics
    return model.eval()


@pytest.mark.parametrize("size", list(PUBLISHED_PARAMETERS))
def test_parameter_count_is_the_published_one(size: str) -> None:
    with torch.device("meta"):  # no memory, no time
        model = build_yolov5(YOLOv5Config(size=size, classes=80))
        assert _parameters(fuse(model)) == PUBLISHED_PARAMETERS[size]
    if size == "s":
        assert _parameters(model) == UNFUSED_SMALL


def test_tensors_carry_the_published_names() -> None:
    with torch.device("meta"):
        tensors = build_yolov5(YOLOv5Config(size="n", classes=80)).state_dict()
    assert len(tensors) == 349
    expected = {
        "model.0.conv.weight": (16, 3, 6, 6),
        "model.0.bn.running_var": (16,),
        "model.2.cv3.conv.weight": (32, 32, 1, 1),
        "model.4.m.1.cv2.conv.weight": (32, 32, 3, 3),
        "model.9.cv2.conv.weight": (256, 512, 1, 1),
        "model.10.conv.weight": (128, 256, 1, 1),
        "model.13.m.0.cv1.bn.num_batches_tracked": (),
        "model.23.cv1.conv.weight": (128, 256, 1, 1),
        "model.24.anchors": (3, 3, 2),
        "model.24.m.0.weight": (255, 64, 1, 1),
        "model.24.m.2.bias": (255,),
    }
    assert {name: tuple(tensors[name].shape) for name in expected} == expected


def test_raw_maps_have_one_cell_a_stride(nano: YOLOv5) -> None:
    shapes = [tuple(level.shape) for level in nano(torch.rand(2, 1, 64, 96))]
    assert shapes == [(2, 3, 8, 12, 7), (2, 3, 4, 6, 7), (2, 3, 2, 3, 7)]


def test_image_that_is_no_multiple_of_32_is_refused(nano: YOLOv5) -> None:
    with pytest.raises(InputError, match="multiples of 32"):
        nano(torch.rand(1, 1, 64, 65))


def test_decode_agrees_with_the_formula_cell_by_cell(nano: YOLOv5) -> None:
    generator = torch.Generator().manual_seed(1)
    raw = [torch.randn(2, 3, 8 // k, 12 // k, 7, generator=generator) for k in (1, 2, 4)]
    expected = []
    for image in range(2):
        rows = []
        for level, stride, anchors in zip(raw, (8, 16, 32), COCO_ANCHORS, strict=True):
            values = 1 / (1 + np.exp(-level[image].numpy().astype(np.float64)))
            for (anchor, y, x), _ in np.ndenumerate(values[..., 0]):
                t = values[anchor, y, x]
                width, height = anchors[anchor]
                centre = [(2 * t[0] - 0.5 + x) * stride, (2 * t[1] - 0.5 + y) * stride]
                rows.append([*centre, (2 * t[2]) ** 2 * width, (2 * t[3]) ** 2 * height, *t[4:]])
        expected.append(rows)
    np.testing.assert_allclose(decode(raw, nano).numpy(), np.array(expected), rtol=1e-4, atol=1e-4)


def test_objectness_starts_from_the_prior() -> None:
    torch.manual_seed(0)
    model = build_yolov5(YOLOv5Config(size="n", in_channels=1)).eval()
    with torch.no_grad():
        objectness = decode(model(torch.rand(1, 1, 64, 64)), model)[0, :, 4]
    assert 1e-5 < float(objectness[: 3 * 64].mean()) < 0.01  # 8 of 80 x 80 cells
    assert float(objectness[3 * 64 :].mean()) > float(objectness[: 3 * 64].mean())


def test_suppress_keeps_the_best_of_each_class_and_clips() -> None:
    boxes = torch.tensor(
        [
            [10, 10, 8, 8, 0.9, 1.0, 0.1],
            [11, 10, 8, 8, 0.8, 1.0, 0.1],  # overlaps the first, same class
            [11, 10, 8, 8, 0.7, 0.1, 1.0],  # overlaps, other class
            [40, 2, 10, 10, 0.6, 1.0, 0.0],  # sticks out at the top
            [25, 25, 8, 8, 0.1, 1.0, 0.0],  # too unsure
        ]
    )
    found = suppress(boxes, shape=(48, 64), confidence=0.25, iou=0.45, max_detections=10)
    assert found.classes.tolist() == [0, 1, 0]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.7, 0.6]))
    assert found.boxes_xyxy[2].tolist() == [35, 0, 45, 7]
    few = suppress(boxes, shape=(48, 64), confidence=0.25, iou=0.45, max_detections=1)
    assert few.scores.tolist() == found.scores[:1].tolist()
    none = suppress(boxes, shape=(48, 64), confidence=0.99, iou=0.45, max_detections=10)
    assert none.boxes_xyxy.shape == (0, 4)


def test_detect_gives_one_answer_an_image(nano: YOLOv5) -> None:
    found = detect(nano, torch.rand(2, 1, 64, 64), confidence=0.0, iou=0.45, max_detections=5)
    assert [len(one.scores) for one in found] == [5, 5]
    assert all((one.scores.diff() <= 0).all() for one in found)


def test_fused_network_gives_the_same_answer(nano: YOLOv5) -> None:
    fused = fuse(nano)
    image = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(fused(image), nano(image), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fused.modules())


def test_config_survives_a_round_trip_through_plain_lists() -> None:
    config = YOLOv5Config(size="s", anchors=(((4, 5), (6, 7)),) * 3)
    plain = asdict(config) | {"anchors": [[list(pair) for pair in level] for level in config.anchors]}
    assert YOLOv5Config(**plain) == config


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": "z"},
        {"classes": 0},
        {"in_channels": 0},
        {"anchors": (((1, 1),),)},
        {"anchors": (((1, 1),), ((1, 1),), ((1, 1), (2, 2)))},
        {"anchors": (((1, 0),),) * 3},
    ],
)
def test_impossible_config_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="YOLOv5 config"):
        YOLOv5Config(**wrong)  # type: ignore[arg-type]
