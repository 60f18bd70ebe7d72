"""How a spot is painted: rim, filling and inner structure, in marrow and, where it grows out, in soft tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import Ellipsoid, Limb

if TYPE_CHECKING:
    from osteon.phantom.anatomy.shapes import Array, Solid, Vector
    from osteon.phantom.canvas import Canvas, Textures
    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.palette import SpotPalette

RIM_MM = 1.6
PATTERNS = ("struts", "pepper", "core", "halo")
_STRUT_SHARE = 0.3  # radius of a strut against the spacing
_FOCUS_SHARE = 0.3


def spot_margin_mm(spot: Spot) -> float:
    """How far outside its solid a spot may be painted."""
    halo = spot.pattern_mm if spot.pattern == "halo" else 0.0
    return spot.edge_mm + spot.wobble_mm * 2 + 2 + halo


def paint_spot(
    spot: Spot,
    d: Array,
    palette: SpotPalette,
    *,
    canvas: Canvas,
    layers: tuple[Array, Array, Array],
    textures: Textures,
) -> None:
    """Paint one spot at signed distance ``d``.

    Args:
        spot: what to paint.
        d: (z, y, x) mm, its surface already displaced.
        palette: its colours.
        canvas: of the spot's window, as are all arrays.
        layers: soft tissue (channel, z, y, x), share of compact bone (z, y, x) and marrow (channel, z, y, x); changed
            in place.
        textures: random fields.
    """
    soft, compact, marrow = layers
    share = canvas.share(d, spot.edge_mm) * np.float32(spot.strength)
    if spot.rim_hu is not None:
        rim = np.clip(canvas.share(d - np.float32(RIM_MM)) - canvas.share(d), 0, 1)
        _blend(marrow, np.asarray(rim), palette.rim(spot))
    _blend(marrow, share, palette.filling(spot))
    if spot.grows_out:
        _blend(soft, share, palette.filling(spot))
    if spot.destroys_cortex:
        compact *= 1 - share
    if spot.pattern is not None:
        inner = pattern_share(spot, d, canvas=canvas, textures=textures)
        _blend(marrow, inner, palette.pattern(spot))
        if spot.grows_out and spot.pattern != "halo":
            _blend(soft, inner, palette.pattern(spot))


def _blend(image: Array, share: Array, value: Array) -> None:
    image += share * (value - image)


def pattern_share(spot: Spot, d: Array, *, canvas: Canvas, textures: Textures) -> Array:
    """Share of each voxel that belongs to a spot's inner structure, (z, y, x).

    Struts stand along the third axis of the solid's frame (up, in a vertebra), on a square lattice; foci of a "pepper"
    on a cubic one, both bent by a random field.

    Args:
        spot: with a ``pattern``.
        d: signed distance to its displaced surface, mm.
        canvas: of the window.
        textures: random fields on it.
    """
    inside = canvas.share(d)
    if spot.pattern == "halo":
        return np.asarray(np.clip(canvas.share(d - np.float32(spot.pattern_mm)) - inside, 0, 1))
    if spot.pattern == "core":
        return canvas.share(d + np.float32(max(_deepest_mm(spot.solid) - spot.pattern_mm, 0.0)), spot.edge_mm)
    frame = np.asarray(getattr(spot.solid, "frame", np.eye(3)))
    bend = np.float32(0.15 * spot.pattern_mm) * textures.fine
    axes = frame.T[:2] if spot.pattern == "struts" else frame.T
    radius = spot.pattern_mm * (_STRUT_SHARE if spot.pattern == "struts" else _FOCUS_SHARE)
    return inside * canvas.share(_lattice_mm(canvas, axes, spot.pattern_mm) + bend - np.float32(radius))


def _lattice_mm(canvas: Canvas, axes: Vector, step_mm: float) -> Array:
    """Distance to the nearest lattice line (two ``axes``) or lattice point (three), mm."""
    x, y, z = canvas.points
    total: Array | float = 0.0
    for a, b, c in axes.astype(np.float32):
        t = (x * a + y * b + z * c) / np.float32(step_mm)
        total = total + (t - np.rint(t)) ** 2
    return np.asarray(np.sqrt(total) * np.float32(step_mm), dtype=np.float32)


def _deepest_mm(solid: Solid) -> float:
    """About how deep the middle of a solid lies under its surface."""
    if isinstance(solid, Ellipsoid):
        return float(np.min(solid.radii))
    if isinstance(solid, Limb):
        return max(solid.radius_start, solid.radius_end)
    low, high = solid.bounds()
    return float(np.min(high - low) / 2)
