"""The end-to-end figures on slices whose answers can be counted by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from osteon.systems.lytic.published.judge import SliceResult, choose_threshold, end_to_end, from_plain

LESION = np.array([[10, 10, 20, 20]], np.float32)
NONE = np.zeros((0, 4), np.float32)


def one(patient: str, true: np.ndarray, found: list[list[float]], dice: float = 0.9) -> SliceResult:
    table = np.asarray(found, np.float32).reshape(-1, 5)
    return SliceResult(
        case=patient, patient=patient, row=0, true=true, found=table[:, :4], score=table[:, 4], dice=dice
    )


def example() -> list[SliceResult]:
    near, far = [11, 11, 21, 21], [40, 40, 50, 50]
    return [
        one("a", LESION, [[*near, 0.9], [*far, 0.3]]),
        one("a", LESION, [[*near, 0.4]]),
        one("b", LESION, []),  # missed
        one("b", NONE, [[*far, 0.6]]),  # a false alarm
        one("c", NONE, []),
        one("c", NONE, [[*far, 0.1]]),
    ]


def test_both_rules_for_a_negative_by_hand() -> None:
    figures = end_to_end(example(), hit_iou=0.1, threshold=0.35)
    slices, boxes = figures["lesion-free cases"], figures["false predictions"]
    assert slices.sensitivity.value == boxes.sensitivity.value == pytest.approx(2 / 3)
    assert slices.specificity.value == pytest.approx(2 / 3)  # of three slices without a lesion one has a box from 0.35
    assert boxes.specificity.value == pytest.approx(2 / 3)  # of the boxes at 0.3, 0.6 and 0.1 one is called
    positives = [0.9, 0.4, -1]
    for figure, negatives in ((slices, [0.6, -1, 0.1]), (boxes, [0.3, 0.6, 0.1])):
        expected = roc_auc_score([1, 1, 1, 0, 0, 0], positives + negatives)
        assert figure.roc.auroc.value == pytest.approx(expected)
    assert "IoU of 0.1" in slices.rule
    assert {t: (a, b) for t, a, b in slices.table}[0.5] == pytest.approx((1 / 3, 2 / 3))


def test_a_box_must_overlap_enough() -> None:
    touching = [one("a", LESION, [[19, 19, 29, 29, 0.9]])]  # IoU 1 / 199
    assert end_to_end(touching, hit_iou=0.1, threshold=0.5)["false predictions"].sensitivity.value == 0
    assert end_to_end(touching, hit_iou=0.005, threshold=0.5)["false predictions"].sensitivity.value == 1


def test_the_threshold_is_youden_s_and_defined_without_lesions() -> None:
    assert choose_threshold(example(), hit_iou=0.1) == pytest.approx(0.9)
    assert choose_threshold([one("a", NONE, [])], hit_iou=0.1) == 0.5


def test_results_survive_json() -> None:
    import json

    for slice_ in [*example(), one("d", NONE, [], dice=float("nan"))]:
        again = from_plain(json.loads(json.dumps(slice_.plain(), allow_nan=False)))
        np.testing.assert_array_equal(again.found, slice_.found)
        np.testing.assert_array_equal(again.true, slice_.true)
        np.testing.assert_allclose(again.score, slice_.score)
        assert again.dice == slice_.dice or np.isnan(slice_.dice)
