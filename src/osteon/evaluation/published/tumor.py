"""Benign or malignant spinal tumours on MRI: what its counts give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from osteon.evaluation.published.claims import (
    Claim,
    Range,
    number_claim,
    printed_range,
    sum_claim,
    truth_claim,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def claims(facts: dict[str, Any]) -> Iterator[Claim]:
    """Every derived figure of the study."""
    yield from _totals(facts)
    also = facts["also_printed"]
    test = facts["patients"]["test"]
    for where, rows in (("Table 3", also["table3"]), ("Table 4", also["table4"])):
        for name, printed in rows.items():
            yield from _accuracy(where, name, printed, malignant=test["malignant"], benign=test["benign"])
    rows = {**also["table3"], **also["table4"]}
    for framework, doctor, printed in also["accuracy_gain"]["rows"]:
        first, second = (printed_range(rows[name][0]) for name in (framework, doctor))
        gain = Range(low=first.low - second.high, high=first.high - second.low)
        how = f"accuracy {rows[framework][0]} - {rows[doctor][0]}"
        yield number_claim("Results", f"gain of {framework} over {doctor}", printed, gain, how=how)
    yield from _both_higher(also["higher_in_both_SE_and_SP"], rows)
    for name, printed in also["auc"].items():
        yield truth_claim(
            "Table 3", f"AUC of {name}", printed, "cannot be recomputed", follows=None, how="scores not printed"
        )


def _totals(facts: dict[str, Any]) -> Iterator[Claim]:
    also, patients, images = facts["also_printed"], facts["patients"], facts["images"]
    for kind in ("benign", "malignant"):
        yield sum_claim("Table 1", f"{kind} patients", also[kind], (patients[part][kind] for part in ("train", "test")))
    yield sum_claim("Methods", "patients", also["patients"], (also["benign"], also["malignant"]))
    yield sum_claim("Methods", "women and men", also["patients"], (also["women"], also["men"]))
    every_image = [images[part][kind] for part in ("train", "test") for kind in ("benign", "malignant")]
    yield sum_claim("Methods", "annotated images", also["annotated_images"], every_image)
    sequences = facts["sequences"]
    yield sum_claim("Methods", "sequences", also["sequences"], (sequences["train"], sequences["test"]))
    yield sum_claim("Table 2", "tumour locations", also["location_total"], facts["location"].values())
    yield number_claim(
        "Methods",
        "sequences per patient",
        also["sequences_per_patient"],
        also["sequences"] / also["patients"],
        how=f"{also['sequences']}/{also['patients']}",
    )
    yield number_claim(
        "Methods",
        "labelled images per sequence",
        also["labelled_images_per_sequence"],
        also["annotated_images"] / also["sequences"],
        how=f"{also['annotated_images']}/{also['sequences']}",
    )


def _accuracy(where: str, name: str, printed: list[str], *, malignant: int, benign: int) -> Iterator[Claim]:
    """Accuracy from whole numbers of patients that give the printed sensitivity and specificity."""
    accuracy, sensitivity, specificity = printed
    right_malignant = _whole(sensitivity, malignant)
    right_benign = _whole(specificity, benign)
    for item, text, counts, n in (
        ("sensitivity", sensitivity, right_malignant, malignant),
        ("specificity", specificity, right_benign, benign),
    ):
        found = f"{counts[0]}/{n}" if counts else f"no count out of {n}"
        yield truth_claim(where, f"{name}: {item}", text, found, follows=bool(counts), how="a whole number of patients")
    if right_malignant and right_benign:
        right = Range(low=right_malignant[0] + right_benign[0], high=right_malignant[-1] + right_benign[-1])
        total = malignant + benign
        value = Range(low=right.low / total, high=right.high / total)
        how = f"({right_malignant[0]} + {right_benign[0]})/{total}"
        yield number_claim(where, f"{name}: accuracy", accuracy, value, how=how)


def _whole(printed: str, n: int) -> list[int]:
    """The counts out of n that round to a printed share."""
    wanted = printed_range(printed)
    return [count for count in range(n + 1) if Range(low=count / n, high=count / n).meets(wanted)]


def _both_higher(pairs: list[list[str]], rows: dict[str, list[str]]) -> Iterator[Claim]:
    """The text says of these pairs that sensitivity and specificity of the framework were both higher."""
    for framework, doctor in pairs:
        ours, theirs = rows[framework], rows[doctor]
        higher = all(float(a) > float(b) for a, b in zip(ours[1:], theirs[1:], strict=True))
        yield truth_claim(
            "Results",
            f"{framework} higher than {doctor} in both",
            "higher",
            f"sensitivity {ours[1]} v {theirs[1]}, specificity {ours[2]} v {theirs[2]}",
            follows=higher,
            how="printed figures compared",
        )
