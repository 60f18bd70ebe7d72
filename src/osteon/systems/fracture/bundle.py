"""The ``fracture`` model bundle: writing what was trained, loading it ready to read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from osteon.errors import UsageError
from osteon.systems.bundles import bundle_of, card_warning, choose_device, config_facts, usable_facts
from osteon.systems.fracture.config import CLASSES, THRESHOLD, FractureConfig
from osteon.systems.fracture.network import build_network
from osteon.systems.settings import configure
from osteon.training.bundle import ModelBundle, ModelFacts, write_bundle
from osteon.training.weights import load_weights

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.networks.patch_classifier import PatchClassifier

SYSTEM, NETWORK = "fracture", "classifier"
OPERATING_POINT = {
    "threshold": THRESHOLD,
    "chosen": "not by data: printed in the study (doi 10.1007/s00586-022-07121-1); a patient has the highest slice's",
}
CALIBRATION = {"how": "none: the network's sigmoid, as published"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FractureModel:
    """A network in evaluation mode on one device, with the bundle it came from."""

    bundle: ModelBundle
    config: FractureConfig
    network: PatchClassifier
    device: str


def save_model(
    folder: Path,
    *,
    config: FractureConfig,
    network: PatchClassifier,
    started_from: str,
    training_data: dict[str, Any],
    metrics: dict[str, Any],
) -> ModelBundle:
    """Write the bundle."""
    facts = ModelFacts(
        system=SYSTEM,
        name=f"{SYSTEM}-{config.backbone}",
        version="1",
        classes=CLASSES,
        config=config_facts(config, started_from=started_from),
        operating_point=OPERATING_POINT,
        calibration=CALIBRATION,
        training_data=training_data,
    )
    card = card_text(facts, metrics)
    return write_bundle(folder, facts, weights={NETWORK: network.state_dict()}, metrics=metrics, card=card, half=True)


def load_model(folder: Path, *, device: str = "auto") -> FractureModel:
    """Read a bundle and build its network.

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
        settings = {key: value for key, value in bundle.facts.config.items() if key != "weights"}
        config = replace(configure(FractureConfig(), settings), weights="none")
        if bundle.facts.classes != CLASSES:
            raise UsageError(f"classes {bundle.facts.classes}; expected {CLASSES}")
        network = build_network(config)
        load_weights(network, bundle.weights_path(NETWORK))
    return FractureModel(bundle=bundle, config=config, network=network.to(chosen).eval(), device=chosen)


def card_text(facts: ModelFacts, metrics: dict[str, Any]) -> str:
    """The model card, in Markdown."""
    data, config = facts.training_data, facts.config
    lines = [
        "# fracture: benign or malignant vertebral fracture on MRI",
        "",
        card_warning(data),
        "",
        "## What it is",
        "",
        f"A {config['backbone']} network on boxes round one fractured vertebra, {config['side_px']} x "
        f"{config['side_px']} pixels, three sagittal slices of T1 and T2 as six channels; the patient's answer is the "
        f"highest slice's, malignant from {THRESHOLD:g} on. Somebody must say which vertebra: it finds none itself.",
        "",
        "After Yeh et al., Eur Spine J 2022, doi 10.1007/s00586-022-07121-1.",
        "",
        f"Starting weights: {config['weights']}.",
        "",
        "## Training data",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in data.items() if key != "fingerprints"),
        "",
        "## Measured on the validation patients (they also chose the epoch)",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in metrics.items()),
        "",
        "## Not for",
        "",
        "Diagnosis or treatment decisions; vertebrae that are not fractured; infection, primary tumours and myeloma, "
        "which the study had none of; children; implants. It sees the box alone: soft tissue, pedicles and other "
        "vertebrae, which a radiologist would look at, are not in it.",
        "",
    ]
    return "\n".join(lines)
