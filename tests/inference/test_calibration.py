from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from osteon.inference.calibration import fit_calibration, probability


def test_plain_numbers_give_what_the_fitted_model_gives() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 3)) * (1, 10, 0.1) + (0, 5, 0)
    truth = features[:, 0] + 0.1 * features[:, 1] + rng.normal(size=200) > 0.5
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    expected = LogisticRegression(C=10.0).fit(scaled, truth).predict_proba(scaled)[:, 1]
    np.testing.assert_allclose(probability(features, fit_calibration(features, truth)), expected, atol=1e-9)


@pytest.mark.parametrize(("hits", "share"), [(0, 1 / 7), (5, 6 / 7)])
def test_one_class_gives_a_constant(hits: int, share: float) -> None:
    found = fit_calibration(np.zeros((5, 3)), np.arange(5) < hits)
    np.testing.assert_allclose(probability(np.ones((2, 3)), found), share)
