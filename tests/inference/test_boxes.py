import numpy as np
import pytest
from torch import from_numpy
from torchvision.ops import box_iou

from osteon.inference.boxes import link_slices, merge_ensemble, pairwise_iou


def boxes(*rows):
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def scores(*values):
    return np.array(values, dtype=np.float32)


def test_iou_equals_torchvision():
    rng = np.random.default_rng(0)
    a, b = (np.sort(rng.uniform(0, 20, (n, 2, 2)), axis=1).reshape(n, 4).astype(np.float32) for n in (30, 20))
    assert np.allclose(pairwise_iou(a, b), box_iou(from_numpy(a), from_numpy(b)).numpy(), atol=1e-6)


def test_ensemble_of_one_keeps_scores():
    merged, score = merge_ensemble([(boxes([0, 0, 4, 4], [20, 20, 30, 30]), scores(0.3, 0.8))], iou=0.4)
    assert score.tolist() == pytest.approx([0.8, 0.3])
    assert merged[0].tolist() == [20, 20, 30, 30]


def test_agreement_keeps_the_score_and_a_lone_vote_keeps_its_share():
    one = (boxes([0, 0, 10, 10]), scores(0.9))
    two = (boxes([1, 1, 11, 11], [50, 50, 60, 60]), scores(0.6, 0.9))
    merged, score = merge_ensemble([one, two], iou=0.4)
    assert score.tolist() == pytest.approx([(0.9 + 0.6) / 2, 0.45])
    assert merged[0].tolist() == pytest.approx([0.4, 0.4, 10.4, 10.4])


def test_a_member_that_repeats_itself_votes_once():
    merged, score = merge_ensemble(
        [(boxes([0, 0, 10, 10], [0, 0, 10, 9]), scores(0.8, 0.7)), (boxes(), scores())], iou=0.4
    )
    assert len(merged) == 1
    assert score.tolist() == pytest.approx([0.4])


def test_no_boxes_at_all():
    merged, score = merge_ensemble([(boxes(), scores()), (boxes(), scores())], iou=0.4)
    assert merged.shape == (0, 4)
    assert score.shape == (0,)


def test_boxes_that_follow_each_other_are_one_lesion():
    slices = [(k, boxes([10 + k, 10, 20 + k, 20]), scores(0.5)) for k in range(4)]
    tracks = link_slices(slices, spacing_z_mm=2.0)
    assert [t.slices for t in tracks] == [[0, 1, 2, 3]]


def test_a_gap_is_bridged_up_to_its_limit():
    near = [(0, boxes([0, 0, 8, 8]), scores(0.5)), (3, boxes([0, 0, 8, 8]), scores(0.5))]
    assert len(link_slices(near, spacing_z_mm=2.0, gap_mm=6.0)) == 1
    assert len(link_slices(near, spacing_z_mm=2.1, gap_mm=6.0)) == 2


def test_a_track_takes_one_box_a_slice_and_the_surest_first():
    slices = [(0, boxes([0, 0, 10, 10]), scores(0.9)), (1, boxes([0, 0, 10, 10], [1, 1, 10, 10]), scores(0.4, 0.8))]
    tracks = link_slices(slices, spacing_z_mm=2.0)
    assert sorted(tuple(t.scores) for t in tracks) == [(pytest.approx(0.4),), (pytest.approx(0.9), pytest.approx(0.8))]


def test_boxes_apart_stay_apart():
    slices = [(0, boxes([0, 0, 5, 5]), scores(0.5)), (1, boxes([40, 40, 45, 45]), scores(0.5))]
    assert len(link_slices(slices, spacing_z_mm=1.0)) == 2
