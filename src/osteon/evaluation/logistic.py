"""Logistic regression that says when it diverges, and what to do then: plain, Firth's penalty, or ridge.

Where some combination of features separates the classes, the plain likelihood has no maximum: coefficients grow without
end and software prints whatever the last step was. ``separation`` finds this exactly, by linear programming.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from osteon.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

PENALTIES = ("none", "firth", "ridge")
_STEPS, _TOLERANCE, _DIFFERENCE = 200, 1e-9, 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class LogisticFit:
    """A fitted model; everything is nan where the fit does not exist.

    Attributes:
        coefficient: (p,) log odds per unit of each column of the design.
        standard_error: (p,) from the information matrix.
        log_likelihood: penalised, where there is a penalty.
        converged: whether the steps came to rest.
        penalty: one of ``PENALTIES``.
    """

    coefficient: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    log_likelihood: float
    converged: bool
    penalty: str

    def probability(self, design: ArrayLike) -> NDArray[np.float64]:
        """P(positive) of each row of a design (n, p)."""
        return _expit(np.asarray(design, np.float64) @ self.coefficient)


def _expit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -500, 500))))


def with_intercept(features: ArrayLike) -> NDArray[np.float64]:
    """Put a column of ones before the features (n, p)."""
    table = np.asarray(features, np.float64)
    return np.column_stack([np.ones(len(table)), table])


def separation(design: ArrayLike, truth: ArrayLike) -> NDArray[np.bool_]:
    """Which coefficients of a design (n, p) run off to infinity under plain maximum likelihood.

    A direction ``b`` with ``sign * (x b) >= 0`` in all cases and > 0 in some separates the classes (Albert and
    Anderson, Biometrika 1984, 71:1); the linear programme is Konis' (2007). All False: the plain fit exists. Columns
    that depend on each other linearly are no separation.
    """
    table, labels = _checked(design, truth)
    signed = table * np.where(labels > 0, 1.0, -1.0)[:, None]
    answer = optimize.linprog(
        -signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(table)), bounds=[(-1, 1)] * table.shape[1], method="highs"
    )
    if answer.status != 0 or -answer.fun < 1e-7:
        return np.zeros(table.shape[1], bool)
    return np.asarray(np.abs(answer.x) > 1e-7)


def _checked(design: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    table, labels = np.asarray(design, np.float64), np.asarray(truth).astype(np.float64)
    if table.ndim != 2 or labels.shape != (len(table),) or len(table) == 0:
        raise InputError(f"logistic regression: design {table.shape}, truth {labels.shape}; expected (n, p) and (n,)")
    if not np.isfinite(table).all():
        raise InputError("logistic regression: a feature is NaN or infinite; leave the case out or fill it in first")
    if not np.isin(labels, (0, 1)).all():
        raise InputError("logistic regression: truth holds other values than 0 and 1")
    return table, labels


def fit_logistic(
    design: ArrayLike, truth: ArrayLike, *, penalty: str = "none", strength: float = 1.0, fixed: int | None = None
) -> LogisticFit:
    """Fit by Newton's method with step halving.

    - "none": maximum likelihood; not converged and nan under separation or linear dependence.
    - "firth": Jeffreys' prior (Firth, Biometrika 1993, 80:27; Heinze and Schemper, Stat Med 2002, 21:2409): finite
      even under separation.
    - "ridge": minus ``strength``/2 times the squared coefficients, the first column (intercept) not penalised.

    Args:
        design: (n, p), intercept included (see ``with_intercept``).
        truth: (n,) boolean.
        penalty: one of ``PENALTIES``.
        strength: of the ridge.
        fixed: hold this coefficient at 0 (for profile likelihoods); the penalty stays that of the full design.

    Raises:
        UsageError: unknown penalty or a negative strength.
        InputError: shapes, NaN, or labels other than 0 and 1.
    """
    if penalty not in PENALTIES or strength < 0:
        raise UsageError(f"penalty {penalty!r}, strength {strength}: expected one of {list(PENALTIES)} and >= 0")
    table, labels = _checked(design, truth)
    model = _Model(table=table, labels=labels, penalty=penalty, strength=strength)
    offset = np.zeros(table.shape[1])
    return _maximise(model, start=offset, fixed=fixed)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Model:
    table: NDArray[np.float64]
    labels: NDArray[np.float64]
    penalty: str
    strength: float

    def information(self, b: NDArray[np.float64]) -> NDArray[np.float64]:
        p = _expit(self.table @ b)
        fisher = self.table.T @ (self.table * (p * (1 - p))[:, None])
        return fisher + self._ridge() if self.penalty == "ridge" else fisher

    def _ridge(self) -> NDArray[np.float64]:
        weights = np.full(self.table.shape[1], self.strength)
        weights[0] = 0.0
        return np.diag(weights)

    def log_likelihood(self, b: NDArray[np.float64]) -> float:
        line = self.table @ b
        value = float(self.labels @ line - np.logaddexp(0, line).sum())
        if self.penalty == "ridge":
            value -= float(b @ self._ridge() @ b) / 2
        if self.penalty == "firth":
            sign, logarithm = np.linalg.slogdet(self.information(b))
            value += float(logarithm) / 2 if sign > 0 else -np.inf
        return value

    def score(self, b: NDArray[np.float64]) -> NDArray[np.float64]:
        p = _expit(self.table @ b)
        residual = self.labels - p
        if self.penalty == "firth":
            weighted = self.table * np.sqrt(p * (1 - p))[:, None]
            hat = (weighted @ np.linalg.pinv(self.information(b), hermitian=True) * weighted).sum(axis=1)
            residual = residual + hat * (0.5 - p)
        gradient = self.table.T @ residual
        return gradient - self._ridge() @ b if self.penalty == "ridge" else gradient

    def curvature(self, b: NDArray[np.float64], free: NDArray[np.intp]) -> NDArray[np.float64]:
        """Minus the second derivatives in the free coefficients, for Newton's step.

        Firth's penalty bends the likelihood where a feature separates: with the information matrix alone the steps
        overshoot and creep. Its derivatives are taken as differences of the score.
        """
        fisher = self.information(b)[np.ix_(free, free)]
        if self.penalty != "firth":
            return fisher
        bent = np.empty_like(fisher)
        for column, index in enumerate(free):
            shift = np.zeros_like(b)
            shift[index] = _DIFFERENCE
            bent[:, column] = (self.score(b - shift) - self.score(b + shift))[free] / (2 * _DIFFERENCE)
        bent = (bent + bent.T) / 2
        return bent if np.linalg.eigvalsh(bent)[0] > 1e-9 else fisher


def _maximise(model: _Model, *, start: NDArray[np.float64], fixed: int | None) -> LogisticFit:
    free = np.array([index for index in range(len(start)) if index != fixed])
    b = start.copy()
    height = model.log_likelihood(b)
    converged = False
    for _ in range(_STEPS):
        if not np.isfinite(height) or np.linalg.cond(model.information(b)) > 1e13:
            break
        step = np.zeros_like(b)
        step[free] = np.linalg.solve(model.curvature(b, free), model.score(b)[free])
        step *= min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        moved = model.log_likelihood(b + step)
        while moved < height - 1e-12 and np.abs(step).max() > _TOLERANCE:
            step /= 2
            moved = model.log_likelihood(b + step)
        b, height = b + step, moved
        if np.abs(step).max() < _TOLERANCE:
            converged = True
            break
    if not converged or (model.penalty == "none" and np.abs(model.table @ b).max() > 30):
        nothing = np.full(len(b), np.nan)
        return LogisticFit(
            coefficient=nothing, standard_error=nothing, log_likelihood=np.nan, converged=False, penalty=model.penalty
        )
    error = np.sqrt(np.diag(np.linalg.inv(model.information(b))))
    return LogisticFit(
        coefficient=b, standard_error=error, log_likelihood=height, converged=True, penalty=model.penalty
    )


def profile_interval(
    design: ArrayLike, truth: ArrayLike, index: int, *, penalty: str = "firth", level: float = 0.95
) -> tuple[float, float]:
    """Profile (penalised) likelihood interval of one coefficient; an end that is never reached is infinite.

    Heinze and Schemper (2002) advise it over Wald's for Firth's estimates of separated features.

    Args:
        design: (n, p), intercept included.
        truth: (n,) boolean.
        index: of the coefficient.
        penalty: "firth" or "none".
        level: confidence level.
    """
    table, labels = _checked(design, truth)
    model = _Model(table=table, labels=labels, penalty=penalty, strength=0.0)
    best = _maximise(model, start=np.zeros(table.shape[1]), fixed=None)
    if not best.converged:
        return float("nan"), float("nan")
    drop = float(stats.chi2.ppf(level, 1)) / 2

    def deficit(value: float) -> float:
        start = best.coefficient.copy()
        start[index] = value
        fit = _maximise(model, start=start, fixed=index)
        reached = fit.log_likelihood if fit.converged else -np.inf
        return best.log_likelihood - reached - drop

    centre, width = float(best.coefficient[index]), float(best.standard_error[index])
    return _walk(deficit, centre, -width), _walk(deficit, centre, width)


def _walk(profile: Callable[[float], float], centre: float, width: float) -> float:
    """Where the profile has dropped far enough, walking from the centre in steps of ``width`` that double."""
    near, far = centre, centre + width
    for _ in range(12):
        if profile(far) > 0:
            break
        near, far = far, far + 2 * (far - near)
    else:
        return float(np.sign(width) * np.inf)
    return float(optimize.brentq(lambda value: min(profile(value), 1e6), min(near, far), max(near, far), xtol=1e-6))


def likelihood_ratio_p(design: ArrayLike, truth: ArrayLike, index: int, *, penalty: str = "firth") -> float:
    """p-value of one coefficient by the (penalised) likelihood ratio, one degree of freedom."""
    full = fit_logistic(design, truth, penalty=penalty)
    without = fit_logistic(design, truth, penalty=penalty, fixed=index)
    if not (full.converged and without.converged):
        return float("nan")
    return float(stats.chi2.sf(max(0.0, 2 * (full.log_likelihood - without.log_likelihood)), 1))
