"""Bone metastases on spine MRI: what its counts give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from osteon.evaluation.published.claims import (
    Claim,
    Range,
    number_claim,
    pooled_mean,
    printed_range,
    share_claim,
    sum_claim,
    truth_claim,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SETS = ("train", "internal_test", "external_test")
BINS = ("<=0.5", "0.5-1", "1-2", ">2")


def claims(facts: dict[str, Any]) -> Iterator[Claim]:
    """Every derived figure of the study."""
    yield from _totals(facts)
    yield from _ages(facts)
    for index, name in enumerate(SETS):
        lesions, patients = facts["lesions"][name], facts["patients"][name]
        by_volume = [facts["lesion_volume_cm3"][bin_name][index] for bin_name in BINS]
        yield sum_claim("Table 1", f"{name}: lesions over volumes", lesions, by_volume)
        for bin_name, count, percent in zip(
            BINS, by_volume, facts["also_printed"]["volume_percent"][name], strict=True
        ):
            yield share_claim("Table 1", f"{name}: lesions {bin_name} cm3", percent, (count, lesions))
        yield number_claim(
            "Table 1",
            f"{name}: lesions per patient",
            facts["also_printed"]["lesions_per_patient"][name],
            lesions / patients,
            how=f"{lesions}/{patients}",
        )
    for model in ("T1+CE", "T1", "CE"):
        yield from _sensitivity(facts, model)
        yield from _predictive_value(facts, model)
        yield from _dice(facts, model)
    yield from _other(facts)


def _totals(facts: dict[str, Any]) -> Iterator[Claim]:
    told = facts["also_printed"]["internal"]
    for item, key in (("patients", "patients"), ("series", "series"), ("lesions", "lesions")):
        parts = (facts[key]["train"], facts[key]["internal_test"])
        yield sum_claim("Results", f"internal {item}", told[key], parts)
    yield sum_claim("Results", "internal series over centres", told["series"], told["centre_series"])
    yield sum_claim("Results", "internal patients over sexes", told["patients"], (told["male"], told["female"]))
    for name in SETS:
        yield sum_claim(
            "Table 1", f"{name}: patients over sexes", facts["patients"][name], facts["also_printed"]["sex"][name]
        )
    volumes = facts["lesion_volume_cm3"]
    small = [volumes[bin_name][index] for bin_name in BINS[:2] for index in (0, 1)]
    yield sum_claim("Results", "internal lesions up to 1.0 cm3", told["lesions_up_to_1_cm3"], small)
    yield number_claim(
        "Results",
        "internal lesions per patient",
        told["lesions_per_patient"],
        told["lesions"] / told["patients"],
        how=f"{told['lesions']}/{told['patients']}",
    )


def _ages(facts: dict[str, Any]) -> Iterator[Claim]:
    """Mean and SD of the internal patients from those of its two parts."""
    told, parts = facts["also_printed"]["internal"], ("train", "internal_test")
    sizes = [facts["patients"][name] for name in parts]
    means = [str(facts["age_years"][name][0]) for name in parts]
    spreads = [printed_range(str(facts["age_years"][name][1])) for name in parts]
    how = f"from {' and '.join(means)} of {sizes[0]} and {sizes[1]}"
    yield number_claim("Results", "internal age, mean", told["age_mean"], pooled_mean(means, sizes), how=how)
    between = sizes[0] * sizes[1] / sum(sizes) * (float(means[0]) - float(means[1])) ** 2
    low, high = (
        math.sqrt((sum((n - 1) * end**2 for n, end in zip(sizes, ends, strict=True)) + between) / (sum(sizes) - 1))
        for ends in ([one.low for one in spreads], [one.high for one in spreads])
    )
    how = "pooled from the SDs and means of its two parts"
    yield number_claim("Results", "internal age, SD", told["age_sd"], Range(low=low, high=high), how=how)


def _sensitivity(facts: dict[str, Any], model: str) -> Iterator[Claim]:
    table, printed = facts["sensitivity"][model], facts["also_printed"]["sensitivity"][model]
    for side, name in enumerate(("internal", "external")):
        hit, n = 2 * side, 2 * side + 1
        for bin_name in (*BINS, "all"):
            counts = (table[bin_name][hit], table[bin_name][n])
            yield share_claim(
                "Table 3", f"{model}, {name}, {bin_name} cm3: sensitivity", printed[bin_name][side], counts
            )
        for item, column in (("lesions hit", hit), ("lesions", n)):
            parts = [table[bin_name][column] for bin_name in BINS]
            yield sum_claim("Table 3", f"{model}, {name}: {item}", table["all"][column], parts)
    hit, n = table["all"][2], table["all"][3]
    half = 1.959964 * math.sqrt(hit / n * (1 - hit / n) / n)
    ends = facts["also_printed"]["external_sensitivity_ci95"][model]
    for end, text, value in zip(("lower", "upper"), ends, (hit / n - half, hit / n + half), strict=True):
        how = "Wald, as if lesions were independent"
        yield number_claim("Table 4", f"{model}: sensitivity, {end} end of 95 % CI", text, value, how=how)


def _predictive_value(facts: dict[str, Any], model: str) -> Iterator[Claim]:
    """PPV from the lesions hit and the false positives per series."""
    hit, series = facts["sensitivity"][model]["all"][2], facts["series"]["external_test"]
    per_series = facts["also_printed"]["external_fp_per_series"][model]
    rate = printed_range(per_series)
    value = Range(low=hit / (hit + rate.high * series), high=hit / (hit + rate.low * series))
    how = f"{hit} lesions hit, {per_series} false positives in each of {series} series"
    printed = facts["also_printed"]["external_ppv"][model]
    claim = number_claim("Table 4", f"{model}: per-lesion PPV", printed, value, how=how)
    if not claim.follows:
        ppv = float(printed)
        needed = ppv / (1 - ppv) * float(per_series) * series
        how += f"; the printed PPV needs {needed:.0f} true positives: several predictions may hit one lesion"
    yield Claim(
        **{name: getattr(claim, name) for name in ("where", "item", "printed", "recomputed", "follows")}, how=how
    )
    in_text = facts["also_printed"]["external_ppv_in_text"].get(model)
    if in_text is not None:
        yield number_claim("Results", f"{model}: per-lesion PPV in the text", in_text, float(printed), how="Table 4")


def _dice(facts: dict[str, Any], model: str) -> Iterator[Claim]:
    """Pooled over pixels, Dice is the harmonic mean of recall and precision."""
    dice, recall, precision = facts["also_printed"]["external_dice"][model]
    r, p = printed_range(recall), printed_range(precision)
    value = Range(low=2 * r.low * p.low / (r.low + p.low), high=2 * r.high * p.high / (r.high + p.high))
    yield number_claim("Table 2", f"{model}: Dice", dice, value, how=f"harmonic mean of {recall} and {precision}")


def _other(facts: dict[str, Any]) -> Iterator[Claim]:
    also = facts["also_printed"]
    large = [facts["sensitivity"]["T1+CE"][bin_name] for bin_name in BINS[2:]]
    counts = (sum(row[2] for row in large), sum(row[3] for row in large))
    printed = also["external_sensitivity_over_1_cm3_of_T1+CE"]
    yield share_claim("Discussion", "T1+CE, external, > 1.0 cm3: sensitivity", printed, counts)
    mistakes = facts["internal_false_positives_of_T1+CE"].values()
    yield sum_claim("Results", "false-positive lesions", also["internal_false_positives_of_T1+CE"], mistakes)
    low, high = also["fp_per_series_ci95_of_radiologists"]
    yield truth_claim(
        "Table 4",
        "radiologists: false positives per series, 95 % CI",
        f"{low} to {high}",
        "a rate cannot be below 0",
        follows=float(low) >= 0,
        how="an interval must lie among the possible values",
    )
