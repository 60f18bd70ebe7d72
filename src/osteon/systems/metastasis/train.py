"""Training ``metastasis``: one network a combination of sequences, then thresholds on the validation patients.

Each network keeps its own run folder under ``<out>.run``, so that a killed training goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from osteon.errors import CohortError
from osteon.systems.metastasis.bundle import as_shipped, save_model
from osteon.systems.metastasis.calibrate import calibrate
from osteon.systems.metastasis.cases import prepare_cases
from osteon.systems.metastasis.config import sequences_of
from osteon.systems.metastasis.network import batches, build_network, loss, steps, validation_metrics
from osteon.systems.metastasis.splits import balanced_split, patient_of
from osteon.training.config import LoopConfig
from osteon.training.loop import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from osteon.cohort.manifest import Cohort
    from osteon.systems.metastasis.cases import StationCase
    from osteon.systems.metastasis.config import MetastasisConfig
    from osteon.training.bundle import ModelBundle


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """Stations to train and to validate on, never of the same patient; ``excluded`` ones are in neither."""

    train: tuple[StationCase, ...]
    validation: tuple[StationCase, ...]
    excluded: tuple[StationCase, ...] = ()

    def of(self, combination: str) -> Fold:
        """The stations that have all sequences of a combination.

        Raises:
            CohortError: none on one side.
        """
        needed = set(sequences_of(combination))
        train, validation = (
            tuple(one for one in part if needed <= set(one.names)) for part in (self.train, self.validation)
        )
        if not train or not validation:
            raise CohortError(
                f"{combination}: {len(train)} training and {len(validation)} validation series have all of its "
                "sequences; expected at least one of each; add studies, or leave the combination out (models = ...)"
            )
        return Fold(train=train, validation=validation)

    @property
    def fingerprint(self) -> str:
        """Of the images and masks on both sides."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation):
            for one in part:
                digest.update(f"|{one.voxels} {one.case} {one.index} {one.numbers} {one.volumes_cm3}".encode())
            digest.update(b"||")
        return digest.hexdigest()


def make_fold(stations: Sequence[StationCase], validation: Sequence[StationCase], *, share: float, seed: int) -> Fold:
    """Leave out what moved too far, and split by patient unless validation stations are given.

    Raises:
        CohortError: no lesions known, a patient or scan on both sides, or too few patients.
    """
    every = [*stations, *validation]
    unknown = sum(not one.has_lesions for one in every)
    known = [one for one in stations if one.has_lesions and not one.excluded]
    kept = [one for one in validation if one.has_lesions and not one.excluded]
    if not known or (validation and not kept):
        raise CohortError(
            f"{unknown} of {len(every)} series have no lesion truth and {sum(bool(one.excluded) for one in every)} "
            "moved too far between sequences: nothing is left to train on; add truth.lesions to cohort.json"
        )
    if kept:
        train, valid = tuple(known), tuple(kept)
        both = sorted({patient_of(one) for one in train} & {patient_of(one) for one in valid})
        if both:
            raise CohortError(f"patients {both[:5]} are in training and validation; take them out of one")
    else:
        train, valid = balanced_split(known, share=share, seed=seed)
    shared = {one.voxels for one in train} & {one.voxels for one in valid}
    if shared:
        names = sorted({one.case for one in (*train, *valid) if one.voxels in shared})
        raise CohortError(f"cases {names[:5]} are one scan, voxel by voxel, in training and validation")
    return Fold(train=train, validation=valid, excluded=tuple(one for one in every if one.excluded))


def train_network(
    fold: Fold,
    combination: str,
    *,
    config: MetastasisConfig,
    out: Path,
    resume: bool,
    on_progress: Callable[[Any], None],
) -> nn.Module:
    """Train one network; it comes back with the epoch's weights that did best on the validation stations.

    Raises:
        CohortError: no series has the sequences.
    """
    own, stage = fold.of(combination), config.network
    torch.manual_seed(config.seed)
    network = build_network(combination, stage)
    loop = LoopConfig(
        epochs=stage.epochs,
        optimizer="adam",
        learning_rate=stage.learning_rate,
        schedule="cosine",
        warmup_epochs=0.5,
        ema_decay=0.98,
        ema_ramp_steps=200,
        monitor="dice",
        seed=config.seed,
        precision=config.precision,
        device=config.device,
        channels_last=stage.dimensions == 2,
        prefetch=4,
    )
    fit(
        network,
        config=loop,
        batches=batches(own.train, combination, config=stage),
        steps=steps(stage),
        loss=loss,
        out=out,
        validate=lambda net, _: validation_metrics(net, own.validation, combination, config=stage),
        on_progress=on_progress,
        resume=resume,
        identity=f"{combination}|{own.fingerprint}|{asdict(stage)}|{asdict(config.input)}",
    )
    return network.eval()


def train(
    cohort: Cohort,
    out: Path,
    *,
    config: MetastasisConfig,
    validation: Cohort | None = None,
    resume: bool = False,
    on_step: Callable[[str, Any], None] = lambda stage, progress: None,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> ModelBundle:
    """Train the networks of ``config.models`` and write their bundle.

    Args:
        cohort: MR studies with lesion masks.
        out: folder of the bundle; ``<out>.run`` beside it holds caches and checkpoints, and may be deleted afterwards.
        config: of everything.
        validation: patients for choosing epoch, calibration and thresholds; else a share of ``cohort``'s.
        resume: go on with what ``<out>.run`` holds.
        on_step: called with the combination and ``training.loop.Progress``.
        on_case: called with (done, total, case) where cases are gone through.

    Raises:
        CohortError: nothing to train on, or patients or scans on both sides.
        UsageError: ``<out>.run`` holds another training, or one and ``resume`` is false.
    """
    run = out.with_name(out.name + ".run")
    stations = prepare_cases(cohort, run / "cache", config=config.input, on_case=on_case)
    kept = prepare_cases(validation, run / "cache", config=config.input, on_case=on_case) if validation else []
    fold = make_fold(stations, kept, share=config.validation_share, seed=config.seed)
    for combination in config.models:
        fold.of(combination)  # say what is missing before hours of training
    networks: dict[str, nn.Module] = {}
    calibration: dict[str, Any] = {}
    points: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    for combination in config.models:
        network = train_network(
            fold,
            combination,
            config=config,
            out=run / combination.lower(),
            resume=resume,
            on_progress=partial(on_step, combination),
        )
        networks[combination] = network
        calibration[combination], points[combination], measured = calibrate(
            as_shipped(network),
            fold.of(combination).validation,
            combination,
            dimensions=config.network.dimensions,
            false_positives=config.false_positives,
            on_case=on_case,
        )
        metrics |= measured
    return save_model(
        out,
        config=config,
        networks=networks,
        calibration=calibration,
        operating_point=points,
        training_data=described(cohort, fold),
        metrics=metrics,
    )


def described(cohort: Cohort, fold: Fold) -> dict[str, Any]:
    """What a bundle says of its training data."""
    sides = {"training": fold.train, "validation": fold.validation}
    counts = {
        f"{name}": f"{len(part)} series of {len({patient_of(one) for one in part})} patients, "
        f"{sum(len(one.numbers) for one in part)} lesions"
        for name, part in sides.items()
    }
    return {
        "description": f"{cohort.name}: {counts['training']}",
        "kind": "phantom" if cohort.is_phantom else cohort.kind,
        "fingerprint": fold.fingerprint,
        **counts,
        "left_out": f"{len(fold.excluded)} series in which the patient moved too far between sequences",
        "fingerprints": sorted({one.voxels for one in (*fold.train, *fold.validation)}),
    }
