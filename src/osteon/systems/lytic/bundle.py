"""The ``lytic`` model bundle: writing what was trained, loading it ready to read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from osteon.errors import BundleError
from osteon.networks.fusion import fuse
from osteon.systems.lytic.bone import build_bone_network
from osteon.systems.lytic.config import LyticConfig, configure
from osteon.systems.lytic.detector import build_detector
from osteon.training.bundle import ModelBundle, ModelFacts, read_bundle, write_bundle
from osteon.training.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from osteon.networks.yolov5 import YOLOv5

SYSTEM = "lytic"


@dataclass(frozen=True, kw_only=True, slots=True)
class LyticModel:
    """Networks in evaluation mode on one device, with the bundle they came from."""

    bundle: ModelBundle
    config: LyticConfig
    bone: nn.Module
    detectors: tuple[YOLOv5, ...]
    device: str


def load_model(folder: Path, *, device: str = "auto") -> LyticModel:
    """Read a bundle and build its networks.

    Args:
        folder: of the bundle.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".

    Raises:
        BundleError: the bundle is damaged, of another version or of another system.
    """
    import torch

    bundle = read_bundle(folder)
    if bundle.facts.system != SYSTEM:
        raise BundleError(f"{folder.name}: a model of system {bundle.facts.system!r}; expected {SYSTEM!r}")
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if chosen == "cuda" and not torch.cuda.is_available():
        raise BundleError("device 'cuda' was asked for, but torch sees no GPU; use --device cpu")
    settings = dict(bundle.facts.config)
    anchors = settings.pop("anchors", None)
    config = configure(LyticConfig(), settings)
    bone = build_bone_network(config.bone)
    load_weights(bone, bundle.weights_path("bone"))
    bone = fuse(bone.eval()).to(chosen)
    detectors = []
    for member in range(config.detector.members):
        fitted = None if anchors is None else anchors[member]
        model = build_detector(config.detector, fitted)
        load_weights(model, bundle.weights_path(f"detector{member}"))
        detectors.append(fuse(model.eval()).to(chosen))
    return LyticModel(bundle=bundle, config=config, bone=bone, detectors=tuple(detectors), device=chosen)


def save_model(
    folder: Path,
    *,
    config: LyticConfig,
    bone: nn.Module,
    detectors: Sequence[YOLOv5],
    calibration: dict[str, Any],
    operating_point: dict[str, Any],
    training_data: dict[str, Any],
    metrics: dict[str, Any],
) -> ModelBundle:
    """Write the bundle, weights in half precision."""
    anchors = [[[list(pair) for pair in level] for level in model.config.anchors] for model in detectors]
    facts = ModelFacts(
        system=SYSTEM,
        name=f"{SYSTEM}-{config.detector.size}",
        version="1",
        classes=("lytic lesion",),
        config={**_plain(asdict(config)), "anchors": anchors},
        operating_point=operating_point,
        calibration=calibration,
        training_data=training_data,
    )
    weights = {"bone": bone.state_dict()}
    weights |= {f"detector{k}": model.state_dict() for k, model in enumerate(detectors)}
    card = card_text(config, operating_point=operating_point, training_data=training_data, metrics=metrics)
    return write_bundle(folder, facts, weights=weights, metrics=metrics, card=card, half=True)


def _plain(value: Any) -> Any:
    """Tuples as lists, so that TOML can hold them."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def card_text(
    config: LyticConfig, *, operating_point: dict[str, Any], training_data: dict[str, Any], metrics: dict[str, Any]
) -> str:
    """The model card, in Markdown."""
    kind = training_data.get("kind", "unknown")
    warning = (
        "**Trained on phantoms only. Not for clinical use.** It has never seen a patient."
        if kind == "phantom"
        else "**Research software. Not a medical device.** Validate it on your own patients before you rely on it."
    )
    lines = [
        "# lytic: lytic bone lesions on low-dose CT",
        "",
        warning,
        "",
        "## What it is",
        "",
        f"A bone U-Net ({config.bone.pixel_mm:g} mm pixels) and {config.detector.members} YOLOv5{config.detector.size} "
        f"on the Hadamard product of slice and bone mask ({config.detector.pixel_mm:g} mm pixels); boxes linked into "
        "lesions; scores calibrated to probabilities.",
        "",
        "After Faghani et al., Skeletal Radiology 2022, doi 10.1007/s00256-022-04160-z; smaller networks, three "
        "neighbouring slices as channels, a mask margin, linking and calibration are ours.",
        "",
        "## Training data",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in training_data.items()),
        "",
        "## Measured on the validation patients (they also chose epoch, calibration and threshold)",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in metrics.items()),
        "",
        "## Operating point",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in operating_point.items()),
        "",
        "## Not for",
        "",
        "Diagnosis or treatment decisions; sclerotic lesions; children; scans with bone cement or metal, which it has "
        "not seen.",
        "",
    ]
    return "\n".join(lines)
