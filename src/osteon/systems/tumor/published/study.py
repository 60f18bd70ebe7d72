"""All stages of the tumour study, each kept when done: data, four folds for the weights, the pair, other N.

Stages after "data" are independent of each other: they can run side by side.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from osteon.cohort.healthy import without_healthy
from osteon.cohort.leakage import require_by_patient
from osteon.cohort.splits import Fold, patient_split
from osteon.errors import CohortError
from osteon.systems.recipes import study_settings
from osteon.systems.reproduction import StudyReport, conduct, run_phantoms, start_run, take_cohort
from osteon.systems.settings import configure
from osteon.systems.stages import Stage
from osteon.systems.tumor.answers import answer_cases, from_plain, to_plain
from osteon.systems.tumor.cases import prepare_cases
from osteon.systems.tumor.evaluate import case_rows
from osteon.systems.tumor.published.config import StudyConfig
from osteon.systems.tumor.published.doctors import read_doctors
from osteon.systems.tumor.published.sections import StudyData, study_sections
from osteon.systems.tumor.start import refuse_known, start_of
from osteon.systems.tumor.train import (
    age_table,
    fitted_weights,
    fold_answers,
    fusion_folds,
    fusion_patients,
    of_names,
    train_pair,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.systems.protocol import ReproduceOptions, Reproduction
    from osteon.systems.tumor.answers import PatientAnswer
    from osteon.systems.tumor.cases import TumorCase


def study_config(options: ReproduceOptions) -> StudyConfig:
    """The recipe of the profile with the caller's settings over it.

    Raises:
        UsageError: an unknown key or an impossible value.
    """
    config = configure(StudyConfig(), study_settings("tumor", options))
    return replace(config, model=replace(config.model, seed=options.seed, device=options.device))


def reproduce(
    out: Path,
    *,
    options: ReproduceOptions,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> Reproduction:
    """See ``systems.protocol.System.reproduce``."""
    config = study_config(options)
    recipe = asdict(replace(config, model=replace(config.model, device="auto")))
    start = start_of(config.model)
    known = recipe | {"goes on from": start.said if start else ""}
    run = start_run(out, "tumor", options, recipe=known)
    study = Study(run=run, config=config, options=options, on_step=on_step, on_case=on_case)
    return conduct(out, "tumor", study, options=options, run=run, recipe=recipe, on_case=on_case)


def division(cohort: Cohort, config: StudyConfig, *, seed: int) -> Fold:
    """Who trains and who is tested: primaries and metastases train, primaries alone are tested, by patient.

    Raises:
        CohortError: nobody is left on one side.
    """
    data = config.data
    centred = {case.patient for case in cohort.cases if case.centre == data.test_centre}
    if not centred or centred == {case.patient for case in cohort.cases}:
        primary = tuple(case for case in cohort.cases if not case.labels.get("metastasis", False))
        shares = ((1 - data.test_share) * 0.5, (1 - data.test_share) * 0.5, data.test_share)
        part = patient_split(replace(cohort, cases=primary), shares=shares, seed=seed, stratify=["malignant"])
        centred = {case.patient for case in primary if case.case in set(part.test)}
    tested = tuple(c.case for c in cohort.cases if c.patient in centred and not c.labels.get("metastasis", False))
    trained = tuple(case.case for case in cohort.cases if case.patient not in centred)
    if not tested or not trained:
        raise CohortError(f"cohort {cohort.name}: {len(trained)} cases to train on, {len(tested)} to test on")
    fold = Fold(train=trained, val=(), test=tested)
    require_by_patient(cohort, fold)
    return fold


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The stages of one run; every method that does one is given its folder and returns what JSON can hold."""

    run: Path
    config: StudyConfig
    options: ReproduceOptions
    on_step: Callable[[str, Any], None]
    on_case: Callable[[int, int, str], None]

    def stages(self) -> list[Stage]:
        """Data, folds, the pair, and pairs of other N."""
        folds = range(self.config.model.fusion.folds)
        return [
            Stage(name="data", work=self.do_data),
            *(Stage(name=f"fold-{k + 1}", work=partial(self.do_fold, k), needs=("data",)) for k in folds),
            Stage(name="pair", work=self.do_pair, needs=("data",)),
            *(
                Stage(name=f"frames-{n}", work=partial(self.do_frames, n), needs=("data", "pair"))
                for n in self.config.frames
            ),
        ]

    def cohort(self) -> Cohort:
        """The cohort given without its healthy patients, or the phantoms of this run (made on the first call)."""
        return without_healthy(take_cohort(self.options, self._phantoms, modality="MR"))[0]

    def _phantoms(self) -> Cohort:
        from osteon.phantom.options import PhantomOptions

        data = self.config.data
        options = PhantomOptions(
            system="tumor",
            patients=data.patients,
            seed=self.options.seed,
            profile=data.profile,
            centres=data.centres,
        )
        return run_phantoms(options, self.run / "phantoms", on_case=self.on_case)

    def parts(self) -> tuple[Cohort, list[TumorCase], list[TumorCase]]:
        """The training patients as a cohort, their cases and the test cases."""
        cohort = self.cohort()
        fold = division(cohort, self.config, seed=self.options.seed)
        cases = prepare_cases(cohort, self.run / "data" / "cache", on_case=self.on_case)
        kept = set(fold.train)
        training = replace(cohort, cases=tuple(case for case in cohort.cases if case.case in kept))
        return training, of_names(cases, fold.train), of_names(cases, fold.test)

    def do_data(self, folder: Path) -> dict[str, Any]:
        """Make the phantoms, and read all scans."""
        _, training, tested = self.parts()
        refuse_known([*training, *tested], start_of(self.config.model))
        return {"training": [case.case for case in training], "tested": [case.case for case in tested]}

    def do_fold(self, number: int, folder: Path) -> dict[str, Any]:
        """One of the folds of the training patients, for the weights."""
        cohort, training, _ = self.parts()
        fold = fusion_folds(cohort, config=self.config.model)[number]
        step = partial(self.on_step, f"fold {number + 1}")
        answers = fold_answers(training, fold, config=self.config.model, folder=folder, resume=True, on_step=step)
        return {"train": list(fold.train), "answers": [to_plain(one) for one in answers]}

    def do_pair(self, folder: Path) -> dict[str, Any]:
        """The pair on all training patients, and its answers for the test patients."""
        _, training, tested = self.parts()
        config = self.config.model
        pair = train_pair(training, config=config, out=folder, resume=True, on_step=partial(self.on_step, "pair"))
        answers = answer_cases(pair, tested, config=config, on_case=self.on_case)
        return {"started_from": pair.started_from, "answers": [to_plain(one) for one in answers]}

    def do_frames(self, frames: int, folder: Path) -> dict[str, Any]:
        """A sequence model of another N with the detector of the pair."""
        from shutil import copytree

        _, training, tested = self.parts()
        own = self.config.model
        config = replace(own, sequence=replace(own.sequence, frames=frames))
        if not (folder / "detector").exists():  # the finished run is taken up again, which trains nothing
            copytree(self.run / "pair" / "detector", folder / "detector.part", dirs_exist_ok=True)
            (folder / "detector.part").rename(folder / "detector")
        step = partial(self.on_step, f"N {frames}")
        pair = train_pair(training, config=config, out=folder, resume=True, on_step=step)
        return {"answers": [to_plain(one) for one in answer_cases(pair, tested, config=config, on_case=self.on_case)]}

    def report(self, facts: dict[str, dict[str, Any]]) -> StudyReport:
        """The test patients in all ways that the study shows them."""
        data = self.gathered(facts)
        return StudyReport(
            sections=study_sections(data),
            rows=case_rows(data.tested, table=data.table, weights=data.chosen.weights),
            settings={
                "doctors": self.config.doctors or "simulated",
                "weights (detector, sequence model, age)": list(data.chosen.weights),
            },
            warnings=data.warnings,
        )

    def gathered(self, stages: dict[str, dict[str, Any]]) -> StudyData:
        """All that the result section is made of, from what every stage returned."""
        _, training, tested = self.parts()
        config = self.config.model
        out_of_fold = []
        for number in range(config.fusion.folds):
            facts = stages[f"fold-{number + 1}"]
            table = age_table(of_names(training, facts["train"]), config.age)
            out_of_fold += fusion_patients([from_plain(one) for one in facts["answers"]], table)
        answers = _answers(stages["pair"])
        return StudyData(
            training=tuple(training),
            test=tuple(tested),
            tested=answers,
            table=age_table(training, config.age),
            chosen=fitted_weights(out_of_fold, config.fusion),
            folds=config.fusion.folds,
            frames={
                config.sequence.frames: answers,
                **{n: _answers(stages[f"frames-{n}"]) for n in self.config.frames},
            },
            own_frames=config.sequence.frames,
            doctors=tuple(read_doctors(self.config.doctors, answers, seed=self.options.seed)),
            healthy=0 if self.options.cohort is None else without_healthy(self.options.cohort)[1],
            left_out=len(self.cohort().cases) - len(training) - len(tested),
        )


def _answers(facts: dict[str, Any]) -> list[PatientAnswer]:
    return [from_plain(one) for one in facts["answers"]]
