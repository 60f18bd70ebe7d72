from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import InputError, UsageError
from osteon.evaluation.froc import FALSE_POSITIVE_RATES, froc
from osteon.evaluation.intervals import draw_clusters
from osteon.evaluation.matching import detections_from_candidates


def _random(seed, cases=30, patients=12, decimals=1):
    rng = np.random.default_rng(seed)
    lesions = rng.integers(0, 4, cases)
    case, score, lesion = [], [], []
    for i in range(cases):
        for _ in range(rng.integers(0, 15)):
            hit = lesions[i] and rng.random() < 0.2
            case.append(i)
            lesion.append(int(rng.integers(0, lesions[i])) if hit else -1)
            score.append(round(float(rng.random() * (1 if hit else 0.8)), decimals))
    return {
        "case": np.array(case),
        "score": np.array(score),
        "lesion": np.array(lesion),
        "lesions_per_case": lesions,
        "patient": np.r_[np.arange(patients), rng.integers(0, patients, cases - patients)],
    }


def _by_definition(data, rate, units, keep=None):
    """Highest sensitivity over all thresholds with at most ``rate`` false positives a unit; patients may repeat."""
    weight = np.ones(data["patient"].max() + 1) if keep is None else keep
    w_case = weight[data["patient"]]
    lesions = (w_case * data["lesions_per_case"]).sum()
    best = 0.0
    for threshold in np.unique(data["score"]):
        called = data["score"] >= threshold
        false = w_case[data["case"][called & (data["lesion"] < 0)]].sum()
        hit = {(c, n) for c, n in zip(data["case"][called], data["lesion"][called], strict=True) if n >= 0}
        if false <= rate * units(weight, w_case) + 1e-9:
            best = max(best, sum(w_case[c] for c, _ in hit) / lesions)
    return best


UNITS = {"image": lambda weight, w_case: w_case.sum(), "patient": lambda weight, w_case: weight.sum()}


@pytest.mark.parametrize("unit", ["image", "patient"])
@pytest.mark.parametrize(("seed", "decimals"), [(0, 1), (1, 1), (2, 6)])
def test_sensitivity_at_a_rate_is_the_best_over_all_thresholds(seed, decimals, unit):
    data = _random(seed, decimals=decimals)
    curve = froc(detections_from_candidates(**data), unit=unit)
    for point in curve.points:
        assert point.sensitivity.value == pytest.approx(_by_definition(data, point.false_positives, UNITS[unit]))
    assert curve.cpm.value == pytest.approx(np.mean([point.sensitivity.value for point in curve.points]))
    assert curve.units == (30 if unit == "image" else 12)


def test_bootstrap_equals_recomputing_each_resample():
    data = _random(5)
    rates = (0.25, 1.0, 4.0)
    curve = froc(detections_from_candidates(**data), rates=rates, resamples=60, seed=3)
    draws = np.concatenate(list(draw_clusters(12, resamples=60, seed=3)), axis=1)
    values = np.array([[_by_definition(data, rate, UNITS["image"], draws[:, b]) for b in range(60)] for rate in rates])
    for point, column in zip(curve.points, values, strict=True):
        low, high = np.quantile(column, [0.025, 0.975])
        assert point.sensitivity.low == pytest.approx(low)
        assert point.sensitivity.high == pytest.approx(high)
    assert curve.cpm.low == pytest.approx(np.quantile(values.mean(axis=0), 0.025))
    assert (curve.band_low <= curve.band_high).all()


def test_worked_example():
    # Two images, three lesions. Falling score: hit, false, hit (again the first lesion), false, hit.
    found = detections_from_candidates(
        case=[0, 1, 0, 0, 1],
        score=[0.9, 0.8, 0.7, 0.6, 0.5],
        lesion=[0, -1, 0, -1, 0],
        lesions_per_case=[2, 1],
        patient=["a", "b"],
    )
    curve = froc(found, rates=(0.0, 0.5, 1.0))
    assert [point.sensitivity.value for point in curve.points] == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert [point.threshold for point in curve.points] == [0.9, 0.8, 0.5]
    assert curve.false_positives.tolist() == [0, 0, 0.5, 1.0, 1.0]
    np.testing.assert_allclose(curve.sensitivity, [0, 1 / 3, 1 / 3, 1 / 3, 2 / 3])


def test_tied_scores_enter_together():
    found = detections_from_candidates(
        case=[0, 0], score=[0.5, 0.5], lesion=[0, -1], lesions_per_case=[1], patient=["a"]
    )
    curve = froc(found, rates=(0.5, 1.0))
    assert [point.sensitivity.value for point in curve.points] == [0.0, 1.0]
    assert curve.points[0].threshold == np.inf


def test_no_lesion_and_no_prediction():
    quiet = detections_from_candidates(case=[], score=[], lesion=[], lesions_per_case=[1, 0], patient=["a", "b"])
    curve = froc(quiet, resamples=20)
    assert [point.sensitivity.value for point in curve.points] == [0.0] * 7
    healthy = detections_from_candidates(case=[0], score=[0.5], lesion=[-1], lesions_per_case=[0, 0], patient=[0, 1])
    curve = froc(healthy, resamples=20)
    assert np.isnan([point.sensitivity.value for point in curve.points]).all()
    assert curve.false_positives.tolist() == [0.0, 0.5]
    assert np.isnan(curve.cpm.low)


def test_series_are_counted_once():
    data = _random(8)
    series = np.unique(data["patient"], return_inverse=True)[1]  # all slices of a patient: one series
    found = detections_from_candidates(**data)
    by_series, by_patient = froc(found, unit="series", units=series), froc(found, unit="patient")
    assert by_series.units == 12
    np.testing.assert_array_equal(by_series.false_positives, by_patient.false_positives)
    with pytest.raises(InputError, match="two patients"):
        froc(found, unit="series", units=np.zeros(30))
    with pytest.raises(InputError, match="30 cases"):
        froc(found, unit="series", units=[1, 2])


def test_rates_must_be_numbers():
    found = detections_from_candidates(case=[], score=[], lesion=[], lesions_per_case=[1], patient=["a"])
    for rates in ((), (-1.0,), (np.nan,)):
        with pytest.raises(UsageError, match="rates"):
            froc(found, rates=rates)
    assert froc(found).points[0].false_positives == FALSE_POSITIVE_RATES[0]
