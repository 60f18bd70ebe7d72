"""CT rendering: bones, soft tissue and lesions to Hounsfield units, slab by slab, with their masks.

Every surface is a signed distance, so a voxel's share of cortex, marrow and soft tissue (its partial volume) is
computed, not sampled. Attenuation: ANATOMY of Jang 2019 for trabecular bone, textbook values elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from osteon.geometry import Grid
from osteon.phantom.bones import Bone
from osteon.phantom.lesions import Spot, draw_lesions, draw_mimics
from osteon.phantom.noise import SmoothField
from osteon.phantom.person import Person, draw_person
from osteon.phantom.shapes import Array, Solid, rotation
from osteon.phantom.skeleton import build_skeleton
from osteon.phantom.soft import AIR, FAT, LUNG, Organ, Outline, build_outline, soft_tissue
from osteon.phantom.spine import Spine, build_spine

SITES = ("none", "vertebra", "rib", "sternum", "clavicle", "scapula", "humerus", "pelvis", "sacrum", "femur", "skull")
FATTY_MARROW_HU = -70.0
_FAR = np.float32(50.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class CtPatient:
    """Everything that is drawn of a patient before rendering; all positions in LPS mm."""

    person: Person
    spine: Spine
    bones: tuple[Bone, ...]
    organs: tuple[Organ, ...]
    outline: Outline
    lesions: tuple[Spot, ...]
    mimics: tuple[Spot, ...]
    fields: tuple[SmoothField, ...]
    texture_seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Slab:
    """Rendered slices: noiseless HU and truth, all (z, y, x).

    ``bone`` uint8 0/1; ``lesions`` uint16, 1 for the first lesion of the patient; ``labels`` uint8 VerSe numbers; ``sites`` uint8, index
    into ``SITES``.
    """

    hu: Array
    bone: NDArray[np.uint8]
    lesions: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    sites: NDArray[np.uint8]


def draw_patient(
    rng: np.random.Generator,
    *,
    sites: tuple[str, ...] | None = None,
    mean_lesions: float = 14.0,
    range_mm: tuple[float, float],
) -> CtPatient:
    """Draw one patient; lesions only in bones that reach into ``range_mm`` (z, relative to S1)."""
    person = draw_person(rng)
    spine = build_spine(person, rng)
    pose = rotation(0.0, person.roll_deg, person.yaw_deg)
    shift = np.zeros(3)
    bones = tuple(bone.moved(pose, shift) for bone in build_skeleton(spine, person, rng))
    organs = tuple(replace(o, solid=o.solid.moved(pose, shift)) for o in soft_tissue(spine, person, rng))
    seen = tuple(
        b for b in bones if b.centre is not None and _inside(b, range_mm) and (sites is None or b.site in sites)
    )
    lesions = draw_lesions(seen, person, rng, mean_count=mean_lesions)
    mimics = draw_mimics(seen, person, rng)
    low, high = np.array([-300.0, -260, range_mm[0] - 30]), np.array([300.0, 260, range_mm[1] + 30])
    steps = (26.0, 9.0, 3.2, 14.0)
    fields = tuple(SmoothField.draw(rng, low_mm=low, high_mm=high, step_mm=step) for step in steps)
    return CtPatient(
        person=person, spine=spine, bones=bones, organs=organs, outline=build_outline(spine, person),
        lesions=tuple(lesions), mimics=tuple(mimics), fields=fields, texture_seed=int(rng.integers(2**31)),
    )  # fmt: skip


def _inside(bone: Bone, range_mm: tuple[float, float]) -> bool:
    low, high = bone.bounds()
    middle = (low[2] + high[2]) / 2
    return bool(range_mm[0] + 5 < middle < range_mm[1] - 5)


@dataclass(frozen=True, slots=True)
class _Canvas:
    """One slab's axes in mm and the window of it that a solid touches."""

    xs: Array
    ys: Array
    zs: Array
    blur_mm: float

    def window(self, solid: Solid | Bone, margin_mm: float) -> tuple[slice, slice, slice] | None:
        low, high = solid.bounds()
        slices = []
        for axis, a, b in zip((self.zs, self.ys, self.xs), low[::-1] - margin_mm, high[::-1] + margin_mm, strict=True):
            start, stop = int(np.searchsorted(axis, a)), int(np.searchsorted(axis, b))
            if stop <= start:
                return None
            slices.append(slice(start, stop))
        return slices[0], slices[1], slices[2]

    def distance(self, solid: Solid | Bone, window: tuple[slice, slice, slice]) -> Array:
        z, y, x = window
        d = solid.distance(self.xs[x][None, None, :], self.ys[y][None, :, None], self.zs[z][:, None, None])
        return np.broadcast_to(d, (z.stop - z.start, y.stop - y.start, x.stop - x.start))

    def share(self, distance: Array, edge_mm: float = 0.0) -> Array:
        """Part of a voxel inside a surface at signed ``distance``: a ramp as wide as the voxel, plus its own edge."""
        return np.clip(np.float32(0.5) - distance / np.float32(self.blur_mm + edge_mm), 0, 1)


def render(patient: CtPatient, grid: Grid, *, slab_slices: int = 48) -> Iterator[tuple[int, Slab]]:
    """Render an axis-aligned LPS grid slab by slab.

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
    coarse, middle, fine, fat = (f.sample(canvas.xs, canvas.ys, canvas.zs) for f in patient.fields)
    hu = _paint_soft(patient, canvas, coarse, middle, fat)
    outer, depth, cortex_hu, marrow, labels, sites = _bone_fields(patient, canvas, wobble=middle, patches=fat)
    whole = canvas.share(outer)
    inner = canvas.share(depth)
    compact = np.clip(whole - inner, 0, 1)
    spongy = _marrow_texture(marrow, depth, fine, middle)
    lesions = np.zeros(hu.shape, dtype=np.uint16)
    for spot in patient.mimics:
        _paint_spot(spot, canvas, (compact, spongy, middle))
    for number, spot in enumerate(patient.lesions, start=1):
        _paint_spot(spot, canvas, (compact, spongy, middle), truth=(lesions, number, outer))
    hu = hu * (1 - whole) + compact * cortex_hu + (whole - compact) * spongy
    return Slab(hu=hu, bone=(outer < 0).astype(np.uint8), lesions=lesions, labels=labels, sites=sites)


def _marrow_texture(marrow: Array, depth: Array, fine: Array, middle: Array) -> Array:
    """Trabecular bone: denser under the cortex, coarse and patchy; a mixture of bone and fatty marrow."""
    near = np.exp(np.minimum(depth, 0) / np.float32(2.5))
    bone = np.maximum(marrow - np.float32(FATTY_MARROW_HU), 0)
    share = 1 + np.float32(0.22) * fine + np.float32(0.1) * middle + np.float32(0.55) * near
    return np.asarray(
        np.float32(FATTY_MARROW_HU) + bone * np.maximum(share, np.float32(0.1)) * np.float32(0.95), dtype=np.float32
    )


def _paint_soft(patient: CtPatient, canvas: _Canvas, coarse: Array, middle: Array, fat: Array) -> Array:
    person = patient.person
    x2, y2 = canvas.xs[None, None, :], canvas.ys[None, :, None]
    skin, wall = patient.outline.distances(x2, y2, canvas.zs)
    skin, wall = skin + coarse * 1.8, wall + coarse * 2.0 + middle * 0.4
    hu = np.full(skin.shape, AIR, dtype=np.float32)
    inside = canvas.share(skin)
    hu += inside * np.float32(-AIR + FAT + 8) + inside * middle * 5
    hu += (inside - canvas.share(skin + 1.8)) * np.float32(110)
    belt = canvas.share(wall) - canvas.share(wall + 11 + 1.5 * coarse)
    hu += belt * np.float32(150 * (1 - 0.4 * person.muscle_fat)) * (1 + np.float32(0.1) * fat)
    _paint_arms(patient, canvas, hu)
    lung = np.zeros(hu.shape, dtype=bool)
    for organ in patient.organs:
        window = canvas.window(organ.solid, organ.wobble_mm * 2 + 1)
        if window is None:
            continue
        d = canvas.distance(organ.solid, window) + np.float32(organ.wobble_mm) * (
            0.6 * coarse[window] + 0.4 * middle[window]
        )
        if organ.name in ("lung", "muscle", "bowel"):
            d = np.maximum(d, wall[window] + 9)
        if organ.name == "muscle":
            d = np.where(person.muscle_fat * 2.2 * fat[window] > 1.4, d + 3, d)
        share = canvas.share(d)
        if organ.only_in == "lung":
            share = share * lung[window]
        target = np.float32(organ.hu) + np.float32(organ.texture_hu) * middle[window]
        hu[window] += share * (target - hu[window])
        if organ.hu == LUNG:
            lung[window] |= d < -2
        elif organ.only_in != "lung":
            lung[window] &= d > 0
    return hu


def _paint_arms(patient: CtPatient, canvas: _Canvas, hu: Array) -> None:
    """Muscle, fat and skin round the humeri, outside the trunk's outline."""
    for bone in patient.bones:
        if bone.site != "humerus":
            continue
        window = canvas.window(bone, 60)
        if window is None:
            continue
        d = canvas.distance(bone, window)
        for reach, value in ((46.0, 20.0), (44.0, FAT), (34.0, 50.0)):
            share = canvas.share(d - np.float32(reach * patient.person.scale))
            hu[window] += np.where(hu[window] < 60, share * (np.float32(value) - hu[window]), 0)


def _bone_fields(patient: CtPatient, canvas: _Canvas, *, wobble: Array, patches: Array) -> tuple[Array, ...]:
    """Distance to the outer bone surface and to the marrow, cortex and marrow attenuation, vertebra labels."""
    shape = (len(canvas.zs), len(canvas.ys), len(canvas.xs))
    outer = np.full(shape, _FAR, dtype=np.float32)
    depth = np.full(shape, _FAR, dtype=np.float32)
    cortex_hu = np.full(shape, 1200, dtype=np.float32)
    marrow = np.zeros(shape, dtype=np.float32)
    labels, sites = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
    for bone in patient.bones:
        window = canvas.window(bone, 4.0)
        if window is None:
            continue
        amplitude = 0.25 if bone.site in ("rib", "skull", "clavicle") else 0.5
        d = canvas.distance(bone, window) + np.float32(amplitude) * wobble[window]
        closer = d < outer[window]
        trabecular = patient.person.trabecular_hu * bone.marrow if bone.marrow >= 0.1 else FATTY_MARROW_HU
        cortex_mm = np.float32(bone.cortex_mm) * np.clip(1 + np.float32(0.3) * patches[window], 0.35, 2.0)
        for field, value in (
            (outer, d), (depth, d + cortex_mm), (sites, np.uint8(SITES.index(bone.site))),
            (cortex_hu, np.float32(bone.cortex_hu)), (marrow, np.float32(trabecular)),
        ):  # fmt: skip
            field[window] = np.where(closer, value, field[window])
        labels[window] = np.where(closer & (d < 0), np.uint8(bone.label), labels[window])
    sites[outer >= 0] = 0
    return outer, depth, cortex_hu, marrow, labels, sites


def _paint_spot(
    spot: Spot,
    canvas: _Canvas,
    fields: tuple[Array, Array, Array],
    *,
    truth: tuple[NDArray[np.uint16], int, Array] | None = None,
) -> None:
    """Change marrow and cortex inside a spot, in place; with ``truth``, write its mask as well."""
    compact, spongy, wobble = fields
    window = canvas.window(spot.solid, spot.edge_mm + spot.wobble_mm * 2 + 2)
    if window is None:
        return
    d = canvas.distance(spot.solid, window) + np.float32(spot.wobble_mm) * wobble[window]
    share = canvas.share(d, spot.edge_mm) * np.float32(spot.strength)
    if spot.rim_hu is not None:
        rim = np.clip(canvas.share(d - np.float32(1.6)) - canvas.share(d), 0, 1)
        spongy[window] += rim * (np.float32(spot.rim_hu) - spongy[window])
    spongy[window] += share * (np.float32(spot.hu) - spongy[window])
    if spot.destroys_cortex:
        compact[window] *= 1 - share
    if truth is not None:
        mask, number, outer = truth
        mask[window] = np.where((d < 0) & (outer[window] < 0), np.uint16(number), mask[window])
