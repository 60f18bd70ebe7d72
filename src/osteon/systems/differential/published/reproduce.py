"""All stages of the differential study, each kept when done: pictures, then every network by image and by patient.

Stages after "pictures" are independent of each other: they can run side by side, on one machine or several.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.healthy import left_out_note, without_healthy
from osteon.cohort.leakage import require_by_patient
from osteon.cohort.splits import Fold, image_split, patient_folds, patient_split
from osteon.networks.slice_classifier import input_px
from osteon.systems.differential.images import cohort_pictures
from osteon.systems.differential.network import myeloma_logits, side_of, to_probability, train_network
from osteon.systems.differential.patients import by_patient, calibrated, fit_calibration
from osteon.systems.differential.published.config import StudyConfig
from osteon.systems.differential.published.sections import rows_of, stage, study_sections
from osteon.systems.differential.train import of_fold
from osteon.systems.recipes import study_settings
from osteon.systems.reproduction import StudyReport, conduct, run_phantoms, start_run, take_cohort
from osteon.systems.settings import configure
from osteon.systems.stages import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from osteon.cohort.manifest import Cohort
    from osteon.systems.differential.config import DifferentialConfig
    from osteon.systems.differential.images import Pictures
    from osteon.systems.protocol import ReproduceOptions, Reproduction

BY_IMAGE = "image"


def study_config(options: ReproduceOptions) -> StudyConfig:
    """The recipe of the profile with the caller's settings over it.

    Raises:
        UsageError: an unknown key or an impossible value.
    """
    config = configure(StudyConfig(), study_settings("differential", options))
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
    run = start_run(out, "differential", options, recipe=recipe)
    study = Study(run=run, config=config, options=options, on_step=on_step, on_case=on_case)
    shown = {**recipe, "network": {key: value for key, value in recipe["network"].items() if key != "backbone"}}
    return conduct(out, "differential", study, options=options, run=run, recipe=shown, on_case=on_case)


def stage_of(backbone: str, split: str) -> str:
    """Name of the stage of one network on one split: ``BY_IMAGE``, or the number of a fold from 1."""
    return stage(backbone, split if split == BY_IMAGE else f"fold{split}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The stages of one run; every method that does one is given its folder and returns what JSON can hold."""

    run: Path
    config: StudyConfig
    options: ReproduceOptions
    on_step: Callable[[str, Any], None]
    on_case: Callable[[int, int, str], None]

    def stages(self) -> list[Stage]:
        """Pictures, then every network by image, then every network by patient."""
        splits = [BY_IMAGE, *(str(k + 1) for k in range(self.config.data.folds))]
        return [
            Stage(name="pictures", work=self.do_pictures),
            *(
                Stage(
                    name=stage_of(backbone, split),
                    work=partial(self.do_network, backbone, split),
                    needs=("pictures",),
                )
                for split in splits
                for backbone in self.config.backbones
            ),
        ]

    def report(self, facts: dict[str, dict[str, Any]]) -> StudyReport:
        """Every network by image and by patient."""
        cohort, config = self.cohort(), self.config
        pictures = self.pictures(cohort, input_px("", default=config.network.input_px))
        healthy = 0 if self.options.cohort is None else without_healthy(self.options.cohort)[1]
        started = {name: facts[stage_of(name, BY_IMAGE)]["started_from"] for name in config.backbones}
        return StudyReport(
            sections=study_sections(cohort, config, facts, pictures=pictures),
            rows=rows_of(config, facts),
            settings={"starting weights": started},
            warnings=(left_out_note(healthy),) if healthy else (),
        )

    def cohort(self) -> Cohort:
        """The cohort given without its healthy patients, or the phantoms of this run (made on the first call)."""
        return without_healthy(take_cohort(self.options, self._phantoms, modality="CT"))[0]

    def _phantoms(self) -> Cohort:
        from osteon.phantom.options import PhantomOptions

        data = self.config.data
        options = PhantomOptions(
            system="differential", patients=data.patients, seed=self.options.seed, profile=data.profile
        )
        return run_phantoms(options, self.run / "phantoms", on_case=self.on_case)

    def pictures(self, cohort: Cohort, side: int) -> Pictures:
        """All pictures, from the cache of the first stage."""
        return cohort_pictures(
            cohort, self.run / "pictures" / "cache", config=self.config.network, side=side, on_case=self.on_case
        )

    def do_pictures(self, folder: Path) -> dict[str, Any]:
        """Make the phantoms, and the JPEGs of the slices that show the disease."""
        pictures = self.pictures(self.cohort(), 32)
        return {"pictures": len(pictures), "patients": len(np.unique(pictures.patient))}

    def fold(self, cohort: Cohort, pictures: Pictures, split: str) -> Fold:
        """The division of one split: by image as published, or the fold of that number by patient."""
        seed, data = self.options.seed, self.config.data
        if split == BY_IMAGE:
            train, watch, test = data.images
            return image_split(pictures.names, sizes=(train, watch, test), seed=seed)
        tested = patient_folds(cohort, folds=data.folds, seed=seed, stratify=["diagnosis"])[int(split) - 1]
        rest = replace(cohort, cases=tuple(case for case in cohort.cases if case.case in set(tested.train)))
        learn = patient_split(
            rest, shares=(1 - data.watch_share, data.watch_share, 0), seed=seed, stratify=["diagnosis"]
        )
        fold = Fold(train=learn.train, val=learn.val, test=tested.val)
        require_by_patient(cohort, fold)
        return fold

    def do_network(self, backbone: str, split: str, folder: Path) -> dict[str, Any]:
        """Train one network on one split and answer for its test pictures."""
        config = self._network(backbone)
        cohort = self.cohort()
        pictures = self.pictures(cohort, side_of(config))
        fold = self.fold(cohort, pictures, split)
        learn, watch, test = (of_fold(pictures, fold, part) for part in ("train", "val", "test"))
        trained = train_network(
            learn,
            watch,
            config=config,
            out=folder / "network",
            resume=True,
            on_progress=partial(self.on_step, stage_of(backbone, split)),
        )
        calibration = fit_calibration(
            by_patient(watch.patient, myeloma_logits(trained.network, watch.pixels), watch.label)
        )
        logits = myeloma_logits(trained.network, test.pixels)
        patients = by_patient(test.patient, logits, test.label)
        return {
            "sizes": [len(learn), len(watch), len(test)],
            "started_from": trained.started_from,
            "best_epoch": trained.best_epoch,
            "history": [_curve_entry(entry) for entry in trained.history],
            "test": {
                "name": list(test.names),
                "patient": test.patient.tolist(),
                "label": test.label.tolist(),
                "score": to_probability(logits).tolist(),
            },
            "patients": {
                "patient": patients.name.tolist(),
                "label": patients.label.tolist(),
                "score": calibrated(patients.logit, calibration).tolist(),
            },
        }

    def _network(self, backbone: str) -> DifferentialConfig:
        """Settings of one backbone: its own file where weights are a folder."""
        weights = self.config.network.weights
        if Path(weights).is_dir():
            files = [Path(weights) / f"{backbone}{ending}" for ending in (".safetensors", ".pth", ".pt")]
            weights = str(next((file for file in files if file.is_file()), files[0]))
        return replace(self.config.network, backbone=backbone, weights=weights)


def _curve_entry(entry: dict[str, Any]) -> list[float | None]:
    """Epoch, training loss and accuracy, validation loss and accuracy."""
    train, val = entry["train"], entry["val"]
    return [entry["epoch"], train["loss"], train["accuracy"], val["loss"], val["accuracy"]]
