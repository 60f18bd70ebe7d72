"""The fracture study's result section: patients, Table 1, Table 2, McNemar, AUC by fold, regression, errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.confusion import confusion_figures, confusion_of, fractions
from osteon.evaluation.intervals import proportion
from osteon.evaluation.paired import holm, mcnemar_of
from osteon.evaluation.published import load_facts
from osteon.report.result import Figure, Plot, Section, TableData, TestResult
from osteon.systems.fracture.config import CLASSES, THRESHOLD
from osteon.systems.fracture.patients import by_patient
from osteon.systems.fracture.published.features import (
    STUDY,
    cohort_features,
    junior_errors,
    label_of,
    marked,
    regression,
    table_one,
)
from osteon.systems.fracture.published.readers import STUDIED, Readings, given_readers, simulated_readers
from osteon.systems.fracture.sections import HIGHEST, RULE, STUDIED_FIGURES
from osteon.systems.reproduction import find_claim, printed_figure
from osteon.systems.scored import Answers, auroc, confusion_plot, roc_plot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.cohort.manifest import Cohort
    from osteon.systems.fracture.published.config import StudyConfig

NETWORK = "resnet50"
"""Key of the network in the published table."""
_GOOD_AUC = 0.90


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyData:
    """All answers.

    Attributes:
        folds: test slices of every fold.
        slices: (n,) of each fold, index of the slice in T2.
        patients: of all folds, the highest slice each.
        features: name -> (patients,), in their order; {} where unknown.
        readers: on the same patients.
        history: of every fold, rows of epoch, training loss, validation loss.
    """

    folds: tuple[Answers, ...]
    slices: tuple[NDArray[np.int64], ...]
    patients: Answers
    features: dict[str, NDArray[np.bool_]]
    readers: Readings
    history: tuple[list[list[float]], ...]


def gather(cohort: Cohort, facts: list[dict[str, Any]], *, config: StudyConfig, seed: int) -> StudyData:
    """Answers of all folds with the cohort's features and the readers.

    Args:
        cohort: the data; of a patient with several cases the first one's features are taken.
        facts: of every fold's stage.
        config: the recipe.
        seed: of simulated readers.
    """
    folds = tuple(
        Answers(
            label=np.array(one["label"], dtype=np.int64),
            score=np.array(one["score"], dtype=np.float64),
            patient=np.array(one["patient"], dtype=np.str_),
            unit="slices",
            threshold=THRESHOLD,
        )
        for one in facts
    )
    names, scores, labels = (
        np.concatenate([getattr(one, part) for one in folds]) for part in ("patient", "score", "label")
    )
    found = by_patient(names, scores, labels)
    patients = Answers(
        label=found.label, score=found.probability, patient=found.name, unit="patients", threshold=THRESHOLD
    )
    case_of = {case.patient: case for case in reversed(cohort.cases)}
    features = cohort_features(cohort, [case_of[name] for name in patients.patient.tolist()])
    truth = patients.label > 0
    readers = (
        given_readers(config.readers, patient=patients.patient, truth=truth)
        if config.readers.file
        else simulated_readers(config.readers, truth=truth, features=features, seed=seed)
    )
    return StudyData(
        folds=folds,
        slices=tuple(np.array(one["slice"], dtype=np.int64) for one in facts),
        patients=patients,
        features=features,
        readers=readers,
        history=tuple(one["history"] for one in facts),
    )


def study_sections(cohort: Cohort, data: StudyData, config: StudyConfig) -> tuple[Section, ...]:
    """All sections in the study's order."""
    truth = data.patients.label > 0
    called = dict(zip(STUDIED, data.readers.called, strict=True)) | {NETWORK: data.patients.called}
    sections = [_patients(cohort)]
    if data.features:
        sections.append(table_one(data.features, truth))
    sections += [
        _table_two(data, called, config),
        _mcnemar(truth, called),
        _by_fold(data),
    ]
    if data.features:
        seed = config.network.seed
        sections += [
            regression(data.features, truth, config, seed=seed),
            junior_errors(data.features, truth, called[STUDIED[2]], simulated=data.readers.simulated),
        ]
    return tuple(sections)


def _patients(cohort: Cohort) -> Section:
    printed = load_facts(STUDY)
    ages = printed["age_years"]
    rows: list[tuple[str | int | float, ...]] = []
    for name in reversed(CLASSES):
        own = {c.patient: c for c in cohort.cases if bool(c.labels.get("malignant")) == (name == CLASSES[1])}.values()
        known = [case.age_years for case in own if case.age_years is not None]
        ours = f"{np.mean(known):.1f} ({min(known):.0f}-{max(known):.0f})" if known else "not known"
        rows += [
            (name, "patients", printed["patients"][name], len(own)),
            (name, "age, mean (range)", str(ages[f"{name}_mean"]), ours),
        ]
    low, high = ages["range"]
    claim = marked(str(ages["all_mean"]), "mean age", where="Methods")
    table = TableData(
        title="Patients",
        columns=("", "", "printed", "ours"),
        rows=tuple(rows),
        note=f"The study prints {claim} years for all ({low} to {high}).",
    )
    return Section(title="Patients", tables=(table,))


def _table_two(data: StudyData, called: dict[str, NDArray[np.bool_]], config: StudyConfig) -> Section:
    """Sensitivity, specificity and accuracy of the three readers and the network."""
    printed = load_facts(STUDY)["also_printed"]["reader_percent"]
    shown = dict(zip(STUDIED, data.readers.names, strict=True)) | {NETWORK: f"{config.network.backbone}, this run"}
    figures: list[Figure] = []
    for key, calls in called.items():
        counts = confusion_of(data.patients.label, calls)
        found, parts = confusion_figures(counts, unit="patients"), fractions(counts)
        for column, name in enumerate(STUDIED_FIGURES):
            figures.append(
                printed_figure(
                    name,
                    found[name],
                    printed=printed[key][column],
                    group=shown[key],
                    counts="{}/{}".format(*parts[name]),
                    rule=RULE if key == NETWORK else "",
                    claim=find_claim(STUDY, f"{label_of(key)}: {name}", where="Table 2"),
                )
            )
    return Section(
        title="Table 2: three readers and the network",
        figures=tuple(figures),
        plots=(
            confusion_plot(
                "The network",
                data.patients,
                classes=CLASSES,
                caption=f"{len(data.patients.label)} patients. {HIGHEST}",
            ),
            roc_plot(
                "ROC of patients",
                {config.network.backbone: data.patients},
                positive=CLASSES[1],
                caption="AUROC in the legend.",
            ),
        ),
        notes=(HIGHEST, "Every patient is answered once, by the network that did not see them."),
    )


def _mcnemar(truth: NDArray[np.bool_], called: dict[str, NDArray[np.bool_]]) -> Section:
    """The study's pairs: readers and network on the same patients."""
    rows = load_facts(STUDY)["also_printed"]["mcnemar"]["rows"]
    found = []
    for figure, first, second, printed in rows:
        part = truth if figure == "sensitivity" else ~truth
        right = [called[name][part] == truth[part] for name in (first, second)]
        item = f"McNemar, {figure}: {label_of(first)} v {label_of(second)}"
        claim = find_claim(STUDY, item)
        text = f"{printed} [slip: {claim.recomputed} with its counts]" if claim and claim.follows is False else printed
        found.append((f"{figure}: {label_of(first)} - {label_of(second)}", mcnemar_of(*right), text))
    corrected = holm([test.p_exact for _, test, _ in found])
    tests = tuple(
        TestResult(
            name="McNemar exact",
            comparison=comparison,
            p=test.p_exact,
            p_holm=p_holm,
            n=test.n,
            unit="patients",
            detail=f"only the first right {test.only_first}, only the second {test.only_second}; printed p {text}",
        )
        for (comparison, test, text), p_holm in zip(found, corrected, strict=True)
    )
    return Section(
        title="Differences between readers and network",
        tests=tests,
        notes=("The study prints no pairs and does not say which form of McNemar's test it used.",),
    )


def _by_fold(data: StudyData) -> Section:
    """AUC of single slices in every fold."""
    found = [auroc(one) for one in data.folds]
    figures = [
        printed_figure("AUC of slices", one, printed="> 0.90", group=f"fold {k}")
        for k, one in enumerate(found, start=1)
    ]
    defined = [one.value for one in found if one.value == one.value]
    good = sum(value > _GOOD_AUC for value in defined)
    figures.append(
        printed_figure(
            "folds with an AUC above 0.90",
            proportion(good, len(defined), unit="folds"),
            printed="all",
            counts=f"{good}/{len(defined)}",
        )
    )
    losses = [
        {"name": f"fold {k}", "x": [row[0] for row in rows], "y": [row[2] for row in rows]}
        for k, rows in enumerate(data.history, start=1)
    ]
    return Section(
        title="Slices, fold by fold",
        figures=tuple(figures),
        plots=(
            roc_plot(
                "ROC of slices by fold",
                {f"fold {k}": one for k, one in enumerate(data.folds, start=1)},
                positive=CLASSES[1],
            ),
            Plot(
                kind="curves",
                title="Validation loss",
                data={"series": losses, "x_label": "epoch", "y_label": "cross-entropy"},
                caption="The epoch with the lowest one was kept.",
            ),
        ),
        notes=("Intervals by patient, since slices of one patient are alike.",),
    )


def rows_of(data: StudyData) -> list[dict[str, Any]]:
    """One row a patient, for per_case.csv: truth, fold, network, slices, readers, features."""
    fold_of = {name: k for k, one in enumerate(data.folds, start=1) for name in one.patient.tolist()}
    rows = []
    for place, name in enumerate(data.patients.patient.tolist()):
        fold = data.folds[fold_of[name] - 1]
        own = fold.patient == name
        slices = zip(data.slices[fold_of[name] - 1][own], fold.score[own], strict=True)
        rows.append(
            {
                "patient": name,
                "truth": CLASSES[int(data.patients.label[place])],
                "fold": fold_of[name],
                "network": CLASSES[int(data.patients.called[place])],
                "probability_malignant": round(float(data.patients.score[place]), 4),
                "slices": " ".join(f"{k}:{p:.4f}" for k, p in slices),
                **{key: CLASSES[int(calls[place])] for key, calls in zip(STUDIED, data.readers.called, strict=True)},
                **{key: int(values[place]) for key, values in data.features.items()},
            }
        )
    return rows
