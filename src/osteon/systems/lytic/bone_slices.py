"""The bone U-Net: training on crops of axial slices, and masks of whole volumes.

Output channels: one logit for bone, then one a site (``config.SITES``), read only where there is bone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from osteon.imaging.slices import Window, context_step, neighbour_indices, pad_to_multiple, resize_slice
from osteon.networks.unet import UNetConfig, build_unet
from osteon.systems.lytic.bone_variation import vary
from osteon.systems.lytic.config import SITES, BoneConfig
from osteon.training.augment_masks import MaskAugmentation, augment_mask
from osteon.training.dice import dice_bce_loss, dice_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from osteon.systems.lytic.cases import TrainingCase

STRIDE = 16
"""Sides of the network's input are whole multiples of this."""
IGNORED = 255
"""Label of training pixels that are bone of unknown site."""
MARGIN_PX = 24
"""Air put round a slice: a field of view that ends in the body then looks as it did in training."""
SMOOTH_MM = 1.5
LARGEST_HOLE_MM2 = 1200.0
"""A vertebral body is about 40 x 30 mm on a sagittal plane."""
EMPTY_HU = -200.0
"""Holes are not filled where there is air."""


def build_bone_network(config: BoneConfig) -> nn.Module:
    """The U-Net with random weights."""
    return build_unet(
        UNetConfig(
            in_channels=3 if config.context_mm > 0 else 1,
            out_channels=1 + len(SITES),
            channels=config.channels,
            strides=(2,) * (len(config.channels) - 1),
            residual_units=config.residual_units,
        )
    )


def slice_image(
    hu: NDArray[Any], index: int, *, spacing_mm: tuple[float, float, float], config: BoneConfig
) -> NDArray[np.float32]:
    """Network input (C, H, W), 0 to 1, of slice ``index`` of an axial volume (z, y, x)."""
    window = Window(low_hu=config.window_hu[0], high_hu=config.window_hu[1])
    step = context_step(spacing_mm[2], config.context_mm)
    indices = neighbour_indices(index, count=hu.shape[0], step=step) if step else (index,)
    made: dict[int, NDArray[np.float32]] = {}
    for k in indices:
        if k not in made:
            made[k] = resize_slice(window.apply(hu[k]), from_mm=spacing_mm[:2], to_mm=config.pixel_mm)
    return np.stack([made[k] for k in indices])


def draw_sample(
    cases: Sequence[TrainingCase], *, config: BoneConfig, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """One augmented crop: image (C, crop, crop) and site labels (crop, crop), 0 outside bone.

    The study's augmentations, then what differs between scanners: attenuation scale and offset, noise, blur, and a cut
    field of view.
    """
    case = cases[int(generator.integers(len(cases)))]
    index = int(generator.integers(case.hu.shape[0]))
    image = slice_image(case.hu, index, spacing_mm=case.spacing_mm, config=config)
    sites = resize_slice(case.sites[index], from_mm=case.spacing_mm[:2], to_mm=config.pixel_mm, nearest=True)
    augmentation = MaskAugmentation(size=config.crop, positive=0.75, zoom_range=0.3, fill=0.0)
    both = np.stack([sites > 0, sites]).astype(np.uint8)
    crop, masks = augment_mask(image, both, config=augmentation, generator=generator)
    labels = masks[1]
    if not case.has_sites:
        labels = np.where(masks[0] > 0, np.uint8(IGNORED), np.uint8(0))
    return vary(crop, labels, generator)


def batches(
    cases: Sequence[TrainingCase], *, config: BoneConfig
) -> Callable[[int, np.random.Generator], Iterator[tuple[torch.Tensor, torch.Tensor]]]:
    """One epoch's batches for ``training.loop.fit``."""

    def make(epoch: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for _ in range(config.samples // config.batch):
            drawn = [draw_sample(cases, config=config, generator=generator) for _ in range(config.batch)]
            images, labels = zip(*drawn, strict=True)
            yield torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels))

    return make


def bone_loss(
    network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor], *, dice_only: bool
) -> dict[str, torch.Tensor]:
    """Dice (plus cross-entropy) of bone against background, and cross-entropy of the site inside bone."""
    images, labels = batch
    logits = network(images)
    target = (labels > 0).float()[:, None]
    bone = logits[:, :1]
    parts = {"bone": dice_loss(bone, target) if dice_only else dice_bce_loss(bone, target, whole_batch=True)}
    wanted = labels.long() - 1
    wanted = torch.where((labels == 0) | (labels == IGNORED), torch.full_like(wanted, -100), wanted)
    known = wanted >= 0
    parts["site"] = cross_entropy(logits[:, 1:], wanted) if bool(known.any()) else logits.sum() * 0
    return {"loss": parts["bone"] + 0.3 * parts["site"], **{name: value.detach() for name, value in parts.items()}}


def validation_metrics(network: nn.Module, cases: Sequence[TrainingCase], *, config: BoneConfig) -> dict[str, float]:
    """Pooled Dice over evenly spread slices at the network's pixel size, and how often the site is right."""
    total = sum(case.hu.shape[0] for case in cases)
    stride = max(1, total // config.validation_slices)
    hits = sums = right = known = 0.0
    position = 0
    for case in cases:
        for index in range(-position % stride, case.hu.shape[0], stride):
            image = slice_image(case.hu, index, spacing_mm=case.spacing_mm, config=config)
            sites = resize_slice(case.sites[index], from_mm=case.spacing_mm[:2], to_mm=config.pixel_mm, nearest=True)
            bone, site = _predict(network, image)
            hits += 2 * float((bone > 0.5)[sites > 0].sum())
            sums += float((bone > 0.5).sum() + (sites > 0).sum())
            if case.has_sites:
                right += float((site == sites)[sites > 0].sum())
                known += float((sites > 0).sum())
        position += case.hu.shape[0]
    return {"dice": hits / sums if sums else 1.0, "site_accuracy": right / known if known else 1.0}


def _predict(network: nn.Module, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Probability of bone and number of the likeliest site, (H, W), at the network's pixel size."""
    edge = ((0, 0), (MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX))
    padded = pad_to_multiple(np.pad(image, edge), STRIDE)
    device = next(network.parameters()).device
    with torch.inference_mode():
        logits = network(torch.from_numpy(padded)[None].to(device)).float().cpu()
    logits = logits[0, :, MARGIN_PX : MARGIN_PX + image.shape[1], MARGIN_PX : MARGIN_PX + image.shape[2]]
    return logits[0].sigmoid().numpy(), (logits[1:].argmax(dim=0) + 1).to(torch.uint8).numpy()


def bone_masks(
    network: nn.Module,
    hu: NDArray[Any],
    *,
    spacing_mm: tuple[float, float, float],
    config: BoneConfig,
    on_slice: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.uint8]:
    """Site number of every bone voxel and 0 elsewhere, uint8 (z, y, x), of an axial volume in HU.

    Probabilities of neighbouring slices are averaged (Gaussian of ``SMOOTH_MM``), and what bone encloses on a sagittal
    or coronal plane, marrow that the network lost, is filled up to ``LARGEST_HOLE_MM2``. The spinal canal is open on
    those planes, so it stays empty.
    """
    depth, height, width = hu.shape
    least = 255 * config.threshold
    probability: NDArray[np.uint8] | None = None
    sites: NDArray[np.uint8] | None = None
    for index in range(depth):
        image = slice_image(hu, index, spacing_mm=spacing_mm, config=config)
        if probability is None or sites is None:
            probability = np.zeros((depth, *image.shape[1:]), dtype=np.uint8)
            sites = np.zeros_like(probability)
        if image.max() > 0:
            chance, sites[index] = _predict(network, image)
            probability[index] = np.rint(chance * 255)
        on_slice(index + 1, depth)
    assert probability is not None and sites is not None  # noqa: PT018  (a volume has at least one slice)
    _smooth_along_z(probability, sigma=SMOOTH_MM / spacing_mm[2])
    seen = probability > least
    bone = fill_holes(seen, spacing_mm=(config.pixel_mm, config.pixel_mm, spacing_mm[2]))
    result = np.zeros(hu.shape, dtype=np.uint8)
    for index in range(depth):
        if bone[index].any():
            soft = np.where(bone[index] & ~seen[index], np.uint8(255), probability[index])
            fine = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR) > least
            network_says = cv2.resize(probability[index], (width, height), interpolation=cv2.INTER_LINEAR) > least
            fine &= network_says | (hu[index] > EMPTY_HU)
            named = cv2.resize(np.maximum(sites[index], 1), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
            result[index] = np.where(fine, named, 0)
    return result


def _smooth_along_z(probability: NDArray[np.uint8], *, sigma: float) -> None:
    """Gaussian along the first axis, in place, row by row of the slices to bound memory."""
    if sigma < 0.2 or len(probability) < 2:
        return
    for row in range(probability.shape[1]):
        plane = cv2.GaussianBlur(
            np.ascontiguousarray(probability[:, row]), (1, 2 * int(3 * sigma + 0.5) + 1), sigmaX=0.1, sigmaY=sigma
        )
        probability[:, row] = plane


def fill_holes(bone: NDArray[np.bool_], *, spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Fill what bone encloses on sagittal and on coronal planes, up to ``LARGEST_HOLE_MM2`` each; (z, y, x)."""
    filled = bone.copy()
    for axis, across in ((2, 1), (1, 0)):
        pixel_mm2 = spacing_mm[2] * spacing_mm[across]
        for index in np.flatnonzero(bone.any(axis=tuple({0, 1, 2} - {axis}))):
            plane = np.take(bone, index, axis=axis)
            count, labels, stats, _ = cv2.connectedComponentsWithStats((~plane).astype(np.uint8), connectivity=4)
            inside = np.zeros(count, dtype=bool)
            for k in range(1, count):
                x, y, w, h, area = stats[k]
                edge = x == 0 or y == 0 or x + w == plane.shape[1] or y + h == plane.shape[0]
                inside[k] = not edge and area * pixel_mm2 <= LARGEST_HOLE_MM2
            where: list[Any] = [slice(None)] * 3
            where[axis] = index
            filled[tuple(where)] |= inside[labels]
    return filled


def published(config: BoneConfig) -> BoneConfig:
    """The study's network as far as it is printed: single slices at 512 x 512, Dice loss, 100 epochs."""
    return replace(config, context_mm=0.0, pixel_mm=1.0, dice_only=True, epochs=100, channels=(64, 128, 256, 512, 1024))
