"""Evaluating a ``fracture`` model on a cohort with boxes and labels: patients, and slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError, OsteonError
from osteon.report.result import StatsResult
from osteon.systems.bundles import trained_on
from osteon.systems.fracture.config import CLASSES, THRESHOLD
from osteon.systems.fracture.network import probabilities
from osteon.systems.fracture.patients import by_patient
from osteon.systems.fracture.samples import case_samples, joined
from osteon.systems.fracture.sections import Answers, evaluation_sections
from osteon.systems.protocol import SystemEvaluation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Cohort
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
    parts: list[Samples] = []
    failures: dict[str, str] = {}
    for number, case in enumerate(cohort.cases, start=1):
        try:
            parts.append(case_samples(cohort, case, None, config=model.config))
        except OsteonError as error:
            failures[case.case] = str(error)
        on_case(number, len(cohort.cases), case.case)
    if not parts:
        first = next(iter(failures.values()), "it has no cases")
        raise CohortError(f"cohort {cohort.name}: no case could be evaluated; first reason: {first}")
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
            Answers(label=samples.label, score=score, patient=samples.patient, unit="slices"),
            Answers(label=patients.label, score=patients.probability, patient=patients.name, unit="patients"),
        ),
        warnings=_warnings(model, cohort, samples, failures),
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


def _warnings(model: FractureModel, cohort: Cohort, samples: Samples, failures: dict[str, str]) -> tuple[str, ...]:
    notes = []
    if cohort.is_phantom:
        notes.append("Phantoms: these figures say nothing about patients.")
    seen = sorted(case for case, value in samples.scan_fingerprints().items() if trained_on(model.bundle, value))
    if seen:
        notes.append(f"{len(seen)} scans are among those that the model was trained on: {', '.join(seen[:5])}.")
    if len(np.unique(samples.label)) < len(CLASSES):
        notes.append("One class only: no AUROC, and half of the figures are not defined.")
    if failures:
        notes.append(f"{len(failures)} of {len(cohort.cases)} cases could not be evaluated and are left out.")
    return tuple(notes)
