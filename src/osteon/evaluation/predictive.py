"""What a test means to a patient: predictive values at another prevalence, and likelihood ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import UsageError
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.intervals import normal_quantile

if TYPE_CHECKING:
    from osteon.evaluation.confusion import Confusion


def predictive_values_at(
    confusion: Confusion, prevalence: float, *, level: float = 0.95, unit: str = "cases"
) -> tuple[Estimate, Estimate]:
    """PPV and NPV by Bayes' theorem at ``prevalence``, with the logit interval of Mercaldo et al.

    Mercaldo, Lau and Zhou, Stat Med 2007, 26:2170. The prevalence is taken as known. Where sensitivity or specificity
    is exactly 0 or 1 the interval (not the value) uses their adjustment: z^2/2 is added to each of the four counts; the
    interval is then widened to hold the value.

    Returns:
        PPV and NPV; nan with a nan interval where a class is empty, or where nothing could be called so.

    Raises:
        UsageError: prevalence not between 0 and 1.
    """
    if not 0.0 < prevalence < 1.0:
        raise UsageError(f"prevalence {prevalence}: expected a number between 0 and 1, both left out")
    z = normal_quantile(level)
    method = f"Bayes at prevalence {prevalence:g}, logit interval (Mercaldo 2007)"
    n = confusion.total
    if confusion.positive == 0 or confusion.negative == 0:
        none = Estimate(value=float("nan"), n=n, unit=unit, method=method, level=level)
        return none, none
    se, sp = confusion.true_positive / confusion.positive, confusion.true_negative / confusion.negative
    values = _bayes(se, sp, prevalence)
    n1, n0 = float(confusion.positive), float(confusion.negative)
    if se in (0.0, 1.0) or sp in (0.0, 1.0):
        se, sp = (
            (confusion.true_positive + z * z / 2) / (n1 + z * z),
            (confusion.true_negative + z * z / 2) / (n0 + z * z),
        )
        n1, n0, method = n1 + z * z, n0 + z * z, method.replace("logit", "adjusted logit")
    centres = _bayes(se, sp, prevalence)
    spreads = (
        np.sqrt((1 - se) / se / n1 + sp / (1 - sp) / n0),
        np.sqrt(se / (1 - se) / n1 + (1 - sp) / sp / n0),
    )
    ends = [_expit_ends(centre, z * spread) for centre, spread in zip(centres, spreads, strict=True)]
    ppv, npv = (
        Estimate(value=value, low=min(low, value), high=max(high, value), n=n, unit=unit, method=method, level=level)
        for value, (low, high) in zip(values, ends, strict=True)
    )
    return ppv, npv


def _bayes(se: float, sp: float, prevalence: float) -> tuple[float, float]:
    called, cleared = se * prevalence + (1 - sp) * (1 - prevalence), (1 - se) * prevalence + sp * (1 - prevalence)
    ppv = se * prevalence / called if called > 0 else float("nan")
    return ppv, sp * (1 - prevalence) / cleared if cleared > 0 else float("nan")


def _expit_ends(centre: float, half: float) -> tuple[float, float]:
    odds = np.log(centre / (1 - centre))
    return float(1 / (1 + np.exp(half - odds))), float(1 / (1 + np.exp(-half - odds)))


def likelihood_ratios(confusion: Confusion, *, level: float = 0.95, unit: str = "cases") -> tuple[Estimate, Estimate]:
    """LR+ = sensitivity / (1 - specificity) and LR- = (1 - sensitivity) / specificity, with log intervals.

    Simel, Samsa and Matchar, J Clin Epidemiol 1991, 44:763. A zero count leaves the interval undefined.
    """
    c, z = confusion, normal_quantile(level)

    def ratio(of_positive: int, of_negative: int) -> Estimate:
        a, b = of_positive * c.negative, of_negative * c.positive
        value = a / b if b else (float("inf") if a else float("nan"))
        low = high = float("nan")
        if of_positive and of_negative:
            spread = z * np.sqrt(1 / of_positive - 1 / c.positive + 1 / of_negative - 1 / c.negative)
            low, high = value * float(np.exp(-spread)), value * float(np.exp(spread))
        return Estimate(value=value, low=low, high=high, n=c.total, unit=unit, method="log (Simel 1991)", level=level)

    return ratio(c.true_positive, c.false_positive), ratio(c.false_negative, c.true_negative)
