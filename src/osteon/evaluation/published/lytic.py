"""Lytic lesions of myeloma on whole-body low-dose CT: what its counts give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.agreement import agreement_weights, kappa_of_tables, weighted_kappa_error
from osteon.evaluation.published.claims import (
    Claim,
    number_claim,
    printed_range,
    share_claim,
    sum_claim,
    truth_claim,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def claims(facts: dict[str, Any]) -> Iterator[Claim]:
    """Every derived figure of the study."""
    also, everybody = facts["also_printed"], facts["patients"]["all"]
    yield sum_claim("Table 1", "patients", everybody, (facts["female"], facts["male"]))
    yield share_claim("Table 1", "female", also["female_percent"], (facts["female"], everybody))
    yield share_claim("Table 1", "male", also["male_percent"], (facts["male"], everybody))
    yield sum_claim("Table 1", "patients over diseases", everybody, facts["disease"].values())
    for disease, count in facts["disease"].items():
        yield share_claim("Table 1", disease, also["disease_percent"][disease], (count, everybody))
    for name, (count, percent) in also["test_cases"].items():
        yield share_claim("Table 1", f"test cases {name}", percent, (count, facts["patients"]["test"]))
    yield from _bone_split(facts)
    yield from _agreement(facts)
    for name in ("sensitivity", "specificity", "auroc"):
        yield truth_claim(
            "Results", f"end-to-end {name}", also[name], "cannot be recomputed", follows=None, how="counts not printed"
        )


def _bone_split(facts: dict[str, Any]) -> Iterator[Claim]:
    """60 bone slices a subject and a quarter of the subjects that are not tested: how many slices is that?"""
    training = facts["patients"]["all"] - facts["patients"]["test"]
    subjects = training * facts["split"]["bone_share"]
    slices = subjects * facts["also_printed"]["bone_slices_per_subject"]
    printed = facts["images"]["bone_slices"]
    how = f"{training} subjects x {facts['split']['bone_share']} x {facts['also_printed']['bone_slices_per_subject']}"
    yield number_claim("Methods", "slices annotated for bone", str(printed), float(slices), how=how)


def _agreement(facts: dict[str, Any]) -> Iterator[Claim]:
    """Kappa from the two readers' totals: the overlap is not printed, but only one fits."""
    told, also = facts["agreement"], facts["also_printed"]
    n, first, second = told["slices"], told["reader_1_positive"], told["reader_2_positive"]
    fitting = []
    for both in range(min(first, second) + 1):
        table = np.array([[both, first - both], [second - both, n - first - second + both]], dtype=float)
        value = float(kappa_of_tables(table, agreement_weights(2)))
        if printed_range(also["kappa"]).low <= value <= printed_range(also["kappa"]).high:
            fitting.append((both, value, weighted_kappa_error(table, agreement_weights(2))))
    how = f"readers positive in {first} and {second} of {n} slices"
    if not fitting:
        yield truth_claim("Results", "kappa", also["kappa"], "no overlap gives it", follows=False, how=how)
        return
    both, value, error = fitting[0]
    yield number_claim(
        "Results", "kappa", also["kappa"], value, how=f"{how}, {both} in common (the only overlap that fits)"
    )
    ends = (value - 1.959964 * error, min(1.0, value + 1.959964 * error))
    for name, printed, end in zip(("lower", "upper"), also["kappa_ci95"], ends, strict=True):
        yield number_claim(
            "Results", f"kappa, {name} end of 95 % CI", printed, end, how="asymptotic (Fleiss 1969), cut at 1"
        )
