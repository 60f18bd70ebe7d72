"""How often tumours are malignant at an age: a table from the training patients, smoothed towards their mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class AgeTable:
    """Share of malignant tumours by age group.

    Attributes:
        edges: ages between the groups, rising; k edges make k + 1 groups.
        shares: of each group, smoothed.
        patients, malignant: counted in each group.
        overall: share of malignant ones among all training patients, of known age or not.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    patients: tuple[int, ...]
    malignant: tuple[int, ...]
    overall: float

    def share(self, age_years: float | None) -> float | None:
        """Of a patient of this age; None where it is not known."""
        if age_years is None:
            return None
        return self.shares[int(np.searchsorted(self.edges, age_years, side="right"))]

    def group_names(self) -> tuple[str, ...]:
        """Names such as "0 to below 10" and "80 and over"."""
        low = [0.0, *self.edges]
        inner = [f"{a:g} to below {b:g}" for a, b in zip(low, self.edges, strict=False)]
        return (*inner, f"{self.edges[-1]:g} and over")


def make_table(
    ages: Sequence[float | None], malignant: Sequence[bool], *, edges: tuple[float, ...], prior: float
) -> AgeTable:
    """Count training patients, one entry a patient.

    A group's share is (malignant + prior * overall) / (patients + prior): an empty group has the overall share, a
    crowded one its own.

    Args:
        ages: None where not known; such patients count in the overall share only.
        malignant: of each.
        edges: ages between the groups, rising.
        prior: weight of the overall share, in patients; above 0.

    Raises:
        CohortError: nobody.
    """
    if not len(malignant):
        raise CohortError("age table: no training patient; expected at least one")
    overall = sum(map(bool, malignant)) / len(malignant)
    groups = len(edges) + 1
    known = [(age, bad) for age, bad in zip(ages, malignant, strict=True) if age is not None]
    where = np.searchsorted(edges, [age for age, _ in known], side="right")
    patients = np.bincount(where, minlength=groups)
    bad = np.bincount(where, weights=[bool(one) for _, one in known], minlength=groups)
    shares = (bad + prior * overall) / (patients + prior)
    return AgeTable(
        edges=tuple(edges),
        shares=tuple(float(share) for share in shares),
        patients=tuple(int(count) for count in patients),
        malignant=tuple(int(count) for count in bad),
        overall=float(overall),
    )


def table_to_plain(table: AgeTable) -> dict[str, Any]:
    """As a bundle keeps it."""
    return {
        "edges": list(table.edges),
        "shares": list(table.shares),
        "patients": list(table.patients),
        "malignant": list(table.malignant),
        "overall": table.overall,
    }


def table_from_plain(values: dict[str, Any]) -> AgeTable:
    """Back from a bundle.

    Raises:
        ValueError: lengths or shares that cannot be; KeyError and TypeError where something is missing.
    """
    table = AgeTable(
        edges=tuple(float(one) for one in values["edges"]),
        shares=tuple(float(one) for one in values["shares"]),
        patients=tuple(int(one) for one in values["patients"]),
        malignant=tuple(int(one) for one in values["malignant"]),
        overall=float(values["overall"]),
    )
    if len(table.shares) != len(table.edges) + 1 or not all(0 <= one <= 1 for one in (*table.shares, table.overall)):
        raise ValueError("age table: expected one share more than edges, each 0 to 1")
    return table
