"""From features of candidates to probabilities: logistic regression, kept as plain numbers in the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def fit_calibration(features: NDArray[np.float64], is_lesion: NDArray[np.bool_]) -> dict[str, Any]:
    """Logistic regression with a weak ridge penalty on standardised features.

    Args:
        features: (n, k) of the candidates.
        is_lesion: (n,) whether each hit a lesion.

    Returns:
        "mean", "scale", "weights", "intercept": plain lists, for the bundle. With one class only, a constant
        probability of (hits + 1) / (n + 2).
    """
    from sklearn.linear_model import LogisticRegression

    width = features.shape[1]
    if len(np.unique(is_lesion)) < 2:
        share = (float(is_lesion.sum()) + 1) / (len(is_lesion) + 2)
        return {
            "mean": [0.0] * width,
            "scale": [1.0] * width,
            "weights": [0.0] * width,
            "intercept": float(np.log(share / (1 - share))),
        }
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    model = LogisticRegression(C=10.0).fit((features - mean) / scale, is_lesion)
    return {
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "weights": model.coef_[0].tolist(),
        "intercept": float(model.intercept_[0]),
    }


def probability(features: NDArray[np.float64], calibration: dict[str, Any]) -> NDArray[np.float64]:
    """Probability that each candidate (n, k) is a lesion."""
    x = (features - np.asarray(calibration["mean"])) / np.asarray(calibration["scale"])
    logit = x @ np.asarray(calibration["weights"]) + calibration["intercept"]
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))))
