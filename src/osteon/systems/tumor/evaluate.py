"""Evaluating a ``tumor`` model on a cohort that knows which tumours are malignant."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osteon.cohort.healthy import LABEL as HEALTHY
from osteon.report.result import StatsResult
from osteon.systems.bundles import trained_on
from osteon.systems.cohort_evaluation import answer_each, evaluation_warnings
from osteon.systems.protocol import SystemEvaluation
from osteon.systems.tumor.answers import answer_cases, verdict_of
from osteon.systems.tumor.cases import prepare_case
from osteon.systems.tumor.config import CLASSES, SEQUENCES
from osteon.systems.tumor.fusion import BEST, STRATEGIES
from osteon.systems.tumor.sections import evaluation_sections

if TYPE_CHECKING:
    from collections.abc import Callable

    from osteon.cohort.manifest import Case, Cohort
    from osteon.systems.tumor.age import AgeTable
    from osteon.systems.tumor.answers import PatientAnswer
    from osteon.systems.tumor.bundle import TumorModel
    from osteon.systems.tumor.fusion import Weights


def evaluate(
    model: TumorModel,
    cohort: Cohort,
    *,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> SystemEvaluation:
    """Answer for every case and compare with its label "malignant".

    Healthy patients have no such truth: the only figure that they enter is in how many of them something is marked. A
    case that cannot be read costs that case; it is named in ``failures``.

    Raises:
        CohortError: no case could be evaluated.
    """
    seen: list[str] = []
    with tempfile.TemporaryDirectory() as cache:

        def answer(case: Case) -> PatientAnswer:
            ready = prepare_case(cohort, case, Path(cache))
            (found,) = answer_cases(model.pair, [ready], config=model.config)
            if trained_on(model.bundle, ready.voxels):
                seen.append(case.case)
            return found

        answers, failures = answer_each(cohort, answer, on_case=on_case)
    known = {one.malignant for one in answers} - {None}
    result = StatsResult(
        verb="evaluate",
        title=f"tumor on {cohort.name}",
        inputs=(cohort.name, model.bundle.facts.name),
        settings={
            "model": model.bundle.hash,
            "positive class": CLASSES[1],
            "weights (detector, sequence model, age)": list(model.weights),
            "detection threshold": model.config.detector.threshold,
        },
        sections=evaluation_sections(answers, table=model.table, weights=model.weights),
        warnings=evaluation_warnings(
            cohort, seen=seen, one_class=bool(known) and len(known) < len(CLASSES), failures=failures
        ),
    )
    return SystemEvaluation(
        result=result, rows=case_rows(answers, table=model.table, weights=model.weights), failures=failures
    )


def case_rows(answers: list[PatientAnswer], *, table: AgeTable, weights: Weights) -> list[dict[str, Any]]:
    """One row a case, for per_case.csv."""
    rows = []
    for one in answers:
        verdicts = {
            name: verdict_of(one, table=table, strategy=name, weights=weights, kinds=SEQUENCES) for name in STRATEGIES
        }
        rows.append(
            {
                "case": one.case,
                "truth": HEALTHY if one.malignant is None else CLASSES[int(one.malignant)],
                "location": one.location,
                "histology": one.histology,
                **{f"{name} probability": round(verdict.probability, 4) for name, verdict in verdicts.items()},
                **{name: CLASSES[int(verdict.malignant)] for name, verdict in verdicts.items()},
                "rests on": verdicts[BEST].rests_on,
                "sequences": len(one.sequences),
                "images with a detection": sum(len(sequence.detections) for sequence in one.sequences),
                "seconds": one.seconds,
            }
        )
    return rows
