from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from osteon.networks.yolov5 import YOLOv5, YOLOv5Config, build_yolov5, detect
from osteon.training.yolo_loss import YoloLossConfig, assign, complete_iou, pack_targets, yolo_loss

ANCHORS = torch.tensor([[1.25, 1.625], [2.0, 3.75], [4.125, 2.875]])  # cells of 8 pixels


@pytest.fixture(scope="module")
def model() -> YOLOv5:
    torch.manual_seed(0)
    return build_yolov5(YOLOv5Config(size="n", classes=3, in_channels=1))


def _ciou(a: np.ndarray, b: np.ndarray) -> float:
    """The paper's definition, one pair at a time."""
    ax, ay, aw, ah = a
    bx, by, bw, bh = b
    width = max(0.0, min(ax + aw / 2, bx + bw / 2) - max(ax - aw / 2, bx - bw / 2))
    height = max(0.0, min(ay + ah / 2, by + bh / 2) - max(ay - ah / 2, by - bh / 2))
    iou = width * height / (aw * ah + bw * bh - width * height)
    hull_w = max(ax + aw / 2, bx + bw / 2) - min(ax - aw / 2, bx - bw / 2)
    hull_h = max(ay + ah / 2, by + bh / 2) - min(ay - ah / 2, by - bh / 2)
    distance = ((ax - bx) ** 2 + (ay - by) ** 2) / (hull_w**2 + hull_h**2)
    v = 4 / math.pi**2 * (math.atan(aw / ah) - math.atan(bw / bh)) ** 2
    return iou - distance - (v / (1 - iou + v)) * v


def test_ciou_agrees_with_the_definition() -> None:
    generator = np.random.default_rng(0)
    a = np.concatenate([generator.uniform(0, 6, (200, 2)), generator.uniform(0.3, 5, (200, 2))], axis=1)
    b = np.concatenate([generator.uniform(0, 6, (200, 2)), generator.uniform(0.3, 5, (200, 2))], axis=1)
    expected = [_ciou(one, other) for one, other in zip(a, b, strict=True)]
    np.testing.assert_allclose(complete_iou(torch.tensor(a), torch.tensor(b)).numpy(), expected, atol=1e-5)


def test_ciou_of_a_box_with_itself_is_one() -> None:
    box = torch.tensor([[3.0, 4.0, 2.0, 5.0]])
    assert float(complete_iou(box, box)) == pytest.approx(1, abs=1e-5)


def _assign_by_hand(targets: torch.Tensor, *, rows: int, columns: int) -> set[tuple[int, int, int, int, int]]:
    """Every cell and anchor tried in turn: the cell's centre is the closest, or second closest along one axis."""
    found = set()
    for number, (image, _, x0, y0, x1, y1) in enumerate(targets.tolist()):
        x, y, w, h = (x0 + x1) / 16, (y0 + y1) / 16, (x1 - x0) / 8, (y1 - y0) / 8
        for anchor, (aw, ah) in enumerate(ANCHORS.tolist()):
            if max(w / aw, aw / w, h / ah, ah / h) >= 4:
                continue
            for row in range(rows):
                for column in range(columns):
                    dx, dy = abs(column + 0.5 - x), abs(row + 0.5 - y)
                    home_x, home_y = dx < 0.5, dy < 0.5
                    if (home_x and dy < 1) or (home_y and dx < 1):
                        found.add((number, int(image), anchor, row, column))
    return found


def test_assignment_agrees_with_trying_every_cell() -> None:
    generator = np.random.default_rng(1)
    centre, size = generator.uniform(1, 63, (40, 2)), np.exp(generator.uniform(0.5, 5, (40, 2)))
    table = np.concatenate([generator.integers(0, 2, (40, 1)), np.arange(40)[:, None], centre, centre], axis=1)
    table[:, 2:4] -= size / 2
    table[:, 4:6] += size / 2
    targets = torch.tensor(table, dtype=torch.float32)
    found = assign(targets, cells=(8, 8), stride=8, anchors=ANCHORS, ratio=4)
    ours = list(
        zip(*(v.tolist() for v in (found.label, found.image, found.anchor, found.row, found.column)), strict=True)
    )
    assert len(ours) == len(set(ours)) > 40
    assert set(ours) == _assign_by_hand(targets, rows=8, columns=8)
    centre_again = (found.box[:, :2] + torch.stack((found.column, found.row), dim=1)) * 8
    np.testing.assert_allclose(
        centre_again.numpy(), table[found.label, 2:4] / 2 + table[found.label, 4:6] / 2, atol=1e-4
    )


def test_centre_between_two_cells_counts_twice_for_the_second() -> None:
    box = pack_targets([torch.tensor([[19.0, 16.0, 29.0, 29.0]])])  # centre 24, 22.5: column 3.0, row 2.8
    found = assign(box, cells=(8, 8), stride=8, anchors=ANCHORS[:1], ratio=4)
    cells = sorted(zip(found.column.tolist(), found.row.tolist(), strict=True))
    assert cells == [(2, 2), (3, 2), (3, 2), (3, 3)]


def test_centre_on_the_far_edge_stays_on_the_map() -> None:
    found = assign(
        pack_targets([torch.tensor([[56.0, 56.0, 72.0, 72.0]])]), cells=(8, 8), stride=8, anchors=ANCHORS, ratio=4
    )
    assert len(found.row) > 0
    assert int(found.row.max()) == int(found.column.max()) == 7


def test_gains_are_scaled_as_published() -> None:
    assert YoloLossConfig(image_size=320).gains(40) == pytest.approx((0.05, 0.25, 0.25))


def test_perfect_raw_maps_have_almost_no_loss(model: YOLOv5) -> None:
    targets = pack_targets([torch.tensor([[20.0, 20.0, 44.0, 36.0]])], [torch.tensor([1])])
    raw = [torch.zeros(1, 3, 64 // s, 64 // s, 8) for s in (8, 16, 32)]
    for level, stride, anchors in zip(raw, (8, 16, 32), model.head.anchors, strict=True):
        level[..., 4:] = -20
        found = assign(targets, cells=level.shape[2:4], stride=stride, anchors=anchors, ratio=4)
        sizes = (found.box[:, 2:] / anchors[found.anchor]).sqrt() / 2
        answer = torch.cat([torch.logit(found.box[:, :2] / 2 + 0.25), torch.logit(sizes)], dim=1)
        index = (found.image, found.anchor, found.row, found.column)
        level[index] = torch.cat([answer, torch.tensor([[20.0, -20, 20, -20]]).repeat(len(answer), 1)], dim=1)
    good = yolo_loss(raw, targets, model, YoloLossConfig())
    assert float(good.total) < 1e-3
    wrong_label = yolo_loss(raw, pack_targets([targets[:, 2:]], [torch.tensor([2])]), model, YoloLossConfig())
    assert float(wrong_label.classes) > 0.1
    shifted = yolo_loss(raw, targets + torch.tensor([0, 0, 6, 6, 6, 6]), model, YoloLossConfig())
    assert float(shifted.box) > 0.01


@pytest.mark.parametrize("gamma", [0.0, 1.5])
def test_empty_targets_teach_that_there_is_nothing(model: YOLOv5, gamma: float) -> None:
    raw = [torch.zeros(2, 3, 64 // s, 64 // s, 8, requires_grad=True) for s in (8, 16, 32)]
    loss = yolo_loss(raw, pack_targets([torch.zeros(0, 4)] * 2), model, YoloLossConfig(focal_gamma=gamma))
    loss.total.backward()
    assert float(loss.box) == float(loss.classes) == 0
    assert all((level.grad[..., 4] > 0).all() and (level.grad[..., :4] == 0).all() for level in raw)


def test_objectness_is_balanced_over_levels(model: YOLOv5) -> None:
    raw = [torch.zeros(1, 3, 64 // s, 64 // s, 8) for s in (8, 16, 32)]
    loss = yolo_loss(raw, torch.zeros(0, 6), model, YoloLossConfig())
    assert float(loss.objectness) == pytest.approx((4 + 1 + 0.4) * math.log(2), rel=1e-5)


def test_focal_loss_discounts_what_is_already_right(model: YOLOv5) -> None:
    raw = [torch.full((1, 3, 64 // s, 64 // s, 8), -1.0) for s in (8, 16, 32)]
    probability = 1 / (1 + math.exp(1))
    expected = 5.4 * -math.log(1 - probability) * 0.75 * probability**2
    loss = yolo_loss(raw, torch.zeros(0, 6), model, YoloLossConfig(focal_gamma=2))
    assert float(loss.objectness) == pytest.approx(expected, rel=1e-5)


def test_tiny_network_learns_a_few_bright_squares() -> None:
    torch.manual_seed(0)
    anchors = (((8, 8), (12, 12)), ((16, 16), (20, 20)), ((32, 32), (40, 40)))
    model = build_yolov5(YOLOv5Config(size="n", classes=1, in_channels=1, anchors=anchors))
    boxes = [torch.tensor([[8.0, 12, 24, 28]]), torch.tensor([[30.0, 30, 44, 44], [4, 4, 16, 16]]), torch.zeros(0, 4)]
    images = torch.full((3, 1, 64, 64), 0.2)
    for image, table in zip(images, boxes, strict=True):
        for x0, y0, x1, y1 in table.int().tolist():
            image[0, y0:y1, x0:x1] = 0.9
    targets = pack_targets(boxes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(100):
        optimizer.zero_grad()
        yolo_loss(model(images), targets, model, YoloLossConfig(image_size=640)).total.backward()
        optimizer.step()
    model.train()  # batch statistics: the running ones lag after so few steps
    found = detect(model, images, confidence=0.3, iou=0.3)
    for one, truth in zip(found, boxes, strict=True):
        order = one.boxes_xyxy[:, 0].argsort()
        assert len(one.scores) == len(truth)
        np.testing.assert_allclose(one.boxes_xyxy[order], truth[truth[:, 0].argsort()], atol=3)
