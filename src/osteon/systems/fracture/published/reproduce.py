"""All stages of the fracture study, each kept when done: patches, then every fold.

Folds are independent of each other: after "patches" they can run side by side, on one machine or several.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from osteon.cohort.leakage import require_by_patient
from osteon.cohort.splits import Fold, patient_folds, patient_split
from osteon.systems.fracture.network import probabilities, train_network
from osteon.systems.fracture.published.config import StudyConfig
from osteon.systems.fracture.published.sections import StudyData, gather, rows_of, study_sections
from osteon.systems.fracture.samples import cohort_samples, describe
from osteon.systems.recipes import study_settings
from osteon.systems.reproduction import StudyReport, conduct, run_phantoms, start_run, take_cohort
from osteon.systems.settings import configure
from osteon.systems.stages import Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.systems.fracture.samples import Samples
    from osteon.systems.protocol import ReproduceOptions, Reproduction

STRATIFY = ["malignant"]


def study_config(options: ReproduceOptions) -> StudyConfig:
    """The recipe of the profile with the caller's settings over it.

    Raises:
        UsageError: an unknown key or an impossible value.
    """
    config = configure(StudyConfig(), study_settings("fracture", options))
    return replace(config, network=replace(config.network, seed=options.seed, device=options.device))


def reproduce(
    out: Path,
    *,
    options: ReproduceOptions,
    on_step: Callable[[str, Any], None],
    on_case: Callable[[int, int, str], None],
) -> Reproduction:
    """See ``systems.protocol.System.reproduce``."""
    config = study_config(options)
    recipe = asdict(replace(config, network=replace(config.network, device="auto")))
    run = start_run(out, "fracture", options, recipe=recipe)
    study = Study(run=run, config=config, options=options, on_step=on_step, on_case=on_case)
    return conduct(out, "fracture", study, options=options, run=run, recipe=recipe, on_case=on_case)


def _warnings(config: StudyConfig, data: StudyData) -> list[str]:
    notes = []
    if config.data.watch == "tested":
        notes.append("The epoch was chosen on the tested patients themselves: the network's figures are flattered.")
    if data.readers.simulated:
        notes.append("Readers are simulated from the study's counts: they say nothing about radiologists.")
    if not data.features:
        notes.append("The cohort has no features: the parts of the study about them are left out.")
    return notes


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The stages of one run; every method that does one is given its folder and returns what JSON can hold."""

    run: Path
    config: StudyConfig
    options: ReproduceOptions
    on_step: Callable[[str, Any], None]
    on_case: Callable[[int, int, str], None]

    def stages(self) -> list[Stage]:
        """Patches, then the folds."""
        return [
            Stage(name="patches", work=self.do_patches),
            *(
                Stage(name=f"fold-{k + 1}", work=partial(self.do_fold, k), needs=("patches",))
                for k in range(self.config.data.folds)
            ),
        ]

    def report(self, facts: dict[str, dict[str, Any]]) -> StudyReport:
        """The folds put together."""
        cohort = self.cohort()
        folds = [facts[stage.name] for stage in self.stages()[1:]]
        data = gather(cohort, folds, config=self.config, seed=self.options.seed)
        return StudyReport(
            sections=study_sections(cohort, data, self.config),
            rows=rows_of(data),
            settings={"starting weights": folds[0]["started_from"]},
            warnings=_warnings(self.config, data),
        )

    def cohort(self) -> Cohort:
        """The cohort given, or the phantoms of this run (made on the first call)."""
        return take_cohort(self.options, self._phantoms, modality="MR")

    def _phantoms(self) -> Cohort:
        from osteon.phantom.options import PhantomOptions

        data = self.config.data
        options = PhantomOptions(
            system="fracture", patients=data.patients, seed=self.options.seed, profile=data.profile
        )
        return run_phantoms(options, self.run / "phantoms", on_case=self.on_case)

    def samples(self, cohort: Cohort) -> Samples:
        """All samples, from the cache of the first stage."""
        cache = self.run / "patches" / "cache"
        return cohort_samples(cohort, cache, config=self.config.network, on_case=self.on_case)

    def do_patches(self, folder: Path) -> dict[str, Any]:
        """Make the phantoms, register T1 onto T2 and cut the patches."""
        return describe(self.samples(self.cohort()))

    def do_fold(self, number: int, folder: Path) -> dict[str, Any]:
        """Train without one fold's patients and answer for them."""
        cohort = self.cohort()
        samples = self.samples(cohort)
        fold = fold_of(cohort, self.config, number, seed=self.options.seed)
        learn, watch, test = (samples.of_cases(getattr(fold, part)) for part in ("train", "val", "test"))
        trained = train_network(
            learn,
            watch if self.config.data.watch == "apart" else test,
            config=self.config.network,
            out=folder / "network",
            resume=True,
            on_progress=partial(self.on_step, f"fold-{number + 1}"),
        )
        score = probabilities(trained.network, test.patches, config=self.config.network)
        return {
            "sizes": {name: describe(part) for name, part in (("train", learn), ("watch", watch), ("test", test))},
            "started_from": trained.started_from,
            "best_epoch": trained.best_epoch,
            "history": [[entry["epoch"], entry["train"]["loss"], entry["val"]["loss"]] for entry in trained.history],
            "case": test.case.tolist(),
            "patient": test.patient.tolist(),
            "label": test.label.tolist(),
            "slice": test.index.tolist(),
            "score": score.tolist(),
        }


def fold_of(cohort: Cohort, config: StudyConfig, number: int, *, seed: int) -> Fold:
    """One fold: its patients to test, the rest to train on, and of those the ones that choose the epoch.

    With ``data.watch = "tested"`` nobody is set apart for that: ``val`` is empty.

    Raises:
        CohortError: too few patients, or one on two sides.
    """
    data = config.data
    tested = patient_folds(cohort, folds=data.folds, seed=seed, stratify=STRATIFY)[number]
    if data.watch == "tested":
        return Fold(train=tested.train, val=(), test=tested.val)
    rest = replace(cohort, cases=tuple(case for case in cohort.cases if case.case in set(tested.train)))
    learn = patient_split(rest, shares=(1 - data.watch_share, data.watch_share, 0), seed=seed, stratify=STRATIFY)
    fold = Fold(train=learn.train, val=learn.val, test=tested.val)
    require_by_patient(cohort, fold)
    return fold
