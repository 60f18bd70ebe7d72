"""Starting weights of a slice classifier's backbone: ImageNet's where they can be had, a file of them, or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from osteon.errors import BundleError, InputError
from osteon.networks.slice_classifier import BACKBONES
from osteon.training.plain_tensors import read_plain_tensors
from osteon.training.weights import apply_weights

if TYPE_CHECKING:
    from torch import Tensor

    from osteon.networks.slice_classifier import SliceClassifier

IMAGENET, NONE = "imagenet", "none"
_CLASSIFIERS = ("classifier.", "fc.", "head.", "pre_logits.", "last_linear.")
"""Where timm and torchvision keep the part of a network that the study replaces."""


def load_backbone(model: SliceClassifier, weights: str) -> str:
    """Fill the backbone before training.

    Args:
        model: its head keeps its own starting weights.
        weights: "imagenet" (from timm's cache on this machine, else downloaded), "none", or a file of plain tensors
            under timm's names (safetensors or ``torch.save`` of a state_dict); the classifier in it is ignored.

    Returns:
        What was loaded, in words, for the model card.

    Raises:
        InputError: the weights cannot be had, or the file holds something else.
        BundleError: tensors that do not fit this backbone.
    """
    name = BACKBONES[model.config.backbone]
    if weights == NONE:
        return "none: random starting weights"
    path = _imagenet_file(model) if weights == IMAGENET else Path(weights)
    tensors = _without_classifier(read_plain_tensors(path), model)
    apply_weights(model.backbone, tensors, source=f"{path.name} for {name}")
    if weights == IMAGENET:
        return f"ImageNet, timm {name}.{model.backbone.pretrained_cfg.get('tag', '')}"
    return f"file {path.name}"


def _without_classifier(tensors: dict[str, Tensor], model: SliceClassifier) -> dict[str, Tensor]:
    """Leave the published classifier out; counters of batches, which some exports lack, are ours."""
    wanted = model.backbone.state_dict()
    kept = {name: value for name, value in tensors.items() if name in wanted or not name.startswith(_CLASSIFIERS)}
    counters = {name: value for name, value in wanted.items() if name.endswith("num_batches_tracked")}
    return {**counters, **kept}


def _imagenet_file(model: SliceClassifier) -> Path:
    """File of the published weights: in the cache, or downloaded into it.

    Raises:
        InputError: neither.
    """
    cfg = model.backbone.pretrained_cfg
    backbone = model.config.backbone
    try:
        if cfg.get("hf_hub_id"):
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(cfg["hf_hub_id"], "model.safetensors"))
        if cfg.get("url"):
            return _downloaded(str(cfg["url"]))
    except (InputError, BundleError):
        raise
    except Exception as error:  # the hub's client and urllib raise a dozen kinds for "no network"
        raise InputError(
            f"ImageNet weights of {backbone} cannot be had here ({type(error).__name__}): no network, and not in this "
            f"machine's cache. Fetch timm's {BACKBONES[backbone]} weights elsewhere and give their file "
            "(--weights FILE), or train without (--weights none)"
        ) from error
    raise InputError(f"backbone {backbone}: there are no ImageNet weights of it; use --weights none or a file")


def _downloaded(url: str) -> Path:
    from torch.hub import download_url_to_file, get_dir

    path = Path(get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        # the name ends in the first digits of the file's SHA-256
        download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2], progress=False)
    return path
