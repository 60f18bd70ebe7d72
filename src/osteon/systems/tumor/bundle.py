"""The ``tumor`` model bundle: writing what was trained, loading it ready to read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from osteon.errors import UsageError
from osteon.networks.faster_rcnn import build_detector
from osteon.networks.sequence_classifier import SequenceClassifier
from osteon.systems.bundles import bundle_of, card_warning, choose_device, config_facts, usable_facts
from osteon.systems.settings import configure
from osteon.systems.tumor.age import table_from_plain, table_to_plain
from osteon.systems.tumor.answers import Pair
from osteon.systems.tumor.config import CLASSES, TumorConfig
from osteon.systems.tumor.detector import net_config
from osteon.systems.tumor.fusion import PUBLISHED
from osteon.training.bundle import ModelBundle, ModelFacts, write_bundle
from osteon.training.weights import load_weights

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.systems.tumor.age import AgeTable
    from osteon.systems.tumor.fusion import ChosenWeights, Weights

SYSTEM, DETECTOR, SEQUENCE = "tumor", "detector", "sequence"


@dataclass(frozen=True, kw_only=True, slots=True)
class TumorModel:
    """Both networks on one device, the age table and the weights, with the bundle they came from."""

    bundle: ModelBundle
    config: TumorConfig
    pair: Pair
    table: AgeTable
    weights: Weights
    device: str


def save_model(
    folder: Path,
    *,
    config: TumorConfig,
    pair: Pair,
    table: AgeTable,
    chosen: ChosenWeights,
    training_data: dict[str, Any],
    metrics: dict[str, Any],
) -> ModelBundle:
    """Write the bundle."""
    how = (
        f"highest accuracy of patients answered out of {config.fusion.folds} folds, on a grid of {config.fusion.step:g}"
        if config.fusion.folds
        else ("as published" if chosen.weights == PUBLISHED else "as given")
    )
    facts = ModelFacts(
        system=SYSTEM,
        name=f"{SYSTEM}-{config.detector.backbone}",
        version="1",
        classes=CLASSES,
        config=config_facts(config, started_from=pair.started_from),
        operating_point={
            "threshold": 0.5,
            "weights": list(chosen.weights),
            "weights_of": ["detector", "sequence model", "age"],
            "chosen": f"weights: {how}; threshold: more likely than not, chosen by no data",
            "detection_threshold": config.detector.threshold,
        },
        calibration={"how": "none: the study has none", "age": table_to_plain(table)},
        training_data=training_data,
    )
    weights = {DETECTOR: pair.detector.state_dict(), SEQUENCE: pair.sequence.state_dict()}
    return write_bundle(
        folder, facts, weights=weights, metrics=metrics, card=card_text(facts, metrics, table), half=True
    )


def load_model(folder: Path, *, device: str = "auto") -> TumorModel:
    """Read a bundle and build its networks.

    Args:
        folder: of the bundle.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".

    Raises:
        BundleError: the bundle is damaged, of another version or of another system.
        UsageError: the device is unknown or not there.
    """
    chosen = choose_device(device)
    bundle = bundle_of(folder, SYSTEM)
    with usable_facts(folder):
        config = replace(configure(TumorConfig(), bundle.facts.config), weights="none")
        table = table_from_plain(bundle.facts.calibration["age"])
        first, second, third = (float(weight) for weight in bundle.facts.operating_point["weights"])
        if bundle.facts.classes != CLASSES or min(first, second, third) <= 0:
            raise UsageError(f"classes {bundle.facts.classes}, weights {first}, {second}, {third}")
        pair = _networks(bundle, config, device=chosen)
    return TumorModel(
        bundle=bundle, config=config, pair=pair, table=table, weights=(first, second, third), device=chosen
    )


def _networks(bundle: ModelBundle, config: TumorConfig, *, device: str) -> Pair:
    detector = build_detector(net_config(config.detector))
    sequence = SequenceClassifier(config.sequence.backbone, frames=config.sequence.frames)
    load_weights(detector, bundle.weights_path(DETECTOR))
    load_weights(sequence, bundle.weights_path(SEQUENCE))
    return Pair(
        detector=detector.to(device).eval(),
        sequence=sequence.to(device).eval(),
        started_from=str(bundle.facts.config.get("weights", "")),
    )


def card_text(facts: ModelFacts, metrics: dict[str, Any], table: AgeTable) -> str:
    """The model card, in Markdown."""
    data, config = facts.training_data, facts.config
    shares = [
        f"| {name} | {patients} | {share:.2f} |"
        for name, patients, share in zip(table.group_names(), table.patients, table.shares, strict=True)
    ]
    lines = [
        "# tumor: benign or malignant spinal tumours on sagittal MRI",
        "",
        card_warning(data),
        "",
        "## What it is",
        "",
        f"A Faster R-CNN ({config['detector']['backbone']}, {config['detector']['image_px']} px) on single slices of "
        f"T1, T2 and fat-suppressed T2, a classifier ({config['sequence']['backbone']}, "
        f"{config['sequence']['frames']} slices) on the region it finds, and the patient's age. "
        f"Weights {facts.operating_point['weights']}: {facts.operating_point['chosen']}.",
        "",
        "## Age table: share of malignant tumours",
        "",
        "| age | training patients | share, smoothed |",
        "|---|---|---|",
        *shares,
        "",
        "## Data and measurements",
        "",
        str(data.get("description", "")) + ".",
        "",
        *(f"- {name}: {value}" for name, value in metrics.items()),
        "",
        "## Not for",
        "",
        "Patients in whom no tumour is suspected: it calls every patient benign or malignant. Anything but research.",
        "",
    ]
    return "\n".join(lines)
