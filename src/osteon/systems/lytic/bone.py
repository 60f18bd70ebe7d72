"""The bone network on axial slices, as published, or on planes of all directions: a key of the configuration says it.

Output channels of both: bone, then one a site (``config.SITES``), read only where there is bone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from osteon.systems.lytic import bone_planes, bone_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from osteon.systems.lytic.cases import TrainingCase
    from osteon.systems.lytic.config import BoneConfig


class BoneStage(Protocol):
    """What ``bone_slices`` and ``bone_planes`` have in common."""

    def build_bone_network(self, config: BoneConfig) -> nn.Module:
        """The U-Net with random weights."""

    def batches(
        self, cases: Sequence[TrainingCase], *, config: BoneConfig
    ) -> Callable[[int, np.random.Generator], Iterator[tuple[Tensor, Tensor]]]:
        """One epoch's batches of images and site labels for ``training.loop.fit``."""

    def bone_loss(self, network: nn.Module, batch: tuple[Tensor, Tensor], *, dice_only: bool) -> dict[str, Tensor]:
        """The loss and its parts."""

    def validation_metrics(
        self, network: nn.Module, cases: Sequence[TrainingCase], *, config: BoneConfig
    ) -> dict[str, float]:
        """``dice`` and ``site_accuracy`` at the network's pixel size."""

    def bone_masks(
        self,
        network: nn.Module,
        hu: NDArray[Any],
        *,
        spacing_mm: tuple[float, float, float],
        config: BoneConfig,
        on_slice: Callable[[int, int], None] = ...,
    ) -> NDArray[np.uint8]:
        """Site number of every bone voxel and 0 elsewhere, uint8 (z, y, x), of an axial volume in HU."""


def bone_stage(config: BoneConfig) -> BoneStage:
    """The module that trains and runs the network of this configuration."""
    return bone_planes if config.planes == "all" else bone_slices
