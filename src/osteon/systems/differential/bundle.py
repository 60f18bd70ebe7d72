"""The ``differential`` model bundle: writing what was trained, loading it ready to read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from osteon.errors import UsageError
from osteon.systems.bundles import bundle_of, card_warning, choose_device, config_facts, usable_facts
from osteon.systems.differential.config import CLASSES, DifferentialConfig
from osteon.systems.differential.network import build_network
from osteon.systems.differential.patients import THRESHOLD
from osteon.systems.settings import configure
from osteon.training.bundle import ModelBundle, ModelFacts, write_bundle
from osteon.training.weights import load_weights

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.networks.slice_classifier import SliceClassifier

SYSTEM, NETWORK = "differential", "classifier"
OPERATING_POINT = {
    "threshold": THRESHOLD,
    "chosen": "not by data: a patient is called myeloma where that is the more probable of the two",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferentialModel:
    """A classifier in evaluation mode on one device, with the bundle it came from."""

    bundle: ModelBundle
    config: DifferentialConfig
    network: SliceClassifier
    device: str


def save_model(
    folder: Path,
    *,
    config: DifferentialConfig,
    network: SliceClassifier,
    started_from: str,
    calibration: dict[str, Any],
    training_data: dict[str, Any],
    metrics: dict[str, Any],
) -> ModelBundle:
    """Write the bundle."""
    facts = ModelFacts(
        system=SYSTEM,
        name=f"{SYSTEM}-{config.backbone}",
        version="1",
        classes=CLASSES,
        config={
            **config_facts(config, started_from=started_from),
            "learn": "all" if config.learns_all else "head",
        },
        operating_point=OPERATING_POINT,
        calibration=calibration,
        training_data=training_data,
    )
    card = card_text(facts, metrics)
    return write_bundle(folder, facts, weights={NETWORK: network.state_dict()}, metrics=metrics, card=card, half=True)


def load_model(folder: Path, *, device: str = "auto") -> DifferentialModel:
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
        config = replace(configure(DifferentialConfig(), settings), weights="none")
        float(bundle.facts.calibration["slope"]), float(bundle.facts.calibration["intercept"])
        if bundle.facts.classes != CLASSES:
            raise UsageError(f"classes {bundle.facts.classes}; expected {CLASSES}")
        network = build_network(config)
        load_weights(network, bundle.weights_path(NETWORK))
    return DifferentialModel(bundle=bundle, config=config, network=network.to(chosen).eval(), device=chosen)


def card_text(facts: ModelFacts, metrics: dict[str, Any]) -> str:
    """The model card, in Markdown."""
    data, config = facts.training_data, facts.config
    lines = [
        "# differential: myeloma or osteolytic metastasis on CT slices of the spine",
        "",
        card_warning(data),
        "",
        "## What it is",
        "",
        f"A {config['backbone']} network on single slices that show lytic lesions: 8-bit JPEG, window "
        f"{config['window_hu'][0]:g} to {config['window_hu'][1]:g} HU, {config['input_px']} pixels; mean log-odds of a "
        "patient's slices, calibrated to the probability of myeloma against metastasis.",
        "",
        "After Simsek et al., Harran Univ Tip Fak Derg 2025, doi 10.35440/hutfd.1563046; the patient's answer, its "
        "calibration and the split by patient are ours.",
        "",
        f"Starting weights: {config['weights']}.",
        "",
        "## Training data",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in data.items() if key != "fingerprints"),
        "",
        "## Measured on the validation patients (they also chose the epoch and the calibration)",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in metrics.items()),
        "",
        "## Not for",
        "",
        "Diagnosis or treatment decisions; patients who may have neither of the two, since it knows no third answer; "
        "sclerotic lesions; children; spines with cement or metal.",
        "",
    ]
    return "\n".join(lines)
