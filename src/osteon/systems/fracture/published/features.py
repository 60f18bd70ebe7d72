"""The 15 binary features: Table 1, the regression on them, and what the junior reader's false positives share."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError, OsteonError
from osteon.evaluation.confusion import confusion_figures, confusion_of
from osteon.evaluation.features import cross_validated_probability, fisher_test_of, patient_folds
from osteon.evaluation.intervals import proportion
from osteon.evaluation.logistic import fit_logistic, separation, with_intercept
from osteon.evaluation.published import load_facts
from osteon.report.result import Figure, Section, TableData
from osteon.systems.fracture.config import THRESHOLD
from osteon.systems.fracture.published.readers import JUNIOR
from osteon.systems.reproduction import find_claim, printed_figure

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.evaluation.estimate import Estimate
    from osteon.systems.fracture.published.config import StudyConfig

STUDY = "fracture"
FEATURES = tuple(name for name in load_facts(STUDY)["features"] if name != "columns")
SIGNIFICANT = 0.001


def cohort_features(cohort: Cohort, cases: list[Case]) -> dict[str, NDArray[np.bool_]]:
    """Feature -> (n,) of these cases; {} where one of them has none.

    Raises:
        CohortError: a table that is not one row of 0 and 1 under the published names.
    """
    if any("features" not in case.truth for case in cases):
        return {}
    rows = [_read_row(cohort.truth_path(case, "features"), case.case) for case in cases]
    return {name: np.array([row[name] for row in rows], dtype=bool) for name in FEATURES}


def _read_row(path: Path, case: str) -> dict[str, bool]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != 1 or any(rows[0].get(name) not in ("0", "1") for name in FEATURES):
        raise CohortError(
            f"case {case}: its features are no single row of 0 and 1 under the {len(FEATURES)} names {FEATURES[0]} ..."
        )
    return {name: rows[0][name] == "1" for name in FEATURES}


def label_of(name: str) -> str:
    """A feature or reader as it is shown."""
    return name.replace("_", " ")


def table_one(features: dict[str, NDArray[np.bool_]], truth: NDArray[np.bool_]) -> Section:
    """Fisher's exact test of every feature, printed beside ours."""
    printed = load_facts(STUDY)["features"]
    patients = load_facts(STUDY)["patients"]
    rows: list[tuple[str | int | float, ...]] = []
    below = 0
    for name in FEATURES:
        test = fisher_test_of(truth, features[name])
        below += test.p < SIGNIFICANT
        in_malignant, in_benign, p = printed[name]
        rows.append(
            (
                label_of(name),
                f"{in_malignant}/{patients['malignant']}",
                f"{test.present_positive}/{test.positive}",
                f"{in_benign}/{patients['benign']}",
                f"{test.present_negative}/{test.negative}",
                marked(p, f"{label_of(name)}: p", where="Table 1"),
                p_text(test.p),
                _odds(test.odds_ratio),
            )
        )
    columns = ("feature", "malignant, printed", "ours", "benign, printed", "ours", "p, printed", "ours", "odds ratio")
    count = find_claim(STUDY, "features with p < 0.001")
    return Section(
        title="Table 1: 15 features",
        tables=(TableData(title="Fisher's exact test", columns=columns, rows=tuple(rows)),),
        figures=(
            printed_figure(
                "features with p < 0.001",
                proportion(below, len(FEATURES), unit="features"),
                printed=f"{load_facts(STUDY)['also_printed']['features_below_0.001']} of {len(FEATURES)}",
                counts=f"{below}/{len(FEATURES)}",
                claim=count,
            ),
        ),
        notes=("Odds ratios with their exact conditional 95 % interval; the study prints none.",),
    )


def marked(printed: str, item: str, *, where: str) -> str:
    """A printed figure, marked where the study's own counts give another."""
    claim = find_claim(STUDY, item, where=where)
    return f"{printed} [slip: its own counts give {claim.recomputed}]" if claim and claim.follows is False else printed


def p_text(p: float) -> str:
    """A p-value for a table."""
    return "not defined" if math.isnan(p) else "< 0.001" if p < SIGNIFICANT else f"{p:.3f}"


def _odds(one: Estimate) -> str:
    return f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"


def regression(
    features: dict[str, NDArray[np.bool_]], truth: NDArray[np.bool_], config: StudyConfig, *, seed: int
) -> Section:
    """Logistic regression on all features: on the patients it was fitted to, and cross-validated."""
    design = np.stack([features[name] for name in FEATURES], axis=1).astype(np.float64)
    penalty, strength = config.features.penalty, config.features.strength
    printed = f"{load_facts(STUDY)['feature_logistic_regression_accuracy']}"
    fit = fit_logistic(with_intercept(design), truth, penalty=penalty, strength=strength)
    figures = [
        printed_figure(
            "accuracy",
            _accuracy(fit.probability(with_intercept(design)), truth) if fit.converged else None,
            printed=printed,
            group="fitted and measured on the same patients",
            rule=f"malignant from {THRESHOLD:g} on; penalty {penalty}",
        )
    ]
    smallest = int(min(truth.sum(), (~truth).sum()))
    folds = min(config.data.folds, smallest)
    try:
        fold = patient_folds(truth, np.arange(len(truth)), folds=folds, seed=seed)
        probability = cross_validated_probability(design, truth, fold, penalty=penalty, strength=strength)
        ours: Estimate | None = _accuracy(probability, truth)
    except OsteonError:  # too few patients, or features that separate the classes
        ours = None
    figures.append(
        printed_figure(
            "accuracy",
            ours,
            printed=printed,
            group=f"cross-validated, {folds} folds",
            rule=f"malignant from {THRESHOLD:g} on; penalty {penalty}" if ours else "no finite fit in a fold",
        )
    )
    runaway = [
        label_of(n) for n, one in zip(FEATURES, separation(with_intercept(design), truth)[1:], strict=True) if one
    ]
    notes = ["The study does not say whether its accuracy is of the patients that the model was fitted to."]
    if runaway:
        notes.append(f"These separate the classes, so that a fit without penalty has no end: {', '.join(runaway)}.")
    return Section(title="Logistic regression on the 15 features", figures=tuple(figures), notes=tuple(notes))


def _accuracy(probability: NDArray[np.float64], truth: NDArray[np.bool_]) -> Estimate:
    return confusion_figures(confusion_of(truth, probability >= THRESHOLD), unit="patients")["accuracy"]


def junior_errors(
    features: dict[str, NDArray[np.bool_]], truth: NDArray[np.bool_], called: NDArray[np.bool_], *, simulated: bool
) -> Section:
    """Features in the first-year resident's false positives against the true negatives."""
    facts = load_facts(STUDY)
    printed: dict[str, Any] = facts["resident_year_1_errors_in_benign"]
    _, tn, _, fp = facts["readers"][JUNIOR]
    benign = ~truth
    rows: list[tuple[str | int | float, ...]] = []
    for name in FEATURES:
        test = fisher_test_of(called[benign], features[name][benign])
        in_fp, in_tn, p = printed.get(name, ("", "", "not printed"))
        known = name in printed
        rows.append(
            (
                label_of(name),
                f"{in_fp}/{fp}" if known else "",
                f"{test.present_positive}/{test.positive}",
                f"{in_tn}/{tn}" if known else "",
                f"{test.present_negative}/{test.negative}",
                marked(p, f"resident 1, {label_of(name)}: p", where="Results") if known else p,
                p_text(test.p),
            )
        )
    notes = ["15 tests without correction, as in the study."]
    if simulated:
        notes.append(
            "This reader is simulated so that the three printed features are as frequent among false positives as in "
            "the study: the table shows the analysis, and finds nothing out."
        )
    columns = ("feature", "false positives, printed", "ours", "true negatives, printed", "ours", "p, printed", "ours")
    wrong = int((called & benign).sum())
    return Section(
        title="What the first-year resident's false positives share",
        tables=(
            TableData(title="Benign fractures: false positives, true negatives", columns=columns, rows=tuple(rows)),
        ),
        figures=(
            Figure(
                name="false positives among benign fractures",
                estimate=proportion(wrong, int(benign.sum()), unit="patients"),
                counts=f"{wrong}/{int(benign.sum())}",
                printed=f"{fp}/{fp + tn}",
            ),
        ),
        notes=tuple(notes),
    )
