"""Printed figures against what their counts give: does the one follow from the other?

A printed number stands for every value that rounds to it. A figure recomputed from numbers that were themselves rounded
is a range. A claim follows where both meet; nothing is corrected.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from osteon.evaluation.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER = re.compile(r"(<)?(-?\d+)(?:\.(\d+))?(%)?")
_SLACK = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """All values from ``low`` to ``high``."""

    low: float
    high: float

    def meets(self, other: Range) -> bool:
        """Whether some value lies in both."""
        return self.low <= other.high + _SLACK and other.low <= self.high + _SLACK


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One printed figure beside the recomputed one.

    Attributes:
        where: table or text of the study.
        item: what it is.
        printed: as the study prints it.
        recomputed: from its counts.
        follows: True, False, or None where the counts that it needs were not printed.
        how: the counts and the rule.
    """

    where: str
    item: str
    printed: str
    recomputed: str
    follows: bool | None
    how: str


def printed_range(text: str) -> Range:
    """The values that round to a printed number: "0.73" is 0.725 to 0.735, "41%" 0.405 to 0.415, "<0.001" 0 to 0.001.

    Raises:
        ValueError: not such a number.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a printed number")
    below, whole, decimals, percent = match.groups()
    value = float(f"{whole}.{decimals or 0}")
    scale = 100.0 if percent else 1.0
    if below:
        return Range(low=0.0, high=math.nextafter(value / scale, 0.0) - 2 * _SLACK)
    half = 0.5 * 10.0 ** -len(decimals or "")
    return Range(low=(value - half) / scale, high=(value + half) / scale)


def value_text(value: float, printed: str) -> str:
    """A recomputed value in the manner of the printed one, with one more digit; small p-values with two digits."""
    match = _NUMBER.fullmatch(printed.strip())
    digits = len(match.group(3) or "") if match else 3
    if match and match.group(4):
        return f"{100 * value:.{digits + 1}f}%"
    if 0 < abs(value) < 10.0 ** -(digits + 1):
        return f"{value:.1e}"
    return f"{value:.{digits + 1}f}"


def number_claim(where: str, item: str, printed: str, value: float | Range, *, how: str, note: str = "") -> Claim:
    """Compare a printed number with a recomputed value or range; ``note`` is added to the recomputed text."""
    exact = value if isinstance(value, Range) else Range(low=value, high=value)
    text = value_text(exact.low, printed)
    if value_text(exact.high, printed) != text:
        text = f"{text} to {value_text(exact.high, printed)}"
    return Claim(
        where=where,
        item=item,
        printed=printed,
        recomputed=text + note,
        follows=printed_range(printed).meets(exact),
        how=how,
    )


def share_claim(where: str, item: str, printed: str, counts: tuple[int, int]) -> Claim:
    """Compare a printed proportion with its counts (successes, n); the Wilson 95 % interval is shown as well."""
    successes, n = counts
    low, high = (float(end) for end in wilson(successes, n))
    note = f" ({value_text(low, printed)} to {value_text(high, printed)})"
    return number_claim(where, item, printed, successes / n, how=f"{successes}/{n}; Wilson", note=note)


def sum_claim(where: str, item: str, printed: int, parts: Iterable[int]) -> Claim:
    """Compare a printed total with the sum of its parts."""
    numbers = list(parts)
    return Claim(
        where=where,
        item=item,
        printed=str(printed),
        recomputed=str(sum(numbers)),
        follows=sum(numbers) == printed,
        how=" + ".join(map(str, numbers)),
    )


def truth_claim(where: str, item: str, printed: str, recomputed: str, *, follows: bool | None, how: str) -> Claim:
    """A statement in words, with what the numbers say."""
    return Claim(where=where, item=item, printed=printed, recomputed=recomputed, follows=follows, how=how)


def pooled_mean(means: Iterable[str], sizes: Iterable[int]) -> Range:
    """Mean of all from printed group means and group sizes."""
    ranges, numbers = [printed_range(mean) for mean in means], list(sizes)
    total = sum(numbers)
    low, high = (
        sum(end * n for end, n in zip(ends, numbers, strict=True)) / total
        for ends in ([one.low for one in ranges], [one.high for one in ranges])
    )
    return Range(low=low, high=high)
