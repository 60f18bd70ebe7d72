"""From images to sequences to patients: majority, maximum or mean, with ties defined.

One step turns units into groups (images into sequences, or sequences into patients). The result keeps a score and a
call per group, so that a further step can follow (each sequence then counts the same, however many images it has):

- ``max`` / ``mean``: the group's score is the highest / mean score of its units; called positive where
  ``score >= threshold``.
- ``majority``: every unit votes; the group is called positive where more than half of its units are. The group's score
  is the share of positive votes. An exact half is a tie and goes by ``tie``: "positive", "negative", or "mean", which
  is positive where the mean score of the units is >= threshold (equal is positive, as everywhere).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.errors import InputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

RULES = ("majority", "max", "mean")
TIES = ("mean", "positive", "negative")


@dataclass(frozen=True, kw_only=True, slots=True)
class Grouped:
    """Units gathered into groups, in the sorted order of the groups' names.

    Attributes:
        names: (groups,).
        truth: (groups,) boolean.
        score: (groups,): highest or mean score, or the share of positive votes.
        mean_score: (groups,) mean of the units' (mean) scores, kept for ties in a later step.
        called: (groups,) boolean.
        first: (groups,) index of a unit of each group, to look up its patient or subgroup.
        tied: (groups,) boolean, True where ``tie`` decided.
        size: (groups,) units in each group.
    """

    names: NDArray[np.generic]
    truth: NDArray[np.bool_]
    score: NDArray[np.float64]
    mean_score: NDArray[np.float64]
    called: NDArray[np.bool_]
    first: NDArray[np.intp]
    tied: NDArray[np.bool_]
    size: NDArray[np.intp]


def single_units(truth: ArrayLike, score: ArrayLike, *, threshold: float) -> Grouped:
    """Images as they are, as the start of a chain: each is its own group."""
    scores = np.asarray(score, np.float64)
    count = len(scores)
    return Grouped(
        names=np.arange(count),
        truth=np.asarray(truth).astype(bool),
        score=scores,
        mean_score=scores,
        called=scores >= threshold,
        first=np.arange(count),
        tied=np.zeros(count, bool),
        size=np.ones(count, np.intp),
    )


def gather(units: Grouped, groups: ArrayLike, *, rule: str, threshold: float, tie: str = "mean") -> Grouped:
    """One step: the units of each group become one.

    Args:
        units: from ``single_units`` or an earlier ``gather``.
        groups: (units,) name of each unit's group.
        rule: one of ``RULES``.
        threshold: for ``max``, ``mean`` and a tie decided by "mean".
        tie: one of ``TIES``; used by ``majority`` only.

    Raises:
        UsageError: unknown rule or tie.
        InputError: a group with units of both classes (the position of the first such group is named).
    """
    if rule not in RULES or tie not in TIES:
        raise UsageError(f"aggregation {rule!r} with ties {tie!r}: expected one of {list(RULES)} and {list(TIES)}")
    names, first, codes = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    codes = codes.reshape(-1)
    size = np.bincount(codes, minlength=len(names))
    positive = np.bincount(codes, weights=units.truth, minlength=len(names))
    mixed = np.flatnonzero((positive > 0) & (positive < size))
    if mixed.size:
        raise InputError(
            f"aggregation: {mixed.size} of {len(names)} groups hold both classes, the first at row {first[mixed[0]]}"
        )
    votes = np.asarray(np.bincount(codes, weights=units.called, minlength=len(names)), np.float64)
    mean_score = np.bincount(codes, weights=units.mean_score, minlength=len(names)) / size
    score, called = _decide(units, codes, votes=votes, size=size, rule=rule, threshold=threshold)
    tied = (2 * votes == size) if rule == "majority" else np.zeros(len(names), bool)
    if tied.any():
        called = np.where(tied, {"positive": True, "negative": False}.get(tie, mean_score >= threshold), called)
    return Grouped(
        names=names,
        truth=positive > 0,
        score=score,
        mean_score=mean_score,
        called=called.astype(bool),
        first=units.first[first],
        tied=tied,
        size=size,
    )


def _decide(
    units: Grouped,
    codes: NDArray[np.intp],
    *,
    votes: NDArray[np.float64],
    size: NDArray[np.intp],
    rule: str,
    threshold: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Score and call of each group, ties not yet settled."""
    if rule == "majority":
        return votes / size, 2 * votes > size
    if rule == "max":
        highest = np.full(len(size), -np.inf)
        np.maximum.at(highest, codes, units.score)
        return highest, highest >= threshold
    mean = np.bincount(codes, weights=units.score, minlength=len(size)) / size
    return mean, mean >= threshold
