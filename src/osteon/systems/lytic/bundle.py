"""The ``lytic`` model bundle: writing what was trained, loading it ready to read."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from osteon.errors import UsageError
from osteon.networks.fusion import fuse
from osteon.systems.bundles import bundle_of, choose_device, unusable
from osteon.systems.lytic.bone import bone_stage
from osteon.systems.lytic.config import LyticConfig
from osteon.systems.lytic.detector import build_detector
from osteon.systems.lytic.false_positive_reduction import ThreePlanes
from osteon.systems.settings import configure
from osteon.training.bundle import ModelBundle, ModelFacts, halved, write_bundle
from osteon.training.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from osteon.networks.yolov5 import YOLOv5

SYSTEM = "lytic"
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True, slots=True)
class LyticModel:
    """Networks in evaluation mode on one device, with the bundle they came from."""

    bundle: ModelBundle
    config: LyticConfig
    bone: nn.Module
    detectors: tuple[YOLOv5, ...]
    reduction: nn.Module | None
    device: str

    @property
    def precision(self) -> str:
        """What the networks compute in: "bf16" if any does in bfloat16, else "fp32"."""
        half = any(next(net.parameters()).dtype is torch.bfloat16 for net in (self.bone, *self.detectors))
        return "bf16" if half else "fp32"


def load_model(folder: Path, *, device: str = "auto") -> LyticModel:
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
        float(bundle.facts.operating_point["threshold"])
        config, bone, detectors, reduction = _build(bundle)
    except (UsageError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise unusable(folder, error) from error
    return LyticModel(
        bundle=bundle,
        config=config,
        bone=_ready(fuse(bone), chosen, half=config.bone.planes == "all"),
        # older bundles were calibrated on detectors in full precision
        detectors=tuple(_ready(fuse(m), chosen, half="reduction" in bundle.facts.config) for m in detectors),
        reduction=None if reduction is None else _ready(fuse(reduction), chosen),
        device=chosen,
    )


def _ready(network: Network, device: str, *, half: bool = False) -> Network:
    """On its device, with the channels of a pixel beside each other, in which convolutions are twice as fast.

    Args:
        network: in evaluation mode.
        device: "cpu" or "cuda".
        half: whether bfloat16 is exact enough; used where the processor computes with it, which is seven times as fast.
    """
    kind = torch.bfloat16 if half and device == "cpu" and torch.cpu._is_avx512_bf16_supported() else torch.float32
    return network.to(device, kind).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _build(bundle: ModelBundle) -> tuple[LyticConfig, nn.Module, list[YOLOv5], nn.Module | None]:
    """Configuration, and networks with their weights, from a bundle whose system is right."""
    settings = dict(bundle.facts.config)
    anchors = settings.pop("anchors", None)
    settings["bone"] = {"planes": "axial", "bright_threshold": 1.0} | settings["bone"]  # not said by older bundles
    settings.setdefault("reduction", {"epochs": 0})  # nor of a second look
    config = configure(LyticConfig(), settings)
    bone = bone_stage(config.bone).build_bone_network(config.bone)
    load_weights(bone, bundle.weights_path("bone"))
    detectors = []
    for member in range(config.detector.members):
        model = build_detector(config.detector, None if anchors is None else anchors[member])
        load_weights(model, bundle.weights_path(f"detector{member}"))
        detectors.append(model)
    reduction = None
    if config.reduction.epochs:
        reduction = ThreePlanes(config.reduction)
        load_weights(reduction, bundle.weights_path("reduction"))
    return config, bone, detectors, reduction


def as_shipped(network: Network, *, half: bool = False) -> Network:
    """A copy of a trained network as ``load_model`` gives it back: weights rounded, norms folded; ``half`` as there."""
    copied = copy.deepcopy(network)
    # load_state_dict widens to the network's own type, as reading the bundle does
    copied.load_state_dict({name: halved(tensor) for name, tensor in network.state_dict().items()})
    return _ready(fuse(copied), next(network.parameters()).device.type, half=half)


def trained_on(bundle: ModelBundle, fingerprint: str) -> bool:
    """Whether a scan was among those that the model was trained or validated on.

    Args:
        bundle: made by a version that wrote fingerprints; others answer False.
        fingerprint: ``cases.voxel_fingerprint`` of the scan's axial array.
    """
    known = bundle.facts.training_data.get("fingerprints", ())
    return isinstance(known, list | tuple) and fingerprint in known


def save_model(
    folder: Path,
    *,
    config: LyticConfig,
    bone: nn.Module,
    detectors: Sequence[YOLOv5],
    reduction: nn.Module | None,
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
    weights |= {} if reduction is None else {"reduction": reduction.state_dict()}
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
    looked = " each looked at again on three planes by a small network;" if config.reduction.epochs else ""
    lines = [
        "# lytic: lytic bone lesions on low-dose CT",
        "",
        warning,
        "",
        "## What it is",
        "",
        f"A bone U-Net ({config.bone.pixel_mm:g} mm pixels) and {config.detector.members} YOLOv5{config.detector.size} "
        f"on the Hadamard product of slice and bone mask ({config.detector.pixel_mm:g} mm pixels); boxes linked into "
        f"lesions;{looked} scores calibrated to probabilities.",
        "",
        "After Faghani et al., Skeletal Radiology 2022, doi 10.1007/s00256-022-04160-z; smaller networks, three "
        "neighbouring slices as channels, a mask margin, linking and calibration are ours.",
        "",
        "## Training data",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in training_data.items() if key != "fingerprints"),
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
        "Diagnosis or treatment decisions; sclerotic lesions; children. Enhanced organs and vessels that touch bone "
        "may be taken for bone.",
        "",
    ]
    return "\n".join(lines)
