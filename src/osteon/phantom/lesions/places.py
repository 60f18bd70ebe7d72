"""Where in a bone a lesion sits: region of the spine, posterior body, arch, pedicle, canal, foramen.

Offsets in a vertebra are (left, back, up) mm from the centre of its body; points are LPS mm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import VertebralBody
from osteon.phantom.lesions.forms import depth_mm

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Vector

REGIONS = ("cervical", "thoracic", "lumbar", "sacral")


def region(bone: Bone) -> str | None:
    """Region of the spine; None for other bones."""
    if bone.site == "sacrum":
        return "sacral"
    if bone.site != "vertebra":
        return None
    return "cervical" if bone.label <= 7 else "thoracic" if bone.label <= 19 else "lumbar"


def body_of(bone: Bone, rng: np.random.Generator | None = None) -> VertebralBody | None:
    """The body of a vertebra, None for C1; of the sacrum S1's, or by ``rng`` one of S1 to S3."""
    if bone.site == "sacrum" and rng is not None:
        bodies = [solid for solid in bone.solids if isinstance(solid, VertebralBody)][:3]
        return bodies[int(rng.choice(len(bodies), p=np.array([5, 3, 2])[: len(bodies)] / 10))] if bodies else None
    first = bone.solids[0]
    return first if isinstance(first, VertebralBody) else None


def to_lps(body: VertebralBody, offset: tuple[float, float, float] | Vector) -> Vector:
    """Point of an offset from a body's centre."""
    return np.asarray(body.centre + body.frame @ np.asarray(offset, dtype=np.float64))


def to_offset(body: VertebralBody, point: Vector) -> Vector:
    """Offset (left, back, up) mm of a point, or of (n, 3) points."""
    return np.asarray((np.asarray(point, dtype=np.float64) - body.centre) @ body.frame)


def height_mm(body: VertebralBody) -> float:
    """Mean height of a body."""
    return (body.front_mm + body.back_mm) / 2


def body_point(bone: Bone, body: VertebralBody, *, rng: np.random.Generator, posterior: bool) -> Vector:
    """A point inside a body, in its back third or anywhere; never nearer to the surface than 2 mm if there is room."""
    low, high = (0.10, 0.36) if posterior else (-0.42, 0.36)
    half = np.array([0.38 * body.width_mm, 0, 0.40 * height_mm(body)])
    best, deepest = body.centre, -np.inf
    for _ in range(30):
        offset = rng.uniform(-1, 1, 3) * half
        offset[1] = rng.uniform(low, high) * body.depth_mm
        point = to_lps(body, offset)
        depth = depth_mm(bone, point)
        if depth > 2:
            return point
        if depth > deepest:
            best, deepest = point, depth
    return best


def canal_back_mm(bone: Bone, body: VertebralBody) -> float:
    """How far behind the body's centre the middle of the canal lies."""
    if bone.site == "vertebra" and bone.holes:
        middle = np.mean(bone.holes[0].bounds(), axis=0)
        return float(to_offset(body, middle)[1])
    return 0.5 * body.depth_mm + 8.0


def arch_point(bone: Bone, body: VertebralBody, *, rng: np.random.Generator) -> Vector | None:
    """A point in the arch behind the pedicles (lamina, processes), as deep as found; None if there is none."""
    low, high = bone.bounds()
    points = rng.uniform(low, high, (1500, 3)).astype(np.float32)
    depth = -bone.distance(points[:, 0], points[:, 1], points[:, 2])
    behind = to_offset(body, points.astype(np.float64))[:, 1] > canal_back_mm(bone, body) + 2.0
    inside = np.flatnonzero((depth > 1.0) & behind)
    if not len(inside):
        return None
    deepest = inside[np.argsort(depth[inside])[-max(4, len(inside) // 2) :]]
    return np.asarray(points[int(rng.choice(deepest))], dtype=np.float64)


def pedicle_point(bone: Bone, body: VertebralBody, *, side: int) -> Vector:
    """Middle of a pedicle, ``side`` +1 left or -1 right."""
    back = (0.5 * body.depth_mm + canal_back_mm(bone, body)) / 2
    half_canal = float(getattr(bone.holes[0], "squash", (1.3,))[0] * getattr(bone.holes[0], "radius_start", 8.0))
    across = side * (half_canal + (2.5 if bone.label <= 11 else 4.0))
    return to_lps(body, (across, back, 0.19 * height_mm(body)))


def canal_wall_point(bone: Bone, body: VertebralBody, *, side: float) -> Vector:
    """A point on the body's back wall, ``side`` -1 to 1 across the canal."""
    return to_lps(body, (side * 0.22 * body.width_mm, 0.40 * body.depth_mm, 0.0))


def foramen_point(bone: Bone, body: VertebralBody, *, side: int) -> Vector:
    """Intervertebral foramen under a pedicle."""
    middle = to_offset(body, pedicle_point(bone, body, side=side))
    return to_lps(body, (middle[0] * 1.05, middle[1], -0.5 * height_mm(body)))
