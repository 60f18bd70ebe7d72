"""Starting weights of a slice classifier's backbone: ImageNet's where they can be had, a file of them, or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from osteon.errors import BundleError, InputError
from osteon.networks.slice_classifier import BACKBONES
from osteon.training.plain_tensors import read_plain_tensors
from osteon.training.weights import apply_weights

if TYPE_CHECKING:
    from collections.abc import Callable

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
    return load_timm(model.backbone, BACKBONES[model.config.backbone], weights, called=model.config.backbone)


def load_timm(
    network: Any, name: str, weights: str, *, own: Callable[[str], bool] = lambda tensor: False, called: str = ""
) -> str:
    """Fill a network that timm made, without its classifier; the rest is as in ``load_backbone``.

    A first layer for another number of channels than the weights' three gets their sum shared out evenly.

    Args:
        network: of timm.
        name: timm's name of it.
        weights: "imagenet", "none" or a file.
        own: which tensors of the network are no part of the published one and keep their starting values.
        called: what messages call the network, if not ``name``.

    Returns:
        What was loaded, in words.

    Raises:
        InputError: the weights cannot be had, or the file holds something else.
        BundleError: tensors that do not fit this network.
    """
    if weights == NONE:
        return "none: random starting weights"
    path = _imagenet_file(network, name, called=called or name) if weights == IMAGENET else Path(weights)
    tensors = _without_classifier(read_plain_tensors(path), network)
    tensors |= {key: value for key, value in network.state_dict().items() if own(key)}
    apply_weights(network, for_channels(tensors, network), source=f"{path.name} for {name}")
    if weights == IMAGENET:
        return f"ImageNet, timm {name}.{network.pretrained_cfg.get('tag', '')}"
    return f"file {path.name}"


def for_channels(tensors: dict[str, Tensor], network: Any) -> dict[str, Tensor]:
    """The first layer's kernels for as many channels as the network takes: grey pictures look alike in all of them.

    Args:
        tensors: under timm's names, perhaps for another number of channels.
        network: of timm.
    """
    key = f"{network.pretrained_cfg.get('first_conv', '')}.weight"
    wanted, found = network.state_dict().get(key), tensors.get(key)
    if wanted is None or found is None or found.ndim != 4 or found.shape[1] == wanted.shape[1]:
        return tensors
    channels = wanted.shape[1]
    return tensors | {key: (found.sum(dim=1, keepdim=True) / channels).repeat(1, channels, 1, 1)}


def _without_classifier(tensors: dict[str, Tensor], network: Any) -> dict[str, Tensor]:
    """Leave the published classifier out; counters of batches, which some exports lack or ours has not, are ours."""
    wanted = network.state_dict()
    tensors = {n: value for n, value in tensors.items() if n in wanted or not n.endswith("num_batches_tracked")}
    kept = {name: value for name, value in tensors.items() if name in wanted or not name.startswith(_CLASSIFIERS)}
    counters = {name: value for name, value in wanted.items() if name.endswith("num_batches_tracked")}
    return {**counters, **kept}


def _imagenet_file(network: Any, name: str, *, called: str) -> Path:
    """File of the published weights: in the cache, or downloaded into it.

    Raises:
        InputError: neither.
    """
    cfg = network.pretrained_cfg
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
            f"ImageNet weights of {called} cannot be had here ({type(error).__name__}): no network, and not in this "
            f"machine's cache. Fetch timm's {name} weights elsewhere and give their file "
            "(--weights FILE), or train without (--weights none)"
        ) from error
    raise InputError(f"backbone {called}: there are no ImageNet weights of it; use --weights none or a file")


def _downloaded(url: str) -> Path:
    from torch.hub import download_url_to_file, get_dir

    path = Path(get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        # the name ends in the first digits of the file's SHA-256
        download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2], progress=False)
    return path
