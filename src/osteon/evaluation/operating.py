"""The operating point: chosen by a named rule on one set of cases, applied unchanged to another."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError, UsageError
from osteon.evaluation.roc import roc_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

RULES = ("threshold", "youden", "sensitivity", "specificity")
_PATTERN = re.compile(r"(threshold=|sensitivity>=|specificity>=)([-+0-9.eE]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingRule:
    """How a threshold is chosen.

    Attributes:
        kind: one of ``RULES``.
        value: the threshold, or the sensitivity or specificity to reach; None for "youden".
    """

    kind: str
    value: float | None = None

    def __str__(self) -> str:
        if self.kind == "youden":
            return "youden"
        return f"{self.kind}{'=' if self.kind == 'threshold' else '>='}{self.value:g}"


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingPoint:
    """A threshold (positive where ``score >= threshold``) and what it gave where it was chosen."""

    threshold: float
    rule: OperatingRule
    sensitivity: float
    specificity: float
    n: int


def parse_rule(text: str) -> OperatingRule:
    """Read "youden", "threshold=0.5", "sensitivity>=0.9" or "specificity>=0.95".

    Raises:
        UsageError: anything else, or a target outside 0 to 1.
    """
    compact = text.replace(" ", "").replace("≥", ">=").lower()
    if compact == "youden":
        return OperatingRule(kind="youden")
    match = _PATTERN.fullmatch(compact)
    try:
        value = float(match.group(2)) if match else math.nan
    except ValueError:
        value = math.nan
    kind = match.group(1).rstrip("=>") if match else ""
    if not math.isfinite(value) or (kind != "threshold" and not 0 <= value <= 1):
        raise UsageError(
            f"operating point {text!r}: expected youden, threshold=X, sensitivity>=X or specificity>=X (X from 0 to 1)"
        )
    return OperatingRule(kind=kind, value=value)


def choose_threshold(truth: ArrayLike, score: ArrayLike, rule: OperatingRule) -> OperatingPoint:
    """Choose a threshold among the scores that occur.

    - youden: the largest sensitivity + specificity - 1; of equal ones the highest threshold (most specific).
    - sensitivity>=x: the highest threshold that reaches it.
    - specificity>=x: the highest sensitivity that keeps it; of equal ones the highest threshold.
    - threshold=x: x itself.

    A threshold of +inf (nothing is called positive) is possible where only that keeps the specificity.

    Args:
        truth: (n,) boolean, both classes present unless the threshold is given.
        score: (n,).
        rule: how to choose.

    Raises:
        InputError: one class only, so that the rule has nothing to weigh.
    """
    curve = roc_curve(truth, score)
    sensitivity, specificity = curve.sensitivity, 1 - curve.false_positive_rate
    if rule.kind == "threshold" and rule.value is not None:
        called = int(np.searchsorted(-curve.threshold, -rule.value, side="right")) - 1
        return _point(rule.value, rule, sensitivity=sensitivity[called], specificity=specificity[called], truth=truth)
    if np.isnan(sensitivity).any() or np.isnan(specificity).any():
        raise InputError(f"operating point {rule}: one class only; choose it on a file with both classes")
    index = _pick(rule, sensitivity=sensitivity, specificity=specificity)
    return _point(
        float(curve.threshold[index]),
        rule,
        sensitivity=sensitivity[index],
        specificity=specificity[index],
        truth=truth,
    )


def _pick(rule: OperatingRule, *, sensitivity: NDArray[np.float64], specificity: NDArray[np.float64]) -> int:
    tolerance = 1e-12  # 0.9 of 10 cases must count as 9 of 10
    if rule.kind == "youden":
        return int(np.argmax(np.round(sensitivity + specificity, 12)))
    if rule.value is None:
        raise UsageError(f"operating point {rule.kind}: expected a value to reach")
    if rule.kind == "sensitivity":
        return int(np.argmax(sensitivity >= rule.value - tolerance))
    kept = np.flatnonzero(specificity >= rule.value - tolerance)
    best = kept[sensitivity[kept] == sensitivity[kept].max()]
    return int(best[0])


def _point(
    threshold: float, rule: OperatingRule, *, sensitivity: float, specificity: float, truth: ArrayLike
) -> OperatingPoint:
    return OperatingPoint(
        threshold=float(threshold),
        rule=rule,
        sensitivity=float(sensitivity),
        specificity=float(specificity),
        n=len(np.asarray(truth)),
    )
