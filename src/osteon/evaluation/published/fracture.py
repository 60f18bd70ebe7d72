"""Benign or malignant vertebral fractures on MRI: what its counts give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from osteon.evaluation.features import fisher_test
from osteon.evaluation.paired import smallest_mcnemar_p
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
    from collections.abc import Iterator


def claims(facts: dict[str, Any]) -> Iterator[Claim]:
    """Every derived figure of the study."""
    also, patients, ages = facts["also_printed"], facts["patients"], facts["age_years"]
    yield sum_claim("Methods", "patients", also["patients"], patients.values())
    means, sizes = [str(ages["benign_mean"]), str(ages["malignant_mean"])], [patients["benign"], patients["malignant"]]
    how = f"from {means[0]} of {sizes[0]} and {means[1]} of {sizes[1]}"
    yield number_claim("Methods", "mean age", also["age_mean"], pooled_mean(means, sizes), how=how)
    yield from _features(facts)
    yield from _readers(facts)
    yield from _mcnemar(facts)
    yield from _errors(facts)


def _rows(table: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    return ((name, row) for name, row in table.items() if name != "columns")


def _features(facts: dict[str, Any]) -> Iterator[Claim]:
    malignant, benign = facts["patients"]["malignant"], facts["patients"]["benign"]
    percents, below = facts["also_printed"]["feature_percent"], 0
    for name, (in_malignant, in_benign, printed_p) in _rows(facts["features"]):
        label = name.replace("_", " ")
        yield share_claim("Table 1", f"{label}: malignant", percents[name][0], (in_malignant, malignant))
        yield share_claim("Table 1", f"{label}: benign", percents[name][1], (in_benign, benign))
        p = fisher_test(in_malignant, malignant, in_benign, benign).p
        below += p < 0.001
        how = f"{in_malignant}/{malignant} v {in_benign}/{benign}, Fisher's exact test"
        yield number_claim("Table 1", f"{label}: p", printed_p, p, how=how)
    printed = facts["also_printed"]["features_below_0.001"]
    yield number_claim("Abstract", "features with p < 0.001", str(printed), float(below), how="Fisher's exact tests")


def _readers(facts: dict[str, Any]) -> Iterator[Claim]:
    malignant, benign = facts["patients"]["malignant"], facts["patients"]["benign"]
    for name, (tp, tn, fn, fp) in _rows(facts["readers"]):
        label = name.replace("_", " ")
        yield sum_claim("Table 2", f"{label}: malignant", malignant, (tp, fn))
        yield sum_claim("Table 2", f"{label}: benign", benign, (tn, fp))
        counts = ((tp, malignant), (tn, benign), (tp + tn, malignant + benign))
        percents = facts["also_printed"]["reader_percent"]
        for figure, percent, pair in zip(percents["columns"], percents[name], counts, strict=True):
            yield share_claim("Table 2", f"{label}: {figure}", percent, pair)


def _mcnemar(facts: dict[str, Any]) -> Iterator[Claim]:
    """The pairs are not printed, but the smallest p that the two totals allow follows."""
    size = {"sensitivity": facts["patients"]["malignant"], "specificity": facts["patients"]["benign"]}
    column = {"sensitivity": 0, "specificity": 1}
    for figure, first, second, printed in facts["also_printed"]["mcnemar"]["rows"]:
        a, b = (facts["readers"][reader][column[figure]] for reader in (first, second))
        smallest, n = smallest_mcnemar_p(a, b, n=size[figure]), size[figure]
        possible = smallest <= printed_range(printed).high
        yield truth_claim(
            "Results",
            f"McNemar, {figure}: {first.replace('_', ' ')} v {second.replace('_', ' ')}",
            printed,
            f"at least {value_text(smallest, '0.001')}",
            follows=False if not possible else None,
            how=f"{a}/{n} v {b}/{n}: smallest exact p" + (" (possible; the pairs are not printed)" if possible else ""),
        )


def _errors(facts: dict[str, Any]) -> Iterator[Claim]:
    """Features in the first-year resident's false positives and true negatives."""
    _, tn, _, fp = facts["readers"]["resident_year_1"]
    percents = facts["also_printed"]["resident_year_1_error_percent"]
    for name, (in_fp, in_tn, printed_p) in _rows(facts["resident_year_1_errors_in_benign"]):
        label = name.replace("_", " ")
        yield share_claim("Results", f"resident 1, {label}: false positives", percents[name][0], (in_fp, fp))
        yield share_claim("Results", f"resident 1, {label}: true negatives", percents[name][1], (in_tn, tn))
        p = fisher_test(in_fp, fp, in_tn, tn).p
        how = f"{in_fp}/{fp} v {in_tn}/{tn}, Fisher's exact test"
        yield number_claim("Results", f"resident 1, {label}: p", printed_p, p, how=how)
        yield sum_claim("Results", f"resident 1, {label}: benign", facts["features"][name][1], (in_fp, in_tn))
