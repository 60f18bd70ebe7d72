"""The metastasis study's tables in its order, printed beside ours: patients, segmentation, sensitivity."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.lesions import volume_bins
from osteon.evaluation.published import load_facts
from osteon.report.result import Figure, Section, TableData
from osteon.systems.metastasis.config import COMBINATIONS
from osteon.systems.metastasis.published.findings import causes, figure_6, findings, table_4
from osteon.systems.metastasis.published.study_data import (
    NOT_PRINTED,
    PRINTED_BINS,
    RULE,
    SELECTED,
    TESTS,
    Cell,
    StudyData,
    claim_of,
)
from osteon.systems.metastasis.sections import BIN_NAMES, at_threshold, by_centre, by_volume, segmentation
from osteon.systems.metastasis.splits import patient_of
from osteon.systems.reproduction import printed_figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from osteon.evaluation.estimate import Estimate
    from osteon.systems.metastasis.cases import StationCase


def study_sections(data: StudyData) -> tuple[Section, ...]:
    """All sections, in the study's order."""
    facts = load_facts("metastasis")
    best = data.cells[2, "T1+CE"]
    return (
        _table_1(data, facts),
        _grid(data),
        _table_2(data, facts),
        _table_3(data, facts),
        _centres(data),
        table_4(data, facts),
        *figure_6(data),
        causes(best, facts),
        findings(data),
    )


def _table_1(data: StudyData, facts: dict[str, Any]) -> Section:
    """Characteristics of patients and data."""
    columns = ("train", "internal_test", "external_test")
    ours = {
        "train": (*data.parts["train"], *data.parts["validation"]),
        "internal_test": data.parts["internal_test"],
        "external_test": data.parts["external_test"],
    }
    described = {name: _described(part, data.people) for name, part in ours.items()}
    printed: dict[str, list[str]] = {
        "patients": [str(facts["patients"][name]) for name in columns],
        "age, years": [" ± ".join(map(str, facts["age_years"][name])) for name in columns],
        "male / female": [" / ".join(map(str, facts["also_printed"]["sex"][name])) for name in columns],
        "series": [str(facts["series"][name]) for name in columns],
        "images": [str(facts["images"][name]) for name in columns],
        "lesions": [str(facts["lesions"][name]) for name in columns],
        **{
            f"lesions {shown}": [str(facts["lesion_volume_cm3"][key][k]) for k in range(3)]
            for shown, key in zip(BIN_NAMES, PRINTED_BINS, strict=True)
        },
        "lesions a patient": [" ± ".join(map(str, facts["lesions_per_patient"][name])) for name in columns],
    }
    rows = tuple(
        (item, *(cell for k, name in enumerate(columns) for cell in (values[k], described[name][item])))
        for item, values in printed.items()
    )
    heads = ("", *(head for name in columns for head in (f"{name.replace('_', ' ')}, printed", "ours")))
    note = (
        "Ours: the epoch is chosen on patients of the training part. A lesion in the overlap of two stations counts in "
        "both, as in the study's series."
    )
    return Section(
        title="Table 1: patients and data",
        tables=(TableData(title="Patients and data", columns=heads, rows=rows, note=note),),
        notes=(f"{len(data.excluded)} series left out: lesions overlap by less than half after registration.",),
    )


def _described(
    part: Sequence[StationCase], people: Mapping[str, tuple[str, float | None, str | None]]
) -> dict[str, str]:
    cases = {one.case for one in part}
    known = {people[case][0]: people[case] for case in sorted(cases)}
    ages = [age for _, age, _ in known.values() if age is not None]
    sexes = Counter(sex for _, _, sex in known.values())
    volumes = [volume for one in part for volume in one.volumes_cm3]
    bins = np.bincount(volume_bins(volumes)[0], minlength=4)
    each = Counter(dict.fromkeys({patient_of(one) for one in part}, 0))
    for one in part:
        each[patient_of(one)] += len(one.numbers)
    return {
        "patients": str(len(known)),
        "age, years": _spread(ages),
        "male / female": f"{sexes['M']} / {sexes['F']}",
        "series": str(len(part)),
        "images": str(sum(one.lesions.shape[0] for one in part)),
        "lesions": str(len(volumes)),
        **{f"lesions {name}": str(int(count)) for name, count in zip(BIN_NAMES, bins, strict=True)},
        "lesions a patient": _spread(list(each.values())),
    }


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "not known"
    spread = f"{np.std(values, ddof=1):.1f}" if len(values) > 1 else "?"
    return f"{np.mean(values):.1f} ± {spread}"


def _grid(data: StudyData) -> Section:
    """All fourteen networks, internal test."""
    figures = []
    for cell in data.cells.values():
        answers = cell.answers("internal_test")
        for name, estimate in (segmentation(answers) if answers else {}).items():
            figures.append(
                printed_figure(name, estimate, group=cell.name, printed=NOT_PRINTED, rule="all pixels together")
            )
    table = TableData(
        title="Dice, all pixels together, internal test",
        columns=("network", *(name.replace("+", " + ") for name in COMBINATIONS)),
        rows=tuple(
            (f"{dimensions}D", *(_dice(data.cells[dimensions, name], "internal_test") for name in COMBINATIONS))
            for dimensions in (2, 3)
        ),
    )
    return Section(
        title="Supplementary Table 3: segmentation of all fourteen networks, internal test",
        figures=tuple(figures),
        tables=(table,),
        notes=("The study says of it: 2-D better than 3-D throughout; T1 + CE and T1 + FO + CE best.",),
    )


def _dice(cell: Cell, test: str) -> float | str:
    answers = cell.answers(test)
    return round(segmentation(answers)["dice"].value, 4) if answers else "lacks a sequence"


def _table_2(data: StudyData, facts: dict[str, Any]) -> Section:
    figures = []
    for combination in SELECTED:
        answers = data.cells[2, combination].answers("external_test")
        ours = segmentation(answers) if answers else {}
        for k, name in enumerate(("dice", "recall", "precision")):
            figures.append(
                printed_figure(
                    name,
                    ours.get(name),
                    group=f"2D {combination}",
                    printed=facts["also_printed"]["external_dice"][combination][k],
                    rule="all pixels together",
                    claim=claim_of(f"{combination}: Dice") if name == "dice" else None,
                )
            )
    return Section(title="Table 2: segmentation, external test", figures=tuple(figures))


def _table_3(data: StudyData, facts: dict[str, Any]) -> Section:
    figures = []
    for test, side in TESTS.items():
        for combination in SELECTED:
            figures += _sensitivities(data.cells[2, combination], test, side, facts)
    return Section(title="Table 3: sensitivity per lesion, by volume", figures=tuple(figures))


def _sensitivities(cell: Cell, test: str, side: str, facts: dict[str, Any]) -> list[Figure]:
    answers = cell.answers(test)
    printed = facts["sensitivity"][cell.combination]
    texts = facts["also_printed"]["sensitivity"][cell.combination]
    k = 0 if side == "internal" else 1
    shares: list[tuple[str, str, Estimate | None, str]] = []
    if answers is None:
        shares = [(key, shown, None, "") for key, shown in zip(PRINTED_BINS, BIN_NAMES, strict=True)]
        shares.append(("all", "all lesions", None, ""))
    else:
        for key, share in zip(PRINTED_BINS, by_volume(answers), strict=True):
            shares.append((key, share.name, share.sensitivity, f"{share.found}/{share.lesions}"))
        point = at_threshold(answers)
        shares.append(("all", "all lesions", point.sensitivity, f"{point.found}/{point.lesions}"))
    return [
        printed_figure(
            f"sensitivity, {shown}",
            estimate,
            group=f"{cell.name}, {side}",
            printed=f"{texts[key][k]} ({printed[key][2 * k]}/{printed[key][2 * k + 1]})",
            counts=counts,
            rule=RULE,
            claim=claim_of(f"{cell.combination}, {test}, {key} cm3: sensitivity"),
        )
        for key, shown, estimate, counts in shares
    ]


def _centres(data: StudyData) -> Section:
    """Sensitivity by centre, all test series together."""
    figures = []
    for combination in SELECTED:
        for test, side in TESTS.items():
            answers = data.cells[2, combination].answers(test)
            for share in by_centre(answers) if answers else ():
                figures.append(
                    printed_figure(
                        "sensitivity",
                        share.sensitivity,
                        group=f"2D {combination}, centre {share.name} ({side})",
                        printed=NOT_PRINTED,
                        counts=f"{share.found}/{share.lesions}",
                        rule=RULE,
                    )
                )
    return Section(title="Supplementary Table 4: sensitivity per lesion, by centre", figures=tuple(figures))
