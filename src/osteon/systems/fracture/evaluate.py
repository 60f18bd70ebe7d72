"""Evaluating a ``fracture`` model on a cohort with boxes and labels: patients, and slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.report.result import StatsResult
from osteon.systems.bundles import trained_on
from osteon.systems.cohort_evaluation import answer_each, evaluation_warnings
from osteon.systems.fracture.config import CLASSES, THRESHOLD
from osteon.systems.fracture.network import probabilities
from osteon.systems.fracture.patients import by_patient
from osteon.systems.fracture.samples import case_samples, joined
from osteon.systems.fracture.sections import evaluation_sections
from osteon.systems.protocol import SystemEvaluation
from osteon.systems.scored import Answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.systems.fracture.bundle import FractureModel
    from osteon.systems.fracture.samples import Samples


def evaluate(
    model: FractureModel,
    cohort: Cohort,
    *,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> SystemEvaluation:
    """Answer for every case, from its true box, and compare with its label.

    A case that cannot be read costs that case; it is named in ``failures``.

    Raises:
        CohortError: no case could be evaluated.
    """

    def cut(case: Case) -> Samples:
        return case_samples(cohort, case, None, config=model.config)

    parts, failures = answer_each(cohort, cut, on_case=on_case)
    samples = joined(parts)
    score = probabilities(model.network, samples.patches, config=model.config)
    patients = by_patient(samples.patient, score, samples.label)
    result = StatsResult(
        verb="evaluate",
        title=f"fracture on {cohort.name}",
        inputs=(cohort.name, model.bundle.facts.name),
        settings={
            "model": model.bundle.hash,
            "positive class": CLASSES[1],
            "threshold": THRESHOLD,
            "boxes": "the true ones of the cohort: finding the vertebra is not part of these figures",
        },
        sections=evaluation_sections(
            Answers(label=samples.label, score=score, patient=samples.patient, unit="slices", threshold=THRESHOLD),
            Answers(
                label=patients.label,
                score=patients.probability,
                patient=patients.name,
                unit="patients",
                threshold=THRESHOLD,
            ),
        ),
        warnings=evaluation_warnings(
            cohort,
            seen=sorted(case for case, value in samples.scan_fingerprints().items() if trained_on(model.bundle, value)),
            one_class=len(np.unique(samples.label)) < len(CLASSES),
            failures=failures,
        ),
    )
    return SystemEvaluation(result=result, rows=rows_of(samples, score), failures=failures)


def rows_of(samples: Samples, score: NDArray[np.float64]) -> list[dict[str, Any]]:
    """One row a case, with its slices and the highest of them."""
    rows = []
    for case in dict.fromkeys(samples.case.tolist()):
        own = samples.case == case
        highest = float(score[own].max())
        rows.append(
            {
                "case": case,
                "patient": str(samples.patient[own][0]),
                "truth": CLASSES[int(samples.label[own].max())],
                "answer": CLASSES[int(highest >= THRESHOLD)],
                "probability_malignant": round(highest, 4),
                "slices": " ".join(f"{k}:{p:.4f}" for k, p in zip(samples.index[own], score[own], strict=True)),
                "t1_onto_t2": samples.moved[case],
            }
        )
    return rows
