"""The ``metastasis`` bundle: one network a combination of sequences, loaded ready to read."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from osteon.errors import UsageError
from osteon.networks.fusion import fuse
from osteon.systems.bundles import bundle_of, choose_device, unusable
from osteon.systems.metastasis.config import MetastasisConfig, sequences_of
from osteon.systems.metastasis.network import build_network
from osteon.systems.settings import configure
from osteon.training.bundle import ModelBundle, ModelFacts, halved, write_bundle
from osteon.training.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from torch import nn

SYSTEM = "metastasis"
KIND = "metastasis"


@dataclass(frozen=True, kw_only=True, slots=True)
class MetastasisModel:
    """Networks in evaluation mode on one device, with the bundle they came from.

    Attributes:
        networks: combination -> network, the one to prefer first.
    """

    bundle: ModelBundle
    config: MetastasisConfig
    networks: dict[str, nn.Module]
    device: str

    def choose(self, names: Collection[str]) -> str | None:
        """The preferred combination that needs no other sequences than these; None if there is none."""
        for combination in self.networks:
            if set(sequences_of(combination)) <= set(names):
                return combination
        return None

    def point(self, combination: str) -> dict[str, Any]:
        """Threshold, mask threshold and how they were chosen."""
        return dict(self.bundle.facts.operating_point[combination])

    def calibration(self, combination: str) -> dict[str, Any]:
        """How its scores become probabilities."""
        return dict(self.bundle.facts.calibration[combination])


def load_model(folder: Path, *, device: str = "auto") -> MetastasisModel:
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
    try:
        config = configure(MetastasisConfig(), dict(bundle.facts.config))
        networks: dict[str, nn.Module] = {}
        for combination in config.models:
            point = bundle.facts.operating_point[combination]
            float(point["threshold"]), float(point["mask_threshold"]), bundle.facts.calibration[combination]["weights"]
            network = build_network(combination, config.network)
            load_weights(network, bundle.weights_path(weight_name(combination)))
            networks[combination] = fuse(network).to(chosen)
    except (UsageError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise unusable(folder, error) from error
    return MetastasisModel(bundle=bundle, config=config, networks=networks, device=chosen)


def weight_name(combination: str) -> str:
    """Name of the weights of a combination in a bundle: "t1-ce"."""
    return combination.lower().replace("+", "-")


def as_shipped(network: nn.Module) -> nn.Module:
    """A copy of a trained network as ``load_model`` gives it back: weights rounded to half precision, norms folded."""
    copied = copy.deepcopy(network)
    copied.load_state_dict({name: halved(tensor) for name, tensor in network.state_dict().items()})
    return fuse(copied)


def trained_on(bundle: ModelBundle, fingerprint: str) -> bool:
    """Whether a scan was among those that the model was trained or validated on (``cases.voxel_fingerprint``)."""
    known = bundle.facts.training_data.get("fingerprints", ())
    return isinstance(known, list | tuple) and fingerprint in known


def save_model(
    folder: Path,
    *,
    config: MetastasisConfig,
    networks: Mapping[str, nn.Module],
    calibration: dict[str, Any],
    operating_point: dict[str, Any],
    training_data: dict[str, Any],
    metrics: dict[str, Any],
) -> ModelBundle:
    """Write the bundle, weights in half precision; calibration and operating point by combination."""
    facts = ModelFacts(
        system=SYSTEM,
        name=f"{SYSTEM}-unet{config.network.dimensions}d-{config.network.width}",
        version="1",
        classes=(KIND,),
        config=_plain(asdict(config)),
        operating_point=operating_point,
        calibration=calibration,
        training_data=training_data,
    )
    weights = {weight_name(name): network.state_dict() for name, network in networks.items()}
    card = card_text(config, operating_point=operating_point, training_data=training_data, metrics=metrics)
    return write_bundle(folder, facts, weights=weights, metrics=metrics, card=card, half=True)


def _plain(value: Any) -> Any:
    """Tuples as lists, so that TOML can hold them."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def card_text(
    config: MetastasisConfig,
    *,
    operating_point: dict[str, Any],
    training_data: dict[str, Any],
    metrics: dict[str, Any],
) -> str:
    """The model card, in Markdown."""
    warning = (
        "**Trained on phantoms only. Not for clinical use.** It has never seen a patient."
        if training_data.get("kind") == "phantom"
        else "**Research software. Not a medical device.** Validate it on your own patients before you rely on it."
    )
    size = f"{config.input.size} x {config.input.size}" + (
        f" x {config.input.slices}" if config.network.dimensions == 3 else ""
    )
    points = [f"- {name}: {point}" for name, point in operating_point.items()]
    lines = [
        "# metastasis: bone metastases on sagittal spine MRI",
        "",
        warning,
        "",
        "## What it is",
        "",
        f"U-Nets in {config.network.dimensions} dimensions with nearest-neighbour enlargement, width "
        f"{config.network.width}, on images of {size}; sequences as channels: {', '.join(config.models)}. "
        "T1: plain; FO: Dixon fat-only after contrast; CE: fat-suppressed T1 after contrast. What a study has chooses "
        "the network.",
        "",
        "After Kim et al., Korean J Radiol 2024, doi 10.3348/kjr.2023.0671; smaller networks; registration, batch "
        "norm, loss, mask threshold and calibration are ours.",
        "",
        "## Training data",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in training_data.items() if key != "fingerprints"),
        "",
        "## Measured on the validation patients (they also chose epoch, calibration and thresholds)",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in metrics.items()),
        "",
        "## Operating points",
        "",
        *points,
        "",
        "## Not for",
        "",
        "Diagnosis or treatment decisions; spines with diffusely changed marrow; children; axial or coronal slices.",
        "",
    ]
    return "\n".join(lines)
