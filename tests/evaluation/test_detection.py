from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import InputError, UsageError
from osteon.evaluation.detection import Resampling, operating_point, sensitivity_by, subset
from osteon.evaluation.intervals import draw_clusters
from osteon.evaluation.lesions import volume_bins
from osteon.evaluation.matching import detections_from_candidates, match_cases
from osteon.evaluation.pairs import Pairs

FEW = Resampling(resamples=200, seed=4)


def _random(seed, cases=24, patients=8):
    rng = np.random.default_rng(seed)
    lesions = rng.integers(0, 4, cases)
    case = np.repeat(np.arange(cases), rng.integers(0, 6, cases))
    hit = (rng.random(case.size) < 0.5) & (lesions[case] > 0)
    return detections_from_candidates(
        case=case,
        score=rng.integers(0, 10, case.size) / 10,
        lesion=np.where(hit, (rng.random(case.size) * lesions[case]).astype(int), -1),
        lesions_per_case=lesions,
        patient=np.r_[np.arange(patients), rng.integers(0, patients, cases - patients)],
    )


@pytest.mark.parametrize("threshold", [-np.inf, 0.3, 0.7])
def test_counts_and_shares_by_hand(threshold):
    found = _random(0)
    point = operating_point(found, threshold=threshold, resampling=FEW)
    called = found.score >= threshold
    hit_lesions = {int(lesion) for lesion, is_called in zip(found.lesion, called, strict=True) if is_called} - {-1}
    false = int((called & (found.lesion < 0)).sum())
    assert (point.found, point.lesions) == (len(hit_lesions), found.lesion_case.size)
    assert (point.hits, point.false_positives) == (int((called & (found.lesion >= 0)).sum()), false)
    assert point.sensitivity.value == pytest.approx(len(hit_lesions) / found.lesion_case.size)
    assert point.ppv_predictions.value == pytest.approx(point.hits / (point.hits + false))
    assert point.ppv_lesions.value == pytest.approx(point.found / (point.found + false))
    assert point.false_positive_rate.value == pytest.approx(false / 24)
    assert operating_point(found, unit="patient", resampling=FEW).units == 8


def test_interval_equals_recomputing_each_resample():
    found = _random(1)
    point = operating_point(found, threshold=0.2, resampling=FEW)
    draws = np.concatenate(list(draw_clusters(8, resamples=200, seed=4)), axis=1)
    weight = draws[found.patient[found.lesion_case]]
    hit = found.lesion_score >= 0.2
    values = (weight * hit[:, None]).sum(axis=0) / weight.sum(axis=0)
    assert (point.sensitivity.low, point.sensitivity.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_predictions_that_share_a_lesion_count_in_one_ppv_only():
    pairs = Pairs(prediction=np.array([0, 1]), truth=np.array([0, 0]), affinity=np.array([20.0, 15.0]))
    found = match_cases([pairs], scores=[[0.9, 0.8, 0.7]], lesions=[2], patients=["a"], pairing="many-to-one")
    point = operating_point(found, resampling=FEW)
    assert (point.hits, point.found, point.false_positives) == (2, 1, 1)
    assert point.ppv_predictions.value == pytest.approx(2 / 3)
    assert point.ppv_lesions.value == pytest.approx(1 / 2)


def test_published_sensitivity_by_volume():
    """Table 3 of Korean J Radiol 2024, 10.3348/kjr.2023.0671: T1 + CE, external test."""
    table = {0.4: (16, 24), 1.0: (26, 35), 1.5: (27, 34), 3.0: (81, 82)}  # volume in the bin: found, lesions
    volumes, score = [], []
    for volume, (hit, lesions) in table.items():
        volumes += [volume] * lesions
        score += [0.9] * hit + [-np.inf] * (lesions - hit)
    shown = np.isfinite(score)
    found = detections_from_candidates(
        case=np.arange(175)[shown] % 49,
        score=np.full(shown.sum(), 0.9),
        lesion=np.arange(175)[shown] // 49,
        lesions_per_case=np.bincount(np.arange(175) % 49),
        patient=np.r_[np.arange(20), np.arange(29) % 20],
    )
    order = np.lexsort((np.arange(175) // 49, np.arange(175) % 49))
    bins, names = volume_bins(np.array(volumes)[order])
    shares = sensitivity_by(found, bins, names=names, resampling=FEW)
    assert [(share.found, share.lesions) for share in shares] == [(16, 24), (26, 35), (27, 34), (81, 82)]
    assert [round(share.sensitivity.value, 3) for share in shares] == [0.667, 0.743, 0.794, 0.988]
    assert round(operating_point(found, resampling=FEW).sensitivity.value, 3) == 0.857


def test_all_or_nothing_gets_an_interval_with_width():
    found = detections_from_candidates(
        case=[0, 1], score=[0.9, 0.8], lesion=[0, 0], lesions_per_case=[1, 1], patient=["a", "b"]
    )
    point = operating_point(found, resampling=FEW)
    assert point.sensitivity.value == 1.0
    assert point.sensitivity.low == pytest.approx(0.342, abs=1e-3)  # Wilson, 2 of 2
    assert point.false_positive_rate.high == pytest.approx(3.689 / 2, abs=1e-3)  # exact Poisson, 0 in 2 images
    assert "Wilson" in point.sensitivity.method


def test_subgroups_without_a_lesion_are_reported():
    found = detections_from_candidates(case=[0], score=[0.9], lesion=[0], lesions_per_case=[2, 0], patient=["a", "b"])
    rib, skull = sensitivity_by(found, [0, 0], names=("rib", "skull"), resampling=FEW)
    assert (rib.found, rib.lesions, skull.lesions) == (1, 2, 0)
    assert np.isnan(skull.sensitivity.value)
    assert [share.name for share in sensitivity_by(found, ["b", "a"], resampling=FEW)] == ["a", "b"]
    with pytest.raises(InputError, match="3 subgroup names for 2 lesions"):
        sensitivity_by(found, ["a", "a", "b"])


@pytest.mark.parametrize("seed", range(3))
def test_a_subset_is_the_same_as_matching_only_its_cases(seed):
    found = _random(seed)
    keep = np.arange(24) % 3 == 0
    part = subset(found, keep)
    assert part.cases == 8
    assert part.lesion_case.size == keep[found.lesion_case].sum()
    whole, some = (np.sort(d.lesion_score[np.isfinite(d.lesion_score)]) for d in (found, part))
    assert set(some) <= set(whole)
    for row in np.flatnonzero(part.lesion >= 0):
        assert part.lesion_case[part.lesion[row]] == part.case[row]
    both = [operating_point(subset(found, mask), resampling=FEW) for mask in (keep, ~keep)]
    assert sum(point.found for point in both) == operating_point(found, resampling=FEW).found
    assert sum(point.false_positives for point in both) == operating_point(found, resampling=FEW).false_positives
    with pytest.raises(InputError, match="at least one"):
        subset(found, np.zeros(24, bool))


def test_nothing_at_all():
    quiet = detections_from_candidates(case=[], score=[], lesion=[], lesions_per_case=[0, 0], patient=["a", "b"])
    point = operating_point(quiet, resampling=FEW)
    assert np.isnan([point.sensitivity.value, point.ppv_predictions.value, point.ppv_lesions.value]).all()
    assert point.false_positive_rate.value == 0.0
    with pytest.raises(UsageError, match="threshold nan"):
        operating_point(quiet, threshold=np.nan)
