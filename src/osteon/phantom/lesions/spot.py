"""A change of the marrow: where it is and what it is made of. Lesions and their mimics alike are spots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import VertebralBody, rotation

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Solid, Vector
    from osteon.phantom.tissue import Tissue


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """One change of the marrow.

    Attributes:
        kind: "lytic lesion", or a mimic: "focal osteopenia", "basivertebral vein", "schmorl node", "haemangioma".
        bone, site, label: of the bone it is in, see ``Bone``.
        solid: where it is, LPS mm.
        hu: attenuation inside.
        edge_mm: width of its margin; a punched-out lesion has a sharp one.
        strength: 1 replaces the marrow, 0.5 mixes half.
        destroys_cortex: whether compact bone inside it is gone too.
        wobble_mm: displacement of its surface.
        diameter_mm: drawn diameter.
        rim_hu: attenuation of a sclerotic rim; None without one.
        tissue: what fills it, for MR; None where only CT was thought of.
        grows_out: whether it also fills soft tissue outside bone, which then belongs to its mask.
        pattern: inner structure: "struts", "pepper" (small foci), "core" or "halo" (a layer around); None if even.
        pattern_tissue: what the structure is made of.
        pattern_mm: spacing of struts, size of foci, thickness of the halo, radius of the core.
        parts: painted after it and belonging to its number: the settled part of a fluid level, a nidus.
    """

    kind: str
    bone: str
    site: str
    label: int
    solid: Solid
    hu: float
    edge_mm: float
    strength: float
    destroys_cortex: bool
    wobble_mm: float
    diameter_mm: float
    rim_hu: float | None = None
    tissue: Tissue | None = None
    grows_out: bool = False
    pattern: str | None = None
    pattern_tissue: Tissue | None = None
    pattern_mm: float = 3.0
    parts: tuple[Spot, ...] = ()

    def moved(self, rotation: Vector, shift_mm: Vector) -> Spot:
        """The spot and its parts after ``p -> rotation @ p + shift_mm``."""
        parts = tuple(part.moved(rotation, shift_mm) for part in self.parts)
        return replace(self, solid=self.solid.moved(rotation, shift_mm), parts=parts)


def inner_point(bone: Bone, rng: np.random.Generator, *, depth_mm: float) -> tuple[Vector, float]:
    """A random LPS point at least ``depth_mm`` under a bone's surface, or the deepest tried, and its depth in mm.

    In vertebrae the body is preferred (70 %).
    """
    low, high = bone.bounds()
    if bone.site == "vertebra" and rng.random() < 0.7 and isinstance(bone.solids[0], VertebralBody):
        low, high = bone.solids[0].bounds()
    points = rng.uniform(low, high, (600, 3)).astype(np.float32)
    depth = -bone.distance(points[:, 0], points[:, 1], points[:, 2])
    inside = np.flatnonzero(depth > depth_mm)
    k = int(inside[rng.integers(0, len(inside))]) if len(inside) else int(np.argmax(depth))
    return points[k].astype(np.float64), float(depth[k])


def random_frame(rng: np.random.Generator) -> Vector:
    """A rotation by three random angles (not uniform on the sphere: ellipsoids need no more)."""
    x_deg, y_deg, z_deg = rng.uniform(0, 180, 3)
    return rotation(x_deg, y_deg, z_deg)
