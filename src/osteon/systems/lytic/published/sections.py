"""The study's tables and figures in its order, its printed figures beside ours."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.agreement import cohen_kappa
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.overlap import mean_estimate
from osteon.evaluation.published import load_facts
from osteon.report.result import Figure, Plot, Section, TableData
from osteon.systems.lytic.published.gallery import galleries
from osteon.systems.lytic.published.judge import end_to_end, from_plain, matched
from osteon.systems.reproduction import find_claim, printed_figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.evaluation.published import Claim
    from osteon.systems.lytic.published.config import DetectionPart, StudyConfig
    from osteon.systems.lytic.published.judge import EndToEnd, SliceResult

MERGING = (
    "Ensemble: boxes of all members in falling score; a box joins the first group whose mean box it overlaps by "
    "{iou:g} or more, else it founds one; a group's box is the score-weighted mean, its score the sum of the members' "
    "best scores in it divided by the number of members (weighted boxes fusion, arXiv:1910.13302)."
)


def study_sections(
    cohort: Cohort, config: StudyConfig, facts: dict[str, dict[str, Any]], *, folder: Path
) -> tuple[Section, ...]:
    """All sections.

    Args:
        cohort: that was used.
        config: the recipe.
        facts: what each stage returned, by its name.
        folder: where ``slices.keep_slices`` keeps the slices.
    """
    printed = load_facts("lytic")
    test = [from_plain(entry) for entry in facts["test"]["test"]]
    threshold = float(facts["test"]["threshold"])
    figures = end_to_end(test, hit_iou=config.detection.hit_iou, threshold=threshold)
    pictures = galleries(test, folder, hit_iou=config.detection.hit_iou, threshold=threshold, bone=config.bone)
    return (
        _data_section(cohort, facts, printed),
        _agreement_section(facts["readers"], printed),
        *_grid_section(config, facts),
        _model_section(config, facts, test, printed),
        _end_section(figures, threshold, printed, config),
        Section(
            title="False positives (the study's figure 7)",
            notes=(_shown(len(pictures[0]), "surest", none="No false positive from the threshold on"),),
            gallery=pictures[0],
        ),
        Section(
            title="Missed lesions (the study's figure 8)",
            notes=(_shown(len(pictures[1]), "largest", none="No lesion missed at the threshold"),),
            gallery=pictures[1],
        ),
    )


def _shown(count: int, which: str, *, none: str) -> str:
    if not count:
        return f"{none} on the test slices."
    return f"The {which} {count} on the test slices. Full lines: found; dashed: true lesions."


def _data_section(cohort: Cohort, facts: dict[str, dict[str, Any]], printed: dict[str, Any]) -> Section:
    """Table 1 and figure 1: who and how much."""
    roles = facts["data"]["roles"]
    patients = {case.case: case.patient for case in cohort.cases}
    by_role = {role: len({patients[name] for name, one in roles.items() if one == role}) for role in
               ("bone", "detection", "test")}  # fmt: skip
    ages = [case.age_years for case in cohort.cases if case.age_years is not None]
    age = "not known"
    if ages:
        low, middle, high = np.percentile(ages, (25, 50, 75))
        age = f"{middle:.0f} (IQR {high - low:.0f})"
    women = sum(case.sex == "F" for case in cohort.cases)
    rows = (
        ("patients", str(printed["patients"]["all"]), str(len(set(patients.values())))),
        ("age in years, median", f"{printed['age_years']['median']} (IQR {printed['age_years']['iqr']})", age),
        ("women", f"{printed['female']} of {printed['patients']['all']}", f"{women} of {len(cohort.cases)} scans"),
        ("patients to test", str(printed["patients"]["test"]), str(by_role["test"])),
        ("patients for bone", "9 (25 % of 36)", str(by_role["bone"])),
        ("patients for detection", "27", str(by_role["detection"])),
        ("slices annotated for bone", str(printed["images"]["bone_slices"]), str(facts["bone"]["slices"])),
        ("slices annotated for lesions", str(printed["images"]["lesion_slices"]), str(facts["products"]["images"])),
        ("  of these with a lesion", "not printed", str(facts["products"]["with lesions"])),
        ("lesion boxes", str(printed["lesion_boxes"]), str(facts["products"]["boxes"])),
        ("slices tested", f"30 of each of {printed['patients']['test']}", str(len(facts["test"]["test"]))),
    )
    table = TableData(title="Table 1 and figure 1", columns=("what", "printed", "ours"), rows=rows)
    return Section(title="Patients and slices", tables=(table,), notes=("Divided by patient throughout.",))


def _claim(item: str) -> Claim | None:
    return find_claim("lytic", item)


def _agreement_section(facts: dict[str, Any], printed: dict[str, Any]) -> Section:
    """Interobserver agreement by slice."""
    told = printed["agreement"]
    text = f"{told['kappa']:.2f} ({told['ci95'][0]:.2f} to {told['ci95'][1]:.2f})"
    if not facts["slices"]:
        nothing = printed_figure("kappa", None, printed=text, rule="no test patient with lesions and a lesion table")
        return Section(title="Interobserver agreement", figures=(nothing,))
    first, second = (np.isin(np.arange(facts["slices"]), facts[name]).astype(int) for name in ("first", "second"))
    figure = printed_figure(
        "kappa",
        replace(cohen_kappa(first, second, categories=2), unit="slices"),
        printed=text,
        rule="a slice is positive if a reader marks a lesion on it",
        claim=_claim("kappa"),
    )
    row = (
        f"{told['reader_1_positive']} and {told['reader_2_positive']} of {told['slices']}",
        f"{first.sum()} and {second.sum()} of {facts['slices']} (case {facts['case']})",
    )
    table = TableData(title="Slices called positive by the two readers", columns=("printed", "ours"), rows=(row,))
    return Section(
        title="Interobserver agreement",
        figures=(figure,),
        tables=(table,),
        notes=(
            "Our readers are simulated: this kappa follows from their settings and says nothing about radiologists.",
        ),
    )


def _grid_section(config: StudyConfig, facts: dict[str, dict[str, Any]]) -> tuple[Section, ...]:
    """What was tried (the study's supplementary table 1, which is not in the paper)."""
    tried = [facts[f"grid-{k + 1}"] for k in range(len(config.tried())) if f"grid-{k + 1}" in facts]
    if not tried:
        return ()
    rows = tuple(
        (f"{one['learning_rate']:g}", f"{one['scale']:g}", _number(one["map50"]), one["epoch"], one["lesions"])
        for one in tried
    )
    table = TableData(
        title="Hyperparameters tried",
        columns=("learning rate", "scale", "mAP@0.5 on the first fold", "best epoch", "lesions"),
        rows=rows,
        note=f"{config.grid.epochs} epochs each; the first of the best is taken for all folds and members, so that the "
        "first fold's own figure is a little optimistic.",
    )
    return (Section(title="Hyperparameter grid", tables=(table,)),)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _over_folds(values: Sequence[float]) -> tuple[Estimate, Estimate]:
    """Mean and SD over folds; the mean's interval by Student's t."""
    from scipy import stats

    known = np.array([value for value in values if not math.isnan(value)])
    mean = float(known.mean()) if known.size else float("nan")
    sd = float(known.std(ddof=1)) if known.size > 1 else float("nan")
    half = float(stats.t.ppf(0.975, known.size - 1)) * sd / math.sqrt(known.size) if known.size > 1 else float("nan")
    low, high = (float(np.clip(edge, 0, 1)) for edge in (mean - half, mean + half))
    how = "Student's t over folds, which share training patients: too narrow"
    return (
        Estimate(value=mean, low=low, high=high, n=int(known.size), unit="folds", method=how),
        Estimate(value=sd, n=int(known.size), unit="folds", method="no interval"),
    )


def _model_section(
    config: StudyConfig, facts: dict[str, dict[str, Any]], test: Sequence[SliceResult], printed: dict[str, Any]
) -> Section:
    """Dice of the U-Net, mAP of the detectors, and how they learnt."""
    dice = np.array([one.dice for one in test])
    known = dice[~np.isnan(dice)]
    names = [f"fold-{k + 1}" for k in range(config.data.folds)]
    mean, sd = _over_folds([_number(facts[name]["map50"]) for name in names])
    on_slices = "test slices with bone, or with bone predicted"
    ours = Estimate(value=float(known.std(ddof=1)) if known.size > 1 else float("nan"), n=int(known.size),
                    unit="slices", method="no interval")  # fmt: skip
    text, spread = (f"{value:.2f}" for value in printed["bone"]["dice"])
    average, deviation = (f"{value:.2f}" for value in printed["detection"]["map50"])
    figures = (
        printed_figure(
            "bone Dice, mean",
            mean_estimate(dice, patients=[one.patient for one in test], unit="slices"),
            printed=text,
            rule=on_slices,
        ),
        printed_figure("bone Dice, SD", ours, printed=spread, rule=on_slices),
        printed_figure(
            "mAP@0.5, mean of the folds", mean, printed=average, rule="COCO 101-point, on each fold's held-out patients"
        ),
        printed_figure("mAP@0.5, SD over the folds", sd, printed=deviation),
    )
    rows = tuple(
        (
            name.replace("-", " "),
            facts[name]["images"][0],
            facts[name]["images"][1],
            facts[name]["lesions"],
            _number(facts[name]["map50"]),
            facts[name]["epoch"],
        )
        for name in names + [f"member-{k + 1}" for k in range(1, config.detection.members)]
    )
    table = TableData(
        title="Each network",
        columns=("network", "slices to train", "slices held out", "lesions on these", "mAP@0.5", "best epoch"),
        rows=rows,
        note="Members are trained like fold 1, on other shuffles; fold 1 is the first member.",
    )
    return Section(title="Model performance", figures=figures, tables=(table,), plots=_learning(facts, names))


def _learning(facts: dict[str, dict[str, Any]], names: Sequence[str]) -> tuple[Plot, ...]:
    plots = []
    for title, stages, label in (
        ("Bone U-Net", ["bone"], "Dice on validation slices"),
        ("YOLOv5", list(names), "mAP@0.5 on held-out patients"),
    ):
        series = [
            {
                "name": name.replace("-", " "),
                "x": [entry[0] for entry in facts[name]["history"]],
                "y": [_number(entry[2]) for entry in facts[name]["history"]],
            }
            for name in stages
        ]
        data = {"series": series, "x_label": "epoch", "y_label": label, "y_limits": [0, 1]}
        plots.append(Plot(kind="curves", title=f"Learning of the {title}", data=data))
    return tuple(plots)


def _end_section(
    figures: dict[str, EndToEnd], threshold: float, printed: dict[str, Any], config: StudyConfig
) -> Section:
    """Per-lesion sensitivity, specificity and AUROC under each rule for a negative."""
    rows = [row for negatives, one in figures.items() for row in _end_figures(negatives, one, threshold, printed)]
    tables = tuple(
        TableData(
            title=f"Over thresholds, negatives: {negatives}",
            columns=("score at least", "sensitivity", "specificity"),
            rows=one.table,
        )
        for negatives, one in figures.items()
    )
    notes = (
        f"Threshold {threshold:.3f}: largest sensitivity + specificity on random slices of the first fold's held-out "
        "patients, whom no member was trained on; never chosen on the test patients.",
        "The study does not say what a negative is; both readings are shown.",
        MERGING.format(iou=config.detection.merge_iou),
    )
    return Section(
        title="Lesions found, end to end",
        figures=tuple(rows),
        tables=tables,
        plots=(_roc_plot(figures, printed["end_to_end"]),),
        notes=notes,
    )


def _end_figures(negatives: str, one: EndToEnd, threshold: float, printed: dict[str, Any]) -> list[Figure]:
    rows = []
    for name, ours in (("sensitivity", one.sensitivity), ("specificity", one.specificity), ("AUROC", one.roc.auroc)):
        rows.append(
            printed_figure(
                name,
                ours,
                printed=f"{printed['end_to_end'][name.lower()]:.3f}",
                group=f"negatives: {negatives}",
                rule=one.rule if name == "AUROC" else f"score >= {threshold:.3f}; {one.rule}",
                claim=_claim(f"end-to-end {name.lower()}"),
            )
        )
    return rows


def _roc_plot(figures: dict[str, EndToEnd], told: dict[str, float]) -> Plot:
    series: list[dict[str, Any]] = [
        {
            "name": negatives,
            "label": f"{negatives}: {one.roc.auroc.value:.3f}",
            "x": one.roc.curve.false_positive_rate,
            "y": one.roc.curve.sensitivity,
        }
        for negatives, one in figures.items()
    ]
    series.append({"name": "printed", "style": "point", "x": [1 - told["specificity"]], "y": [told["sensitivity"]]})
    data = {
        "series": series,
        "diagonal": True,
        "x_label": "1 - specificity",
        "y_label": "sensitivity per lesion",
        "x_limits": [0, 1],
        "y_limits": [0, 1.02],
    }
    return Plot(
        kind="curves", title="ROC (the study's figure 6)", data=data, caption="The point is what the study printed."
    )


def rows_by_case(facts: dict[str, Any], part: DetectionPart) -> list[dict[str, Any]]:
    """One row a test case."""
    threshold = float(facts["threshold"])
    slices = [from_plain(entry) for entry in facts["test"]]
    rows = []
    for case in sorted({one.case for one in slices}):
        mine = [one for one in slices if one.case == case]
        outcome = matched(mine, hit_iou=part.hit_iou)
        dice = np.array([one.dice for one in mine])
        rows.append(
            {
                "case": case,
                "slices": len(mine),
                "lesions": int(outcome.lesion_case.size),
                "found": int((outcome.lesion_score >= threshold).sum()),
                "false_positives": int(((outcome.outcome == 0) & (outcome.score >= threshold)).sum()),
                "bone_dice": "" if np.isnan(dice).all() else round(float(np.nanmean(dice)), 4),
            }
        )
    return rows
