from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import InputError, UsageError
from osteon.evaluation.matching import (
    FALSE,
    HIT,
    IGNORED,
    detections_from_candidates,
    match_cases,
    match_lesions,
)
from osteon.evaluation.pairs import Pairs, box_pairs, parse_rule


def _pairs(*rows):
    table = np.array(rows, dtype=float).reshape(-1, 3)
    return Pairs(prediction=table[:, 0].astype(int), truth=table[:, 1].astype(int), affinity=table[:, 2])


def _one_case(pairs, scores, lesions, **options):
    return match_cases([pairs], scores=[scores], lesions=[lesions], patients=["p"], **options)


def _greedy_by_hand(affinity, score, low):
    """One-to-one matching of one case, prediction by prediction."""
    lesion = np.full(len(score), -1)
    free = set(range(affinity.shape[1]))
    for i in sorted(range(len(score)), key=lambda k: -score[k]):
        options = [(affinity[i, j], j) for j in free if affinity[i, j] >= low]
        if options:
            lesion[i] = max(options)[1]
            free.discard(lesion[i])
    return lesion


@pytest.mark.parametrize("seed", range(20))
def test_one_to_one_over_many_cases_equals_the_loop(seed):
    rng = np.random.default_rng(seed)
    parts, scores, lesions, expected = [], [], [], []
    shift = 0
    for _ in range(12):
        p, t = rng.integers(0, 9), rng.integers(0, 6)
        affinity = rng.integers(0, 5, (p, t)) / 4  # many ties in fit
        score = rng.integers(0, 4, p) / 4  # and in score
        rows = np.argwhere(affinity >= 0.5)
        parts.append(Pairs(prediction=rows[:, 0], truth=rows[:, 1], affinity=affinity[tuple(rows.T)]))
        scores.append(score)
        lesions.append(t)
        lesion = _greedy_by_hand(affinity, score, 0.5)
        expected.append(np.where(lesion >= 0, lesion + shift, -1))
        shift += t
    found = match_cases(parts, scores=scores, lesions=lesions, patients=np.arange(12) // 2)
    np.testing.assert_array_equal(found.lesion, np.concatenate(expected))
    np.testing.assert_array_equal(found.outcome == HIT, found.lesion >= 0)


@pytest.mark.parametrize("pairing", ["one-to-one", "many-to-one"])
@pytest.mark.parametrize("seed", range(5))
def test_a_higher_threshold_is_the_same_as_matching_again_without_the_rest(pairing, seed):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 10, 30) / 10
    rows = np.argwhere(rng.random((30, 12)) < 0.15)
    affinity = rng.random(len(rows))
    full = _one_case(Pairs(prediction=rows[:, 0], truth=rows[:, 1], affinity=affinity), score, 12, pairing=pairing)
    for threshold in (0.3, 0.6, 0.9):
        kept = np.flatnonzero(score >= threshold)
        keep = np.isin(rows[:, 0], kept)
        some = Pairs(prediction=np.searchsorted(kept, rows[keep, 0]), truth=rows[keep, 1], affinity=affinity[keep])
        again = _one_case(some, score[kept], 12, pairing=pairing)
        np.testing.assert_array_equal(again.outcome, full.outcome[kept])
        np.testing.assert_array_equal(again.lesion_score >= threshold, full.lesion_score >= threshold)


def test_a_split_lesion():
    pairs = _pairs(
        (0, 0, 0.6), (1, 0, 0.7)
    )  # two predictions on one lesion; the second fits better, the first is surer
    strict = _one_case(pairs, [0.9, 0.5], 1)
    assert strict.outcome.tolist() == [HIT, FALSE]
    assert strict.lesion_score.tolist() == [0.9]
    assert _one_case(pairs, [0.9, 0.5], 1, duplicates="ignore").outcome.tolist() == [HIT, IGNORED]
    loose = _one_case(pairs, [0.9, 0.5], 1, pairing="many-to-one")
    assert loose.outcome.tolist() == [HIT, HIT]
    assert loose.lesion_score.tolist() == [0.9]


def test_merged_lesions():
    pairs = _pairs((0, 0, 30), (0, 1, 50))  # one prediction over two lesions
    strict = _one_case(pairs, [0.8], 2)
    assert strict.lesion.tolist() == [1]
    assert strict.lesion_score.tolist() == [-np.inf, 0.8]
    loose = _one_case(pairs, [0.8], 2, pairing="many-to-one")
    assert loose.lesion.tolist() == [1]
    assert loose.lesion_score.tolist() == [0.8, 0.8]


def test_equal_boxes_and_equal_scores():
    boxes = [[0, 0, 10, 10]] * 3
    zeros = np.zeros(3, int)
    pairs = box_pairs(boxes, boxes[:2], rule=parse_rule("iou>=0.5"), predicted_group=zeros, true_group=zeros[:2])
    found = _one_case(pairs, [0.5, 0.5, 0.5], 2)
    assert found.outcome.tolist() == [HIT, HIT, FALSE]  # the earlier predictions win
    assert found.lesion.tolist() == [1, 0, -1]  # each the later of the free lesions


def test_cases_without_lesions_or_predictions_stay_in():
    nothing = _pairs()
    found = match_cases(
        [nothing, nothing, nothing], scores=[[], [0.4], []], lesions=[0, 0, 2], patients=["a", "b", "a"]
    )
    assert found.cases == 3
    assert found.patients == 2
    assert found.outcome.tolist() == [FALSE]
    assert found.lesion_score.tolist() == [-np.inf, -np.inf]
    assert found.lesion_case.tolist() == [2, 2]


def test_candidates_matched_elsewhere():
    found = detections_from_candidates(
        case=[0, 0, 2], score=[0.3, 0.9, 0.5], lesion=[1, 1, -1], lesions_per_case=[2, 1, 0], patient=["x", "x", "y"]
    )
    assert found.lesion_score.tolist() == [-np.inf, 0.9, -np.inf]
    assert found.outcome.tolist() == [HIT, HIT, FALSE]
    with pytest.raises(InputError, match="candidate 0 hits lesion 2 of case 0, which has 2 lesions"):
        detections_from_candidates(case=[0], score=[0.3], lesion=[2], lesions_per_case=[2], patient=["x"])
    with pytest.raises(InputError, match="case 5"):
        detections_from_candidates(case=[5], score=[0.3], lesion=[-1], lesions_per_case=[2], patient=["x"])


def test_bad_requests_are_named():
    with pytest.raises(UsageError, match="one-to-many"):
        _one_case(_pairs(), [], 0, pairing="one-to-many")
    with pytest.raises(UsageError, match="maybe"):
        _one_case(_pairs(), [], 0, duplicates="maybe")
    with pytest.raises(InputError, match="prediction 1 has score nan"):
        _one_case(_pairs(), [0.5, np.nan], 0)
    with pytest.raises(InputError, match="names case 3"):
        match_lesions(_pairs(), score=[0.5], case=[3], lesion_case=[], patient=[0])
    with pytest.raises(InputError, match="patient codes"):
        match_lesions(_pairs(), score=[0.5], case=[0], lesion_case=[], patient=[4])
    with pytest.raises(InputError, match="expected the same number"):
        match_cases([_pairs()], scores=[[], []], lesions=[0], patients=["a"])
