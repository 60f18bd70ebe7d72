"""Paints a scene onto any number of channels: soft tissue, organs, bones and spots, with their truth masks.

Geometry is the same for every scanner and stands here; what a thing looks like is a ``Palette``'s to say: one channel
of Hounsfield units for CT, fat and water signals for MR. Channels mix linearly, by each thing's share of a voxel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.devices import CEMENT
from osteon.phantom.anatomy.shapes import VertebralBody
from osteon.phantom.anatomy.soft import LUNG
from osteon.phantom.canvas import FAR_MM, sample_textures
from osteon.phantom.palette import BoneMaps
from osteon.phantom.spots import paint_spot, spot_margin_mm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Array
    from osteon.phantom.anatomy.soft import Organ
    from osteon.phantom.canvas import Canvas, Textures
    from osteon.phantom.palette import Palette
    from osteon.phantom.scene import Scene

SITES = ("none", "vertebra", "rib", "sternum", "clavicle", "scapula", "humerus", "pelvis", "sacrum", "femur", "skull")
"""Bone sites by their number in a ``sites`` mask."""
_ARCH_CORTEX = np.float32(2.2)  # laminae and processes are mostly compact bone
_WALL_MM = 9  # lung, muscle and bowel end this deep under the outer face of the body's wall


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """Masks of a slab, all (z, y, x).

    Attributes:
        bone: uint8 0 or 1.
        lesions: uint16, 0 or the number of the lesion, 1 for the first of the patient.
        labels: uint8 VerSe numbers.
        sites: uint8, 0 outside bone, else index into ``SITES``.
    """

    bone: NDArray[np.uint8]
    lesions: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    sites: NDArray[np.uint8]


def paint(scene: Scene, canvas: Canvas, palette: Palette) -> tuple[Array, Truth]:
    """Paint one slab.

    Returns:
        The picture without noise (channel, z, y, x), and the masks.
    """
    textures = sample_textures(scene.fields, canvas)
    image = _paint_soft(scene, canvas, palette, textures=textures)
    maps = _bone_maps(scene, canvas, textures=textures)
    whole = canvas.share(maps.outer)
    compact = canvas.share(maps.inner)
    np.subtract(whole, compact, out=compact)
    np.clip(compact, 0, 1, out=compact)
    marrow = palette.marrow(scene, maps, canvas=canvas, textures=textures)
    lesions = np.zeros(canvas.shape, dtype=np.uint16)
    for number, spot in scene.with_parts():
        window = canvas.window(spot.solid, spot_margin_mm(spot))
        if window is None:
            continue
        d = canvas.distance(spot.solid, window) + np.float32(spot.wobble_mm) * textures.middle[window]
        layers = image[:, *window], compact[window], marrow[:, *window]
        paint_spot(spot, d, palette, canvas=canvas.part(window), layers=layers, textures=textures[window])
        if number > 0:
            inside = (d < 0) & ((maps.outer[window] < 0) | spot.grows_out)
            lesions[window] = np.where(inside, np.uint16(number), lesions[window])
    cortex = np.broadcast_to(palette.cortex(scene, maps, canvas=canvas, textures=textures), image.shape)
    near = whole > 0
    share, hard = whole[near], compact[near]
    image[:, near] = image[:, near] * (1 - share) + hard * cortex[:, near] + (share - hard) * marrow[:, near]
    _paint_implants(scene, canvas, palette, image=image, maps=maps, lesions=lesions, textures=textures)
    return image, _truth(scene, maps, lesions)


def _paint_implants(
    scene: Scene,
    canvas: Canvas,
    palette: Palette,
    *,
    image: Array,
    maps: BoneMaps,
    lesions: NDArray[np.uint16],
    textures: Textures,
) -> None:
    """Implants over everything; metal is taken out of the bone's and the lesions' masks, cement stays bone."""
    for organ in scene.implants:
        window = canvas.window(organ.solid, organ.wobble_mm * 2 + 1)
        if window is None:
            continue
        d = canvas.distance(organ.solid, window) + np.float32(organ.wobble_mm) * textures.middle[window]
        part = image[:, *window]
        part += canvas.share(d) * (palette.organ(organ, textures[window]) - part)
        if organ.name != CEMENT:
            np.copyto(maps.outer[window], FAR_MM, where=d < 0)
        lesions[window] *= (d >= 0).astype(np.uint16)


def _truth(scene: Scene, maps: BoneMaps, lesions: NDArray[np.uint16]) -> Truth:
    bone = maps.outer < 0
    index = maps.index[bone]
    sites, labels = (np.zeros(bone.shape, dtype=np.uint8) for _ in range(2))
    sites[bone] = np.array([0, *(SITES.index(b.site) for b in scene.bones)], dtype=np.uint8)[index]
    labels[bone] = np.array([0, *(b.label for b in scene.bones)], dtype=np.uint8)[index]
    return Truth(bone=bone.view(np.uint8), lesions=lesions, labels=labels, sites=sites)


def _paint_soft(scene: Scene, canvas: Canvas, palette: Palette, *, textures: Textures) -> Array:
    """The body, then the organs in their order."""
    skin, wall = scene.surfaces(canvas, palette.reach_mm)
    near = scene.body_window(canvas, palette.reach_mm)
    coarse, middle = textures.coarse[near], textures.middle[near]
    skin[near] += coarse * 1.8
    wall[near] += coarse * 2.0
    wall[near] += middle * 0.4
    image = palette.body(scene, canvas, skin=skin, wall=wall, textures=textures)
    lung: NDArray[np.bool_] = np.zeros(canvas.shape, dtype=bool)
    for organ in scene.organs:
        window = canvas.window(organ.solid, organ.wobble_mm * 2 + 1)
        if window is None:
            continue
        local = textures[window]
        wobble = np.float32(organ.wobble_mm) * (0.6 * local.coarse + 0.4 * local.middle)
        d = canvas.distance(organ.solid, window) + np.asarray(wobble, dtype=np.float32)
        d = _in_wall(organ, d, wall=wall[window], muscle_fat=scene.person.muscle_fat * 2.2 * local.fat)
        share = canvas.share(d, organ.edge_mm)
        if organ.only_in == "lung":
            share = share * lung[window]
        part = image[:, *window]
        part += share * (palette.organ(organ, local) - part)
        if organ.hu == LUNG:
            lung[window] |= d < -2
        elif organ.only_in != "lung":
            lung[window] &= d > 0
    return image


def _in_wall(organ: Organ, d: Array, *, wall: Array, muscle_fat: Array) -> Array:
    """An organ's distance once it is kept inside the body's wall, and muscle is streaked with fat."""
    if organ.name in ("lung", "muscle", "bowel"):
        d = np.maximum(d, wall + _WALL_MM)
    if organ.name == "muscle":
        d = np.where(muscle_fat > 1.4, d + 3, d)
    return d


def _behind(bone: Bone, body: VertebralBody, canvas: Canvas) -> Array:
    """0 in the body of a vertebra, 1 from 4 mm behind it, (z, y, x)."""
    offset = sum(
        (p - np.float32(c)) * np.float32(a)
        for p, c, a in zip(canvas.points, bone.centre, bone.frame[:, 1], strict=True)
    )
    return np.asarray(np.clip((offset - np.float32(body.depth_mm / 2)) / np.float32(4.0), 0, 1))


def _bone_maps(scene: Scene, canvas: Canvas, *, textures: Textures) -> BoneMaps:
    """Measure all bones; where two meet, the one whose surface is deeper counts."""
    maps = BoneMaps(
        outer=np.full(canvas.shape, FAR_MM, dtype=np.float32),
        inner=np.full(canvas.shape, FAR_MM, dtype=np.float32),
        index=np.zeros(canvas.shape, dtype=np.int16),
    )
    for index, bone in enumerate(scene.bones, start=1):
        window = canvas.window(bone, 4.0)
        if window is None:
            continue
        amplitude = 0.25 if bone.site in ("rib", "skull", "clavicle") else 0.5
        d = canvas.bone_distance(bone, window) + np.float32(amplitude) * textures.middle[window]
        closer = d < maps.outer[window]
        cortex_mm = np.float32(bone.cortex_mm) * np.clip(1 + np.float32(0.3) * textures.fat[window], 0.35, 2.0)
        if isinstance(bone.solids[0], VertebralBody) and bone.site == "vertebra":
            cortex_mm = cortex_mm * (1 + _ARCH_CORTEX * _behind(bone, bone.solids[0], canvas.part(window)))
        np.copyto(maps.outer[window], d, where=closer)
        np.copyto(maps.inner[window], d + cortex_mm, where=closer)
        np.copyto(maps.index[window], np.int16(index), where=closer)
    return maps
