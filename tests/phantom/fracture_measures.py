"""What a careful reader would measure on noiseless T1 and T2 pictures of a fractured vertebra, one score a feature.

Pictures are painted along the vertebra's own axes, so that an array's z, y and x are its up, back and left. Scores are
larger where the feature is there; they use the picture, the mask of vertebrae, and the middle and depth of the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from osteon.phantom.anatomy.shapes import VertebralBody
from osteon.phantom.canvas import Canvas
from osteon.phantom.lesions import fracture_features as ff
from osteon.phantom.mr.palette import MrPalette, water_channels
from osteon.phantom.mr.patient import column_curve
from osteon.phantom.mr.sequence import Sequence
from osteon.phantom.mr.signal import fat_left, fat_signal, water_left
from osteon.phantom.painter import paint
from osteon.phantom.scene import turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.phantom.fracture_patient import FracturePatient

    Array = NDArray[np.float32]

SEQUENCES = (
    Sequence(role="t1", weighting="T1", tr_ms=400, te_ms=15),
    Sequence(role="t2", weighting="T2", tr_ms=3200, te_ms=90, echo_train=12),
)
"""Times as in the study; the echo train is a guess."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """T1, T2 and VerSe numbers (z, y, x), with the axes in mm from the middle of the body."""

    t1: Array
    t2: Array
    labels: NDArray[np.uint8]
    up: Array
    back: Array
    left: Array
    step: float
    label: int
    body: VertebralBody

    def near(self, *, back: tuple[float, float], left: float, up: tuple[float, float]) -> NDArray[np.bool_]:
        """Voxels of a box, mm; ``left`` to both sides."""
        z, y, x = np.meshgrid(self.up, self.back, self.left, indexing="ij", sparse=True)
        box = (np.abs(x) <= left) & (y >= back[0]) & (y <= back[1]) & (z >= up[0]) & (z <= up[1])
        return np.asarray(np.broadcast_to(box, self.t1.shape))

    @property
    def marrow(self) -> NDArray[np.bool_]:
        """The inside of the body, 1 to 2 mm under its surface."""
        deep = self.body.depth_mm / 2
        bone = ndimage.binary_erosion(self.labels == self.label, iterations=max(1, round(1.4 / self.step)))
        return np.asarray(bone & self.near(back=(-deep, 0.6 * deep), left=0.4 * self.body.width_mm, up=(-40, 40)))


def picture(fracture: FracturePatient, *, half_mm: tuple[float, float, float], step: float) -> Picture:
    """Paint the surroundings of the body; ``half_mm`` is how far to the left, back and up."""
    patient, bone = fracture.patient, fracture.bone
    body = bone.solids[0]
    assert isinstance(body, VertebralBody)
    centre = bone.frame.T @ bone.centre
    left, back, up = (np.arange(-half, half + step / 2, step, dtype=np.float32) for half in half_mm)
    xs, ys, zs = ((axis + c).astype(np.float32) for axis, c in zip((left, back, up), centre, strict=True))
    palette = MrPalette(
        SEQUENCES,
        marrow_fat=patient.marrow_fat,
        muscle_fat=patient.person.muscle_fat,
        spine_mm=column_curve(patient.bones),
    )
    image, truth = paint(turned(patient.scene, bone.frame), Canvas(xs, ys, zs, step), palette)
    t1, t2 = (
        np.abs(water_left(one) * image[channel] + fat_left(one) * fat_signal(one) * image[0])
        for one, channel in zip(SEQUENCES, water_channels(SEQUENCES), strict=True)
    )
    return Picture(
        t1=t1, t2=t2, labels=truth.labels, up=up, back=back, left=left, step=step, label=bone.label, body=body
    )


def scores(fracture: FracturePatient, upright: FracturePatient) -> dict[str, float]:
    """One score a feature of Table 1.

    Args:
        fracture: the patient.
        upright: the same patient without a collapse.
    """
    close = picture(fracture, half_mm=(21.0, 34.0, 36.0), step=1.1)
    wide = picture(fracture, half_mm=(14.0, 60.0, 130.0), step=2.2)
    return {
        **_shape(fracture, upright),
        **_signal(close, _reference(wide)),
        **_beyond(close, _reference(wide)[0]),
        ff.OTHERS: _others(wide, fracture),
        ff.PROTRUSION: _reach(close),
    }


def _heights(fracture: FracturePatient) -> tuple[float, float, float]:
    """Height in front, behind and in the middle of the body, mm, from what is bone beside the midline."""
    bone = fracture.bone
    body = bone.solids[0]
    assert isinstance(body, VertebralBody)
    step = 0.25
    across = np.array([-0.15, -0.05, 0.05, 0.15]) * body.width_mm
    found = []
    for low, high, percentile in ((-0.95, -0.4, 98), (0.3, 0.85, 98), (-0.25, 0.15, 20)):
        deep, up = np.linspace(low, high, 12) * body.depth_mm / 2, np.arange(-20, 20, step)
        x, y, z = np.meshgrid(across, deep, up, indexing="ij")
        points = body.centre + np.stack([x, y, z], axis=-1) @ body.frame.T
        inside = bone.distance(*np.moveaxis(points, -1, 0).astype(np.float32)) < 0
        found.append(float(np.percentile(inside.sum(axis=2)[inside.any(axis=2)], percentile) * step))
    return found[0], found[1], found[2]


def _shape(fracture: FracturePatient, upright: FracturePatient) -> dict[str, float]:
    now = _heights(fracture)
    front, back, middle = (a / b for a, b in zip(now, _heights(upright), strict=True))
    return {
        ff.NO_COLLAPSE: min(front, back, middle),
        ff.WEDGE: min(back - front, 2 * (back - 0.8)),
        ff.WHOLE: -back,
        ff.CONCAVE: -now[2] / ((now[0] + now[1]) / 2),
    }


def _reach(view: Picture) -> float:
    """How far the vertebra reaches behind the end-plates' back ends in the midline, mm, on the picture."""
    deep = view.body.depth_mm / 2
    box = view.near(back=(-deep - 7, deep + 5), left=2.5, up=(-0.45 * view.body.back_mm, 0.5 * view.body.back_mm))
    return float(view.back[((view.labels == view.label) & box).any(axis=(0, 2))].max() - deep)


def _reference(view: Picture) -> tuple[float, float]:
    """T1 and T2 of the marrow of all other vertebrae in view."""
    others = (view.labels > 0) & (view.labels != view.label)
    inside = ndimage.binary_erosion(others & view.near(back=(-60, 0.4 * view.body.depth_mm), left=14, up=(-130, 130)))
    return float(np.median(view.t1[inside])), float(np.median(view.t2[inside]))


def _opened(mask: NDArray[np.bool_], view: Picture, radius_mm: float) -> NDArray[np.bool_]:
    """The part of a mask in which a ball of this radius has room."""
    reach = int(radius_mm / view.step)
    z, y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1, -reach : reach + 1]
    ball = (z**2 + y**2 + x**2) * view.step**2 <= radius_mm**2
    return np.asarray(ndimage.binary_opening(mask, ball))


def _signal(view: Picture, reference: tuple[float, float]) -> dict[str, float]:
    marrow, (ref1, ref2) = view.marrow, reference
    t1, t2 = view.t1 / np.float32(ref1), view.t2 / np.float32(ref2)
    changed = marrow & ((t1 < 0.87) | (t2 > 1.22))
    dark, bright = marrow & (t1 < 0.65) & (t2 < 0.65), marrow & (t2 > 1.9 * np.percentile(t2[marrow], 60))
    spread = max(float(np.ptp(np.percentile(one[marrow], (4, 96)))) for one in (t1, t2))
    off = max(abs(float(np.median(one[marrow])) - 1) for one in (t1, t2))
    heights = np.broadcast_to(view.up[:, None, None], t1.shape)
    low, high = np.quantile(heights[marrow], (0.3, 0.7))
    grey = marrow & ~dark
    ends = [float(changed[grey & part].mean()) for part in (heights <= low, heights >= high)]
    middle1, middle2 = np.median(t1[grey]), np.median(t2[grey])
    apart = grey & ((t1 < 0.85 * middle1) | (t2 > 1.25 * max(middle2, 1.0)))
    plane = marrow.sum(axis=(1, 2)).max()
    return {
        ff.HOMOGENEOUS: -spread - off,
        ff.DIFFUSE: float((changed & ~dark)[marrow].mean()),
        ff.BAND: abs(ends[1] - ends[0]),
        ff.LINE: _layer(view, dark, marrow),
        ff.PATCH: float(_opened(dark, view, 2.4).sum() * view.step**3),
        ff.CLEFT: float(bright.sum(axis=(1, 2)).max() / plane),
        ff.NODULE: _lump(_opened(apart, view, 2.6), marrow),
    }


def _lump(found: NDArray[np.bool_], marrow: NDArray[np.bool_]) -> float:
    """Share of the body that the largest piece takes which does not lie across it from side to side."""
    pieces, count = ndimage.label(found)
    whole = ndimage.find_objects(marrow.astype(int))[0]
    best = 0.0
    for number, window in enumerate(ndimage.find_objects(pieces), start=1):
        across = np.prod([(a.stop - a.start) / (b.stop - b.start) for a, b in zip(window[1:], whole[1:], strict=True)])
        if count and across < 0.7:
            best = max(best, float((pieces == number).sum() / marrow.sum()))
    return best


def _layer(view: Picture, dark: NDArray[np.bool_], marrow: NDArray[np.bool_]) -> float:
    """Share of the body's columns, near its middle, that a dark layer of at most 5 mm crosses."""
    box = view.near(
        back=(-0.3 * view.body.depth_mm, 0.2 * view.body.depth_mm), left=0.25 * view.body.width_mm, up=(-40, 40)
    )
    thickness = (dark & box).sum(axis=0) * view.step
    columns = (marrow & box).any(axis=0)
    return float(((thickness > 0) & (thickness < 5.0))[columns].mean())


def _beyond(view: Picture, ref1: float) -> dict[str, float]:
    deep, high = view.body.depth_mm / 2, view.body.back_mm
    bone = ndimage.binary_erosion(view.labels == view.label) & (view.t1 > 0.4 * ref1)
    bone &= view.near(back=(deep, deep + 12), left=21, up=(-20, 20)) & ~view.near(back=(-34, 34), left=5, up=(-36, 36))
    sides = [float(np.median(view.t1[:, :, side][bone[:, :, side]])) for side in (view.left < 0, view.left > 0)]
    soft = (view.t1 > 0.45 * ref1) & (view.t1 < 0.98 * ref1)

    def share(back: tuple[float, float], left: float, up: tuple[float, float]) -> float:
        box = view.near(back=back, left=left, up=up) & (view.labels == 0)
        return float(soft[box].mean()) if box.any() else 0.0

    found = []
    for back, left in (((deep - 2.5, deep + 2.5), 0.2 * view.body.width_mm), ((-deep - 7, -deep - 3), 6.0)):
        here = share(back, left, (-0.35 * high, 0.35 * high))
        away = min(share(back, left, (-36, -0.5 * high - 8)), share(back, left, (0.5 * high + 8, 36)))
        found.append(here - 0.7 * away)
    return {ff.ARCH: 1 - min(sides) / ref1, ff.MASS: max(found)}


def _others(view: Picture, fracture: FracturePatient) -> float:
    """Volume of the largest round dark place on T1 in another vertebra, mm3."""
    column = (view.labels > 0) & (view.labels != view.label)
    inside = ndimage.binary_erosion(column)
    ref = np.median(view.t1[inside])
    hidden = np.isin(view.labels, [bone.label for bone in fracture.patient.bones if bone.name in fracture.old])
    dark = _opened(inside & ~hidden & (view.t1 < 0.87 * ref) & (view.t1 > 0.4 * ref), view, 2.9)
    pieces, count = ndimage.label(dark)
    return float(np.bincount(pieces.ravel())[1:].max() * view.step**3) if count else 0.0
