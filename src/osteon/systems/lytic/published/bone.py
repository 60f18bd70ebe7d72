"""The study's first step: a 2-D U-Net for bone on single slices, Dice loss, Adam, best epoch on validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from osteon.evaluation.overlap import measure, overlap_counts
from osteon.networks.unet import UNetConfig, build_unet
from osteon.systems.lytic.published.slices import grey, to_square
from osteon.training.augment_masks import MaskAugmentation, augment_mask
from osteon.training.config import LoopConfig
from osteon.training.dice import dice_loss
from osteon.training.loop import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from osteon.systems.lytic.published.config import BonePart
    from osteon.systems.lytic.published.slices import StudySlices

Sample = tuple["NDArray[np.uint8]", "NDArray[np.bool_]"]
"""An image and its bone, (size, size) each."""


def build_bone(part: BonePart) -> nn.Module:
    """The U-Net: one grey channel in, one logit out."""
    network = build_unet(
        UNetConfig(
            in_channels=1,
            out_channels=1,
            channels=part.channels,
            strides=(2,) * (len(part.channels) - 1),
            residual_units=part.residual_units,
        )
    )
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    last = [layer for layer in network.modules() if isinstance(layer, kinds)][-1]
    if part.first_logit:
        assert last.bias is not None  # the output layer of MONAI's U-Net has one
        torch.nn.init.constant_(last.bias, part.first_logit)
    return network


def samples_of(cases: Sequence[StudySlices], part: BonePart) -> list[Sample]:
    """The annotated slices of these cases, ready."""
    return [
        (to_square(grey(case.hu[k], part.window_hu), part.size), to_square(np.asarray(case.bone[k]), part.size))
        for case in cases
        for k in case.rows("annotated")
    ]


def train_bone(
    train: Sequence[StudySlices],
    validation: Sequence[StudySlices],
    part: BonePart,
    *,
    seed: int,
    precision: str,
    device: str,
    out: Path,
    on_progress: Callable[[Any], None],
) -> tuple[nn.Module, dict[str, Any]]:
    """Train, and keep the epoch with the best mean Dice on the validation slices.

    Returns:
        The network, and {"epoch": best, "dice": its Dice, "history": [[epoch, loss, dice], ...]}.
    """
    torch.manual_seed(seed)
    network = build_bone(part)
    images, judged = samples_of(train, part), samples_of(validation, part)
    steps = max(1, len(images) * part.crops // part.batch)
    result = fit(
        network,
        config=LoopConfig(
            epochs=part.epochs,
            optimizer="adam",
            learning_rate=part.learning_rate,
            schedule=part.schedule,
            monitor="dice",
            seed=seed,
            precision=precision,
            device=device,
            prefetch=4,
        ),
        batches=_batches(images, part, steps=steps),
        steps=steps,
        loss=lambda net, batch: {"loss": dice_loss(net(batch[0]), batch[1].float(), whole_batch=part.whole_batch)},
        out=out,
        validate=lambda net, _: {"dice": float(np.nanmean(_dice(net, judged, part)))},
        on_progress=on_progress,
        resume=True,
        identity=f"published bone|{part}|{seed}|{len(images)}",
    )
    history = [[entry["epoch"], entry["train"]["loss"], entry["val"]["dice"]] for entry in result.history]
    return network.eval(), {"epoch": result.best_epoch, "dice": history[result.best_epoch - 1][2], "history": history}


def _batches(
    samples: Sequence[Sample], part: BonePart, *, steps: int
) -> Callable[[int, np.random.Generator], Iterator[tuple[torch.Tensor, torch.Tensor]]]:
    """One epoch's batches of crops: every image as often as the recipe says, in a new order."""
    augmentation = MaskAugmentation(size=part.crop)

    def make(epoch: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = np.concatenate([generator.permutation(len(samples)) for _ in range(part.crops)])
        order = np.resize(order, steps * part.batch)
        for step in range(steps):
            drawn = []
            for k in order[step * part.batch : (step + 1) * part.batch]:
                image, mask = samples[int(k)]
                plane = (image.astype(np.float32) / np.float32(255))[None]
                drawn.append(augment_mask(plane, mask[None], config=augmentation, generator=generator))
            images, masks = zip(*drawn, strict=True)
            yield torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))

    return make


def _dice(network: nn.Module, samples: Sequence[Sample], part: BonePart) -> NDArray[np.float64]:
    """Dice of every slice; nan where there is neither bone nor a prediction."""
    return np.concatenate(
        [
            measure(overlap_counts(mask, _probability(network, image) > part.threshold), "dice")
            for image, mask in samples
        ]
        or [np.full(1, np.nan)]
    )


@torch.inference_mode()
def _probability(network: nn.Module, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probability of bone, (size, size)."""
    device = next(network.parameters()).device
    plane = torch.from_numpy(image.astype(np.float32) / np.float32(255))[None, None].to(device)
    return np.asarray(network(plane)[0, 0].float().sigmoid().cpu().numpy())


def bone_on(network: nn.Module, plane: NDArray[Any], part: BonePart) -> NDArray[np.bool_]:
    """Bone on one slice in HU, (y, x), on its own pixels."""
    height, width = plane.shape
    small = to_square(grey(plane, part.window_hu), part.size)
    probability = _probability(network, small)
    scale = part.size / max(height, width)
    inside = probability[: max(1, round(height * scale)), : max(1, round(width * scale))]
    return np.asarray(cv2.resize(inside, (width, height), interpolation=cv2.INTER_LINEAR) > part.threshold)
