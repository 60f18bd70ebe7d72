from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from osteon.errors import UsageError
from osteon.evaluation.intervals import (
    bootstrap_estimate,
    bootstrap_totals,
    clopper_pearson,
    draw_clusters,
    percentile_ends,
    proportion,
    resample_totals,
    wilson,
)

COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVELS = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@given(COUNTS, LEVELS)
def test_intervals_of_a_proportion_are_those_of_statsmodels(counts, level):
    k, n = counts
    for ours, name in ((wilson, "wilson"), (clopper_pearson, "beta")):
        low, high = ours(k, n, level=level)
        expected_low, expected_high = proportion_confint(k, n, alpha=1 - level, method=name)
        assert low == pytest.approx(0.0 if k == 0 else expected_low, abs=1e-12)
        assert high == pytest.approx(1.0 if k == n else expected_high, abs=1e-12)
        assert low <= k / n <= high


def test_wilson_works_on_arrays_and_leaves_nothing_of_nothing_undefined():
    low, high = wilson([0, 5, 0], [10, 10, 0])
    assert low[0] == 0.0
    assert high[1] == pytest.approx(0.7634, abs=1e-4)
    assert np.isnan([low[2], high[2]]).all()


def test_nothing_of_nothing_is_nan():
    for interval in ("wilson", "clopper-pearson"):
        estimate = proportion(0, 0, interval=interval)
        assert np.isnan([estimate.value, estimate.low, estimate.high]).all()
        assert estimate.n == 0


def test_impossible_requests_are_refused():
    with pytest.raises(UsageError, match="3 of 2"):
        proportion(3, 2)
    with pytest.raises(UsageError, match=r"'wald'.*wilson"):
        proportion(1, 2, interval="wald")
    with pytest.raises(UsageError, match="confidence level 95"):
        wilson(1, 2, level=95)
    with pytest.raises(UsageError, match="0 clusters"):
        next(draw_clusters(0))


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 3))
def test_every_resample_draws_as_many_clusters_as_there_are(clusters, resamples, seed):
    blocks = list(draw_clusters(clusters, resamples=resamples, seed=seed))
    counts = np.concatenate(blocks, axis=1)
    assert counts.shape == (clusters, resamples)
    assert (counts.sum(axis=0) == clusters).all()
    again = np.concatenate(list(draw_clusters(clusters, resamples=resamples, seed=seed)), axis=1)
    assert (counts == again).all()


def test_clusters_are_drawn_evenly():
    counts = np.concatenate(list(draw_clusters(5, resamples=4000, seed=1)), axis=1)
    assert counts.mean(axis=1) == pytest.approx(np.ones(5), abs=0.06)
    assert counts.var() == pytest.approx(0.8, abs=0.05)  # binomial(5, 1/5)


def test_totals_of_resamples_equal_a_plain_loop():
    rng = np.random.default_rng(0)
    sums, clusters = rng.random((30, 2)), rng.integers(0, 6, 30)
    totals = resample_totals(sums, clusters, resamples=50, seed=3)
    counts = np.concatenate(list(draw_clusters(6, resamples=50, seed=3)), axis=1)
    for column in range(50):
        chosen = np.concatenate([np.flatnonzero(clusters == c) for c in range(6) for _ in range(counts[c, column])])
        assert totals[column] == pytest.approx(sums[chosen].sum(axis=0))


def test_alike_images_of_a_patient_widen_the_interval():
    rng = np.random.default_rng(5)
    patient = np.repeat(np.arange(40), 10)
    right = np.repeat(rng.random(40) < 0.7, 10).astype(float)
    sums = np.stack([right, np.ones(400)], axis=1)

    def width(clusters):
        estimate = bootstrap_totals(lambda t: t[..., 0] / t[..., 1], sums, clusters, unit="images")
        return estimate.high - estimate.low

    assert width(patient) / width(np.arange(400)) == pytest.approx(np.sqrt(10), rel=0.15)


def test_the_bootstrap_of_a_mean_is_about_its_standard_error():
    rng = np.random.default_rng(2)
    values = rng.normal(size=200)
    sums = np.stack([values, np.ones(200)], axis=1)
    estimate = bootstrap_totals(lambda t: t[..., 0] / t[..., 1], sums, np.arange(200), unit="cases", resamples=4000)
    assert estimate.value == pytest.approx(values.mean())
    assert (estimate.high - estimate.low) / 2 == pytest.approx(1.96 * values.std(ddof=1) / np.sqrt(200), rel=0.06)


def test_undefined_resamples_are_left_out_and_said():
    estimate = bootstrap_estimate(0.5, np.array([0.2, np.nan, 0.4, 0.6]), n=4, unit="cases", clusters=4)
    assert "1 of them undefined" in estimate.method
    assert 0.2 <= estimate.low <= estimate.high <= 0.6
    assert np.isnan(percentile_ends(np.array([np.nan, np.nan]))).all()


def test_resamples_that_all_agree_give_no_interval():
    estimate = bootstrap_estimate(1.0, np.ones(100), n=9, unit="cases", clusters=9)
    assert np.isnan([estimate.low, estimate.high]).all()
    assert "all resamples give the same" in estimate.method
