"""What a bone is to the phantom: solids joined, holes cut, a cortex and a marrow."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import smooth_minimum

if TYPE_CHECKING:
    from osteon.phantom.anatomy.shapes import Array, Solid, Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Bone:
    """One bone, or a part of one with its own cortex.

    Attributes:
        name: e.g. "L3", "rib 5 left", "femur shaft right".
        site: bone site as in a finding: vertebra, rib, sternum, clavicle, scapula, humerus, pelvis, sacrum, femur,
            skull.
        solids: joined with a fillet of ``blend_mm``. The first of a vertebra other than C1 is its body.
        holes: cut out.
        label: VerSe number for vertebrae and sacrum (8 = T1 ... 20 = L1 ... 26 = sacrum), else 0.
        cortex_mm: thickness of compact bone.
        cortex_hu: its attenuation.
        marrow: trabecular density relative to L1; below 0.1 it is fatty marrow alone.
        frame: 3 x 3, columns left, back and up of a vertebra; otherwise unused.
        centre: LPS centre of a vertebra's body, (3,) mm; otherwise unused.
    """

    name: str
    site: str
    solids: tuple[Solid, ...]
    holes: tuple[Solid, ...] = ()
    label: int = 0
    cortex_mm: float = 0.6
    cortex_hu: float = 1250.0
    marrow: float = 1.0
    blend_mm: float = 2.5
    frame: Vector = field(default_factory=lambda: np.eye(3))
    centre: Vector = field(default_factory=lambda: np.zeros(3))

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance in mm to the outer surface, at LPS points given as broadcastable arrays."""
        parts = (solid.distance(x, y, z) for solid in self.solids)
        outer = reduce(lambda a, b: smooth_minimum(a, b, blend_mm=self.blend_mm), parts)
        for hole in self.holes:
            outer = np.maximum(outer, -hole.distance(x, y, z))
        return outer

    def bounds(self) -> tuple[Vector, Vector]:
        """Lowest and highest corner (x, y, z) of a box round all solids; fillets may stand out by ``blend_mm`` / 4."""
        lows, highs = zip(*(solid.bounds() for solid in self.solids), strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    def moved(self, rotation: Vector, shift_mm: Vector) -> Bone:
        """The bone after ``p -> rotation @ p + shift_mm``, holes and frame with it."""
        return replace(
            self,
            solids=tuple(solid.moved(rotation, shift_mm) for solid in self.solids),
            holes=tuple(hole.moved(rotation, shift_mm) for hole in self.holes),
            frame=rotation @ self.frame,
            centre=rotation @ self.centre + shift_mm,
        )
