"""A figure that can be published: value, interval, how many, and by which method."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """One figure with its interval.

    Attributes:
        value: the point estimate; nan where it is not defined (0 of 0).
        low, high: ends of the interval; nan where none can be given.
        n: number of units (lesions, cases, patients) behind it.
        unit: what ``n`` counts.
        method: of the interval, e.g. "Wilson", "bootstrap by patient, 2000 resamples, seed 0".
        level: confidence level.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")
    n: int
    unit: str
    method: str
    level: float = 0.95
