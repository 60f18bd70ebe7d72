from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from osteon.errors import GeometryError, InputError, UsageError
from osteon.evaluation.lesions import (
    lesion_scores,
    lesion_volumes_mm3,
    lesionwise_overlap,
    number_lesions,
    volume_bins,
)


@pytest.mark.parametrize(("connectivity", "neighbours"), [("full", 8), ("faces", 4)])
def test_numbering_equals_opencv(connectivity, neighbours):
    mask = np.random.default_rng(0).random((40, 50)) < 0.3
    labels, count = number_lesions(mask, connectivity=connectivity)
    expected_count, expected = cv2.connectedComponents(mask.astype(np.uint8), connectivity=neighbours)
    assert count == expected_count - 1
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == expected_count  # one to one


def test_volumes_and_scores_equal_scipy():
    rng = np.random.default_rng(1)
    labels, count = number_lesions(rng.random((5, 12, 12)) < 0.15)
    probability = rng.random(labels.shape)
    index = range(1, count + 1)
    np.testing.assert_allclose(
        lesion_volumes_mm3(labels, voxel_mm3=2.5), ndimage.sum(np.ones_like(labels), labels, index) * 2.5
    )
    np.testing.assert_allclose(lesion_scores(labels, probability), ndimage.maximum(probability, labels, index))
    np.testing.assert_allclose(lesion_scores(labels, probability, how="mean"), ndimage.mean(probability, labels, index))


def test_bins_are_closed_above_as_in_the_study():
    bins, names = volume_bins([0.1, 0.5, 0.50001, 1.0, 2.0, 2.5, 5 * 0.1])
    assert names == ("≤ 0.5", "> 0.5 to ≤ 1.0", "> 1.0 to ≤ 2.0", "> 2.0")
    assert bins.tolist() == [0, 0, 1, 1, 2, 3, 0]
    assert volume_bins([500 * 0.001], edges_cm3=[0.5, 0.75])[0].tolist() == [0]
    assert volume_bins([], edges_cm3=[0.75])[1] == ("≤ 0.75", "> 0.75")


def _two_cubes():
    """True: a lesion of 8 and one of 4 pixels. Predicted: 6 of the first, 2 of the second, and one of 5 elsewhere."""
    true, predicted = np.zeros((10, 10), int), np.zeros((10, 10), int)
    true[0, 0:8], true[5, 0:4] = 1, 2
    predicted[0, 2:8], predicted[5, 2:4], predicted[9, 0:5] = 2, 3, 1
    return true, predicted


def test_lesionwise_worked_example():
    found = lesionwise_overlap(*_two_cubes())
    assert found.true.tolist() == [0, 1]
    assert found.predicted.tolist() == [1, 2]
    first, second = 2 * 6 / (8 + 6), 2 * 2 / (4 + 2)
    assert found.dice == pytest.approx([first, second])
    assert found.iou == pytest.approx([6 / 8, 2 / 4])
    assert (found.missed, found.extra) == (0, 1)
    assert found.recognition_quality == pytest.approx(2 / 2.5)
    assert found.segmentation_quality == pytest.approx((first + second) / 2)
    assert found.panoptic_quality == pytest.approx((2 / 2.5) * (first + second) / 2)
    assert found.lesionwise_dice == pytest.approx((first + second) / 3)


def test_lesionwise_threshold():
    found = lesionwise_overlap(*_two_cubes(), iou_at_least=0.6)
    assert (found.dice.size, found.missed, found.extra) == (1, 1, 2)


def test_split_and_merged_lesions_pair_with_the_best():
    true, predicted = np.zeros((4, 20), int), np.zeros((4, 20), int)
    true[0, 0:12] = 1
    predicted[0, 0:4], predicted[0, 5:12] = 1, 2
    split = lesionwise_overlap(true, predicted)
    assert (split.predicted.tolist(), split.missed, split.extra) == ([1], 0, 1)
    merged = lesionwise_overlap(predicted, true)
    assert (merged.true.tolist(), merged.missed, merged.extra) == ([1], 1, 0)


def test_one_case_against_panoptic_quality_by_definition():
    rng = np.random.default_rng(5)
    true, t = number_lesions(rng.random((40, 40)) < 0.12)
    predicted, p = number_lesions((true > 0) ^ (rng.random((40, 40)) < 0.03))
    ious = {}
    for i, j in np.ndindex(t, p):
        a, b = true == i + 1, predicted == j + 1
        ious[i, j] = (a & b).sum() / (a | b).sum()
    matched = {pair: value for pair, value in ious.items() if value > 0.5}  # above one half the pairing is unique
    found = lesionwise_overlap(true, predicted, iou_at_least=0.5 + 1e-9)
    assert dict(zip(zip(found.true.tolist(), found.predicted.tolist(), strict=True), found.iou, strict=True)) == (
        pytest.approx(matched)
    )
    assert len(matched) > 3
    assert found.recognition_quality == pytest.approx(len(matched) / ((t + p) / 2))


def test_empty_cases():
    empty, some = np.zeros((4, 4), int), np.eye(4, dtype=int)
    nothing = lesionwise_overlap(empty, empty)
    assert np.isnan([nothing.recognition_quality, nothing.panoptic_quality, nothing.lesionwise_dice]).all()
    missed, invented = lesionwise_overlap(some, empty), lesionwise_overlap(empty, some)
    assert (missed.missed, missed.extra, invented.missed, invented.extra) == (1, 0, 0, 1)
    assert missed.lesionwise_dice == missed.panoptic_quality == invented.recognition_quality == 0.0
    assert np.isnan(missed.segmentation_quality)
    labels, count = number_lesions(empty)
    assert count == 0
    assert lesion_volumes_mm3(labels, voxel_mm3=1).size == lesion_scores(labels, np.zeros((4, 4))).size == 0


def test_bad_input_is_named():
    with pytest.raises(UsageError, match="18"):
        number_lesions(np.ones((3, 3)), connectivity="18")
    with pytest.raises(UsageError, match="median"):
        lesion_scores(np.ones((3, 3), int), np.ones((3, 3)), how="median")
    with pytest.raises(GeometryError, match="same grid"):
        lesion_scores(np.ones((3, 3), int), np.ones((3, 4)))
    for edges in ([], [1, 1], [0, 1], [2, 1], [np.inf]):
        with pytest.raises(UsageError, match="edges"):
            volume_bins([1.0], edges_cm3=edges)
    with pytest.raises(InputError, match="jumps over"):
        lesionwise_overlap(np.full((2, 2), 2), np.ones((2, 2), int))
