"""Evaluating a ``differential`` model on a cohort with lesion masks and diagnoses: patients, and slices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.healthy import LABEL as HEALTHY
from osteon.cohort.healthy import is_healthy
from osteon.cohort.manifest import Case
from osteon.errors import CohortError
from osteon.report.result import StatsResult
from osteon.systems.bundles import trained_on
from osteon.systems.cohort_evaluation import answer_each, evaluation_warnings
from osteon.systems.differential.config import CLASSES
from osteon.systems.differential.images import decode, diagnosis_of, gather_pictures, load_case, resize, scan_jpegs
from osteon.systems.differential.network import myeloma_logits, side_of, to_probability
from osteon.systems.differential.patients import THRESHOLD, by_patient, calibrated, mean_logit
from osteon.systems.differential.sections import NO_LESION, evaluation_sections, healthy_section
from osteon.systems.differential.train import scan_fingerprints
from osteon.systems.protocol import SystemEvaluation
from osteon.systems.scored import Answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Cohort
    from osteon.systems.differential.bundle import DifferentialModel


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseResult:
    """One case: log-odds (n,) of its slices, and whether the model has seen them."""

    case: Case
    label: int
    logits: NDArray[np.float64]
    seen: bool


def evaluate(
    model: DifferentialModel,
    cohort: Cohort,
    *,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> SystemEvaluation:
    """Answer for every case, from its true lesions, and compare with its diagnosis.

    A case that cannot be read, or none of whose slices shows a lesion, costs that case; it is named in ``failures``.
    Healthy patients give no slice to call: they are counted as such, and enter no figure.

    Raises:
        CohortError: no case could be evaluated.
    """
    found, failures = answer_each(cohort, partial(_answer, model, cohort), on_case=on_case)
    results = [one for one in found if isinstance(one, CaseResult)]
    healthy = [one for one in found if isinstance(one, Case)]
    if not results:
        raise CohortError(
            f"cohort {cohort.name}: its {len(healthy)} cases that can be read are healthy: no lesion is given, no "
            "slice is there to call; add cases with a lesion and a diagnosis"
        )
    logits = np.concatenate([one.logits for one in results])
    sizes = [len(one.logits) for one in results]
    labels = np.repeat([one.label for one in results], sizes)
    names = np.repeat([one.case.patient for one in results], sizes)
    calibration = model.bundle.facts.calibration
    patients = by_patient(names, logits, labels)
    result = StatsResult(
        verb="evaluate",
        title=f"differential on {cohort.name}",
        inputs=(cohort.name, model.bundle.facts.name),
        settings={
            "model": model.bundle.hash,
            "positive class": CLASSES[1],
            "threshold": THRESHOLD,
            "calibration": str(calibration.get("how", "")),
            "lesions": "the true ones of the cohort: finding them is not part of these figures",
        },
        sections=(
            *evaluation_sections(
                Answers(label=labels, score=to_probability(logits), patient=names, unit="slices", threshold=THRESHOLD),
                Answers(
                    label=patients.label,
                    score=calibrated(patients.logit, calibration),
                    patient=patients.name,
                    unit="patients",
                    threshold=THRESHOLD,
                ),
            ),
            *((healthy_section(len({one.patient for one in healthy})),) if healthy else ()),
        ),
        warnings=evaluation_warnings(
            cohort,
            seen=sorted(one.case.case for one in results if one.seen),
            one_class=len({one.label for one in results}) < len(CLASSES),
            failures=failures,
        ),
    )
    rows = [_row(one, calibration) if isinstance(one, CaseResult) else _healthy_row(one) for one in found]
    return SystemEvaluation(result=result, rows=rows, failures=failures)


def _answer(model: DifferentialModel, cohort: Cohort, case: Case) -> CaseResult | Case:
    """The answer for a case; a healthy one as it is, once its mask is seen to be empty.

    Raises:
        CohortError: as ``evaluate_case``, or a healthy case has lesions.
    """
    if not is_healthy(case):
        return evaluate_case(model, cohort, case)
    if "lesions" in case.truth and (load_case(cohort, case)[1] > 0).any():
        raise CohortError(f"case {case.case}: is said to be healthy, but its mask holds lesions; correct one of them")
    return case


def evaluate_case(model: DifferentialModel, cohort: Cohort, case: Case) -> CaseResult:
    """Answer for one case.

    Raises:
        CohortError: no diagnosis, no lesion mask, or no slice that shows a lesion.
    """
    label = diagnosis_of(case)
    volume, lesions = load_case(cohort, case)
    indices, jpegs = scan_jpegs(volume, lesions, config=model.config)
    if not jpegs:
        raise CohortError(f"case {case.case}: no slice shows a lesion of {model.config.min_lesion_mm2:g} mm2 or more")
    side = side_of(model.config)
    pictures = gather_pictures(
        [
            (resize(decode(jpeg), side), label, case.patient, case.case, int(k))
            for k, jpeg in zip(indices, jpegs, strict=True)
        ]
    )
    return CaseResult(
        case=case,
        label=label,
        logits=myeloma_logits(model.network, pictures.pixels),
        seen=trained_on(model.bundle, scan_fingerprints(pictures)[case.case]),
    )


def _healthy_row(case: Case) -> dict[str, Any]:
    return {
        "case": case.case,
        "diagnosis": HEALTHY,
        "answer": NO_LESION,
        "probability_myeloma": "",
        "slices": 0,
        "slices_for_myeloma": 0,
    }


def _row(result: CaseResult, calibration: dict[str, Any]) -> dict[str, Any]:
    probability = float(calibrated(mean_logit(result.logits), calibration))
    return {
        "case": result.case.case,
        "diagnosis": CLASSES[result.label],
        "answer": CLASSES[int(probability >= THRESHOLD)],
        "probability_myeloma": round(probability, 4),
        "slices": len(result.logits),
        "slices_for_myeloma": int((result.logits >= 0).sum()),
    }
