"""The bone U-Net on planes of all directions: what one slice leaves open, the planes across it settle.

Beyond the study, whose network sees axial slices (``bone_slices``). One network reads axial, sagittal and coronal
slices of cubes of ``config.pixel_mm``, and their answers are averaged, as in Perslev et al., MICCAI 2019
(arXiv:1911.01764). It is taught on planes tilted at random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from scipy import ndimage

from osteon.imaging.slices import Window, pad_to_multiple, resize_slice
from osteon.systems.lytic.bone_slices import (
    IGNORED,
    MARGIN_PX,
    STRIDE,
    bone_loss,
    build_bone_network,
)
from osteon.systems.lytic.bone_variation import vary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from osteon.systems.lytic.cases import TrainingCase
    from osteon.systems.lytic.config import BoneConfig

__all__ = ["batches", "bone_loss", "bone_masks", "build_bone_network", "draw_sample", "validation_metrics"]

AXES = ((2, 1, 0), (1, 2, 0), (0, 2, 1))
"""Of axial, coronal and sagittal planes: normal, direction of rows and of columns, as axes (x, y, z) = 0, 1, 2."""
SHARES = (0.4, 0.25, 0.35)
"""How often each is taught."""
TILT_DEG = 15.0
ZOOM = 0.25
PLANES_A_CASE = 9
"""Validation planes of each scan."""
TOGETHER = 8
"""Planes in one pass of the network."""
SEAL_MM, LARGEST_HOLE_MM3 = 2.0, 40000.0
"""Gaps of the cortex up to twice the first are sealed before cavities up to the second are filled: a lumbar body has
30 000 to 45 000 mm3. The spinal canal is open at both ends and stays empty."""
CORTEX_HU, CORTEX_SHARE, CORTEX_MM3 = 300.0, 0.02, 1000.0
"""A part from the third size on of which less than the second exceeds the first has no cortex: an enhanced kidney."""
BRIGHT_REACH_MM = 4.5
"""How far from sure bone bright voxels in doubt may lie."""
SHELL_CHANCE = 0.4
"""What closes a cavity."""
EMPTY_HU = -200.0
"""Cavities are not filled where there is air."""
CORE_CHANCE = np.uint8(230)
"""What deep bone is raised to."""
THIN_MM, STRAY_SHARE = 4.5, 0.02
"""What is thinner than the first is no body (the shell of a table, a tube), nor is a part smaller than the second, as a
share of the largest part; arms are larger."""


def draw_sample(
    cases: Sequence[TrainingCase], *, config: BoneConfig, generator: np.random.Generator, plain: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """One plane: windowed values (3, crop, crop), neighbours first and last, and site labels (crop, crop).

    Args:
        cases: to draw from.
        config: of the stage.
        generator: draws everything.
        plain: neither tilted nor changed, as for validation.
    """
    case = cases[int(generator.integers(len(cases)))]
    centre = _centre(case, generator)
    kind = int(generator.choice(len(AXES), p=SHARES))
    frame = _frame(kind, generator, plain=plain)
    image, sites = _plane(case, centre, frame, config=config)
    if not case.has_sites:
        sites = np.where(sites > 0, np.uint8(IGNORED), np.uint8(0))
    return (image, sites) if plain else vary(image, sites, generator)


def _centre(case: TrainingCase, generator: np.random.Generator) -> NDArray[np.float64]:
    """Index (x, y, z) of a plane's middle: on bone in three of four, else anywhere."""
    shape = np.array(case.hu.shape[::-1])
    if generator.random() < 0.75:
        for _ in range(20):
            z = int(generator.integers(shape[2]))
            ys, xs = np.nonzero(case.sites[z][::4, ::4])
            if len(ys):
                k = int(generator.integers(len(ys)))
                return np.array([xs[k] * 4.0, ys[k] * 4.0, float(z)])
    return generator.uniform(0, shape - 1)


def _frame(kind: int, generator: np.random.Generator, *, plain: bool) -> NDArray[np.float64]:
    """Columns: steps along columns, rows and normal of a plane, in mm of (x, y, z) for a mm of the crop."""
    normal, rows, columns = AXES[kind]
    frame = np.eye(3)[:, [columns, rows, normal]]
    if plain:
        return frame
    for axis in range(3):
        angle = np.deg2rad(generator.uniform(-TILT_DEG, TILT_DEG))
        a, b = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        frame = turn @ frame
    mirror = [generator.choice([-1.0, 1.0]), generator.choice([-1.0, 1.0]), generator.choice([-1.0, 1.0])]
    zoom = generator.uniform(1 - ZOOM, 1 + ZOOM) * generator.uniform(0.9, 1.1, 3)
    return np.asarray(frame * (np.array(mirror) * zoom))


def _plane(
    case: TrainingCase, centre: NDArray[np.float64], frame: NDArray[np.float64], *, config: BoneConfig
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A plane and its neighbours through ``centre`` (index x, y, z); labels of the plane itself."""
    steps = (np.arange(config.crop) - (config.crop - 1) / 2) * config.pixel_mm
    across, down = np.meshgrid(steps, steps)
    spacing = np.asarray(case.spacing_mm)
    flat = np.stack([across, down])  # (2, crop, crop) mm along columns and rows
    inside = np.einsum("ik,khw->ihw", frame[:, :2], flat) / spacing[:, None, None] + centre[:, None, None]
    aside = (frame[:, 2] * config.context_mm / spacing)[:, None, None]
    where = np.stack([inside - aside, inside, inside + aside], axis=1)[::-1]  # (z y x, 3, crop, crop)
    air = float(config.window_hu[0])
    hu = ndimage.map_coordinates(case.hu, where, output=np.float32, order=1, cval=air, prefilter=False)
    sites = ndimage.map_coordinates(case.sites, where[:, 1], output=np.uint8, order=0, cval=0, prefilter=False)
    view = Window(low_hu=config.window_hu[0], high_hu=config.window_hu[1])
    return view.apply(hu), sites


def batches(
    cases: Sequence[TrainingCase], *, config: BoneConfig
) -> Callable[[int, np.random.Generator], Iterator[tuple[Tensor, Tensor]]]:
    """One epoch's batches for ``training.loop.fit``: (B, 3, crop, crop) and (B, crop, crop)."""

    def make(epoch: int, generator: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(config.samples // config.batch):
            drawn = [draw_sample(cases, config=config, generator=generator) for _ in range(config.batch)]
            images, labels = zip(*drawn, strict=True)
            yield torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels))

    return make


def validation_metrics(network: nn.Module, cases: Sequence[TrainingCase], *, config: BoneConfig) -> dict[str, float]:
    """Pooled Dice over ``PLANES_A_CASE`` fixed planes a scan, and how often the site is right."""
    hits = sums = right = known = 0.0
    device = next(network.parameters()).device
    for number, case in enumerate(cases):
        generator = np.random.default_rng([7, number])
        drawn = [draw_sample([case], config=config, generator=generator, plain=True) for _ in range(PLANES_A_CASE)]
        images, labels = (np.stack(part) for part in zip(*drawn, strict=True))
        with torch.inference_mode():
            logits = network(torch.from_numpy(images).to(device)).float().cpu()
        found, true = logits[:, 0].numpy() > 0, labels > 0
        hits += 2 * float((found & true).sum())
        sums += float(found.sum() + true.sum())
        if case.has_sites:
            right += float((logits[:, 1:].argmax(dim=1).numpy() + 1 == labels)[true].sum())
            known += float(true.sum())
    return {"dice": hits / sums if sums else 1.0, "site_accuracy": right / known if known else 1.0}


def bone_masks(
    network: nn.Module,
    hu: NDArray[Any],
    *,
    spacing_mm: tuple[float, float, float],
    config: BoneConfig,
    on_slice: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.uint8]:
    """Site number of every bone voxel and 0 elsewhere, uint8 (z, y, x), of an axial volume in HU.

    The network's cubes are coarser than the scan: where it is in doubt, the scan's own voxels decide, bright ones being
    bone at a lower chance if sure bone is near. Cavities that bone encloses on all sides are filled up to
    ``LARGEST_HOLE_MM3``; what has no cortex and what is outside the body is no bone.
    """
    cubes = _to_cubes(hu, spacing_mm=spacing_mm, config=config)
    body = _body(cubes, pixel_mm=config.pixel_mm)
    box = _box(body)
    chance, sites = np.zeros_like(cubes), np.zeros_like(cubes)
    chance[box], sites[box] = _all_planes(network, cubes[box], config=config, on_plane=on_slice)
    chance[~body] = 0
    least, least_bright = 255 * config.threshold, 255 * min(config.threshold, config.bright_threshold)
    _settle_core(chance, config=config)
    _clear_without_cortex(chance, cubes, config=config)
    near = _near(chance > least, pixel_mm=config.pixel_mm)
    cavities = _cavities(chance > 255 * SHELL_CHANCE, pixel_mm=config.pixel_mm)
    result = np.zeros(hu.shape, dtype=np.uint8)
    depth, (height, width) = hu.shape[0], hu.shape[1:]
    for index in range(depth):
        position = float(np.clip((index + 0.5) * len(chance) / depth - 0.5, 0, len(chance) - 1))
        below = int(position)
        above, share, nearest = min(below + 1, len(chance) - 1), np.float32(position - below), round(position)
        if not (chance[below].any() or chance[above].any()):
            continue
        mixed = chance[below] * (1 - share) + chance[above] * share
        fine = cv2.resize(mixed, (width, height), interpolation=cv2.INTER_LINEAR)
        close = cv2.resize(near[nearest], (width, height), interpolation=cv2.INTER_NEAREST_EXACT) > 0
        bone = (fine > least) | (close & (fine > least_bright) & (hu[index] > config.bright_hu))
        cavity = cv2.resize(cavities[nearest], (width, height), interpolation=cv2.INTER_NEAREST_EXACT) > 0
        bone |= cavity & (hu[index] > EMPTY_HU)
        named = cv2.resize(sites[nearest], (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        result[index] = np.where(bone, np.maximum(named, 1), 0)
    return result


def _all_planes(
    network: nn.Module, cubes: NDArray[np.uint8], *, config: BoneConfig, on_plane: Callable[[int, int], None]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Mean chance of bone (0 to 255) of every cube over the three directions; its likeliest site (from 1) on axial."""
    total, done = np.zeros(cubes.shape, dtype=np.uint16), 0
    sites = np.zeros(cubes.shape, dtype=np.uint8)
    step = max(1, round(config.context_mm / config.pixel_mm))
    for axis in range(3):
        turned, summed = np.moveaxis(cubes, axis, 0), np.moveaxis(total, axis, 0)
        count = len(turned)
        for start in range(0, count, TOGETHER):
            chosen = [k for k in range(start, min(start + TOGETHER, count)) if turned[k].any()]
            if chosen:
                near = [(max(k - step, 0), k, min(k + step, count - 1)) for k in chosen]
                images = np.stack([np.stack([turned[j] for j in three]) for three in near]).astype(np.float32)
                chance, named = _predict(network, images / np.float32(255))
                summed[chosen] += np.rint(chance * 255).astype(np.uint16)
                if axis == 0:
                    sites[chosen] = named
            done += min(TOGETHER, count - start)
            on_plane(done, sum(cubes.shape))
    return ((total + 1) // 3).astype(np.uint8), sites


def _predict(network: nn.Module, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Probability of bone and number of the likeliest site, each (B, H, W), of planes (B, 3, H, W)."""
    edge = ((0, 0), (0, 0), (MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX))
    padded = np.stack([pad_to_multiple(image, STRIDE) for image in np.pad(images, edge)])
    rows, columns = (slice(MARGIN_PX, MARGIN_PX + side) for side in images.shape[2:])
    weight = next(network.parameters())
    planes = torch.from_numpy(padded).to(weight.device, weight.dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        logits = network(planes).float().cpu()
    kept = logits[:, :, rows, columns]
    return kept[:, 0].sigmoid().numpy(), (kept[:, 1:].argmax(dim=1) + 1).to(torch.uint8).numpy()


def _body(cubes: NDArray[np.uint8], *, pixel_mm: float) -> NDArray[np.bool_]:
    """Where there is a body: parts of anything but air, thick and large enough, and a margin round them."""
    reach = max(1, round(THIN_MM / 2 / pixel_mm))
    ball = ndimage.generate_binary_structure(3, 1)
    thick = ndimage.binary_erosion(cubes > 0, ball, iterations=reach, border_value=1)
    parts, count = ndimage.label(thick)
    if not count:
        return cubes > 0
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept = sizes >= STRAY_SHARE * sizes.max()
    return np.asarray(ndimage.binary_dilation(kept[parts], ball, iterations=reach + 1), dtype=bool)


def _box(body: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The part of a volume that holds the body; all of it where there is none."""
    found = ndimage.find_objects(body.astype(np.uint8))
    box = found[0] if found else tuple(slice(0, side) for side in body.shape)
    return box[0], box[1], box[2]


def _settle_core(chance: NDArray[np.uint8], *, config: BoneConfig) -> None:
    """Make sure, in place, of what lies a cube or more under the surface of all that reaches ``core_threshold``.

    Marrow that the network half doubts is bone if it is deep inside; at the surface the higher threshold decides.
    """
    loose = chance > 255 * config.core_threshold
    deep = ndimage.binary_erosion(loose, ndimage.generate_binary_structure(3, 1), border_value=1)
    np.maximum(chance, CORE_CHANCE, out=chance, where=deep)


def _clear_without_cortex(chance: NDArray[np.uint8], cubes: NDArray[np.uint8], *, config: BoneConfig) -> None:
    """Take away, in place, connected parts of sure bone that are large and nowhere as dense as cortex."""
    parts, count = ndimage.label(chance > 255 * config.threshold)
    if not count:
        return
    low, high = config.window_hu
    dense = cubes > 255 * (CORTEX_HU - low) / (high - low)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    cortex = np.bincount(parts[dense], minlength=count + 1)
    lacking = (sizes * config.pixel_mm**3 >= CORTEX_MM3) & (cortex < CORTEX_SHARE * sizes)
    lacking[0] = False
    chance[lacking[parts]] = 0


def _near(sure: NDArray[np.bool_], *, pixel_mm: float) -> NDArray[np.uint8]:
    """1 within ``BRIGHT_REACH_MM`` of sure bone."""
    ball = ndimage.generate_binary_structure(3, 1)
    return np.asarray(
        ndimage.binary_dilation(sure, ball, iterations=max(1, round(BRIGHT_REACH_MM / pixel_mm))), np.uint8
    )


def _cavities(bone: NDArray[np.bool_], *, pixel_mm: float) -> NDArray[np.uint8]:
    """What bone, its gaps sealed, encloses on all sides, up to ``LARGEST_HOLE_MM3``; 1 there."""
    reach = max(1, round(SEAL_MM / pixel_mm))
    ball = ndimage.generate_binary_structure(3, 1)
    sealed = ndimage.binary_closing(np.pad(bone, reach), ball, iterations=reach)
    outside, count = ndimage.label(~sealed)
    if count < 2:
        return np.zeros(bone.shape, dtype=np.uint8)
    sizes = np.bincount(outside.ravel())
    hole = sizes * pixel_mm**3 <= LARGEST_HOLE_MM3
    hole[0] = False
    inner = slice(reach, -reach)
    return np.asarray(hole[outside][inner, inner, inner], dtype=np.uint8)


def _to_cubes(hu: NDArray[Any], *, spacing_mm: tuple[float, float, float], config: BoneConfig) -> NDArray[np.uint8]:
    """Windowed voxels as cubes of ``pixel_mm``, 0 to 255, over the same field of view."""
    view = Window(low_hu=config.window_hu[0], high_hu=config.window_hu[1])
    depth = hu.shape[0]
    count = max(1, round(depth * spacing_mm[2] / config.pixel_mm))
    made: list[NDArray[np.uint8]] = []
    cache: dict[int, NDArray[np.float32]] = {}

    def plane(index: int) -> NDArray[np.float32]:
        if index not in cache:
            for old in [k for k in cache if k < index - 8]:
                del cache[old]
            cache[index] = resize_slice(view.apply(hu[index]), from_mm=spacing_mm[:2], to_mm=config.pixel_mm)
        return cache[index]

    for k in range(count):
        weights = _weights(k, count=count, depth=depth)
        mixed = sum(np.float32(weight) * plane(index) for index, weight in weights)
        made.append(np.rint(np.asarray(mixed) * 255).astype(np.uint8))
    return np.stack(made)


def _weights(k: int, *, count: int, depth: int) -> list[tuple[int, float]]:
    """Which source slices make up target slice ``k``: linear between two, or the mean over all it covers."""
    scale = depth / count
    if scale > 1.3:
        low, high = k * scale, (k + 1) * scale
        inside = range(int(low), min(int(np.ceil(high)), depth))
        return [(i, (min(i + 1, high) - max(i, low)) / (high - low)) for i in inside]
    position = float(np.clip((k + 0.5) * scale - 0.5, 0, depth - 1))
    below = int(position)
    return [(below, 1 - (position - below)), (min(below + 1, depth - 1), position - below)]
