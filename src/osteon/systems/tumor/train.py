"""Training ``tumor``: folds by patient for the weights of the fusion, then one pair on all patients."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.healthy import without_healthy
from osteon.cohort.leakage import require_by_patient
from osteon.cohort.splits import patient_folds
from osteon.errors import CohortError, UsageError
from osteon.files import whole_file
from osteon.systems.bundles import choose_device
from osteon.systems.tumor.age import AgeTable, make_table
from osteon.systems.tumor.answers import Pair, PatientAnswer, answer_cases, from_plain, to_plain, verdict_of
from osteon.systems.tumor.bundle import save_model
from osteon.systems.tumor.cases import prepare_cases
from osteon.systems.tumor.config import SEQUENCES
from osteon.systems.tumor.detector import train_detector
from osteon.systems.tumor.fusion import BEST, STRATEGIES, ChosenWeights, FusionPatient, choose_weights
from osteon.systems.tumor.sequence_model import train_sequence_model
from osteon.systems.tumor.start import refuse_known, start_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.cohort.splits import Fold
    from osteon.systems.tumor.cases import TumorCase
    from osteon.systems.tumor.config import AgeConfig, FusionConfig, TumorConfig
    from osteon.training.bundle import ModelBundle

FOLD_FILE = "answers.json"


def train(
    cohort: Cohort,
    out: Path,
    *,
    config: TumorConfig,
    validation: Cohort | None = None,
    resume: bool = False,
    on_step: Callable[[str, Any], None] = lambda stage, progress: None,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> ModelBundle:
    """Train a ``tumor`` model and write its bundle.

    Args:
        cohort: MR studies with boxes and the label "malignant"; healthy patients are left out and counted.
        out: folder of the bundle; ``<out>.run`` beside it holds caches and checkpoints.
        config: how.
        validation: further patients to measure on; nothing is chosen by them.
        resume: go on with what ``<out>.run`` holds.
        on_step: called with the stage's name and ``training.loop.Progress``.
        on_case: called with (done, total, case) while scans are read.

    Raises:
        CohortError: nothing to train on, or a case without label or boxes.
        UsageError: ``<out>.run`` holds another training, or one and ``resume`` is false.
        InputError: the starting weights cannot be had.
    """
    run, start = out.with_name(out.name + ".run"), start_of(config)
    cohort, healthy = without_healthy(cohort)
    if validation is not None:
        validation, more = without_healthy(validation)
        healthy += more
    cases = prepare_cases(cohort, run / "cache", on_case=on_case)
    watched = prepare_cases(validation, run / "cache", on_case=on_case) if validation else []
    refuse_known([*cases, *watched], start)
    _refuse_twice(cases, watched, names=not (validation and cohort.is_phantom and validation.is_phantom))
    out_of_fold: list[FusionPatient] = []
    for number, fold in enumerate(fusion_folds(cohort, config=config), start=1):
        folder = run / f"fold-{number}"
        own = partial(on_step, f"fold {number}")
        answers = fold_answers(cases, fold, config=config, folder=folder, resume=resume, on_step=own)
        out_of_fold += fusion_patients(answers, age_table(of_names(cases, fold.train), config.age))
    chosen = fitted_weights(out_of_fold, config.fusion)
    table = age_table(cases, config.age)
    pair = train_pair(cases, config=config, out=run / "pair", resume=resume, on_step=partial(on_step, "pair"))
    metrics: dict[str, Any] = {"patients": len({case.patient for case in cases})}
    metrics |= {"healthy cases left out": healthy} if healthy else {}
    if out_of_fold:
        metrics |= {"accuracy out of fold": round(chosen.accuracy, 4)}
        metrics |= {"AUC out of fold": round(chosen.auc, 4)} if np.isfinite(chosen.auc) else {}
    if watched:
        metrics |= _measured(answer_cases(pair, watched, config=config), table, chosen)
    return save_model(
        out,
        config=config,
        pair=pair,
        table=table,
        chosen=chosen,
        training_data={
            "kind": "phantom" if cohort.is_phantom else cohort.kind,
            "description": f"{len(cases)} studies of cohort {cohort.name}"
            + (f", going on from {start.said}" if start else "")
            + (f", weights by {config.fusion.folds} folds" if out_of_fold else ", weights not fitted to them"),
            "fingerprint": fingerprint(cases),
            "fingerprints": sorted({case.voxels for case in [*cases, *watched]} | (start.known if start else set())),
        },
        metrics=metrics,
    )


def fusion_folds(cohort: Cohort, *, config: TumorConfig) -> tuple[Fold, ...]:
    """The folds by patient, benign and malignant in like shares; () where the weights are taken as they are."""
    if not config.fusion.folds:
        return ()
    folds = patient_folds(cohort, folds=config.fusion.folds, seed=config.seed, stratify=["malignant"])
    for fold in folds:
        require_by_patient(cohort, fold)
    return folds


def fingerprint(cases: Sequence[TumorCase]) -> str:
    """SHA-256 of which frames and boxes there are."""
    digest = hashlib.sha256()
    for case in cases:
        boxes = [{k: value.tolist() for k, value in one.boxes.items()} for one in case.series]
        digest.update(f"{case.case}|{case.voxels}|{case.malignant}|{json.dumps(boxes)}".encode())
    return digest.hexdigest()


def of_names(cases: Sequence[TumorCase], names: Sequence[str]) -> list[TumorCase]:
    """Cases of these names."""
    wanted = set(names)
    return [case for case in cases if case.case in wanted]


def train_pair(
    cases: Sequence[TumorCase],
    *,
    config: TumorConfig,
    out: Path,
    resume: bool,
    on_step: Callable[[Any], None] = lambda progress: None,
) -> Pair:
    """Train detector and sequence model on the same patients; on ``config.device`` afterwards."""
    known, start = fingerprint(cases), start_of(config)
    detector, started = train_detector(
        cases, config=config, out=out / "detector", resume=resume, identity=known, start=start, on_progress=on_step
    )
    sequence, _ = train_sequence_model(
        cases, config=config, out=out / "sequence", resume=resume, identity=known, start=start, on_progress=on_step
    )
    device = choose_device(config.device)
    return Pair(detector=detector.to(device), sequence=sequence.to(device), started_from=started)


def fold_answers(
    cases: Sequence[TumorCase],
    fold: Fold,
    *,
    config: TumorConfig,
    folder: Path,
    resume: bool,
    on_step: Callable[[Any], None] = lambda progress: None,
) -> list[PatientAnswer]:
    """Train on one fold's training patients and answer for the others; kept in ``folder``.

    Raises:
        UsageError: answers of another training are kept there.
    """
    path, known = folder / FOLD_FILE, _fold_identity(cases, fold, config)
    if resume and path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(kept, dict) or kept.get("identity") != known:
            raise UsageError(
                f"{folder.parent.name}: {folder.name} was answered with other patients, settings or folds; use the "
                "same as before, or choose another --out"
            )
        return [from_plain(one) for one in kept["answers"]]
    pair = train_pair(of_names(cases, fold.train), config=config, out=folder, resume=resume, on_step=on_step)
    answers = answer_cases(pair, of_names(cases, fold.val), config=config)
    with whole_file(path) as draft:
        document = {"identity": known, "answers": [to_plain(one) for one in answers]}
        draft.write_text(json.dumps(document) + "\n", encoding="utf-8")
    return answers


def _fold_identity(cases: Sequence[TumorCase], fold: Fold, config: TumorConfig) -> str:
    """SHA-256 of all that a fold's answers follow from."""
    start = start_of(config)
    how = [fold.train, fold.val, asdict(config.detector), asdict(config.sequence), start.said if start else ""]
    return hashlib.sha256(
        f"{fingerprint(cases)}|{json.dumps(how)}|{config.weights}|{config.seed}|{config.precision}".encode()
    ).hexdigest()


def age_table(cases: Sequence[TumorCase], config: AgeConfig) -> AgeTable:
    """From training patients alone, each counted once."""
    first = {case.patient: case for case in reversed(cases)}
    return make_table(
        [case.age_years for case in first.values()],
        [bool(case.malignant) for case in first.values()],
        edges=config.edges,
        prior=config.prior,
    )


def fusion_patients(answers: Sequence[PatientAnswer], table: AgeTable) -> list[FusionPatient]:
    """Answers out of fold with the age table of the other folds."""
    return [
        FusionPatient(
            sequences=one.scores(SEQUENCES),
            age=table.share(one.age_years),
            prevalence=table.overall,
            malignant=bool(one.malignant),
        )
        for one in answers
    ]


def fitted_weights(patients: Sequence[FusionPatient], config: FusionConfig) -> ChosenWeights:
    """Weights from the grid; those given where there were no folds."""
    if patients:
        return choose_weights(patients, step=config.step)
    first, second, third = config.weights
    return ChosenWeights(weights=(first, second, third), accuracy=float("nan"), auc=float("nan"))


def _refuse_twice(cases: Sequence[TumorCase], watched: Sequence[TumorCase], *, names: bool) -> None:
    both = {case.voxels for case in cases} & {case.voxels for case in watched}
    twice = sorted(case.case for case in watched if case.voxels in both)
    if names:
        known = {case.patient for case in cases}
        twice += sorted(case.case for case in watched if case.patient in known)
    if twice:
        raise CohortError(f"cases {twice[:5]} are in training and validation; take them out of one")


def _measured(answers: Sequence[PatientAnswer], table: AgeTable, chosen: ChosenWeights) -> dict[str, Any]:
    found = {}
    for strategy in STRATEGIES if len(answers) > 1 else (BEST,):
        right = [
            verdict_of(one, table=table, strategy=strategy, weights=chosen.weights, kinds=SEQUENCES).malignant
            == one.malignant
            for one in answers
        ]
        found[f"validation accuracy, {strategy}"] = round(float(np.mean(right)), 4)
    return found
