"""The study's result section: Table 1, Table 2, Figures 2 to 4; beside every figure the same one split by patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.published import load_facts
from osteon.report.result import Figure, Plot, Section, TableData
from osteon.systems.differential.config import CLASSES
from osteon.systems.differential.patients import THRESHOLD
from osteon.systems.differential.published.honest import SPLITS, honest_section
from osteon.systems.differential.sections import RULE, STUDIED_FIGURES
from osteon.systems.reproduction import find_claim, printed_figure
from osteon.systems.scored import Answers, confusion_plot, counts_of, estimates, join, roc_plot

if TYPE_CHECKING:
    from osteon.cohort.manifest import Cohort
    from osteon.systems.differential.images import Pictures
    from osteon.systems.differential.published.config import StudyConfig

STUDY = "differential"
_BEST = 3
_STEM = {"myeloma": "myeloma", "metastasis": "osteolytic_metastasis"}


def study_sections(
    cohort: Cohort, config: StudyConfig, facts: dict[str, Any], *, pictures: Pictures
) -> tuple[Section, ...]:
    """All sections in the study's order; what the split does to the figures comes right after Table 2.

    Args:
        cohort: the data.
        config: the recipe.
        facts: of every stage, by name.
        pictures: of the whole cohort, any size.
    """
    answers = {name: gather_answers(name, config, facts) for name in config.backbones}
    return (
        _demographics(cohort, pictures),
        _table_two(answers),
        honest_section(
            answers,
            tested=facts[stage(config.backbones[0], "image")]["test"]["name"],
            pictures=pictures,
            folds=config.data.folds,
        ),
        _confusions(answers),
        _rocs(answers),
        _curves(config, facts, answers),
        _patients(config, facts),
    )


def stage(backbone: str, split: str) -> str:
    """Name of the stage of one network on one split: "image", "fold1", "fold2" ..."""
    return f"{backbone.replace('_', '-')}-{split}"


def gather_answers(backbone: str, config: StudyConfig, facts: dict[str, Any]) -> dict[str, Answers]:
    """Test slices of one network under both splits; by patient, every slice once, over all folds."""
    folds = [facts[stage(backbone, f"fold{k + 1}")]["test"] for k in range(config.data.folds)]
    return {
        SPLITS[0]: _answers(facts[stage(backbone, "image")]["test"], "slices"),
        SPLITS[1]: join([_answers(one, "slices") for one in folds]),
    }


def _answers(test: dict[str, Any], unit: str) -> Answers:
    return Answers(
        label=np.array(test["label"], dtype=np.int64),
        score=np.array(test["score"], dtype=np.float64),
        patient=np.array(test["patient"], dtype=np.str_),
        unit=unit,
        threshold=THRESHOLD,
    )


def _demographics(cohort: Cohort, pictures: Pictures) -> Section:
    """Table 1, and how many pictures of each diagnosis there are."""
    printed = load_facts(STUDY)
    also = printed["also_printed"]
    patients = {case.patient: case for case in cohort.cases}.values()
    rows: list[tuple[str | int | float, ...]] = []
    for column, name in enumerate(reversed(CLASSES)):
        own = [case for case in patients if case.labels.get("diagnosis") == name]
        ages = [case.age_years for case in own if case.age_years is not None]
        ours = f"{np.mean(ages):.1f} ({min(ages):.0f}-{max(ages):.0f})" if ages else "not known"
        low, high = also["age_range"][_STEM[name]]
        mean = printed["age_years"][f"{name}_mean"]
        rows += [
            (name, "patients", printed["patients"][_STEM[name]], len(own)),
            (name, "male", also["male"][column], sum(case.sex == "M" for case in own)),
            (name, "female", also["female"][column], sum(case.sex == "F" for case in own)),
            (name, "age, mean (range)", f"{mean} ({low}-{high})", ours),
            (
                name,
                "slices",
                printed["images"][_STEM[name]],
                int((pictures.label == CLASSES.index(name)).sum()),
            ),
        ]
    table = TableData(title="Table 1, and slices", columns=("diagnosis", "", "printed", "ours"), rows=tuple(rows))
    return Section(title="Table 1: patients", tables=(table,))


def _table_two(answers: dict[str, dict[str, Answers]]) -> Section:
    """The seven figures of every network: printed, ours by image, ours by patient."""
    printed = load_facts(STUDY)["also_printed"]["table2"]
    rows: list[Figure] = []
    for backbone, by_split in answers.items():
        found = {split: (estimates(one, STUDIED_FIGURES), counts_of(one)) for split, one in by_split.items()}
        for k, name in enumerate((*STUDIED_FIGURES, "AUROC")):
            text = printed[backbone][k] if backbone in printed and k < len(STUDIED_FIGURES) else "not printed"
            for split, (estimate, counts) in found.items():
                as_studied = split == SPLITS[0]
                rows.append(
                    printed_figure(
                        name,
                        estimate[name],
                        printed=text if as_studied else "",
                        group=f"{backbone}, {split}",
                        counts=counts.get(name, ""),
                        rule=RULE if name != "AUROC" else "",
                        claim=find_claim(STUDY, f"{backbone}: {name}", where="Table 2") if as_studied else None,
                    )
                )
    return Section(
        title="Table 2: myeloma or metastasis on a slice",
        figures=tuple(rows),
        notes=(
            "By image: slices divided at random, as the study did. By patient: cross-validation, every slice answered "
            "by a network that never saw its patient. Intervals are by patient in both. Positive class: myeloma; the "
            "study does not say which was its own.",
        ),
    )


def _confusions(answers: dict[str, dict[str, Answers]]) -> Section:
    plots = [
        confusion_plot(f"{name}, {split}", one, classes=CLASSES, caption=f"{len(one.label)} test slices.")
        for name, by_split in answers.items()
        for split, one in by_split.items()
    ]
    return Section(title="Figure 2: confusion matrices", plots=tuple(plots))


def _rocs(answers: dict[str, dict[str, Answers]]) -> Section:
    plots = [
        roc_plot(
            f"ROC, {split}",
            {name: one[split] for name, one in answers.items()},
            positive=CLASSES[1],
            caption="AUROC in the legend.",
        )
        for split in SPLITS
    ]
    return Section(title="Figure 3: ROC curves", plots=tuple(plots))


def _curves(config: StudyConfig, facts: dict[str, Any], answers: dict[str, dict[str, Answers]]) -> Section:
    """Accuracy and loss of the three networks with the highest test accuracy by image, as the study chose them."""
    scored = {name: estimates(one[SPLITS[0]], STUDIED_FIGURES)["accuracy"].value for name, one in answers.items()}
    best = sorted(config.backbones, key=lambda name: -scored[name])[:_BEST]
    plots = []
    for name in best:
        for split, label in (("image", SPLITS[0]), ("fold1", f"{SPLITS[1]}, fold 1")):
            history = facts[stage(name, split)]["history"]
            plots += [_curve(f"{name}, {label}: {what}", history, columns, what) for what, columns in _COLUMNS]
    return Section(
        title="Figure 4: learning curves of the best three",
        plots=tuple(plots),
        notes=(f"Best by accuracy on the test slices by image, as in the study: {', '.join(best)}.",),
    )


_COLUMNS = (("accuracy", (2, 4)), ("loss", (1, 3)))
"""Columns of a history entry (epoch, train loss, train accuracy, validation loss, validation accuracy)."""


def _curve(title: str, history: list[list[float]], columns: tuple[int, int], what: str) -> Plot:
    epochs = [entry[0] for entry in history]
    series = [
        {"name": part, "x": epochs, "y": [float("nan") if entry[k] is None else entry[k] for entry in history]}
        for part, k in zip(("training", "validation"), columns, strict=True)
    ]
    return Plot(kind="curves", title=title, data={"series": series, "x_label": "epoch", "y_label": what})


def _patients(config: StudyConfig, facts: dict[str, Any]) -> Section:
    """Not in the study: one answer a patient, which is what a clinician asks for."""
    rows: list[Figure] = []
    for name in config.backbones:
        folds = [facts[stage(name, f"fold{k + 1}")]["patients"] for k in range(config.data.folds)]
        answers = join([_answers(one, "patients") for one in folds])
        counts = counts_of(answers)
        found = estimates(answers, STUDIED_FIGURES)
        for figure in ("sensitivity", "specificity", "accuracy", "AUROC"):
            rows.append(
                Figure(name=figure, estimate=found[figure], group=name, counts=counts.get(figure, ""), rule=RULE)
            )
    return Section(
        title="Not in the study: one answer a patient",
        figures=tuple(rows),
        notes=("Mean log-odds of the patient's slices, calibrated in each fold on the patients that chose the epoch.",),
    )


def rows_of(config: StudyConfig, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a test slice, network and split, for per_case.csv."""
    rows = []
    for name in config.backbones:
        for split in ("image", *(f"fold{k + 1}" for k in range(config.data.folds))):
            test = facts[stage(name, split)]["test"]
            for picture, patient, label, score in zip(
                test["name"], test["patient"], test["label"], test["score"], strict=True
            ):
                rows.append(
                    {
                        "network": name,
                        "split": split,
                        "slice": picture,
                        "patient": patient,
                        "diagnosis": CLASSES[label],
                        "probability_myeloma": round(score, 4),
                    }
                )
    return rows
