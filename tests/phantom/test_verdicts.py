from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from osteon.errors import UsageError
from osteon.formats.reader_study import read_reader_study
from osteon.phantom.verdicts import (
    FRACTURE_READERS,
    LYTIC_KAPPA,
    LYTIC_PREVALENCE,
    LYTIC_READERS,
    LYTIC_SLICES,
    TUMOR_DOCTORS,
    CallReader,
    correlation_for_kappa,
    draw_calls,
    expected_kappa,
    write_reader_study,
)

if TYPE_CHECKING:
    from pathlib import Path


def within_binomial(hits: int, n: int, p: float) -> bool:
    low, high = stats.binom.interval(0.9999, n, p)
    return bool(low <= hits <= high)


@pytest.mark.parametrize("readers", [FRACTURE_READERS, TUMOR_DOCTORS], ids=["fracture", "tumor"])
def test_realised_sensitivity_and_specificity_are_what_was_asked(readers: tuple[CallReader, ...]) -> None:
    truth = np.arange(3000) < 1200
    calls = draw_calls(truth, readers, seed=3)
    for reader, called in zip(readers, calls.called, strict=True):
        assert within_binomial(int(called[truth].sum()), 1200, reader.sensitivity)
        assert within_binomial(int((~called[~truth]).sum()), 1800, reader.specificity)


def test_ratings_agree_with_calls_and_have_the_binormal_area() -> None:
    """Area under the curve of two unit normals d apart: Phi(d / sqrt 2)."""
    reader = CallReader(name="r", sensitivity=0.8, specificity=0.7)
    truth = np.arange(6000) < 3000
    calls = draw_calls(truth, [reader], seed=1)
    np.testing.assert_array_equal(calls.called, calls.rating > 0.5)
    d = stats.norm.ppf(0.8) + stats.norm.ppf(0.7)
    assert roc_auc_score(truth, calls.rating[0]) == pytest.approx(stats.norm.cdf(d / np.sqrt(2)), abs=0.02)


def test_two_readers_of_slices_reach_the_kappa_that_was_asked() -> None:
    """Against another library's kappa, on 100 times the study's slices."""
    correlation = correlation_for_kappa(LYTIC_PREVALENCE, *LYTIC_READERS, kappa=LYTIC_KAPPA)
    assert 0 < correlation < 0.9
    truth = np.arange(100 * LYTIC_SLICES) < 1000
    first, second = draw_calls(truth, LYTIC_READERS, seed=2, correlation=correlation, within=0.0).called
    assert cohen_kappa_score(first, second) == pytest.approx(LYTIC_KAPPA, abs=0.03)
    assert first.sum() / 100 == pytest.approx(10, abs=0.8)
    assert second.sum() / 100 == pytest.approx(9, abs=0.8)


def test_expected_kappa_without_correlation_is_that_of_independent_readers() -> None:
    a, b = (
        CallReader(name="a", sensitivity=0.9, specificity=0.8),
        CallReader(name="b", sensitivity=0.7, specificity=0.95),
    )
    both = 0.3 * 0.9 * 0.7 + 0.7 * 0.2 * 0.05
    neither = 0.3 * 0.1 * 0.3 + 0.7 * 0.8 * 0.95
    yes_a, yes_b = 0.3 * 0.9 + 0.7 * 0.2, 0.3 * 0.7 + 0.7 * 0.05
    chance = yes_a * yes_b + (1 - yes_a) * (1 - yes_b)
    wanted = (both + neither - chance) / (1 - chance)
    assert expected_kappa(0.3, a, b, correlation=0.0) == pytest.approx(wanted, abs=1e-6)


def test_a_person_agrees_more_with_herself_than_with_another() -> None:
    truth = np.arange(4000) < 2000
    readers = [
        CallReader(name=name, sensitivity=0.75, specificity=0.75, modality=modality)
        for name, modality in (("D1", "images"), ("D1", "images+age"), ("D2", "images"))
    ]
    called = draw_calls(truth, readers, seed=0, correlation=0.2, within=0.5).called[:, truth]
    assert (called[0] == called[1]).mean() > (called[0] == called[2]).mean() + 0.08


def test_slices_of_one_group_are_judged_more_alike() -> None:
    truth, groups = np.ones(3000, dtype=bool), np.repeat(np.arange(300), 10)
    reader = CallReader(name="r", sensitivity=0.6, specificity=0.9)
    alike = draw_calls(truth, [reader], seed=0, correlation=0.8, within=0.1, groups=groups).called[0].reshape(300, 10)
    apart = draw_calls(truth, [reader], seed=0, correlation=0.8, within=0.1).called[0].reshape(300, 10)
    assert alike.mean(axis=1).var() > 3 * apart.mean(axis=1).var()


def test_the_study_file_is_read_back_as_drawn(tmp_path: Path) -> None:
    truth = np.arange(12) % 3 == 0
    case = [f"p{k:02d}" for k in range(12)]
    calls = draw_calls(truth, TUMOR_DOCTORS, seed=9)
    write_reader_study(tmp_path / "study.csv", calls, readers=TUMOR_DOCTORS, case=case, truth=truth)
    study = read_reader_study(tmp_path / "study.csv")
    assert study.modalities == ("images", "images+age")
    assert study.readers == ("D1", "D2", "D3")
    np.testing.assert_array_equal(study.truth, truth)
    assert study.score is not None
    assert study.called is not None
    np.testing.assert_allclose(study.score.reshape(6, 12), calls.rating, atol=1e-6)
    np.testing.assert_array_equal(study.called.reshape(6, 12), calls.called)


def test_the_same_seed_gives_the_same_calls() -> None:
    truth = np.arange(50) < 20
    one, again, other = (draw_calls(truth, FRACTURE_READERS, seed=seed).rating for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_what_cannot_be_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"reader r: sensitivity 1\.2"):
        CallReader(name="r", sensitivity=1.2, specificity=0.5)
    with pytest.raises(UsageError, match="together at most 1"):
        draw_calls([True], FRACTURE_READERS, seed=0, correlation=0.8, within=0.3)
    with pytest.raises(UsageError, match=r"kappa 0\.1: readers radiologist 1 and radiologist 2 reach 0\.\d+ to 0\.\d+"):
        correlation_for_kappa(LYTIC_PREVALENCE, *LYTIC_READERS, kappa=0.1)
