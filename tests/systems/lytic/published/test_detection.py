"""Products of slice and bone mask, and the average precision over them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from osteon.errors import CohortError
from osteon.networks.anchors import best_possible_recall
from osteon.networks.yolov5 import YOLOv5Config, build_yolov5
from osteon.systems.lytic.published import detection
from osteon.systems.lytic.published.config import BonePart, DataPart, DetectionPart
from osteon.systems.lytic.published.detection import (
    average,
    cut_out,
    open_products,
    predict,
    predict_together,
    product,
    write_products,
)
from osteon.systems.lytic.published.slices import keep_slices, open_slices
from osteon.training.import_weights import import_yolov5
from tests.systems.lytic.published.small_cohort import make_cohort

if TYPE_CHECKING:
    from pathlib import Path

BONE = BonePart(size=48, crop=32, channels=(4, 8))
PART = DetectionPart(size="n", image=64, members=2)


class BrightIsBone(torch.nn.Module):
    """Bone above 250 HU in the recipe's window."""

    def __init__(self) -> None:
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return ((images - (250 + 450) / 1500) * 1e4).clamp(-30, 30)


@pytest.fixture
def products(tmp_path: Path) -> detection.Products:
    cohort = make_cohort(tmp_path / "cohort", patients=4)
    part = DataPart(slices_per_patient=6, test_slices=4)
    for case in cohort.cases:
        keep_slices(cohort, case, role="detection", part=part, seed=0, folder=tmp_path / "slices")
    cases = [open_slices(tmp_path / "slices", case.case) for case in cohort.cases]
    (tmp_path / "products").mkdir()
    told = write_products(tmp_path / "products", cases, BrightIsBone(), bone=BONE, image=64)
    made = open_products(tmp_path / "products")
    assert told["boxes"] == sum(len(boxes) for boxes, taught in zip(made.boxes, made.annotated, strict=True) if taught)
    return made


def test_the_product_is_the_slice_inside_bone_and_0_outside() -> None:
    plane = np.array([[-450, 300], [1050, 1050]])
    bone = np.array([[True, True], [True, False]])
    assert product(plane, bone, part=BONE, image=2).tolist() == [[0, 128], [255, 0]]


def test_boxes_lie_on_the_lesions_of_the_products(products: detection.Products) -> None:
    assert products.images.shape[1:] == (64, 64)
    shown = [k for k, boxes in enumerate(products.boxes) if len(boxes)]
    assert shown
    for k in shown:
        bone = products.images[k] > 0
        assert bone.mean() > 0.1
        for x0, y0, x1, y1 in products.boxes[k]:
            middle = products.images[k][round(float(y0 + y1) / 2), round(float(x0 + x1) / 2)]
            assert middle < 60  # soft tissue, 255 * 490 / 1500 = 83 in the slice, is masked away
    annotated = set(products.of({"s02", "s03"}, annotated=True))
    random = set(products.of({"s02", "s03"}, annotated=False))
    assert annotated
    assert len(random) == 8
    assert not annotated & random


def test_parts_show_lesions_and_bone_where_they_are() -> None:
    plane = np.zeros((96, 128), dtype=np.uint8)
    plane[20:60, 30:90] = 100
    box = np.array([[50, 30, 58, 40]], dtype=np.float32)
    plane[30:40, 50:58] = 255
    generator = np.random.default_rng(5)
    middles, shown = set(), 0
    for _ in range(60):
        part, boxes = cut_out(plane, box, side=32, generator=generator)
        assert part.shape == (40, 40)
        shown += len(boxes)
        for x0, y0, x1, y1 in boxes.round().astype(int):
            assert part[y0:y1, x0:x1].min() == 255  # the box is on the lesion
            assert (part == 255).sum() == (x1 - x0) * (y1 - y0)  # and all that is seen of it
            middles.add((x0, y0))
    assert shown >= 36  # of 60, two thirds of which are cut out round it
    assert len(middles) > 20
    healthy = [cut_out(plane, box[:0], side=32, generator=generator) for _ in range(20)]
    assert all(part.any() and boxes.shape == (0, 4) for part, boxes in healthy)
    empty, none = cut_out(np.zeros((32, 32), np.uint8), box[:0], side=32, generator=generator)
    assert (empty.shape, len(none)) == ((32, 32), 0)


@pytest.mark.parametrize("crop", [0, 32])
def test_batches_have_the_size_of_the_part_and_every_image_equally_often(
    products: detection.Products, crop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = products.of({"s02", "s03"}, annotated=True)
    part = replace(PART, crop=crop, crops=2, batch=2, mosaic=0.0)
    drawn = []
    single = detection.draw_boxes_sample
    monkeypatch.setattr(
        detection, "draw_boxes_sample", lambda load, k, **rest: drawn.append(k) or single(load, k, **rest)
    )
    steps = len(rows) * 2 // 2
    made = list(detection._batches(products, rows, part, steps=steps)(0, np.random.default_rng(0)))
    assert {tuple(images.shape) for images, _ in made} == {(2, 3, crop or 64, crop or 64)}
    assert sorted(drawn) == sorted(list(range(len(rows))) * 2)
    assert sum(len(targets) for _, targets in made) > 0


def test_objectness_is_yolov5_s_own_unless_told() -> None:
    assert detection._loss_config(replace(PART, image=640)).gains(1)[1] == 1
    assert detection._loss_config(replace(PART, image=640, crop=320)).gains(1)[1] == 0.25
    assert detection._loss_config(replace(PART, crop=32, objectness=2.0)).gains(1)[1] == 2


def test_average_precision_of_perfect_missing_and_false_boxes(products: detection.Products) -> None:
    rows = products.of({"s02", "s03"}, annotated=True)
    perfect = [(products.boxes[k], np.full(len(products.boxes[k]), 0.9, np.float32)) for k in rows]
    nothing = [(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) for _ in rows]
    assert average(products, rows, perfect).value == pytest.approx(1)
    assert average(products, rows, nothing).value == pytest.approx(0)
    shifted = [(boxes + np.float32(40), score) for boxes, score in perfect]
    assert average(products, rows, shifted).value < 0.2
    healthy = products.of({"s00", "s01"}, annotated=True)
    assert np.isnan(average(products, healthy, [nothing[0]] * len(healthy)).value)
    estimate = average(products, rows, perfect, resamples=20)
    assert estimate.n == sum(len(products.boxes[k]) for k in rows)


def test_batches_do_not_change_what_is_found_and_members_are_merged(products: detection.Products) -> None:
    torch.manual_seed(3)
    models = [build_yolov5(YOLOv5Config(size="n")).eval() for _ in range(2)]
    rows = list(range(5))
    part = replace(PART, min_score=0.0)
    one, many = (predict(models[0], products, rows, part, batch=size) for size in (1, 4))
    for (boxes, scores), (others, theirs) in zip(one, many, strict=True):
        np.testing.assert_allclose(boxes, others, atol=1e-2)
        np.testing.assert_allclose(scores, theirs, atol=1e-5)
    both = predict_together(models, products, rows, part)
    assert len(both) == 5
    twice = predict_together([models[0], models[0]], products, rows, replace(part, merge_iou=0.9))
    for (_, merged), (_, single) in zip(twice, one, strict=True):
        assert merged.max() == pytest.approx(single.max(), abs=1e-5)  # agreeing with oneself changes nothing


def test_anchors_follow_the_boxes_where_yolov5_s_own_do_not(products: detection.Products) -> None:
    rows = products.of({"s02", "s03"}, annotated=True)
    tiny = replace(products, boxes=tuple(boxes / np.float32(8) for boxes in products.boxes))
    for found in (products, tiny):
        model = detection._network(found, rows, PART)
        sizes = np.concatenate([found.boxes[k][:, 2:] - found.boxes[k][:, :2] for k in rows])
        assert best_possible_recall(sizes, model.config.anchors) >= PART.anchor_recall


def test_training_may_start_from_imported_weights(products: detection.Products, tmp_path: Path) -> None:
    torch.manual_seed(4)
    theirs = build_yolov5(YOLOv5Config(size="n", classes=80))
    torch.save(theirs.state_dict(), tmp_path / "theirs.pt")
    import_yolov5(tmp_path / "theirs.pt", tmp_path / "bundle")
    rows = products.of({"s02", "s03"}, annotated=True)
    model = detection._network(products, rows, replace(PART, start=str(tmp_path / "bundle")))
    torch.testing.assert_close(
        model.state_dict()["model.9.cv2.conv.weight"], theirs.state_dict()["model.9.cv2.conv.weight"]
    )


class NoBone(torch.nn.Module):
    """Finds none."""

    def __init__(self) -> None:
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.full_like(images, -30.0)


def test_detectors_learn_nothing_where_the_bone_network_finds_no_bone(tmp_path: Path) -> None:
    cohort = make_cohort(tmp_path / "cohort", patients=1)
    part = DataPart(slices_per_patient=6, test_slices=4)
    keep_slices(cohort, cohort.cases[0], role="detection", part=part, seed=0, folder=tmp_path / "slices")
    cases = [open_slices(tmp_path / "slices", cohort.cases[0].case)]
    (tmp_path / "products").mkdir()
    with pytest.raises(CohortError, match="no bone on"):
        write_products(tmp_path / "products", cases, NoBone(), bone=BONE, image=64)
    assert not any((tmp_path / "products").iterdir())
