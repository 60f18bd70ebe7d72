import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from osteon.inference.calibration import fit_calibration, probability
from osteon.inference.lesion_masks import LesionShape
from osteon.systems.lytic import calibrate
from osteon.systems.lytic.calibrate import (
    _how_chosen,
    calibrate_model,
    candidate_pairs,
    choose_threshold,
    match_candidates,
)
from osteon.systems.lytic.config import LyticConfig
from osteon.systems.lytic.infer import Candidate, Candidates
from tests.systems.lytic.scenes import case


def draw(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) * [2, 1, 0.5, 0.3] + [1, 0, 2, 2]
    return x, rng.random(n) < expit(1.2 * (x[:, 0] - 1) - 0.7 * x[:, 1] - 0.5)


def test_probabilities_are_those_of_scikit_learn():
    x, y = draw()
    ours = probability(x, fit_calibration(x, y))
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    assert np.allclose(ours, LogisticRegression(C=10.0).fit(scaled, y).predict_proba(scaled)[:, 1], atol=1e-9)


def test_probabilities_are_calibrated_on_new_data():
    calibration = fit_calibration(*draw())
    x, y = draw(seed=1)
    p = probability(x, calibration)
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1)):
        part = (p >= low) & (p < high)
        assert abs(p[part].mean() - y[part].mean()) < 0.06


@pytest.mark.parametrize(("value", "expected"), [(False, 1 / 12), (True, 11 / 12)])
def test_one_class_gives_a_constant(value, expected):
    x, _ = draw(10)
    assert probability(x, fit_calibration(x, np.full(10, value))) == pytest.approx(np.full(10, expected))


def candidate(start, size):
    mask = np.ones(size, dtype=bool)
    return Candidate(shape=LesionShape(start=start, mask=mask), measures=None, features=np.zeros(4), site="rib",
                     slices=(start[0],), boxes=np.zeros((1, 4)), scores=(0.5,))  # fmt: skip


def test_pairs_count_shared_voxels_and_renumber_lesions():
    lesions = np.zeros((6, 20, 20), dtype=np.uint16)
    lesions[1:3, 2:6, 2:6] = 4
    lesions[4, 10:14, 10:14] = 9
    pairs = candidate_pairs([candidate((2, 4, 4), (2, 4, 4)), candidate((0, 15, 15), (1, 2, 2)),
                             candidate((4, 8, 8), (1, 12, 12))], lesions)  # fmt: skip
    assert pairs.prediction.tolist() == [0, 2]
    assert pairs.truth.tolist() == [0, 1]
    assert pairs.affinity.tolist() == [4, 16]


def test_threshold_keeps_to_the_allowed_false_positives():
    lesions = np.zeros((2, 8, 8), dtype=np.uint16)
    lesions[0, 0:2, 0:2] = 1
    pairs = [candidate_pairs([candidate((0, 0, 0), (1, 2, 2)), candidate((1, 4, 4), (1, 2, 2)),
                              candidate((1, 6, 6), (1, 1, 1))], lesions)]  # fmt: skip
    scores = [np.array([0.5, 0.9, 0.2])]
    found = match_candidates(pairs, scores=scores, lesions=[1], patients=["a"])
    assert choose_threshold(found, false_positives=1.0) == pytest.approx(0.5)
    assert (found.score[found.outcome == 0] >= 0.5).sum() == 1


def test_nothing_to_choose_by_is_said(monkeypatch):
    empty = Candidates.__new__(Candidates)
    object.__setattr__(empty, "found", ())
    monkeypatch.setattr(calibrate, "find_candidates", lambda *a, **k: empty)
    config = LyticConfig()
    cases = [case("a"), case("b", has_lesions=False)]
    _, point, metrics = calibrate_model(
        cases, config=config, bone=torch.nn.Identity(), detectors=(), reduction=None, on_case=lambda *_: None
    )
    assert "no lesion and no candidate on 1 validation scans" in point["chosen"]
    assert metrics["validation lesions"] == 0


def test_threshold_is_rounded_down(monkeypatch):
    empty = Candidates.__new__(Candidates)
    object.__setattr__(empty, "found", ())
    monkeypatch.setattr(calibrate, "find_candidates", lambda *a, **k: empty)
    monkeypatch.setattr(calibrate, "choose_threshold", lambda *a, **k: 0.42199)
    nothing = {"bone": torch.nn.Identity(), "detectors": (), "reduction": None}
    _, point, _ = calibrate_model([case("a")], config=LyticConfig(), on_case=lambda *_: None, **nothing)
    assert point["threshold"] == 0.4219


def test_how_the_threshold_was_chosen():
    assert "no candidate on 3" in _how_chosen(LyticConfig(), scans=3, lesions=4, candidates=0)
    assert "highest sensitivity" in _how_chosen(LyticConfig(), scans=3, lesions=4, candidates=9)
