"""CT rendering: bones, soft tissue and lesions to Hounsfield units, slab by slab, with their masks.

Attenuation of trabecular bone: by age and sex (``person.expected_trabecular_hu``) and by bone; textbook values
elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.phantom.anatomy.shapes import VertebralBody
from osteon.phantom.anatomy.soft import AIR, FAT
from osteon.phantom.canvas import canvases
from osteon.phantom.ct.trabeculae import grain
from osteon.phantom.painter import SITES, paint
from osteon.phantom.scene import scene_of
from osteon.phantom.workers import ahead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from osteon.geometry import Grid
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.shapes import Array
    from osteon.phantom.anatomy.soft import Organ
    from osteon.phantom.canvas import Canvas, Textures
    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.palette import BoneMaps
    from osteon.phantom.patient import CtPatient
    from osteon.phantom.scene import Scene

__all__ = ["FATTY_MARROW_HU", "SITES", "CtPalette", "Slab", "render"]

FATTY_MARROW_HU = -70.0
SLAB_SLICES = 12
"""Slices painted at a time: few, as temporary arrays that fit the caches are faster and memory is theirs."""
_NO_CORTEX_HU = 1200.0
_POROUS = ("vertebra", "sacrum", "rib", "sternum")
_ARCH_DENSER = np.float32(0.35)


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


def render(patient: CtPatient, grid: Grid, *, slab_slices: int = SLAB_SLICES) -> Iterator[tuple[int, Slab]]:
    """Render slab by slab, in the threads that ``workers.using_threads`` allows.

    What a slice shows depends neither on the slabs nor on the threads.

    Args:
        patient: from ``patient.draw_patient``.
        grid: along the LPS axes (its direction is not looked at), z within the patient's ``range_mm``.
        slab_slices: slices at a time, for the memory.

    Yields:
        First slice index of the slab, and the slab.
    """
    scene, palette = scene_of(patient), CtPalette()

    def painted(slab: tuple[int, Canvas]) -> tuple[int, Slab]:
        start, canvas = slab
        image, truth = paint(scene, canvas, palette)
        return start, Slab(hu=image[0], bone=truth.bone, lesions=truth.lesions, labels=truth.labels, sites=truth.sites)

    return ahead(painted, canvases(grid, slab_slices=slab_slices))


class CtPalette:
    """Hounsfield units, one channel; a ``painter.Palette``."""

    reach_mm = 60.0
    """Twice as far as the random fields displace skin and wall."""

    def body(self, scene: Scene, canvas: Canvas, *, skin: Array, wall: Array, textures: Textures) -> Array:
        """Air, fat, skin, the muscle wall, arms."""
        hu: Array = np.full(canvas.shape, AIR, dtype=np.float32)
        near = scene.body_window(canvas, self.reach_mm)
        hu[near] = _paint_body(
            scene.person.muscle_fat, canvas.part(near), skin=skin[near], wall=wall[near], textures=textures[near]
        )
        _paint_arms(scene, canvas, hu=hu)
        return hu[None]

    def organ(self, organ: Organ, textures: Textures) -> Array:
        """Its attenuation, a little different from place to place."""
        return np.asarray(np.float32(organ.hu) + np.float32(organ.texture_hu) * textures.middle)[None]

    def cortex(self, scene: Scene, maps: BoneMaps, *, canvas: Canvas, textures: Textures) -> Array:
        """Attenuation by bone, lower where it is porous."""
        table = np.array([_NO_CORTEX_HU, *(bone.cortex_hu for bone in scene.bones)], dtype=np.float32)
        thin = np.array([0.0, *(0.3 if bone.site in _POROUS else 0.08 for bone in scene.bones)], dtype=np.float32)
        near = maps.outer < canvas.blur_mm
        index = maps.index[near]
        pores = np.clip(textures.fine[near] + np.float32(0.6) * textures.middle[near], -0.5, 2.0)
        hu = np.zeros(canvas.shape, dtype=np.float32)
        hu[near] = table[index] * (1 - thin[index] * pores)
        return hu[None]

    def marrow(self, scene: Scene, maps: BoneMaps, *, canvas: Canvas, textures: Textures) -> Array:
        """Trabecular bone."""
        hu = np.zeros(canvas.shape, dtype=np.float32)
        near = maps.outer < canvas.blur_mm
        hu[near] = _spongy(scene, maps, np.nonzero(near), canvas=canvas, textures=textures)
        return hu[None]

    def filling(self, spot: Spot) -> Array:
        """Its attenuation."""
        return _colour(spot.hu)

    def pattern(self, spot: Spot) -> Array:
        """Attenuation of its structure, or of the spot itself."""
        return _colour(spot.hu if spot.pattern_tissue is None else spot.pattern_tissue.hu)

    def rim(self, spot: Spot) -> Array:
        """Attenuation of the rim."""
        return _colour(spot.hu if spot.rim_hu is None else spot.rim_hu)


def _colour(hu: float) -> Array:
    return np.full((1, 1, 1, 1), hu, dtype=np.float32)


def _paint_body(muscle_fat: float, canvas: Canvas, *, skin: Array, wall: Array, textures: Textures) -> Array:
    """Air, fat, skin and the muscle wall, (z, y, x) HU."""
    coarse, middle = textures.coarse, textures.middle
    hu: Array = np.full(canvas.shape, AIR, dtype=np.float32)
    inside = canvas.share(skin)
    hu += inside * np.float32(-AIR + FAT + 8) + inside * middle * 5
    hu += (inside - canvas.share(skin + 1.8)) * np.float32(110)
    belt = canvas.share(wall) - canvas.share(wall + 11 + 1.5 * coarse)
    hu += belt * np.float32(150 * (1 - 0.4 * muscle_fat)) * (1 + np.float32(0.1) * textures.fat)
    return hu


def _paint_arms(scene: Scene, canvas: Canvas, *, hu: Array) -> None:
    """Skin, fat and muscle round the humeri, outside the trunk's outline; changes ``hu`` in place."""
    for bone in scene.bones:
        window = canvas.window(bone, 60) if bone.site == "humerus" else None
        if window is None:
            continue
        d = canvas.distance(bone, window)
        for reach, value in ((46.0, 20.0), (44.0, FAT), (34.0, 50.0)):
            share = canvas.share(d - np.float32(reach * scene.person.scale))
            hu[window] += np.where(hu[window] < 60, share * (np.float32(value) - hu[window]), 0)


def _trabecular_hu(bone: Bone, l1_hu: float) -> float:
    """Mean attenuation of a bone's marrow space, from that of L1."""
    return l1_hu * bone.marrow if bone.marrow >= 0.1 else FATTY_MARROW_HU


def _spongy(
    scene: Scene, maps: BoneMaps, where: tuple[NDArray[np.intp], ...], *, canvas: Canvas, textures: Textures
) -> Array:
    """Trabecular bone at the voxels ``where`` (n,): a mixture of bone and fatty marrow with grain and fatty patches."""
    person = scene.person
    index = maps.index[where]
    table = np.array([0.0, *(_trabecular_hu(bone, person.trabecular_hu) for bone in scene.bones)], dtype=np.float32)
    points = canvas.xs[where[2]], canvas.ys[where[1]], canvas.zs[where[0]]
    density = 1 + np.float32(0.55) * np.exp(np.minimum(maps.inner[where], 0) / np.float32(2.5))
    density += _places(scene.bones, index, points, end_plates=0.3 + 0.8 * person.degeneration)
    fatty = np.float32(0.6) * textures.middle[where] + np.float32(0.8) * textures.coarse[where] - np.float32(0.9)
    density *= 1 - np.float32(person.fatty_patches) * np.clip(fatty, 0, 1)
    rough = np.float32(0.1) * textures.fine[where] + np.float32(0.1) * textures.middle[where]
    density *= np.maximum(1 + rough + np.float32(person.grain) * grain(points, person), np.float32(0.0))
    bone = np.maximum(table[index] - np.float32(FATTY_MARROW_HU), 0)
    return np.asarray(np.float32(FATTY_MARROW_HU) + np.float32(0.95) * bone * density, dtype=np.float32)


def _places(
    bones: tuple[Bone, ...], index: NDArray[np.int16], points: tuple[Array, Array, Array], *, end_plates: float
) -> Array:
    """How much denser than its middle a vertebra is at points (n,): arch and processes, and under the end-plates."""
    rows: list[tuple[float, ...]] = [(0.0,) * 9]
    for bone in bones:
        body = bone.solids[0]
        if isinstance(body, VertebralBody) and bone.site == "vertebra":
            height = (body.front_mm + body.back_mm) / 2
            rows.append((*bone.centre, *bone.frame[:, 1], body.depth_mm / 2, height / 2, 1.0))
        else:
            rows.append((0.0,) * 9)
    up = np.array([(0.0,) * 3, *(bone.frame[:, 2] for bone in bones)], dtype=np.float32)
    table = np.array(rows, dtype=np.float32)
    offset = [p - table[index, k] for k, p in enumerate(points)]
    back = sum(offset[k] * table[index, 3 + k] for k in range(3)) - table[index, 6]
    rise = np.abs(sum(offset[k] * up[index, k] for k in range(3)))
    arch = np.clip(back / np.float32(6.0), 0, 1)
    plate = np.exp(-np.clip(table[index, 7] - rise, 0, None) / np.float32(2.5)) * (back < 0)
    return np.asarray((_ARCH_DENSER * arch + np.float32(end_plates) * plate) * table[index, 8], dtype=np.float32)
