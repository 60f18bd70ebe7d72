"""What is painted: a patient's bones, organs, outline and spots, in LPS or turned into the frame of a scan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.fields import SmoothField
    from osteon.phantom.anatomy.outline import Outline
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.anatomy.shapes import Array, Vector
    from osteon.phantom.anatomy.soft import Organ
    from osteon.phantom.canvas import Canvas, Window
    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.patient import CtPatient


_BULGE = 0.25
"""How much further back the muscles reach for every mm beside the spinous processes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A posed patient, ready to be painted.

    Attributes:
        person: age, sex, size and so on.
        bones: where two meet, the one whose surface is deeper counts.
        organs: in painting order.
        outline: skin and muscle wall; always in patient axes.
        spots: number in the lesion mask (0 or less: in no mask) and the spot, in painting order.
        fields: random fields of ``patient.FIELD_STEPS_MM``.
        back_mm: (n, 3) height z, LPS x and y of the muscle wall behind the spine, from below upwards: a closer limit
            than the outline's; None without one.
        axes: 3 x 3; its columns are the patient's LPS unit vectors along the scene's x, y and z, to the nearest of the
            six directions: what the outline is turned by.
        implants: painted over the bones, see ``anatomy.devices``.
    """

    person: Person
    bones: tuple[Bone, ...]
    organs: tuple[Organ, ...]
    outline: Outline
    spots: tuple[tuple[int, Spot], ...]
    fields: tuple[SmoothField, ...]
    back_mm: Vector | None = None
    axes: Vector = field(default_factory=lambda: np.eye(3))
    implants: tuple[Organ, ...] = ()

    def with_parts(self) -> Iterator[tuple[int, Spot]]:
        """Every spot, followed by its parts under the same number."""
        for number, spot in self.spots:
            yield number, spot
            yield from ((number, part) for part in spot.parts)

    def body_window(self, canvas: Canvas, reach_mm: float) -> Window:
        """The part of a canvas outside which every voxel is at least ``reach_mm`` from skin and muscle wall.

        All of it where ``reach_mm`` is infinite or the scene is turned.
        """
        if np.isinf(reach_mm) or not np.array_equal(self.axes, np.eye(3)):
            return slice(None), slice(None), slice(None)
        ends = self.outline.box(canvas.zs)
        x, y = (
            slice(*(int(k) for k in np.searchsorted(axis, (low - reach_mm, high + reach_mm))))
            for axis, low, high in ((canvas.xs, *ends[:2]), (canvas.ys, *ends[2:]))
        )
        return slice(None), y, x

    def surfaces(self, canvas: Canvas, reach_mm: float = np.inf) -> tuple[Array, Array]:
        """Signed distances to skin and muscle wall on a canvas, (z, y, x) mm; ``reach_mm`` where it is more."""
        window = self.body_window(canvas, reach_mm)
        if window == (slice(None),) * 3:
            return self._surfaces(canvas)
        skin, wall = (np.full(canvas.shape, reach_mm, dtype=np.float32) for _ in range(2))
        skin[window], wall[window] = self._surfaces(canvas.part(window))
        return skin, wall

    def _surfaces(self, canvas: Canvas) -> tuple[Array, Array]:
        x, y, z = self.lps(canvas)
        skin, wall = self.outline.distances(x, y, z)
        if self.back_mm is None:
            return skin, wall
        across, back = (np.interp(z, self.back_mm[:, 0], self.back_mm[:, k]).astype(np.float32) for k in (1, 2))
        reach = y - back - np.float32(_BULGE) * np.minimum(np.abs(x - across), np.float32(30))
        fat = np.float32(0.8) * self.outline.fat(np.clip(z, self.outline.low_mm, self.outline.high_mm))
        return np.maximum(skin, reach - fat.astype(np.float32)), np.maximum(wall, reach)

    def lps(self, canvas: Canvas) -> tuple[Array, Array, Array]:
        """LPS x, y and z of a canvas' voxels as broadcastable arrays, to the nearest of the patient's axes."""
        points = canvas.points
        order, sign = np.abs(self.axes).argmax(axis=1), self.axes.sum(axis=1)
        x, y, z = (points[j] if s > 0 else -points[j] for j, s in zip(order, sign, strict=True))
        return x, y, z


def scene_of(patient: CtPatient) -> Scene:
    """A patient's scene in LPS: changes of all marrow and mimics first, then the lesions, numbered from 1."""
    unmarked = (*patient.marrow, *patient.mimics)
    spots = tuple(enumerate((*unmarked, *patient.lesions), start=1 - len(unmarked)))
    return Scene(
        person=patient.person,
        bones=patient.bones,
        organs=patient.organs,
        outline=patient.outline,
        spots=spots,
        fields=patient.fields,
        implants=patient.implants,
    )


def turned(scene: Scene, axes: Vector) -> Scene:
    """The scene in the frame whose axes are the columns of ``axes`` (a grid's direction), with the same origin.

    Solids are turned exactly. Random fields and the outline go with the nearest of the patient's own axes, but for the
    outline's sideways lean: they shift by a few millimetres where the frame is oblique.
    """
    back = np.asarray(axes, dtype=np.float64).T
    nearest = np.zeros((3, 3))
    for column in range(3):
        row = int(np.abs(axes[:, column]).argmax())
        nearest[row, column] = np.sign(axes[row, column])
    up = axes @ nearest.T @ np.array([0.0, 0.0, 1.0])
    still = np.zeros(3)
    return replace(
        scene,
        bones=tuple(bone.moved(back, still) for bone in scene.bones),
        organs=tuple(replace(organ, solid=organ.solid.moved(back, still)) for organ in scene.organs),
        implants=tuple(replace(organ, solid=organ.solid.moved(back, still)) for organ in scene.implants),
        outline=replace(scene.outline, slant=scene.outline.slant - float(up[0])),
        spots=tuple((n, spot.moved(back, still)) for n, spot in scene.spots),
        fields=tuple(one.turned(nearest) for one in scene.fields),
        axes=nearest,
    )
