"""Slices of MR phantoms to train a localiser on: rendered in memory, and disguised so that it trusts no grey level."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from osteon.phantom.anatomy.shapes import VertebralBody
from osteon.phantom.mr.acquisition import smooth_map
from osteon.phantom.mr.patient import draw_mr_patient
from osteon.phantom.mr.protocol import draw_protocol
from osteon.phantom.mr.scan import MrScan, scan_patient

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]
    Points = NDArray[np.float64]

SEED = 11
PIXEL_MM = 1.6
CROP = 144
SIDE = 208
SLICES, PITCH_MM = 5, 8.0
MIDDLE_LUMBAR = 22
"""L3: every other patient is scanned round it, so that the sacrum is often in view; the others anywhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slices:
    """Phantom slices: image (n, SIDE, SIDE) uint8, bodies the same shape (0, or VerSe numbers), pixel_mm (n,)."""

    image: NDArray[np.uint8]
    bodies: NDArray[np.uint8]
    pixel_mm: NDArray[np.float32]


def render(seeds: range) -> Slices:
    """Slices of one patient for each seed, mid-line to 16 mm beside it, all sequences."""
    images, bodies, pixels = [], [], []
    for seed in seeds:
        rng = np.random.default_rng((SEED, seed))
        patient = draw_mr_patient(rng)
        drawn = draw_protocol(rng, study="tumor", centre="abc"[seed % 3])
        protocol = replace(
            drawn,
            slices=SLICES,
            stations=1,
            gap_mm=PITCH_MM - drawn.thickness_mm,
            fov_mm=float(rng.uniform(200, 360)),
        )
        loin = next(bone.centre for bone in patient.bones if bone.label == MIDDLE_LUMBAR)
        scan = scan_patient(patient, protocol, target_mm=tuple(loin) if seed % 2 else None)
        labels = [_square(plane, cv2.INTER_NEAREST) for plane in body_labels(scan)]
        for series in scan.stations[0].series:
            for plane, label in zip(series.volume.array, labels, strict=True):
                images.append(_square(np.rint(255 * stretched(plane)).astype(np.uint8), cv2.INTER_AREA))
                bodies.append(label)
                pixels.append(protocol.fov_mm / SIDE)
    return Slices(image=np.array(images), bodies=np.array(bodies), pixel_mm=np.array(pixels, dtype=np.float32))


def _square(plane: NDArray[Any], how: int) -> NDArray[Any]:
    return cv2.resize(plane, (SIDE, SIDE), interpolation=how)


def body_labels(scan: MrScan) -> NDArray[np.uint8]:
    """VerSe numbers of the bodies alone, without their processes: (slice, row, column)."""
    station = scan.stations[0]
    out = np.zeros_like(station.vertebrae)
    for bone in scan.patient.bones:
        if bone.site != "vertebra" or not isinstance(bone.solids[0], VertebralBody):
            continue
        place = np.argwhere(station.vertebrae == bone.label)
        if len(place):
            x, y, z = station.grid.to_mm(place[:, ::-1]).T.astype(np.float32)
            inside = place[bone.solids[0].distance(x, y, z) < 0.5]
            out[tuple(inside.T)] = bone.label
    return out


def stretched(plane: NDArray[Any]) -> Plane:
    """Grey levels from 0 to 1 between the 1st and 99.5th percentile of what is not empty."""
    seen = plane[plane > plane.min()]
    low, high = np.percentile(seen, (1, 99.5)) if len(seen) else (0.0, 1.0)
    return np.asarray(np.clip((plane - low) / max(high - low, 1e-6), 0, 1), dtype=np.float32)


def crop(data: Slices, k: int, rng: np.random.Generator) -> tuple[Plane, NDArray[np.uint8]]:
    """Slice ``k`` turned, zoomed, stretched and cut round a place near a body: image and body numbers."""
    label = data.bodies[k]
    place = np.argwhere(label > 0)
    middle = place[rng.integers(len(place))] if len(place) else np.array([SIDE / 2, SIDE / 2])
    middle = middle + rng.normal(0, 18, 2)
    scale = data.pixel_mm[k] / PIXEL_MM * np.exp(rng.uniform(-0.4, 0.4))
    aspect = np.exp(rng.normal(0, 0.15))
    angle = np.deg2rad(rng.normal(0, 12))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.diag([scale * aspect, scale / aspect]) @ turn
    shift = CROP / 2 - matrix @ middle[::-1]
    affine = np.hstack([matrix, shift[:, None]])
    image = cv2.warpAffine(data.image[k], affine, (CROP, CROP), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    return image, cv2.warpAffine(label, affine, (CROP, CROP), flags=cv2.INTER_NEAREST)


def disguise(image: Plane, rng: np.random.Generator) -> Plane:
    """Other contrast, shading, sharpness, motion and noise, and sometimes less in view."""
    image = image ** np.float32(np.exp(rng.normal(0, 0.4)))
    draw = rng.random(7)
    if draw[0] < 0.15:
        image = np.where(image > 0, 1 - 0.9 * image, 0)
    if draw[1] < 0.25:
        image = np.clip(image + np.sin(2 * np.pi * image * rng.uniform(0.5, 1.2) + rng.uniform(0, 6)) * 0.2, 0, 2)
    if draw[2] < 0.6:
        image = image * np.exp(rng.uniform(0.1, 0.6) * smooth_map(rng, CROP, blobs=int(rng.integers(1, 4))))
    if draw[3] < 0.5:
        sigma = np.exp(rng.normal(-0.4, 0.5, 2))
        image = cv2.GaussianBlur(image, (0, 0), sigmaX=sigma[0], sigmaY=sigma[1])
    if draw[4] < 0.15:
        axis, step = int(rng.integers(2)), int(rng.integers(4, 40))
        image = image + rng.uniform(0.05, 0.25) * np.roll(image, step, axis=axis)
    noise = rng.uniform(0, 0.09) if draw[5] < 0.6 else 0.0
    image = np.hypot(image + noise * rng.standard_normal(image.shape), noise * rng.standard_normal(image.shape))
    if draw[6] < 0.3:
        left, right = rng.integers(0, CROP // 3, 2)
        image[:, :left], image[:, CROP - right :] = 0, 0
    return np.asarray(image, dtype=np.float32)


def heat_map(bodies: NDArray[np.uint8]) -> tuple[Plane, Points]:
    """A hill at the middle of each body, as wide as a fifth of its size, and the middles (row, column)."""
    heat = np.zeros(bodies.shape, dtype=np.float32)
    rows, columns = np.indices(bodies.shape, dtype=np.float32)
    middles = []
    for number in np.unique(bodies[bodies > 0]):
        place = np.argwhere(bodies == number)
        if len(place) < 25:
            continue
        row, column = place.mean(axis=0)
        spread = 2 * (0.18**2) * len(place)
        np.maximum(heat, np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / spread), out=heat)
        middles.append((row, column))
    return heat, np.array(middles).reshape(-1, 2)


def normalised(image: Plane) -> Plane:
    """What the network is given: grey levels stretched, mean 0 and SD 1."""
    plain = stretched(image)
    return (plain - plain.mean()) / max(float(plain.std()), 1e-3)


def sample(data: Slices, k: int, rng: np.random.Generator) -> tuple[Plane, Plane, NDArray[np.uint8]]:
    """Network input, targets (body, heat) and body numbers of one augmented slice."""
    image, bodies = crop(data, k, rng)
    heat, _ = heat_map(bodies)
    return normalised(disguise(image, rng)), np.stack([(bodies > 0).astype(np.float32), heat]), bodies
