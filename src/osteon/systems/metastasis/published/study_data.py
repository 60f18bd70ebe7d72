"""What the tables of the metastasis study are made of: fourteen networks on two test sets, patients, readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.overlap import measure
from osteon.systems.metastasis.infer import MATCH_TEXT
from osteon.systems.metastasis.sections import Answers, Mimic
from osteon.systems.reproduction import find_claim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from osteon.evaluation.published import Claim
    from osteon.systems.metastasis.calibrate import StationResult
    from osteon.systems.metastasis.cases import StationCase

SELECTED = ("T1+CE", "T1", "CE")
"""The 2-D networks that the study tests externally, which lacks FO."""
TESTS = {"internal_test": "internal", "external_test": "external"}
PRINTED_BINS = ("<=0.5", "0.5-1", "1-2", ">2")
NOT_PRINTED = "in a supplement that was not at hand"
RULE = f"{MATCH_TEXT}; every connected part of the mask is a prediction"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One network of the grid on both test sets; the external one may lack its sequences."""

    dimensions: int
    combination: str
    results: Mapping[str, tuple[StationResult, ...]]
    mimics: Mapping[str, tuple[Mimic, ...]]

    @property
    def name(self) -> str:
        """As the study writes it: "2D T1 + CE"."""
        return f"{self.dimensions}D {self.combination.replace('+', ' + ')}"

    def answers(self, test: str) -> Answers | None:
        """Every prediction, scored by its highest probability, no threshold; None where nothing could be read."""
        results = self.results.get(test, ())
        if not results:
            return None
        scores = tuple(1 / (1 + np.exp(-one.features[:, 0])) for one in results)
        return Answers(results=tuple(results), scores=scores, threshold=0.0, mimics=self.mimics)

    def rows(self) -> list[dict[str, Any]]:
        """One row a series for ``per_case.csv``."""
        return [
            {
                "network": self.name,
                "test": TESTS[test],
                "case": one.station.case,
                "station": one.station.index,
                "lesions": len(one.station.numbers),
                "found": len(np.unique(one.pairs.truth)),
                "false_positives": len(one.features) - len(np.unique(one.pairs.prediction)),
                "dice": blank(float(measure(one.pixels, "dice")[0])),
            }
            for test, results in self.results.items()
            for one in results
        ]


def blank(value: float) -> float | str:
    """A cell of a CSV file; empty where the figure is not defined."""
    return "" if np.isnan(value) else round(value, 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyData:
    """What the tables are made of.

    Attributes:
        parts: stations by name of the part.
        cells: (dimensions, combination) -> network.
        readers: one a reader, as ``readers.read_as_radiologists`` gives them.
        people: case -> patient, age in years, sex.
        resamples: of the bootstrap.
    """

    parts: Mapping[str, tuple[StationCase, ...]]
    cells: Mapping[tuple[int, str], Cell]
    readers: tuple[dict[str, Any], ...]
    people: Mapping[str, tuple[str, float | None, str | None]]
    resamples: int

    @property
    def excluded(self) -> tuple[StationCase, ...]:
        """Series in which the patient moved too far."""
        return self.parts["excluded"]


def claim_of(item: str) -> Claim | None:
    """The study's claim about ``item``."""
    return find_claim("metastasis", item)
