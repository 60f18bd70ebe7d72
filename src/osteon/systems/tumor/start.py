"""Training that goes on from the model that ships with osteon, instead of from ImageNet or from nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from osteon.errors import CohortError, UsageError
from osteon.systems.bundles import bundle_of, shipped_folder, usable_facts
from osteon.systems.settings import configure
from osteon.systems.tumor.config import TumorConfig
from osteon.training.backbone_weights import for_channels
from osteon.training.checkpoint import load_tensors
from osteon.training.weights import apply_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from torchvision.models.detection import FasterRCNN

    from osteon.networks.sequence_classifier import SequenceClassifier
    from osteon.systems.tumor.cases import TumorCase
    from osteon.training.bundle import ModelBundle

SHIPPED = "shipped"
SAME = {
    "detector": (
        "backbone",
        "deformable",
        "freeze_norm",
        "image_px",
        "width",
        "head",
        "anchor_strides",
        "even_out",
    ),
    "sequence": ("backbone", "side"),
}
"""Settings that shape what a network has learnt: the same here as there."""
_BODY = "backbone.body."


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Both networks to go on from, and what the model card says of it.

    Attributes:
        bundle: of the shipped model.
        detector, sequence: tensors by name.
        said: in words.
    """

    bundle: ModelBundle
    detector: dict[str, Tensor]
    sequence: dict[str, Tensor]
    said: str

    @property
    def known(self) -> set[str]:
        """Fingerprints of the scans that taught it."""
        return set(self.bundle.facts.training_data.get("fingerprints", ()))


def start_of(config: TumorConfig) -> Start | None:
    """The shipped model, where the configuration starts from it.

    Raises:
        UsageError: none ships, or its networks are built otherwise.
        BundleError: it is damaged.
    """
    if config.weights != SHIPPED:
        return None
    folder = shipped_folder("tumor")
    if not folder.is_dir():
        raise UsageError(f"weights {SHIPPED!r}: no tumor model ships with this osteon; start from none, or a file")
    bundle = bundle_of(folder, "tumor")
    with usable_facts(folder):
        theirs = configure(TumorConfig(), bundle.facts.config)
    for part, keys in SAME.items():
        for key in keys:
            ours, there = (getattr(getattr(one, part), key) for one in (config, theirs))
            if ours != there:
                raise UsageError(f"weights {SHIPPED!r}: {part}.{key} is {ours!r}, in the shipped model {there!r}")
    return Start(
        bundle=bundle,
        detector=load_tensors(bundle.weights_path("detector"))[0],
        sequence=load_tensors(bundle.weights_path("sequence"))[0],
        said=f"the shipped model {bundle.facts.name}, {bundle.hash[:12]}",
    )


def refuse_known(cases: Sequence[TumorCase], start: Start | None) -> None:
    """Patients of the shipped model cannot be the ones that training goes on with: nobody would be unseen.

    Raises:
        CohortError: some are; they are named.
    """
    known = [case.case for case in cases if start is not None and case.voxels in start.known]
    if known:
        raise CohortError(f"cases {known[:5]} taught the shipped model that training would go on from; start from none")


def begin_detector(model: FasterRCNN, start: Start) -> str:
    """Fill a detector; what it started from, in words."""
    apply_weights(model, start.detector, source=start.said)
    return start.said


def begin_sequence(model: SequenceClassifier, start: Start) -> str:
    """Fill a sequence model, the first layer's kernels shared out where it takes another number of slices."""
    body: Any = model.backbone.body
    inner = {name.removeprefix(_BODY): value for name, value in start.sequence.items() if name.startswith(_BODY)}
    fitted = {_BODY + name: value for name, value in for_channels(inner, body).items()}
    apply_weights(model, {**start.sequence, **fitted}, source=start.said)
    return start.said
