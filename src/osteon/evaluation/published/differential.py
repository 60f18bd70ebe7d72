"""Myeloma or osteolytic metastasis on spinal CT: what its figures can mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation import confusion
from osteon.evaluation.published.claims import (
    Claim,
    number_claim,
    pooled_mean,
    printed_range,
    share_claim,
    sum_claim,
    truth_claim,
    value_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

FIGURES = (
    ("sensitivity", confusion.sensitivity),
    ("specificity", confusion.specificity),
    ("PPV", confusion.positive_predictive_value),
    ("NPV", confusion.negative_predictive_value),
    ("accuracy", confusion.accuracy),
    ("F1", confusion.f1_score),
    ("kappa", confusion.kappa),
)
READINGS = {
    "as printed": (0, 1, 2, 3),
    "sensitivity and PPV, specificity and NPV exchanged": (2, 3, 0, 1),
    "positive class exchanged": (1, 0, 3, 2),
    "both exchanged": (3, 2, 1, 0),
}
"""Which printed column holds the sensitivity, specificity, PPV and NPV."""
_FITTED = 6  # kappa is left out of the search, so that the counts can check it


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """Counts that fit a table under one reading of its columns.

    Attributes:
        reading: a key of ``READINGS``.
        positive: images of the positive class.
        counts: model -> (4,) true positive, false positive, false negative, true negative; models that fit only.
    """

    reading: str
    positive: int
    counts: dict[str, NDArray[np.float64]]


def fit_reading(table: dict[str, list[str]], *, images: int, reading: str) -> Fit:
    """The class sizes under which the most models have whole counts that give all their figures but kappa.

    Of equally good sizes the most even one is taken.

    Args:
        table: model -> printed sensitivity, specificity, PPV, NPV, accuracy, F1, kappa.
        images: in the test set.
        reading: a key of ``READINGS``.
    """
    best = Fit(reading=reading, positive=0, counts={})
    for positive in sorted(range(1, images), key=lambda size: abs(2 * size - images)):
        counts = {}
        for model, printed in table.items():
            found = _model_counts(printed, positive=positive, images=images, columns=READINGS[reading])
            if found is not None:
                counts[model] = found
        if len(counts) > len(best.counts):
            best = Fit(reading=reading, positive=positive, counts=counts)
    return best


def _model_counts(
    printed: Sequence[str], *, positive: int, images: int, columns: tuple[int, int, int, int]
) -> NDArray[np.float64] | None:
    """The counts that give every printed figure but kappa, or None."""
    negative = images - positive
    for hits in _whole(printed[columns[0]], positive):
        for cleared in _whole(printed[columns[1]], negative):
            counts = np.array([hits, negative - cleared, positive - hits, cleared], dtype=np.float64)
            order = (*columns, 4, 5)
            values = [float(definition(counts)) for _, definition in FIGURES[:_FITTED]]
            if all(
                printed_range(printed[column]).low - 1e-9 <= value <= printed_range(printed[column]).high + 1e-9
                for column, value in zip(order, values, strict=True)
            ):
                return counts
    return None


def _whole(printed: str, n: int) -> range:
    wanted = printed_range(printed)
    return range(max(0, math.ceil(wanted.low * n - 1e-9)), min(n, math.floor(wanted.high * n + 1e-9)) + 1)


def claims(facts: dict[str, Any]) -> Iterator[Claim]:
    """Every derived figure of the study."""
    yield from _totals(facts)
    table, images = facts["also_printed"]["table2"], facts["images"]["test"]
    fits = {reading: fit_reading(table, images=images, reading=reading) for reading in READINGS}
    best = max(fits.values(), key=lambda fit: len(fit.counts))
    plain = fits["as printed"]
    yield truth_claim(
        "Table 2",
        "meaning of the columns",
        "as printed",
        f"{best.reading}: {best.positive} + {images - best.positive} images, {len(best.counts)} of {len(table)} fit",
        follows=len(plain.counts) == len(best.counts),
        how=f"as printed, no split of the {images} images fits more than {len(plain.counts)} of {len(table)} models",
    )
    for model, counts in best.counts.items():
        yield from _model_claims(model, table[model], counts, columns=READINGS[best.reading])


def _model_claims(
    model: str, printed: Sequence[str], counts: NDArray[np.float64], *, columns: tuple[int, int, int, int]
) -> Iterator[Claim]:
    tp, fp, fn, tn = (int(count) for count in counts)
    values = [float(definition(counts)) for _, definition in FIGURES]
    for index, (name, _) in enumerate(FIGURES):
        how = f"TP {tp}, FP {fp}, FN {fn}, TN {tn}"
        claim = number_claim("Table 2", f"{model}: {name}", printed[index], values[index], how=how)
        if not claim.follows and index < 4:
            meant = columns.index(index)
            how += f"; the printed value is the {FIGURES[meant][0]} ({value_text(values[meant], printed[index])})"
            claim = number_claim("Table 2", f"{model}: {name}", printed[index], values[index], how=how)
        yield claim


def _totals(facts: dict[str, Any]) -> Iterator[Claim]:
    also, patients, images = facts["also_printed"], facts["patients"], facts["images"]
    yield sum_claim("Table 1", "patients", also["patients"], patients.values())
    classes = (images["myeloma"], images["osteolytic_metastasis"])
    yield sum_claim("Methods", "images over classes", also["images"], classes)
    parts = (images["train"], images["validation"], images["test"])
    yield sum_claim("Methods", "images over parts", also["images"], parts)
    metastatic = patients["osteolytic_metastasis"]
    yield sum_claim("Results", "patients over primary tumours", metastatic, facts["primaries"].values())
    groups = [*patients.values(), also["patients"]]
    for column, size in enumerate(groups):
        parts_of = (also["male"][column], also["female"][column])
        yield sum_claim("Table 1", f"men and women, column {column + 1}", size, parts_of)
        percent = also["sex_percent"]["male"][column]
        yield share_claim("Table 1", f"men, column {column + 1}", percent, (also["male"][column], size))
    for (name, count), percent in zip(patients.items(), also["patient_percent"], strict=True):
        yield share_claim("Results", f"patients with {name}", percent, (count, also["patients"]))
    ages = facts["age_years"]
    means = [str(ages["myeloma_mean"]), str(ages["metastasis_mean"])]
    how = f"from {means[0]} of {groups[0]} and {means[1]} of {groups[1]}"
    yield number_claim("Table 1", "mean age", also["age_mean"], pooled_mean(means, groups[:2]), how=how)
    yield _smallest_spread(also)


def _smallest_spread(also: dict[str, Any]) -> Claim:
    """The smallest SD that the printed extreme ages allow: everybody else at one age that keeps the mean."""
    mean, n = float(also["age_mean"]), also["patients"]
    extremes = [age for ends in also["age_range"].values() for age in ends]
    away = [age - mean for age in extremes]
    others = n - len(away)
    squares = sum(gap**2 for gap in away) + sum(away) ** 2 / others
    smallest = math.sqrt(squares / n)
    return truth_claim(
        "Table 1",
        "SD of the age",
        also["age_sd"],
        f"at least {smallest:.2f}",
        follows=smallest <= printed_range(also["age_sd"]).high,
        how=f"{n} patients of mean age {mean}, among them the printed extremes {', '.join(map(str, sorted(extremes)))}",
    )
