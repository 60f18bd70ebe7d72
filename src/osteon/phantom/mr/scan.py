"""One synthetic patient in the MR scanner: stations, sequences, slices, and the truth on each station's T1 grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from osteon.geometry import Grid
from osteon.phantom.anatomy.shapes import rotation
from osteon.phantom.canvas import Canvas
from osteon.phantom.mr.acquisition import Motion, acquire, draw_motion, draw_surroundings
from osteon.phantom.mr.palette import MrPalette, water_channels
from osteon.phantom.mr.patient import column_curve
from osteon.phantom.mr.signal import signal
from osteon.phantom.painter import paint
from osteon.phantom.scene import turned
from osteon.phantom.tissue import MARROW_WATER, Tissue
from osteon.records import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.phantom.anatomy.shapes import Array, Vector
    from osteon.phantom.mr.patient import MrPatient
    from osteon.phantom.mr.protocol import Protocol
    from osteon.phantom.mr.sequence import Sequence
    from osteon.phantom.scene import Scene

Label = TypeVar("Label", np.uint8, np.uint16)
SUBSLICES = 3
"""Rendered for every slice."""
_SLAB_SLICES = 4
_OVERLAP = 0.14
_REFERENCE = Tissue(name="marrow", hu=0, proton_density=0.86, fat_fraction=0.4, t1_ms=MARROW_WATER.t1_ms)
_GREY = {"SIEMENS": 900.0, "GE MEDICAL SYSTEMS": 3000.0, "Philips Medical Systems": 1600.0}
"""Stored value of the 99.5th percentile, about."""
_STORED_MAX = 4095


@dataclass(frozen=True, kw_only=True, slots=True)
class MrSeries:
    """One series of one station.

    Attributes:
        sequence: how it was made.
        volume: uint16 grey levels, (slice, row, column): slices run to the patient's right, rows to the feet, columns
            to the back.
    """

    sequence: Sequence
    volume: Volume


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """One position of the table; masks (slice, row, column) on the grid of its first series.

    Attributes:
        series: in the order of the protocol.
        lesions: uint16, 0 or the lesion's number.
        vertebrae: uint8 VerSe numbers, processes included.
        sites: uint8, 0 outside bone, else index into ``painter.SITES``.
    """

    series: tuple[MrSeries, ...]
    lesions: NDArray[np.uint16]
    vertebrae: NDArray[np.uint8]
    sites: NDArray[np.uint8]

    @property
    def grid(self) -> Grid:
        """The grid of the masks."""
        return self.series[0].volume.grid


@dataclass(frozen=True, kw_only=True, slots=True)
class MrScan:
    """A phantom MR examination; stations from the head downwards."""

    patient: MrPatient
    protocol: Protocol
    stations: tuple[Station, ...]


@dataclass(frozen=True, slots=True)
class _Render:
    """Noiseless station: per sequence fat density and water signal (slice, row, column), masks as rendered."""

    fat: list[Array]
    water: list[Array]
    lesions: NDArray[np.uint16]
    vertebrae: NDArray[np.uint8]
    sites: NDArray[np.uint8]


def scan_patient(
    patient: MrPatient,
    protocol: Protocol,
    *,
    range_mm: tuple[float, float] | None = None,
    target_mm: tuple[float, float, float] | None = None,
) -> MrScan:
    """Scan a patient; everything random comes from the patient's ``texture_seed``.

    Slices stand along the spine as the patient lies, a degree or two off.

    Args:
        patient: from ``mr.patient.draw_mr_patient``, with spots.
        protocol: from ``mr.protocol.draw_protocol``.
        range_mm: heights (LPS z) to cover with one station, in place of the protocol's field of view and stations.
        target_mm: LPS point that one station shall have in its middle (a fracture, a tumour).
    """
    rng = np.random.default_rng(patient.texture_seed)
    person = patient.person
    axes = rotation(0.0, person.roll_deg + rng.normal(0, 1.0), person.yaw_deg + rng.normal(0, 1.0))
    direction = np.stack([axes[:, 1], -axes[:, 2], -axes[:, 0]], axis=1)
    scene = turned(patient.scene, direction)
    fov = protocol.fov_mm if range_mm is None else range_mm[1] - range_mm[0]
    size = max(max(one.acquired) for one in protocol.sequences)
    stations = []
    for centre in _centres(patient, protocol, fov_mm=fov, rng=rng, range_mm=range_mm, target_mm=target_mm):
        grid = _grid(centre, direction, matrix=size, fov_mm=fov, protocol=protocol)
        stations.append(_station(scene, patient, protocol, grid=grid, rng=rng))
    return MrScan(patient=patient, protocol=protocol, stations=tuple(stations))


def spine_curve(patient: MrPatient) -> Vector:
    """LPS centres of the vertebral bodies L5 to C1, posed, (n, 3)."""
    return np.array([bone.centre for bone in patient.bones if bone.site == "vertebra"])


def _centres(
    patient: MrPatient,
    protocol: Protocol,
    *,
    fov_mm: float,
    rng: np.random.Generator,
    range_mm: tuple[float, float] | None,
    target_mm: tuple[float, float, float] | None,
) -> list[Vector]:
    """LPS middles of the stations, from the head downwards."""
    curve = spine_curve(patient)
    if range_mm is not None:
        heights = [0.5 * (range_mm[0] + range_mm[1])]
    elif target_mm is not None:
        heights = [target_mm[2] + float(rng.uniform(-0.12, 0.12)) * fov_mm]
    else:
        low, high = float(curve[0, 2]) - 85.0, float(curve[-1, 2]) + 45.0
        heights = _heights(low, high, fov_mm=fov_mm, count=protocol.stations, rng=rng)
    order = np.argsort(curve[:, 2])
    centres = []
    for z in heights:
        near = np.abs(curve[:, 2] - z) < 0.45 * fov_mm
        part = curve[near] if near.any() else curve[order][:1]
        x = float(np.mean(part[:, 0])) if target_mm is None else 0.5 * (float(np.mean(part[:, 0])) + target_mm[0])
        middle = 0.5 * (float(part[:, 1].min()) + float(part[:, 1].max()))
        centres.append(np.array([x + rng.normal(0, 1.5), middle - 0.04 * fov_mm + rng.normal(0, 8), z]))
    return centres


def _heights(low: float, high: float, *, fov_mm: float, count: int, rng: np.random.Generator) -> list[float]:
    """Middles of the stations, from the head down: over the whole spine where they reach, else from anywhere."""
    if count == 1:
        return [float(rng.uniform(low + fov_mm / 2, high - fov_mm / 2))]
    reach = (count - 1) * fov_mm * (1 - _OVERLAP) + fov_mm
    top = high if reach >= high - low else float(rng.uniform(low + reach, high))
    step = (max(min(reach, high - low), fov_mm) - fov_mm) / (count - 1)
    return [top - fov_mm / 2 - k * step for k in range(count)]


def _grid(centre: Vector, direction: Vector, *, matrix: int, fov_mm: float, protocol: Protocol) -> Grid:
    """The grid of a station at one matrix, its corner the same for all."""
    pixel = fov_mm / matrix
    half = np.array([(matrix - 1) / 2 * pixel] * 2 + [(protocol.slices - 1) / 2 * protocol.pitch_mm])
    origin = centre - direction @ half
    rows = [tuple(float(value) for value in row) for row in direction]
    return Grid(
        shape=(protocol.slices, matrix, matrix),
        spacing_mm=(pixel, pixel, protocol.pitch_mm),
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=(rows[0], rows[1], rows[2]),  # type: ignore[arg-type]
    )


def _station(scene: Scene, patient: MrPatient, protocol: Protocol, *, grid: Grid, rng: np.random.Generator) -> Station:
    size, fov = grid.shape[1], grid.shape[1] * grid.spacing_mm[0]
    local = spine_curve(patient) @ grid.axes - grid.axes.T @ np.asarray(grid.origin_mm)
    spine_px = local[:, :2] / grid.spacing_mm[0]
    pixel = grid.spacing_mm[0]
    motions = [draw_motion(rng, pixel_mm=pixel, first=k == 0, subs=SUBSLICES) for k in range(len(protocol.sequences))]
    rendered = _render(scene, patient, protocol, grid=grid, motions=motions)
    body = rendered.fat[0].max(axis=0) + np.abs(rendered.water[0]).max(axis=0) > 0.05
    columns = np.flatnonzero(body.any(axis=0))
    back = float(columns[-1]) if len(columns) else float(size)
    around = draw_surroundings(
        rng,
        size=size,
        fov_mm=fov,
        back_px=back,
        band=_band(spine_px, size, pixel_mm=pixel, rng=rng) if protocol.saturation_band else None,
        field_t=protocol.field_t,
    )
    series = []
    for sequence, fat, water, motion in zip(protocol.sequences, rendered.fat, rendered.water, motions, strict=True):
        reference = signal(protocol.sequences[0], _REFERENCE)
        picture = acquire(
            fat,
            water,
            sequence=sequence,
            around=around,
            motion=motion,
            noise=0.55 * reference / sequence.snr,
            rng=rng,
        )
        series.append(_series(picture, sequence, grid=grid, vendor=protocol.vendor, rng=rng))
    matrix = protocol.sequences[0].matrix
    return Station(
        series=tuple(series),
        lesions=resize_labels(rendered.lesions, matrix),
        vertebrae=resize_labels(rendered.vertebrae, matrix),
        sites=resize_labels(rendered.sites, matrix),
    )


def _band(spine_px: Vector, size: int, *, pixel_mm: float, rng: np.random.Generator) -> Vector:
    """Column of the saturation band's back edge on each row: a straight line in front of all bodies in view."""
    inside = (spine_px[:, 1] > 0) & (spine_px[:, 1] < size)
    seen = spine_px[inside] if inside.sum() >= 2 else spine_px
    slope = np.polyfit(seen[:, 1], seen[:, 0], 1)[0]
    front = float((seen[:, 0] - slope * seen[:, 1]).min())
    margin = (rng.uniform(26, 40)) / pixel_mm
    return np.asarray(front - margin + slope * np.arange(size), dtype=np.float64)


def _render(scene: Scene, patient: MrPatient, protocol: Protocol, *, grid: Grid, motions: list[Motion]) -> _Render:
    """Paint sub-slices a few slices at a time and average them over the slice thickness."""
    sequences = protocol.sequences
    palette = MrPalette(
        sequences,
        marrow_fat=patient.marrow_fat,
        muscle_fat=patient.person.muscle_fat,
        spine_mm=column_curve(patient.bones),
    )
    channels = water_channels(sequences)
    shape = grid.shape
    out = _Render(
        fat=[np.empty(shape, dtype=np.float32) for _ in sequences],
        water=[np.empty(shape, dtype=np.float32) for _ in sequences],
        lesions=np.empty(shape, dtype=np.uint16),
        vertebrae=np.empty(shape, dtype=np.uint8),
        sites=np.empty(shape, dtype=np.uint8),
    )
    for start in range(0, shape[0], _SLAB_SLICES):
        stop = min(start + _SLAB_SLICES, shape[0])
        image, truth = paint(scene, _canvas(grid, start, stop, protocol.thickness_mm), palette)
        parts = image.reshape(image.shape[0], stop - start, SUBSLICES, *shape[1:])
        for k, motion in enumerate(motions):
            weights = np.array(motion.weights, dtype=np.float32)[:, None, None]
            out.fat[k][start:stop] = (parts[0] * weights).sum(axis=1)
            out.water[k][start:stop] = (parts[channels[k]] * weights).sum(axis=1)
        middle = slice(SUBSLICES // 2, None, SUBSLICES)
        out.lesions[start:stop] = truth.lesions[middle]
        out.vertebrae[start:stop] = truth.labels[middle]
        out.sites[start:stop] = truth.sites[middle]
    return out


def _canvas(grid: Grid, start: int, stop: int, thickness_mm: float) -> Canvas:
    """Sub-slices of slices ``start`` to ``stop``, spread over the thickness; nothing in the gaps."""
    origin = grid.axes.T @ np.asarray(grid.origin_mm)
    xs, ys = ((origin[k] + grid.spacing_mm[k] * np.arange(grid.shape[2 - k])).astype(np.float32) for k in range(2))
    step = thickness_mm / SUBSLICES
    slices = origin[2] + grid.spacing_mm[2] * np.arange(start, stop)
    zs = (slices[:, None] + step * (np.arange(SUBSLICES) - (SUBSLICES - 1) / 2)).ravel().astype(np.float32)
    return Canvas(xs, ys, zs, float(np.cbrt(grid.spacing_mm[0] * grid.spacing_mm[1] * step)))


def _series(picture: Array, sequence: Sequence, *, grid: Grid, vendor: str, rng: np.random.Generator) -> MrSeries:
    """Grey levels as the vendor scales them, on the grid of the sequence's matrix."""
    top = float(np.percentile(picture[:, ::4, ::4], 99.5))
    scale = _GREY[vendor] * float(rng.uniform(0.7, 1.3)) / max(top, 1e-6)
    grey = np.clip(np.rint(picture * np.float32(scale)), 0, _STORED_MAX).astype(np.uint16)
    return MrSeries(sequence=sequence, volume=Volume(array=grey, grid=at_matrix(grid, sequence.matrix), modality="MR"))


def at_matrix(grid: Grid, matrix: int) -> Grid:
    """A station's grid with another number of rows and columns over the same field of view."""
    pixel = grid.spacing_mm[0] * grid.shape[1] / matrix
    index = np.array([0.5 * (pixel / grid.spacing_mm[0] - 1)] * 2 + [0.0])
    origin = grid.to_mm(index)
    return Grid(
        shape=(grid.shape[0], matrix, matrix),
        spacing_mm=(pixel, pixel, grid.spacing_mm[2]),
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=grid.direction,
    )


def resize_labels(labels: NDArray[Label], matrix: int) -> NDArray[Label]:
    """Label planes (slice, row, column) at another matrix, edges kept smooth."""
    size = labels.shape[-1]
    if matrix == size:
        return labels
    out = np.zeros((len(labels), matrix, matrix), dtype=labels.dtype)
    for k, plane in enumerate(labels):
        best = np.full((matrix, matrix), 0.5, dtype=np.float32)
        for value in np.unique(plane[plane > 0]):
            share = cv2.resize((plane == value).astype(np.float32), (matrix, matrix), interpolation=cv2.INTER_LINEAR)
            wins = share > best
            out[k][wins], best[wins] = value, share[wins]
    return out
