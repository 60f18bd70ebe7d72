"""What a scanner sees of each thing that is painted: the seam between anatomy and CT or MR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from osteon.phantom.anatomy.shapes import Array
    from osteon.phantom.anatomy.soft import Organ
    from osteon.phantom.canvas import Canvas, Textures
    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.scene import Scene


@dataclass(frozen=True, kw_only=True, slots=True)
class BoneMaps:
    """The bone whose surface is nearest to each voxel, all (z, y, x).

    Attributes:
        outer: signed distance to its surface, mm.
        inner: to the inner face of its cortex.
        index: its place in the scene's ``bones`` and 1 more; 0 where none is near.
    """

    outer: Array
    inner: Array
    index: NDArray[np.int16]


class SpotPalette(Protocol):
    """What a scanner sees of a spot. Values are (channel, z, y, x) or broadcast to it."""

    def filling(self, spot: Spot) -> Array:
        """What fills a spot."""

    def pattern(self, spot: Spot) -> Array:
        """What a spot's inner structure is made of."""

    def rim(self, spot: Spot) -> Array:
        """The sclerotic rim of a spot that has one."""


class Palette(SpotPalette, Protocol):
    """What a scanner sees. Values are (channel, z, y, x) or broadcast to it.

    Attributes:
        reach_mm: further than this outside skin and wall, their distances do not matter to ``body``.
    """

    reach_mm: float

    def body(self, scene: Scene, canvas: Canvas, *, skin: Array, wall: Array, textures: Textures) -> Array:
        """Air, fat, skin and the muscle wall, from the distances to skin and wall: the new picture."""

    def organ(self, organ: Organ, textures: Textures) -> Array:
        """An organ, with the textures of its window."""

    def cortex(self, scene: Scene, maps: BoneMaps, *, canvas: Canvas, textures: Textures) -> Array:
        """Compact bone; looked at only where bone has a share of the voxel."""

    def marrow(self, scene: Scene, maps: BoneMaps, *, canvas: Canvas, textures: Textures) -> Array:
        """What fills the bones, before any spot; it may be changed in place, and is looked at only in bone."""
