"""The U-Nets of ``metastasis``: their input, batches, loss, validation, and probabilities of one station."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from osteon.networks.unet_nearest import NearestUNet, NearestUNetConfig, build_nearest_unet
from osteon.systems.metastasis.config import sequences_of
from osteon.training.augment_planar import PlanarAugmentation, augment_planar
from osteon.training.dice import dice_bce_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from osteon.systems.metastasis.cases import StationCase
    from osteon.systems.metastasis.config import NetworkConfig

SLICES_AT_ONCE = 8


RARE_LOGIT = -4.0
"""Where the answer starts: lesions are rare, and a network that starts at one half spends its first epochs on that."""


def build_network(combination: str, config: NetworkConfig) -> NearestUNet:
    """The network of one combination of sequences; seed torch before."""
    network = build_nearest_unet(
        NearestUNetConfig(
            dimensions=config.dimensions,
            in_channels=len(sequences_of(combination)),
            width=config.width,
            levels=config.levels,
        )
    )
    if network.head.bias is not None:
        torch.nn.init.constant_(network.head.bias, RARE_LOGIT)
    return network


def as_input(images: NDArray[np.uint8]) -> Tensor:
    """Grey levels as numbers 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(images)).float() / 255


def batches(
    stations: Sequence[StationCase], combination: str, *, config: NetworkConfig
) -> Callable[[int, np.random.Generator], Iterator[dict[str, Tensor]]]:
    """One epoch's batches: slices (2-D) or whole stations (3-D), ``config.positive`` of them with a lesion."""
    names = sequences_of(combination)
    augmentation = PlanarAugmentation(
        rotation_deg=config.rotation_deg, shift=config.shift, zoom=config.zoom, flip=0.5 * config.flip
    )
    places = _places(stations, config.dimensions)
    shows = np.array([bool(np.any(_mask(stations[k], piece))) for k, piece in places])
    with_lesion, without = np.flatnonzero(shows), np.flatnonzero(~shows)

    def draw(generator: np.random.Generator) -> int:
        wanted = with_lesion if generator.random() < config.positive else without
        pool = wanted if len(wanted) else np.arange(len(places))
        return int(pool[int(generator.integers(len(pool)))])

    def make(epoch: int, generator: np.random.Generator) -> Iterator[dict[str, Tensor]]:
        for _ in range(steps(config)):
            images, masks = [], []
            for _ in range(config.batch):
                which, piece = places[draw(generator)]
                image = stations[which].channels(names)[:, piece]
                image, mask = augment_planar(
                    image, _mask(stations[which], piece), config=augmentation, generator=generator
                )
                image, mask = _cropped(image, mask, side=config.crop, generator=generator)
                images.append(image)
                masks.append(mask[None])
            yield {"image": as_input(np.stack(images)), "mask": torch.from_numpy(np.stack(masks)).float()}

    return make


def _cropped(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], *, side: int, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A square in the plane of images and mask (..., rows, columns), with some of a lesion anywhere in it if it can."""
    if not side:
        return image, mask
    window: list[slice] = []
    lesion = np.argwhere(mask)[:, -2:]
    pixel = lesion[int(generator.integers(len(lesion)))] if len(lesion) else None
    for axis, length in enumerate(mask.shape[-2:]):
        if pixel is None:
            start = int(generator.integers(max(length - side, 0) + 1))
        else:
            start = int(pixel[axis]) - int(generator.integers(side))
        start = int(np.clip(start, 0, max(length - side, 0)))
        window.append(slice(start, start + side))
    rows, columns = window
    return image[..., rows, columns], mask[..., rows, columns]


def steps(config: NetworkConfig) -> int:
    """Batches an epoch."""
    return max(1, config.samples // config.batch)


def _places(stations: Sequence[StationCase], dimensions: int) -> list[tuple[int, int | slice]]:
    if dimensions == 3:
        return [(k, slice(None)) for k in range(len(stations))]
    return [(k, index) for k, station in enumerate(stations) for index in range(station.images.shape[1])]


def _mask(station: StationCase, piece: int | slice) -> NDArray[np.bool_]:
    return np.asarray(station.small[piece]) > 0


def loss(network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Dice over the whole batch plus cross-entropy: most slices are empty. The study does not name its loss."""
    return {"loss": dice_bce_loss(network(batch["image"]), batch["mask"], whole_batch=True)}


@torch.no_grad()
def probabilities(network: nn.Module, images: NDArray[np.uint8], *, dimensions: int) -> NDArray[np.float32]:
    """Probability of metastasis (slices, rows, columns) from images (sequences, slices, rows, columns)."""
    device = next(network.parameters()).device
    x = as_input(images)
    if dimensions == 3:
        return np.asarray(network(x[None].to(device)).sigmoid()[0, 0].float().cpu().numpy())
    x = x.transpose(0, 1)  # (slices, sequences, rows, columns)
    parts = [network(x[k : k + SLICES_AT_ONCE].to(device)) for k in range(0, len(x), SLICES_AT_ONCE)]
    return np.asarray(torch.cat(parts).sigmoid()[:, 0].float().cpu().numpy())


def validation_metrics(
    network: nn.Module, stations: Sequence[StationCase], combination: str, *, config: NetworkConfig
) -> dict[str, Any]:
    """Dice of all pixels of the validation stations together, at 0.5, at the networks' size."""
    both = total = 0
    for station in stations:
        found = probabilities(network, station.channels(sequences_of(combination)), dimensions=config.dimensions) > 0.5
        true = np.asarray(station.small) > 0
        both += 2 * int(np.count_nonzero(found & true))
        total += int(np.count_nonzero(found)) + int(np.count_nonzero(true))
    return {"dice": both / total if total else 1.0}
