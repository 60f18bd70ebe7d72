"""Forms of lesions and how large they are: lobulated or crooked shapes, made to a wanted volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from osteon.phantom.anatomy.shapes import Ellipsoid, Limb, rotation
from osteon.phantom.lesions.shapes import Displaced, Inset, Joined, Speckle

if TYPE_CHECKING:
    from collections.abc import Callable

    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Solid, Vector

_WAVES = 10
_COARSE = 14


def ragged(solid: Solid, rng: np.random.Generator, *, amplitude_mm: float, step_mm: float) -> Displaced:
    """Displace a solid's surface by noise whose bumps are about ``step_mm`` wide."""
    waves, phases = _waves(rng, step_mm=step_mm, count=_WAVES)
    return Displaced(solid, amplitude_mm, waves, phases)


def speckle(rng: np.random.Generator, *, share: float, step_mm: float) -> Speckle:
    """Foci about ``step_mm`` wide that fill a ``share`` of the volume."""
    waves, phases = _waves(rng, step_mm=step_mm, count=2 * _WAVES)
    return Speckle(float(ndtri(1 - share)), waves, phases)


def _waves(rng: np.random.Generator, *, step_mm: float, count: int) -> tuple[Vector, Vector]:
    """Wave vectors in all directions, half a wave about ``step_mm`` long, and phases."""
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = 2 * np.pi / (2 * step_mm * rng.uniform(0.75, 1.5, count))
    return directions * lengths[:, None], rng.uniform(0, 2 * np.pi, count)


@dataclass(frozen=True, slots=True)
class Design:
    """A form without a size: lobes and noise in units of the lesion's radius. ``at`` gives it place and size.

    Attributes:
        centres: (n, 3) of the lobes.
        radii: (n, 3) of the lobes, along the columns of ``frame``.
        frame: 3 x 3.
        roughness: SD of the surface's displacement.
        bumps: width of its bumps.
        seed: of the bumps.
    """

    centres: Vector
    radii: Vector
    frame: Vector
    roughness: float
    bumps: float
    seed: int

    def at(self, centre: Vector, radius_mm: float) -> Solid:
        """The shape round ``centre`` (3,) mm; a lone lobe has ``radius_mm`` as its mean radius."""
        lobes = tuple(
            Ellipsoid(centre + radius_mm * (self.frame @ spot), radius_mm * radii, self.frame)
            for spot, radii in zip(self.centres, self.radii, strict=True)
        )
        solid: Solid = lobes[0] if len(lobes) == 1 else Joined(lobes, blend_mm=0.35 * radius_mm)
        if self.roughness <= 0:
            return solid
        noise = np.random.default_rng(self.seed)
        amplitude, step = self.roughness * radius_mm, max(self.bumps * radius_mm, 1.0)
        return ragged(solid, noise, amplitude_mm=amplitude, step_mm=step)


def draw_design(
    rng: np.random.Generator,
    *,
    lobes: int = 1,
    stretch: float = 0.25,
    roughness: float = 0.08,
    bumps: float = 0.6,
    frame: Vector | None = None,
) -> Design:
    """Draw a form.

    Args:
        rng: randomness.
        lobes: how many blobs; the first is the largest.
        stretch: how unequal a lobe's radii are, 0 for spheres.
        roughness: SD of the surface's displacement, in radii: 0.05 smooth, 0.2 ragged.
        bumps: width of its bumps, in radii.
        frame: axes of the lobes; random if None.
    """
    radii = [rng.uniform(1 - stretch, 1 + stretch, 3)]
    centres = [np.zeros(3)]
    for _ in range(lobes - 1):
        direction = rng.standard_normal(3)
        anchor = centres[int(rng.integers(0, len(centres)))]
        centres.append(anchor + direction / np.linalg.norm(direction) * rng.uniform(0.6, 1.0))
        radii.append(rng.uniform(0.35, 0.75) * rng.uniform(1 - stretch, 1 + stretch, 3))
    turned = rotation(*rng.uniform(0, 180, 3)) if frame is None else frame
    return Design(np.array(centres), np.array(radii), turned, roughness, bumps, int(rng.integers(2**31)))


def winding(rng: np.random.Generator, bone: Bone, *, start: Vector, radius_mm: float, length_mm: float) -> Joined:
    """A crooked channel inside a bone: it wanders from ``start`` and turns back where it would leave.

    Args:
        rng: randomness.
        bone: what it stays in.
        start: LPS mm, inside the bone.
        radius_mm: of the channel, varied by a third.
        length_mm: of its axis.
    """
    step = 1.6 * radius_mm
    points, heading = [np.asarray(start, dtype=np.float64)], rng.standard_normal(3)
    for _ in range(max(1, round(length_mm / step))):
        for _ in range(8):
            heading = heading / np.linalg.norm(heading) + 0.7 * rng.standard_normal(3)
            ahead = points[-1] + step * heading / np.linalg.norm(heading)
            if depth_mm(bone, ahead) > 0.5 * radius_mm:
                points.append(ahead)
                break
            heading = rng.standard_normal(3)
    points = points if len(points) > 1 else [points[0], points[0] + 1e-3]
    radii = radius_mm * rng.uniform(0.67, 1.33, len(points))
    limbs = (Limb(points[k], points[k + 1], radii[k], radii[k + 1]) for k in range(len(points) - 1))
    return Joined(tuple(limbs), blend_mm=0.5 * radius_mm)


def depth_mm(solid: Solid | Bone, point: Vector) -> float:
    """How deep a point (3,) lies under a solid's surface, mm; negative outside."""
    x, y, z = np.asarray(point, dtype=np.float32)[:, None]
    return -float(solid.distance(x, y, z)[0])


def volume_mm3(solid: Solid, *, within: Solid | Bone | None = None, count: int = 20) -> float:
    """Volume by a lattice of ``count``³ points in the solid's box; only what lies in ``within``, if given."""
    low, high = solid.bounds()
    if (high <= low).any():
        return 0.0
    steps = (high - low) / count
    x, y, z = ((low[k] + steps[k] * (np.arange(count) + 0.5)).astype(np.float32) for k in range(3))
    points = x[None, None, :], y[None, :, None], z[:, None, None]
    inside = solid.distance(*points) < 0
    if within is not None and inside.any():
        inside &= within.distance(*points) < 0
    return float(inside.sum() * np.prod(steps))


def fit_volume(
    make: Callable[[float], Solid], wanted_mm3: float, *, within: Solid | Bone | None = None, rounds: int = 5
) -> tuple[Solid, float]:
    """Choose a shape's size so that it has the wanted volume.

    Args:
        make: shape of a given radius in mm.
        wanted_mm3: its volume.
        within: count only what lies in here; then the wanted volume may be out of reach.
        rounds: corrections, by a coarse lattice; five leave a few hundredths where there is room.

    Returns:
        The shape and the volume it has.
    """
    radius = (wanted_mm3 * 3 / (4 * np.pi)) ** (1 / 3)
    solid = make(radius)
    found = volume_mm3(solid, within=within, count=_COARSE)
    best = solid, found
    for _ in range(rounds):
        if abs(found - wanted_mm3) < 0.02 * wanted_mm3:
            break
        radius *= float(np.clip((wanted_mm3 / max(found, 1e-3)) ** (1 / 3), 0.6, 1.5))
        solid = make(radius)
        found = volume_mm3(solid, within=within, count=_COARSE)
        if abs(found - wanted_mm3) < abs(best[1] - wanted_mm3):
            best = solid, found
    return best[0], volume_mm3(best[0], within=within)


def inner_part(solid: Solid, share: float) -> Inset:
    """The middle of a solid, ``share`` (0 to 1) of its volume."""
    low, high = solid.bounds()
    axes = [(low[k] + (high[k] - low[k]) / 20 * (np.arange(20) + 0.5)).astype(np.float32) for k in range(3)]
    d = solid.distance(axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None])
    depths = -d[d < 0]
    return Inset(solid, float(np.quantile(depths, 1 - share)) if depths.size else 0.0)


def longest_mm(solid: Solid, *, count: int = 20) -> float:
    """Longest extent along 49 directions, by the lattice of ``volume_mm3``; 0 for a shape that misses it."""
    low, high = solid.bounds()
    axes = [(low[k] + (high[k] - low[k]) / count * (np.arange(count) + 0.5)).astype(np.float32) for k in range(3)]
    x, y, z = (axis.ravel() for axis in np.meshgrid(*axes))
    inside = solid.distance(x, y, z) < 0
    if not inside.any():
        return 0.0
    points = np.stack([x[inside], y[inside], z[inside]], axis=1)
    steps = np.deg2rad(np.arange(0, 180, 180 / 7))
    directions = np.array([[np.cos(a) * np.sin(b), np.sin(a) * np.sin(b), np.cos(b)] for a in steps for b in steps])
    along = points @ directions.T.astype(np.float32)
    return float((along.max(axis=0) - along.min(axis=0)).max() + (high - low).max() / count)
