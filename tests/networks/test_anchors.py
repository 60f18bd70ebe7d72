from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import UsageError
from osteon.networks.anchors import best_possible_recall, fit_anchors
from osteon.networks.yolov5 import COCO_ANCHORS, YOLOv5Config


def test_recall_counts_boxes_within_the_ratio() -> None:
    sizes = np.array([[10, 13], [30, 40], [2, 3], [39, 13], [41, 13.0]])
    anchors = (((10.0, 13.0),),) * 3
    assert best_possible_recall(sizes, anchors) == pytest.approx(3 / 5)  # 2 x 3 is 4.3 to 5 times smaller
    assert best_possible_recall(np.zeros((0, 2)), anchors) == 1.0


def test_clusters_are_found() -> None:
    generator = np.random.default_rng(0)
    truth = np.array([[4 * 2**k, 4 * 2**k * (1.3 if k % 2 else 0.8)] for k in range(6)])
    sizes = np.repeat(truth, 50, axis=0) * np.exp(generator.normal(0, 0.02, (300, 2)))
    anchors = fit_anchors(sizes, per_level=2, generator=generator)
    np.testing.assert_allclose(np.array(anchors).reshape(6, 2), truth, rtol=0.02)
    assert best_possible_recall(sizes, anchors, ratio=1.2) == 1.0


def test_small_lesions_are_reached_better_than_by_the_published_anchors() -> None:
    generator = np.random.default_rng(1)
    sizes = np.exp(generator.normal(np.log(5), 0.5, (500, 2)))
    fitted = fit_anchors(sizes, generator=generator)
    assert best_possible_recall(sizes, fitted) > 0.99
    assert best_possible_recall(sizes, COCO_ANCHORS) < best_possible_recall(sizes, fitted)
    areas = [w * h for level in fitted for w, h in level]
    assert areas == sorted(areas)


@pytest.mark.parametrize("sizes", [[[7, 9]], [[7, 9]] * 30, [[3, 4], [30, 40], [9, 2]]])
def test_few_boxes_still_make_a_network(sizes: list[list[float]]) -> None:
    anchors = fit_anchors(np.array(sizes), generator=np.random.default_rng(0))
    assert len({pair for level in YOLOv5Config(anchors=anchors).anchors for pair in level}) == 9
    assert best_possible_recall(np.array(sizes), anchors) == 1.0


def test_same_generator_gives_the_same_anchors() -> None:
    sizes = np.random.default_rng(3).uniform(3, 60, (200, 2))
    one, two = (fit_anchors(sizes, generator=np.random.default_rng(5)) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("sizes", [np.zeros((0, 2)), np.array([[3.0, 0.0]])])
def test_boxes_without_extent_are_refused(sizes: np.ndarray) -> None:
    with pytest.raises(UsageError, match="positive width"):
        fit_anchors(sizes, generator=np.random.default_rng(0))
