"""What MR sees of the scene: a picture of fat protons, and one of water for each kind of sequence.

The signal of fat protons is the same in every tissue, so their density is one channel for all sequences; water's T1 and
T2 differ from tissue to tissue, so there is a channel of water signal for every set of times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.phantom import tissue as t
from osteon.phantom.mr.signal import water_signal

if TYPE_CHECKING:
    from collections.abc import Sequence as Several

    from numpy.typing import NDArray

    from osteon.phantom.anatomy.shapes import Array, Vector
    from osteon.phantom.anatomy.soft import Organ
    from osteon.phantom.canvas import Canvas, Textures
    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.mr.sequence import Sequence
    from osteon.phantom.palette import BoneMaps
    from osteon.phantom.scene import Scene
    from osteon.phantom.tissue import Tissue

_SAME = {
    "epidural fat": t.FAT,
    "csf": t.CSF,
    "canal": t.CSF,
    "cord": t.CORD,
    "root": t.ROOT,
    "ligament": t.LIGAMENT,
    "annulus": t.ANNULUS,
    "disc": t.ANNULUS,
    "aorta": t.BLOOD,
    "cava": t.BLOOD,
    "iliac": t.BLOOD,
    "arch": t.BLOOD,
    "chamber": t.BLOOD,
    "vessel": t.BLOOD,
    "airway": t.LUNG,
    "plaque": t.CORTEX,
    "calcified cartilage": t.CORTEX,
    "bladder": t.ORGANS["urine"],
    "pelvis of kidney": t.FAT,
    "stomach": t.ORGANS["chyme"],
}
_SPOTS = {
    "lytic lesion": t.MARROW_WATER,
    "focal osteopenia": t.YELLOW_MARROW,
    "basivertebral vein": t.VEIN,
    "haemangioma": t.YELLOW_MARROW,
    "schmorl node": t.ANNULUS,
}
"""For spots that were drawn with CT alone in mind."""


def organ_tissue(organ: Organ) -> Tissue:
    """What an organ is made of, by its name; what fills bowel ("gas" of any attenuation), by that."""
    if organ.name == "gas" and organ.hu > -400:
        return t.ORGANS["faeces" if organ.hu < -100 else "chyme"]
    if organ.name.startswith("nucleus "):
        return t.nucleus(int(organ.name.split()[1]))
    return _SAME.get(organ.name) or t.ORGANS[organ.name]


def water_channels(sequences: Several[Sequence]) -> tuple[int, ...]:
    """The channel that holds each sequence's water; those that share their times share it. Channel 0 is fat."""
    keys = list(dict.fromkeys(one.water_key for one in sequences))
    return tuple(1 + keys.index(one.water_key) for one in sequences)


class MrPalette:
    """Fat density and water signals; a ``palette.Palette``.

    Args:
        sequences: those to be painted; see ``water_channels``.
        marrow_fat: fat fraction of each bone of the scene, 0 to 1.
        muscle_fat: the person's, 0 lean to 1.
        spine_mm: LPS centres of the vertebrae, (n, 3), from below upwards.
    """

    reach_mm = np.inf
    """Distances to the skin are used everywhere."""

    def __init__(
        self, sequences: Several[Sequence], *, marrow_fat: Several[float], muscle_fat: float, spine_mm: Vector
    ) -> None:
        self._spine_mm = spine_mm
        self._kinds = list({one.water_key: one for one in sequences}.values())
        self._marrow_fat = np.array([0.4, *marrow_fat], dtype=np.float32)
        self._muscle_fat = muscle_fat
        self._known: dict[Tissue, Array] = {}
        self._flow = _column([0.0, *(1.0 if one.te_ms > 50 else 0.15 for one in self._kinds)])

    def value(self, tissue: Tissue) -> Array:
        """The channels of one tissue, (channel, 1, 1, 1)."""
        if tissue not in self._known:
            still = tissue.proton_density * (1 - tissue.fat_fraction)
            lost = [1 - tissue.flow * (1.0 if tissue.flow > 0.5 or one.te_ms > 50 else 0.0) for one in self._kinds]
            water = [still * k * water_signal(one, tissue) for one, k in zip(self._kinds, lost, strict=True)]
            if tissue is t.CSF:  # its flow differs from place to place, see ``organ``
                water = [still * water_signal(one, tissue) for one in self._kinds]
            self._known[tissue] = _column([tissue.proton_density * tissue.fat_fraction, *water])
        return self._known[tissue]

    def body(self, scene: Scene, canvas: Canvas, *, skin: Array, wall: Array, textures: Textures) -> Array:
        """Air, skin, lobulated fat, the muscle wall in front, what lies between the organs, and the muscles behind."""
        x, y, z = scene.lps(canvas)
        aside, behind = x - self._spine_at(z, 0), y - self._spine_at(z, 1)
        inside = canvas.share(skin) * (z < self._spine_mm[-1, 2] + 170 * scene.person.scale)
        image: Array = np.asarray(inside * self.value(t.FAT), dtype=np.float32)
        image *= 1 - np.float32(0.02) * np.clip(textures.fine + textures.middle, 0, 3)
        _mix(image, inside - canvas.share(skin + np.float32(1.8)), self.value(t.ORGANS["skin"]))
        muscle = self._muscle(textures)
        belt = np.clip(canvas.share(wall) - canvas.share(wall + 11 + 1.5 * textures.coarse), 0, 1)
        _mix(image, np.clip(-behind / 15, 0, 1) * belt, muscle)
        folds = np.clip(0.4 + 0.45 * textures.coarse + 0.55 * textures.middle, 0, 0.85)
        folds = folds * np.clip((np.float32(-38.0) - behind) / 22, 0, 1) * canvas.share(wall + 13)
        _mix(image, folds, self.value(t.ORGANS["bowel"]))
        neck = np.clip((z - self._spine_mm[-8, 2]) / 30, 0, 1)  # from T1 upwards
        throat = np.clip(0.75 + 0.3 * textures.middle, 0, 0.95) * np.clip((np.float32(-16.0) - behind) / 8, 0, 1)
        _mix(image, neck * throat * canvas.share(wall + 8), muscle)
        gap = np.where(z > self._spine_mm[-20, 2], 2.0, 4.5)  # narrow above T12
        back = np.clip((np.abs(aside) - gap - textures.coarse) / 4, 0, 1) * np.clip((behind - 12) / 8, 0, 1)
        _mix(image, back * canvas.share(wall + 2), muscle)
        fascia = np.clip((behind - 12) / 8, 0, 1) * canvas.share(np.abs(wall + np.float32(2.0)) - np.float32(0.5))
        _mix(image, fascia, self.value(t.LIGAMENT))
        return image

    def _spine_at(self, z: Array, axis: int) -> Array:
        """LPS x or y of the spine at these heights."""
        return np.interp(z, self._spine_mm[:, 2], self._spine_mm[:, axis]).astype(np.float32)

    def organ(self, organ: Organ, textures: Textures) -> Array:
        """Its tissue, a little different from place to place; muscle streaked with fat, fluid with flow."""
        tissue = organ_tissue(organ)
        if organ.name == "muscle":
            return self._muscle(textures)
        if tissue is t.CSF:
            loss = np.clip(0.35 + 0.45 * textures.coarse + 0.25 * textures.middle, 0, 1) * np.float32(tissue.flow)
            return np.asarray(self.value(tissue) * (1 - loss * self._flow))
        spread = 0.18 if organ.name in ("mediastinum", "bowel", "interspinous", "throat") else 0.05
        if organ.name == "interspinous":
            share = np.clip(0.55 + 0.22 * textures.fat + 0.15 * textures.fine, 0, 1)
            return np.asarray(self.value(t.FAT) * share + self.value(t.LIGAMENT) * (1 - share))
        return np.asarray(self.value(tissue) * (1 + np.float32(spread) * textures.middle))

    def _muscle(self, textures: Textures) -> Array:
        streaks = np.maximum(np.float32(0.35) * textures.fine + np.float32(1.3) * textures.fat, -1)
        share = np.clip((0.03 + 0.30 * self._muscle_fat) * (1 + streaks), 0, 0.9)
        return np.asarray(self.value(t.MUSCLE) * (1 - share) + self.value(t.FAT) * share)

    def cortex(self, scene: Scene, maps: BoneMaps, *, canvas: Canvas, textures: Textures) -> Array:
        """Next to nothing."""
        return self.value(t.CORTEX)

    def marrow(self, scene: Scene, maps: BoneMaps, *, canvas: Canvas, textures: Textures) -> Array:
        """Fat and water: fattier near end-plates, with red islands, and mottled by trabeculae."""
        near = np.exp(np.minimum(maps.inner, 0) / np.float32(3.0))
        red = np.clip(textures.coarse + 0.6 * textures.middle - 0.8, 0, 1)
        mottle = np.float32(0.035) * textures.middle + np.float32(0.05) * textures.fine
        shift = np.float32(0.07) * near - np.float32(0.12) * red + mottle
        fat = np.clip(self._marrow_fat[maps.index] + shift, 0.03, 0.95)
        density = np.float32(0.86) * (1 + np.float32(0.05) * textures.fine - np.float32(0.06) * near)
        image = (1 - fat) * self.value(t.MARROW_WATER) / np.float32(t.MARROW_WATER.proton_density)
        image[0] = fat
        return np.asarray(image * density, dtype=np.float32)

    def filling(self, spot: Spot) -> Array:
        """Its tissue, or that of its kind."""
        return self.value(spot.tissue or _SPOTS.get(spot.kind, t.MARROW_WATER))

    def pattern(self, spot: Spot) -> Array:
        """Its structure's tissue, or its own."""
        return self.filling(spot) if spot.pattern_tissue is None else self.value(spot.pattern_tissue)

    def rim(self, spot: Spot) -> Array:
        """Sclerosis."""
        return self.value(t.SCLEROSIS)


def _mix(image: Array, share: NDArray[np.floating[Any]], value: Array) -> None:
    """Put a share of ``value`` in place of what is there."""
    image += share.astype(np.float32) * (value - image)


def _column(values: Several[float]) -> Array:
    return np.array(values, dtype=np.float32)[:, None, None, None]
