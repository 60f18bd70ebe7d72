"""The ``tumor`` model bundle: writing what was trained, loading it ready to read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from osteon.errors import BundleError, OsteonError, UsageError
from osteon.networks.faster_rcnn import build_detector
from osteon.networks.sequence_classifier import SequenceClassifier
from osteon.systems.settings import configure
from osteon.systems.tumor.age import table_from_plain, table_to_plain
from osteon.systems.tumor.answers import Pair
from osteon.systems.tumor.config import CLASSES, TumorConfig
from osteon.systems.tumor.detector import net_config
from osteon.training.bundle import ModelBundle, ModelFacts, read_bundle, write_bundle
from osteon.training.config import CHOICES
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
    # a file of starting weights is a path on this machine: its name alone goes with the model
    plain = _listed({**asdict(config), "weights": pair.started_from, "device": "auto"})
    how = (
        f"highest accuracy of patients answered out of {config.fusion.folds} folds, on a grid of {config.fusion.step:g}"
        if config.fusion.folds
        else "as published"
    )
    facts = ModelFacts(
        system=SYSTEM,
        name=f"{SYSTEM}-{config.detector.backbone}",
        version="1",
        classes=CLASSES,
        config=plain,
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


def _listed(value: Any) -> Any:
    """Tuples as lists, as TOML has them."""
    if isinstance(value, dict):
        return {key: _listed(one) for key, one in value.items()}
    return [_listed(one) for one in value] if isinstance(value, tuple | list) else value


def load_model(folder: Path, *, device: str = "auto") -> TumorModel:
    """Read a bundle and build its networks.

    Args:
        folder: of the bundle.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".

    Raises:
        BundleError: the bundle is damaged, of another version or of another system.
        UsageError: the device is unknown or not there.
    """
    if device not in CHOICES["device"]:
        raise UsageError(f"device {device!r}: expected one of {', '.join(CHOICES['device'])}")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise UsageError("device 'cuda' was asked for, but torch sees no GPU; use --device cpu")
    chosen = ("cuda" if there else "cpu") if device == "auto" else device
    bundle = read_bundle(folder)
    if bundle.facts.system != SYSTEM:
        raise BundleError(f"{folder.name}: a model of system {bundle.facts.system!r}; expected {SYSTEM!r}")
    try:
        config = replace(configure(TumorConfig(), bundle.facts.config), weights="none")
        table = table_from_plain(bundle.facts.calibration["age"])
        first, second, third = (float(weight) for weight in bundle.facts.operating_point["weights"])
        if bundle.facts.classes != CLASSES or min(first, second, third) <= 0:
            raise UsageError(f"classes {bundle.facts.classes}, weights {first}, {second}, {third}")
        pair = _networks(bundle, config, device=chosen)
    except BundleError:
        raise
    except (OsteonError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"{folder.name}: what model.toml says cannot be used ({type(error).__name__}: {error}); train the model "
            "again with this osteon, or use the osteon that made it"
        ) from error
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
    warning = (
        "**Trained on phantoms only. Not for clinical use.** It has never seen a patient."
        if data.get("kind") == "phantom"
        else "**Research software. Not a medical device.** Validate it on your own patients before you rely on it."
    )
    shares = [
        f"| {name} | {patients} | {share:.2f} |"
        for name, patients, share in zip(table.group_names(), table.patients, table.shares, strict=True)
    ]
    lines = [
        "# tumor: benign or malignant spinal tumours on sagittal MRI",
        "",
        warning,
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
