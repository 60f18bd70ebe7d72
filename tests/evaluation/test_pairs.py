from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from osteon.errors import InputError, UsageError
from osteon.evaluation.pairs import Rule, box_pairs, label_centroids, label_pairs, parse_rule

RULES = ["iou>=0.3", "centre-inside", "overlap>=10", "any-overlap"]


def _as_dict(pairs):
    return {(int(p), int(t)): float(a) for p, t, a in zip(pairs.prediction, pairs.truth, pairs.affinity, strict=True)}


def _random_boxes(rng, n, dims):
    low = rng.integers(0, 8, size=(n, dims))
    return np.concatenate([low, low + rng.integers(1, 12, size=(n, dims))], axis=1).astype(float)


def _pixels(box, dims):
    grid = np.zeros((40,) * dims, dtype=bool)
    grid[tuple(slice(int(box[d]), int(box[dims + d])) for d in range(dims))] = True
    return grid


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("text", RULES)
def test_box_rules_agree_with_counting_pixels(text, dims):
    rng = np.random.default_rng(dims)
    rule = parse_rule(text)
    a, b = _random_boxes(rng, 30, dims), _random_boxes(rng, 20, dims)
    group_a, group_b = rng.integers(0, 3, 30), rng.integers(0, 3, 20)
    expected = {}
    for i, j in np.ndindex(30, 20):
        if group_a[i] != group_b[j]:
            continue
        x, y = _pixels(a[i], dims), _pixels(b[j], dims)
        shared, iou = (x & y).sum(), (x & y).sum() / (x | y).sum()
        centre = (a[i, :dims] + a[i, dims:]) / 2
        touch = {
            "iou": iou >= rule.at_least,
            "overlap": shared >= rule.at_least,
            "any-overlap": shared > 0,
            "centre-inside": bool(((centre >= b[j, :dims]) & (centre <= b[j, dims:])).all()),
        }[rule.name]
        if touch:
            expected[i, j] = iou if rule.name in ("iou", "centre-inside") else float(shared)
    assert len(expected) > 3
    found = _as_dict(box_pairs(a, b, rule=rule, predicted_group=group_a, true_group=group_b))
    assert found == pytest.approx(expected)


def test_box_iou_equals_pycocotools():
    rng = np.random.default_rng(7)
    a, b = (rng.uniform(0, 30, (40, 4)) for _ in range(2))
    a[:, 2:] += a[:, :2]
    b[:, 2:] += b[:, :2]
    wide = [np.column_stack([box[:, :2], box[:, 2:] - box[:, :2]]) for box in (a, b)]
    reference = coco_mask.iou(*wide, [0] * 40)
    pairs = box_pairs(a, b, rule=Rule(name="iou", at_least=1e-9), predicted_group=np.zeros(40), true_group=np.zeros(40))
    mine = np.zeros((40, 40))
    mine[pairs.prediction, pairs.truth] = pairs.affinity
    np.testing.assert_allclose(mine, reference, atol=1e-12)


@pytest.mark.parametrize("shape", [(30, 30), (6, 14, 15)])
@pytest.mark.parametrize("text", RULES)
def test_label_rules_agree_with_masks_one_by_one(text, shape):
    rng = np.random.default_rng(11)
    rule = parse_rule(text)
    a, b = (np.kron(rng.integers(0, 4, [s // 2 for s in shape]), np.ones([2] * len(shape), int)) for _ in range(2))
    a, b = a[: b.shape[0]], b[: a.shape[0]]
    expected = {}
    for i, j in np.ndindex(3, 3):
        x, y = a == i + 1, b == j + 1
        shared, iou = (x & y).sum(), (x & y).sum() / (x | y).sum()
        centre = tuple(np.rint(np.argwhere(x).mean(axis=0)).astype(int))
        touch = {
            "iou": iou >= rule.at_least,
            "overlap": shared >= rule.at_least,
            "any-overlap": shared > 0,
            "centre-inside": bool(y[centre]),
        }[rule.name]
        if touch:
            expected[i, j] = iou if rule.name in ("iou", "centre-inside") else float(shared)
    assert _as_dict(label_pairs(a, b, rule=rule)) == pytest.approx(expected)


def test_overlap_of_ten_pixels_is_a_hit_and_of_nine_is_not():
    true = np.zeros((5, 20), dtype=np.uint8)
    true[1, 0:10] = 1
    for shared, hits in ((10, 1), (9, 0)):
        predicted = np.zeros_like(true)
        predicted[1, 10 - shared : 15] = 1
        assert label_pairs(predicted, true, rule=parse_rule("overlap>=10")).truth.size == hits


def test_boxes_that_share_an_edge_do_not_overlap_but_a_centre_on_the_edge_is_inside():
    a, b = [[0, 0, 4, 4]], [[4, 0, 8, 4]]
    one = {"predicted_group": [0], "true_group": [0]}
    assert box_pairs(a, b, rule=parse_rule("any-overlap"), **one).truth.size == 0
    assert box_pairs([[2, 0, 6, 4]], b, rule=parse_rule("centre-inside"), **one).truth.size == 1


def test_nothing_touches_nothing():
    rule = parse_rule("iou>=0.5")
    assert box_pairs([], [[0, 0, 1, 1]], rule=rule, predicted_group=[], true_group=[0]).truth.size == 0
    empty, full = np.zeros((4, 4), int), np.ones((4, 4), int)
    assert label_pairs(empty, full, rule=rule).truth.size == 0
    assert label_pairs(full, empty, rule=parse_rule("centre-inside")).truth.size == 0


def test_centroids_match_scipy():
    from scipy import ndimage

    labels = np.random.default_rng(3).integers(0, 5, (4, 5, 6))
    np.testing.assert_allclose(
        label_centroids(labels), ndimage.center_of_mass(np.ones_like(labels), labels, range(1, 5))
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 4), min_size=1, max_size=6))
def test_equal_boxes_have_iou_one(corners):
    boxes = np.array([(x, y, x + w + 1, y + h + 1) for x, y, w, h in corners], float)
    pairs = box_pairs(
        boxes,
        boxes,
        rule=parse_rule("iou>=1"),
        predicted_group=np.arange(len(boxes)),
        true_group=np.arange(len(boxes)),
    )
    assert pairs.prediction.tolist() == pairs.truth.tolist() == list(range(len(boxes)))


@pytest.mark.parametrize(
    "text", ["iou", "iou>=0", "iou>=1.5", "overlap", "overlap>=-1", "any-overlap>=3", "dice>=0.5", "iou>=x", "iou>=nan"]
)
def test_impossible_rules_are_refused(text):
    with pytest.raises(UsageError, match="rule"):
        parse_rule(text)


@pytest.mark.parametrize("text", ["iou>=0.5", "centre-inside", "overlap>=10", "any-overlap"])
def test_a_rule_reads_as_it_is_written(text):
    assert str(parse_rule(text)) == text


def test_bad_boxes_and_label_maps_are_named():
    rule = parse_rule("any-overlap")
    one = {"predicted_group": [0], "true_group": [0]}
    with pytest.raises(InputError, match="predicted box 0"):
        box_pairs([[4, 0, 2, 4]], [[0, 0, 1, 1]], rule=rule, **one)
    with pytest.raises(InputError, match="true box 0"):
        box_pairs([[0, 0, 2, 4]], [[0, np.nan, 1, 1]], rule=rule, **one)
    with pytest.raises(InputError, match="same"):
        box_pairs([[0, 0, 2, 4]], [[0, 0, 0, 1, 1, 1]], rule=rule, **one)
    full = np.ones((3, 3), int)
    with pytest.raises(InputError, match=r"\(3, 3\) and \(3, 4\)"):
        label_pairs(full, np.ones((3, 4), int), rule=rule)
    with pytest.raises(InputError, match="jumps over label 1"):
        label_pairs(full * 2, full, rule=rule)
    with pytest.raises(InputError, match="float"):
        label_pairs(full * 1.0, full, rule=rule)
    with pytest.raises(InputError, match="-1"):
        label_pairs(-full, full, rule=rule)
