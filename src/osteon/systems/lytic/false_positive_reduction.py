"""A second look at every candidate: three planes through it, one network, the chance that it is a lesion.

The detectors see an axial slice and 2.5 mm to either side, times the bone mask. What tells a lesion from a vein's
channel, a thin spot of osteoporotic marrow or the gap of a joint is often on the other planes, or beside the bone. The
study has no such stage; nodule detectors do (doi 10.1109/TMI.2016.2536809).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from osteon.imaging.orthogonal_views import sample_points, view_points
from osteon.imaging.slices import Window
from osteon.networks.patch_classifier import PatchClassifier, PatchConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from osteon.systems.lytic.cases import TrainingCase
    from osteon.systems.lytic.config import ReductionConfig

TOGETHER = 32
"""Candidates that the network sees at once."""
MOVED_MM = 2.0
TURNED_RAD = 0.35
ZOOMED = 0.12
SHIFTED_HU = 25.0
NOISE_HU = 15.0
"""How far views are varied, either way: guesses; the middle of a candidate is seldom off by more than the first."""


class ThreePlanes(nn.Module):
    """The same small network on all three planes; the mean of its three answers."""

    def __init__(self, config: ReductionConfig) -> None:
        super().__init__()
        self.plane = PatchClassifier(PatchConfig(backbone=config.backbone, channels=_channels(config)))

    def forward(self, views: Tensor) -> Tensor:
        """Logits (n,) of views (n, 3, channels, side, side)."""
        logits: Tensor = self.plane(views.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        return logits.reshape(len(views), 3).mean(dim=1)


def _channels(config: ReductionConfig) -> int:
    return 1 + (3 if config.context_mm > 0 else 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """A place to learn from: number of its case, index (z, y, x) of its middle, and whether a lesion is there."""

    case: int
    centre: tuple[float, float, float]
    is_lesion: bool


def candidate_views(
    hu: NDArray[Any],
    bone: NDArray[Any],
    centre: Sequence[float],
    *,
    spacing_mm: tuple[float, float, float],
    config: ReductionConfig,
    linear: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """What the network sees of a candidate.

    Args:
        hu: axial volume (z, y, x).
        bone: mask of the same shape; anything but 0 is bone.
        centre: index (z, y, x).
        spacing_mm: (x, y, z).
        config: size, window and context.
        linear: as for ``view_points``.

    Returns:
        (3, channels, side, side), 0 to 1: windowed planes at each offset, then the bone mask in the middle plane.
    """
    view = Window(low_hu=config.window_hu[0], high_hu=config.window_hu[1])
    offsets = (-config.context_mm, 0.0, config.context_mm) if config.context_mm > 0 else (0.0,)
    points = view_points(side_px=config.side_px, pixel_mm=config.pixel_mm, offsets_mm=offsets, linear=linear)
    grey = sample_points(hu, points, centre=centre, spacing_mm=spacing_mm, outside=config.window_hu[0])
    middle = points[:, len(offsets) // 2][:, None]
    mask = sample_points(_Binary(bone), middle, centre=centre, spacing_mm=spacing_mm)
    return np.concatenate([view.apply(grey), mask], axis=1)


class _Binary:
    """A mask of site numbers read as 0 and 1, part by part."""

    def __init__(self, sites: NDArray[Any]) -> None:
        self.shape = sites.shape
        self._sites = sites

    def __getitem__(self, window: Any) -> NDArray[np.bool_]:
        return np.asarray(self._sites[window] > 0)


def lesion_spots(cases: Sequence[TrainingCase]) -> list[Spot]:
    """A voxel of every true lesion: its middle, or the nearest to it where the middle of a bent one is outside."""
    spots = []
    for number, case in enumerate(cases):
        lesions = np.asarray(case.lesions)
        for label, window in enumerate(ndimage.find_objects(lesions), start=1):
            if window is None:
                continue
            voxels = np.argwhere(lesions[window] == label)
            nearest = voxels[np.argmin(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1))]
            z, y, x = (int(part.start + k) for part, k in zip(window, nearest, strict=True))
            spots.append(Spot(case=number, centre=(z, y, x), is_lesion=True))
    return spots


def batches(
    cases: Sequence[TrainingCase], spots: Sequence[Spot], *, config: ReductionConfig
) -> Callable[[int, np.random.Generator], Iterator[tuple[Tensor, Tensor]]]:
    """One epoch's batches of views and labels, half lesions and half not, for ``training.loop.fit``; of both some."""
    kinds = [[spot for spot in spots if spot.is_lesion is wanted] for wanted in (False, True)]

    def make(epoch: int, generator: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(max(1, config.samples // config.batch)):
            wanted = generator.random(config.batch) < 0.5
            drawn = [kinds[int(w)][int(generator.integers(len(kinds[int(w)])))] for w in wanted]
            views = np.stack([_varied(cases[spot.case], spot, config=config, generator=generator) for spot in drawn])
            yield torch.from_numpy(views), torch.from_numpy(wanted.astype(np.float32))

    return make


def _varied(
    case: TrainingCase, spot: Spot, *, config: ReductionConfig, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Views of a spot, moved, turned, zoomed, mirrored left to right, brighter or darker, noisier."""
    a, b, c = generator.uniform(-TURNED_RAD, TURNED_RAD, 3)
    skew = np.array([[0, -a, b], [a, 0, -c], [-b, c, 0]])
    turn = np.linalg.inv(np.eye(3) - skew / 2) @ (np.eye(3) + skew / 2)  # Cayley's: a rotation for any small skew
    mirror = np.diag([1.0, 1.0, float(generator.choice([-1, 1]))])
    linear = turn @ mirror * generator.uniform(1 - ZOOMED, 1 + ZOOMED)
    centre = np.asarray(spot.centre) + generator.uniform(-MOVED_MM, MOVED_MM, 3) / np.asarray(case.spacing_mm[::-1])
    views = candidate_views(
        case.hu, case.sites, centre.tolist(), spacing_mm=case.spacing_mm, config=config, linear=linear
    )
    grey, width = views[:, :-1], config.window_hu[1] - config.window_hu[0]
    grey += np.float32(generator.uniform(-SHIFTED_HU, SHIFTED_HU) / width)
    noise = generator.uniform(0, NOISE_HU) / width
    grey += (generator.standard_normal(grey.shape, dtype=np.float32)) * np.float32(noise)
    np.clip(grey, 0, 1, out=grey)
    return views


def reduction_loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Binary cross-entropy of the mean answer."""
    views, wanted = batch
    return {"loss": binary_cross_entropy_with_logits(network(views), wanted)}


def second_look(
    network: nn.Module,
    hu: NDArray[Any],
    bone: NDArray[Any],
    centres: Sequence[Sequence[float]],
    *,
    spacing_mm: tuple[float, float, float],
    config: ReductionConfig,
) -> NDArray[np.float64]:
    """Logit (n,) that a lesion is at each centre (z, y, x) of an axial volume; arguments as for ``candidate_views``."""
    weight = next(network.parameters())
    logits = []
    for start in range(0, len(centres), TOGETHER):
        views = np.stack(
            [
                candidate_views(hu, bone, centre, spacing_mm=spacing_mm, config=config)
                for centre in centres[start : start + TOGETHER]
            ]
        )
        with torch.inference_mode():
            logits.append(network(torch.from_numpy(views).to(weight.device, weight.dtype)).double().cpu().numpy())
    return np.concatenate(logits) if logits else np.zeros(0)
