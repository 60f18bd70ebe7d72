"""CT rendering: bones, soft tissue and lesions to Hounsfield units, slab by slab, with their masks.

Every surface is a signed distance, so a voxel's share of cortex, marrow and soft tissue (its partial volume) is
computed, not sampled. Attenuation of trabecular bone: by age and sex (``person.expected_trabecular_hu``) and by bone;
textbook values elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.soft import AIR, FAT, LUNG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from osteon.geometry import Grid
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Array, Solid
    from osteon.phantom.anatomy.soft import Organ
    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.patient import CtPatient

SITES = ("none", "vertebra", "rib", "sternum", "clavicle", "scapula", "humerus", "pelvis", "sacrum", "femur", "skull")
"""Bone sites by their number in a ``sites`` mask."""
FATTY_MARROW_HU = -70.0
_FAR_MM = np.float32(50.0)
_WALL_MM = 9  # lung, muscle and bowel end this deep under the outer face of the body's wall
Window = tuple[slice, slice, slice]
"""A part of a slab, (z, y, x)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slab:
    """Rendered slices: noiseless HU and truth, all (z, y, x).

    Attributes:
        hu: float32 Hounsfield units.
        bone: uint8 0 or 1.
        lesions: uint16, 0 or the number of the lesion, 1 for the first of the patient.
        labels: uint8 VerSe numbers.
        sites: uint8, 0 outside bone, else index into ``SITES``.
    """

    hu: Array
    bone: NDArray[np.uint8]
    lesions: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    sites: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Canvas:
    """One slab's LPS axes in mm; ``blur_mm``, the side of a cube as large as a voxel, is how wide an edge looks."""

    xs: Array
    ys: Array
    zs: Array
    blur_mm: float

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.zs), len(self.ys), len(self.xs)

    def window(self, solid: Solid | Bone, margin_mm: float) -> Window | None:
        """The part of the slab that a solid touches; None if it touches nothing."""
        low, high = solid.bounds()
        slices = []
        for axis, a, b in zip((self.zs, self.ys, self.xs), low[::-1] - margin_mm, high[::-1] + margin_mm, strict=True):
            start, stop = int(np.searchsorted(axis, a)), int(np.searchsorted(axis, b))
            if stop <= start:
                return None
            slices.append(slice(start, stop))
        return slices[0], slices[1], slices[2]

    def distance(self, solid: Solid | Bone, window: Window) -> Array:
        """Signed distance at every voxel of a window, mm."""
        z, y, x = window
        d = solid.distance(self.xs[x][None, None, :], self.ys[y][None, :, None], self.zs[z][:, None, None])
        return np.broadcast_to(d, (z.stop - z.start, y.stop - y.start, x.stop - x.start))

    def share(self, distance: Array, edge_mm: float = 0.0) -> Array:
        """Part of a voxel inside a surface at signed ``distance``: a ramp as wide as the voxel, plus its own edge."""
        return np.asarray(np.clip(np.float32(0.5) - distance / np.float32(self.blur_mm + edge_mm), 0, 1))


@dataclass(frozen=True, slots=True)
class _Textures:
    """The patient's random fields (``patient.FIELD_STEPS_MM``) on one slab or window."""

    coarse: Array
    middle: Array
    fine: Array
    fat: Array

    def __getitem__(self, window: Window) -> _Textures:
        return _Textures(self.coarse[window], self.middle[window], self.fine[window], self.fat[window])


@dataclass(frozen=True, kw_only=True, slots=True)
class _BoneMaps:
    """Of the bone whose surface is nearest: distances to it and to its marrow, attenuation, names."""

    outer: Array
    inner: Array
    cortex_hu: Array
    marrow_hu: Array
    labels: NDArray[np.uint8]
    sites: NDArray[np.uint8]


def render(patient: CtPatient, grid: Grid, *, slab_slices: int = 48) -> Iterator[tuple[int, Slab]]:
    """Render slab by slab; what a slice shows does not depend on the slabs.

    Args:
        patient: from ``patient.draw_patient``.
        grid: along the LPS axes (its direction is not looked at), z within the patient's ``range_mm``.
        slab_slices: slices at a time, for the memory.

    Yields:
        First slice index of the slab, and the slab.
    """
    xs, ys, zs = (
        (grid.origin_mm[k] + grid.spacing_mm[k] * np.arange(grid.shape[2 - k])).astype(np.float32) for k in range(3)
    )
    blur = float(np.cbrt(grid.voxel_mm3))
    for start in range(0, len(zs), slab_slices):
        yield start, _render_slab(patient, _Canvas(xs, ys, zs[start : start + slab_slices], blur))


def _render_slab(patient: CtPatient, canvas: _Canvas) -> Slab:
    textures = _Textures(*(f.sample(canvas.xs, canvas.ys, canvas.zs) for f in patient.fields))
    hu = _paint_soft(patient, canvas, textures=textures)
    maps = _bone_maps(patient, canvas, textures=textures)
    whole = canvas.share(maps.outer)
    compact = np.asarray(np.clip(whole - canvas.share(maps.inner), 0, 1))
    spongy = _spongy(maps, textures)
    lesions = np.zeros(hu.shape, dtype=np.uint16)
    for number, spot in enumerate((*patient.mimics, *patient.lesions), start=1 - len(patient.mimics)):
        window = canvas.window(spot.solid, spot.edge_mm + spot.wobble_mm * 2 + 2)
        if window is None:
            continue
        d = canvas.distance(spot.solid, window) + np.float32(spot.wobble_mm) * textures.middle[window]
        _paint_spot(spot, d, canvas=canvas, compact=compact[window], spongy=spongy[window])
        if number > 0:
            inside = (d < 0) & (maps.outer[window] < 0)
            lesions[window] = np.where(inside, np.uint16(number), lesions[window])
    hu = hu * (1 - whole) + compact * maps.cortex_hu + (whole - compact) * spongy
    bone = (maps.outer < 0).astype(np.uint8)
    return Slab(hu=hu, bone=bone, lesions=lesions, labels=maps.labels, sites=maps.sites)


def _paint_soft(patient: CtPatient, canvas: _Canvas, *, textures: _Textures) -> Array:
    """Air, fat, skin, the muscle wall, arms, then the organs in their order."""
    coarse, middle = textures.coarse, textures.middle
    skin, wall = patient.outline.distances(canvas.xs[None, None, :], canvas.ys[None, :, None], canvas.zs)
    skin, wall = skin + coarse * 1.8, wall + coarse * 2.0 + middle * 0.4
    hu: Array = np.full(skin.shape, AIR, dtype=np.float32)
    inside = canvas.share(skin)
    hu += inside * np.float32(-AIR + FAT + 8) + inside * middle * 5
    hu += (inside - canvas.share(skin + 1.8)) * np.float32(110)
    belt = canvas.share(wall) - canvas.share(wall + 11 + 1.5 * coarse)
    hu += belt * np.float32(150 * (1 - 0.4 * patient.person.muscle_fat)) * (1 + np.float32(0.1) * textures.fat)
    _paint_arms(patient, canvas, hu=hu)
    lung: NDArray[np.bool_] = np.zeros(hu.shape, dtype=bool)
    for organ in patient.organs:
        window = canvas.window(organ.solid, organ.wobble_mm * 2 + 1)
        if window is None:
            continue
        local = textures[window]
        wobble = np.float32(organ.wobble_mm) * (0.6 * local.coarse + 0.4 * local.middle)
        d = canvas.distance(organ.solid, window) + np.asarray(wobble, dtype=np.float32)
        d = _in_wall(organ, d, wall=wall[window], muscle_fat=patient.person.muscle_fat * 2.2 * local.fat)
        share = canvas.share(d)
        if organ.only_in == "lung":
            share = share * lung[window]
        target = np.float32(organ.hu) + np.float32(organ.texture_hu) * local.middle
        hu[window] += share * (target - hu[window])
        if organ.hu == LUNG:
            lung[window] |= d < -2
        elif organ.only_in != "lung":
            lung[window] &= d > 0
    return hu


def _in_wall(organ: Organ, d: Array, *, wall: Array, muscle_fat: Array) -> Array:
    """An organ's distance once it is kept inside the body's wall, and muscle is streaked with fat."""
    if organ.name in ("lung", "muscle", "bowel"):
        d = np.maximum(d, wall + _WALL_MM)
    if organ.name == "muscle":
        d = np.where(muscle_fat > 1.4, d + 3, d)
    return d


def _paint_arms(patient: CtPatient, canvas: _Canvas, *, hu: Array) -> None:
    """Skin, fat and muscle round the humeri, outside the trunk's outline; changes ``hu`` in place."""
    for bone in patient.bones:
        window = canvas.window(bone, 60) if bone.site == "humerus" else None
        if window is None:
            continue
        d = canvas.distance(bone, window)
        for reach, value in ((46.0, 20.0), (44.0, FAT), (34.0, 50.0)):
            share = canvas.share(d - np.float32(reach * patient.person.scale))
            hu[window] += np.where(hu[window] < 60, share * (np.float32(value) - hu[window]), 0)


def _bone_maps(patient: CtPatient, canvas: _Canvas, *, textures: _Textures) -> _BoneMaps:
    """Draw all bones; where two meet, the one whose surface is deeper counts."""
    maps = _BoneMaps(
        outer=np.full(canvas.shape, _FAR_MM, dtype=np.float32),
        inner=np.full(canvas.shape, _FAR_MM, dtype=np.float32),
        cortex_hu=np.full(canvas.shape, 1200, dtype=np.float32),
        marrow_hu=np.zeros(canvas.shape, dtype=np.float32),
        labels=np.zeros(canvas.shape, dtype=np.uint8),
        sites=np.zeros(canvas.shape, dtype=np.uint8),
    )
    for bone in patient.bones:
        window = canvas.window(bone, 4.0)
        if window is None:
            continue
        amplitude = 0.25 if bone.site in ("rib", "skull", "clavicle") else 0.5
        d = canvas.distance(bone, window) + np.float32(amplitude) * textures.middle[window]
        closer = d < maps.outer[window]
        trabecular = patient.person.trabecular_hu * bone.marrow if bone.marrow >= 0.1 else FATTY_MARROW_HU
        cortex_mm = np.float32(bone.cortex_mm) * np.clip(1 + np.float32(0.3) * textures.fat[window], 0.35, 2.0)
        np.copyto(maps.outer[window], d, where=closer)
        np.copyto(maps.inner[window], d + cortex_mm, where=closer)
        np.copyto(maps.cortex_hu[window], np.float32(bone.cortex_hu), where=closer)
        np.copyto(maps.marrow_hu[window], np.float32(trabecular), where=closer)
        np.copyto(maps.sites[window], np.uint8(SITES.index(bone.site)), where=closer)
        np.copyto(maps.labels[window], np.uint8(bone.label), where=closer & (d < 0))
    maps.sites[maps.outer >= 0] = 0
    return maps


def _spongy(maps: _BoneMaps, textures: _Textures) -> Array:
    """Trabecular bone: denser under the cortex, coarse and patchy; a mixture of bone and fatty marrow."""
    near = np.exp(np.minimum(maps.inner, 0) / np.float32(2.5))
    bone = np.maximum(maps.marrow_hu - np.float32(FATTY_MARROW_HU), 0)
    share = 1 + np.float32(0.22) * textures.fine + np.float32(0.1) * textures.middle + np.float32(0.55) * near
    return np.asarray(
        np.float32(FATTY_MARROW_HU) + bone * np.maximum(share, np.float32(0.1)) * np.float32(0.95), dtype=np.float32
    )


def _paint_spot(spot: Spot, d: Array, *, canvas: _Canvas, compact: Array, spongy: Array) -> None:
    """Change marrow and cortex inside a spot at signed distance ``d``; arrays of its window, changed in place."""
    share = canvas.share(d, spot.edge_mm) * np.float32(spot.strength)
    if spot.rim_hu is not None:
        rim = np.clip(canvas.share(d - np.float32(1.6)) - canvas.share(d), 0, 1)
        spongy += rim * (np.float32(spot.rim_hu) - spongy)
    spongy += share * (np.float32(spot.hu) - spongy)
    if spot.destroys_cortex:
        compact *= 1 - share
